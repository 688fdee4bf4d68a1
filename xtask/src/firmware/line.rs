//! The production line: the factory page and the first image, as a programmer writes them.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context, Result};

const FACTORY: u64 = 0;
const SLOT_A: u64 = 0x10_0000;

/// What a device is made with.
pub(super) struct Made<'a> {
    pub(super) secret: [u8; 32],
    pub(super) seed: [u8; 32],
    pub(super) genesis: [u8; 32],
    pub(super) quorum: u8,
    /// Whose signature an image must carry, x ‖ y.
    pub(super) image_key: [u8; 64],
    /// Issuer, subject, model, whose releases it takes, the log's key, the witnesses' keys.
    pub(super) texts: Vec<&'a str>,
}

/// Writes the factory page.
pub(super) fn make(flash: &Path, made: &Made<'_>) -> Result<()> {
    let mut page = b"FLf2".to_vec();
    page.extend(made.secret);
    page.extend(made.seed);
    page.extend(made.genesis);
    page.extend([made.quorum, u8::try_from(made.texts.len().saturating_sub(5))?, 0, 0]);
    page.extend(made.image_key);
    for text in &made.texts {
        page.push(u8::try_from(text.len()).context("a text of the factory page is too long")?);
        page.extend(text.as_bytes());
    }
    write(flash, FACTORY, &page)
}

/// Writes the image a device leaves the line with.
pub(super) fn first_image(flash: &Path, image: &[u8]) -> Result<()> {
    write(flash, SLOT_A, image)
}

fn write(flash: &Path, at: u64, bytes: &[u8]) -> Result<()> {
    Ok(OpenOptions::new().write(true).open(flash)?.write_all_at(bytes, at)?)
}
