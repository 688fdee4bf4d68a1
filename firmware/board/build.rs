//! Puts the memory layout where the linker finds it, for every image of this board.

use std::path::PathBuf;
use std::{env, fs};

fn main() -> std::io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(std::io::ErrorKind::NotFound)?);
    // Not named `memory.x` here: the linker looks in its working folder first.
    fs::copy("memory.x.an386", out.join("memory.x"))?;
    // No interrupts but the processor's own: the table of vectors ends behind those.
    fs::write(out.join("device.x"), "")?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rerun-if-changed=memory.x.an386");
    Ok(())
}
