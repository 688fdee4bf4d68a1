//! What a test bench does to a device's journal while it is off: pages lost, notes and heads of
//! another version. Layout: docs/spec/journal.md.

use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context, Result};

const AT: u64 = 0x1_0000;
const BENCH: u64 = 0x4000;
const PAGE: usize = 4096;
const PAGES: usize = 16;
const WORD: usize = 4;
/// A head, and what is in front of the records of a page.
const FRAME: usize = 128;
const HEADER: usize = 64;

/// All of it.
pub(super) fn read(flash: &Path) -> Result<Vec<u8>> {
    let mut bytes = vec![0; PAGE * PAGES];
    OpenOptions::new().read(true).open(flash)?.read_exact_at(&mut bytes, AT)?;
    Ok(bytes)
}

/// Puts all of it back.
pub(super) fn write(flash: &Path, bytes: &[u8]) -> Result<()> {
    Ok(OpenOptions::new().write(true).open(flash)?.write_all_at(bytes, AT)?)
}

/// What the bench asks of the starts from now on: after how many words power goes, and how many
/// pages the journal has.
pub(super) fn ask(flash: &Path, stop_after: Option<u32>, pages: Option<u32>) -> Result<()> {
    let words = [stop_after, pages].map(|word| word.unwrap_or(u32::MAX).to_le_bytes());
    Ok(OpenOptions::new().write(true).open(flash)?.write_all_at(words.as_flattened(), BENCH)?)
}

/// Blanks the newest page; how many records were on it.
pub(super) fn lose_newest_page(flash: &Path) -> Result<u32> {
    let mut bytes = read(flash)?;
    let page = newest_page(&bytes).context("no page of records")?;
    let lost = records(&bytes, page).len();
    bytes.get_mut(page..page.saturating_add(PAGE)).context("a page")?.fill(0xff);
    write(flash, &bytes)?;
    Ok(u32::try_from(lost)?)
}

/// The journal as a version leaves it whose notes have the next number.
pub(super) fn of_newer_note(journal: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = journal.to_vec();
    let page = newest_page(&bytes).context("no page of records")?;
    let newest = records(&bytes, page).pop().context("a page without records")?;
    let record = bytes.get_mut(newest).context("a record")?;
    *record.get_mut(HEADER).context("a note")? += 1;
    let body = crc32c(record.get(HEADER..).context("a body")?);
    put(record, 56, body)?;
    let header = crc32c(record.get(..60).context("a header")?);
    put(record, 60, header)?;
    Ok(bytes)
}

/// The journal as a version leaves it whose format has the next digit.
pub(super) fn of_newer_format(journal: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = journal.to_vec();
    for at in (0..2 * PAGE).step_by(WORD) {
        let Some(head) = bytes.get_mut(at..at.saturating_add(FRAME)) else { break };
        if head.starts_with(b"FLh2") {
            *head.get_mut(3).context("a digit")? += 1;
            let crc = crc32c(head.get(..124).context("a head")?);
            put(head, 124, crc)?;
        }
    }
    Ok(bytes)
}

fn put(bytes: &mut [u8], at: usize, crc: u32) -> Result<()> {
    let room = bytes.get_mut(at..at.saturating_add(4)).context("room for a checksum")?;
    room.copy_from_slice(&crc.to_be_bytes());
    Ok(())
}

/// Where the page with the highest number begins.
fn newest_page(journal: &[u8]) -> Option<usize> {
    let number = |page: &usize| {
        let header = journal.get(*page..page.saturating_add(16))?;
        let number = u64::from_be_bytes(*header.last_chunk()?);
        header.starts_with(b"FLp2").then_some(number)
    };
    let pages = (2..PAGES).map(|page| page.saturating_mul(PAGE));
    pages.filter(|page| number(page).is_some()).max_by_key(number)
}

/// The records of a page, oldest first.
fn records(journal: &[u8], page: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = page.saturating_add(FRAME);
    while let Some([1 | 2, note, high, low]) = journal.get(at..).and_then(|it| it.first_chunk()) {
        let entry = usize::from(u16::from_be_bytes([*high, *low]));
        let len = entry.saturating_add(usize::from(*note)).saturating_add(HEADER);
        let end = at.saturating_add(len.next_multiple_of(WORD));
        if end > page.saturating_add(PAGE) {
            break;
        }
        found.push(at..end);
        at = end;
    }
    found
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 }
        })
    })
}
