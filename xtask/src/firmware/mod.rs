//! `cargo xtask firmware`: a device in QEMU, its power cut for real, its history in a real log.
//!
//! ```text
//! imgtool · firmlog release ──► image of MCUboot, its evidence in it ── UART ──► device
//! device ── UART ──► test ── firmlog statement submit ──► log ── bundle ──► firmlog verify
//!   └── external flash: a file that survives the emulator's SIGKILL
//! ```
//!
//! In scope: signatures as other providers judge and make them, install, power cut in the middle,
//! recovery, rollback, refusals, lost pages, brown-outs, other builds, floods, and the history of
//! all of it in the log. Out of scope: every byte of every history (`cargo xtask power`), sizes
//! (`cargo xtask size`).
//!
//! Invariants:
//! - Power goes by killing the emulator, by its id, while it writes.
//! - Everything is below `target/firmware`; sockets are on loopback.

mod emulator;
mod hardships;
mod images;
mod journal;
mod line;
mod objects;
mod signatures;
mod stage;
mod story;

pub(crate) use emulator::{Emulator, blank_flash};

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

use crate::setup::{self, Part, board};
use crate::sh;

/// Runs the command.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if !args.is_empty() {
        bail!("usage: cargo xtask firmware");
    }
    setup::ensure(&[Part::Board, Part::Python])?;
    sh::run(sh::cargo().args(["build", "--quiet", "--package", "firmlog"]))?;
    sh::run(board::cargo().args(["--quiet", "--package", "firmlog-device"]))?;
    let dir = sh::root().join("target/firmware");
    let stage = stage::Stage::set(&dir)?;
    objects::compare(&dir)?;
    signatures::compare(&dir)?;
    let images = [("rust", board::built("firmlog-device")), ("c", image_in_c(&dir)?)];
    let releases = story::Releases::publish(&stage)?;
    // Two devices at one log, each with its own flash.
    std::thread::scope(|scope| {
        let play = |(name, image): &(&'static str, PathBuf)| {
            let (name, image, stage, releases) = (*name, image.clone(), &stage, &releases);
            scope.spawn(move || story::play(name, &image, stage, releases))
        };
        let playing: Vec<_> = images.iter().map(play).collect();
        playing.into_iter().try_for_each(|it| it.join().map_err(|_| anyhow!("a story panicked"))?)
    })?;
    println!("{} passed, 0 failed", images.len());
    Ok(())
}

/// The device in C: the library, the header, and no libc.
fn image_in_c(dir: &Path) -> Result<PathBuf> {
    let (library, image) = (board::library()?, dir.join("device-in-c"));
    let mut gcc = sh::command("arm-none-eabi-gcc");
    gcc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-Os", "-mcpu=cortex-m4", "-mthumb"]);
    gcc.args(["-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-ffreestanding", "-nostdlib"]);
    gcc.args(["-ffunction-sections", "-fdata-sections", "-Icrates/capi/include"]);
    gcc.args(["firmware/c/board.c", "firmware/c/device.c"]).arg(library);
    gcc.args(["-Wl,--gc-sections", "-Wl,-z,noexecstack", "-T", "firmware/c/link.ld", "-o"]);
    sh::run(gcc.arg(&image))?;
    Ok(image)
}
