//! `cargo xtask header`: the C header of the agent's library, written from its source.
//!
//! The header is kept in the repository, so that a change of the interface is seen in review and a
//! C developer needs no Rust tool to read it.

use std::fs;

use anyhow::{Result, bail};

use crate::setup::{self, Part};
use crate::sh;

const HEADER: &str = "crates/capi/include/firmlog.h";

/// Runs the command: `header [--check]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => bail!("usage: cargo xtask header [--check]"),
    };
    setup::ensure(&[Part::C])?;
    let fresh = written()?;
    let path = sh::root().join(HEADER);
    if !check {
        return Ok(fs::write(path, fresh)?);
    }
    if fs::read_to_string(&path).unwrap_or_default() != fresh {
        bail!("{HEADER} is not what its source says; run `cargo xtask header`");
    }
    Ok(())
}

fn written() -> Result<String> {
    let mut write = sh::command(setup::cbindgen());
    write.args(["--quiet", "--config", "crates/capi/cbindgen.toml", "crates/capi"]);
    sh::read(&mut write)
}
