//! The check of a release on the board: every vector of `vectors/install` is decided there as its
//! file says, and what the good one costs is told.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::told;
use crate::firmware::blank_flash;
use crate::sh;

/// The one whose cost is told.
const MEASURED: &str = "three_cosignatures";
/// Where `firmware/board/src/layout.rs` has downloaded evidence.
const PROOF: u64 = 0x28_0000;

/// Lets the board decide on each, and returns what it told of the one that is installed, with the
/// deepest stack of any.
pub(super) fn measure(image: &Path, dir: &Path) -> Result<BTreeMap<String, u64>> {
    let vectors = sh::root().join("vectors/install");
    let (mut measured, mut deepest) = (None, 0);
    for file in fs::read_dir(&vectors).context("failed to list vectors/install")? {
        let path = file?.path();
        let text = fs::read_to_string(&path)?;
        let mut told = decide(image, dir, &text).with_context(|| path.display().to_string())?;
        told.remove("release.reason");
        deepest = deepest.max(told.get("release.stack").copied().unwrap_or_default());
        if path.ends_with(MEASURED) {
            measured = Some(told);
        }
    }
    let mut measured: BTreeMap<String, u64> =
        measured.with_context(|| format!("no {MEASURED} in {}", vectors.display()))?;
    measured.insert("release.stack".into(), deepest);
    Ok(measured)
}

fn decide(image: &Path, dir: &Path, text: &str) -> Result<BTreeMap<String, u64>> {
    let (head, bundle) = text.split_once("bundle:\n").context("no bundle")?;
    let wanted = head.lines().find_map(|line| line.strip_prefix("reason: "));
    let wanted: u64 = wanted.context("no reason")?.parse()?;
    let flash = dir.join("release.flash");
    blank_flash(&flash)?;
    offer(&flash, head, &unhex(bundle)?)?;
    let told = told(image, &flash)?;
    let got = told.get("release.reason").copied();
    ensure!(got == Some(wanted), "the board decided {got:?}, the file says {wanted}");
    Ok(told)
}

/// Puts it where the image looks: the head in the first page, the bundle behind its length.
fn offer(flash: &Path, head: &str, bundle: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new().write(true).open(flash)?;
    file.write_all(head.as_bytes())?;
    file.seek(SeekFrom::Start(PROOF))?;
    file.write_all(&u32::try_from(bundle.len())?.to_le_bytes())?;
    Ok(file.write_all(bundle)?)
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'\n').collect();
    let byte = |pair: &[u8]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    digits.chunks(2).map(byte).collect()
}
