//! What a test bench asks of a start: words that it writes into a page of flash beforehand.
//!
//! ```text
//! 00  after how many words of flash power goes      04  pages of the journal, as another build has
//! ```
//!
//! All ones ask for nothing: a device that is no test piece has a blank page there, or none.

use crate::{NorFlash, flash, layout};

fn word(at: usize) -> Option<u32> {
    let page = NorFlash::region(layout::BENCH, 1)?.as_slice();
    let word = page.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word)).filter(|word| *word != u32::MAX)
}

/// Has power go as the bench wants it to.
pub fn obey() {
    if let Some(words) = word(0) {
        flash::stop_after(words);
    }
}

/// Pages of the journal.
#[must_use]
pub fn journal_pages() -> usize {
    word(4).map_or(layout::JOURNAL_PAGES, |pages| pages as usize)
}
