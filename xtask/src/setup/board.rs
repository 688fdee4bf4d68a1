//! What images for the emulated board are built and run with.
//!
//! The Rust libraries of the board's processor come with rustup where that reaches its server.
//! Elsewhere Debian's `rustc-web` builds them from `rust-web-src`; those are rolling security
//! packages, so their version is printed and not pinned.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::debian::{self, Program};
use crate::sh;

/// The board's processor: a Cortex-M4 with floating point.
pub(crate) const TARGET: &str = "thumbv7em-none-eabihf";

const PROGRAMS: &[Program] = &[
    ("qemu-system-arm", "qemu-system-arm"),     // the board
    ("arm-none-eabi-gcc", "gcc-arm-none-eabi"), // C, and P-256 in assembly; sizes
    ("setpriv", "util-linux"),                  // no emulator outlives the test
];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/core";

pub(super) fn missing() -> Option<String> {
    if !has_target() && !has_sources() {
        return Some(format!("no Rust for {TARGET}"));
    }
    debian::missing(PROGRAMS)
}

pub(super) fn install() -> Result<()> {
    debian::install(PROGRAMS)?;
    if has_target() {
        return Ok(());
    }
    let mut rustup = sh::command("rustup");
    if let Err(error) = sh::run(rustup.args(["target", "add", TARGET])) {
        sh::say(format_args!("{error:#}; building Rust's core from Debian's sources instead"));
        debian::packages_by_name(&["rustc-web", "rust-web-src"])?;
        sh::run(sh::command(DEBIAN_RUSTC).arg("--version").stdout(std::io::stderr()))?;
    }
    Ok(())
}

/// Whether other people's C finds a C library.
pub(super) fn no_libc() -> Option<String> {
    // The compiler answers with the bare name when it knows of no such file.
    let mut gcc = sh::command("arm-none-eabi-gcc");
    let found = sh::read(gcc.arg("-print-file-name=nano.specs")).unwrap_or_default();
    (!found.trim().contains('/')).then(|| "no libnewlib-arm-none-eabi".into())
}

/// `cargo build` of images for the board, in `firmware/`.
pub(crate) fn cargo() -> Command {
    let mut cargo = for_board(&["build", "--release", "--locked"]);
    // Settings of the main workspace are none of the images'.
    cargo.current_dir(sh::root().join("firmware"));
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    cargo
}

/// Builds the C library for the board, and tells where it is.
pub(crate) fn library() -> Result<PathBuf> {
    let mut cargo = for_board(&["rustc", "--quiet", "--locked", "--profile", "device"]);
    cargo.args(["--package", "firmlog-capi", "--lib", "--crate-type", "staticlib"]);
    cargo.args(["--no-default-features", "--features", "static,p256,install,flash-4096-4"]);
    // Beside the images: the C library takes no part in their workspace.
    let target = sh::root().join("firmware/target/library");
    cargo.args(["--target", TARGET]).env("CARGO_TARGET_DIR", &target);
    cargo.env("RUSTFLAGS", "--cfg=sha2_backend=\"soft\" --cfg=sha2_backend_soft=\"compact\"");
    sh::run(&mut cargo)?;
    Ok(target.join(TARGET).join("device/libfirmlog_capi.a"))
}

fn for_board(args: &[&str]) -> Command {
    let mut cargo = sh::cargo();
    cargo.args(args);
    if !has_target() {
        cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core");
        // Debian's compiler has no linker of its own.
        cargo.env("CARGO_TARGET_THUMBV7EM_NONE_EABIHF_LINKER", "arm-none-eabi-ld");
    }
    cargo
}

/// Where the built images are.
pub(crate) fn built(image: &str) -> PathBuf {
    sh::root().join("firmware/target").join(TARGET).join("release").join(image)
}

/// Whether images are built by the toolchain that the repository names.
pub(crate) fn is_pinned() -> bool {
    has_target()
}

fn has_target() -> bool {
    let sysroot = sh::read(sh::command("rustc").args(["--print", "sysroot"])).unwrap_or_default();
    Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

fn has_sources() -> bool {
    Path::new(DEBIAN_RUSTC).exists() && Path::new(DEBIAN_SOURCES).is_dir()
}
