//! External flash, mapped into memory: read as memory, programmed word by word, erased by page.
//!
//! ```text
//! QEMU    -object memory-backend-file,…,share=on    what is written is in the file at once
//! SIGKILL between two words                         what was written stays, the rest is blank
//! ```
//!
//! Invariant: a word that is not blank is never programmed, and a read never leaves the region.

use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use firmlog_agent::{Flash, FlashError};

/// Where external flash begins.
const BASE: usize = 0x2100_0000;
/// How long it is, bytes.
pub const LEN: usize = 16 << 20;
/// Bytes in a page.
pub const PAGE: usize = 4096;
/// Bytes in a word.
pub const WORD: usize = 4;

/// A region of external flash.
#[derive(Debug)]
pub struct NorFlash {
    base: usize,
    len: usize,
}

/// Words that may still be written before the driver stops for good; all ones while it never does.
static LEFT: AtomicU32 = AtomicU32::new(u32::MAX);

/// Stops the processor after this many more words were written, in the middle of whatever operation
/// that is, so that a test can cut power there.
pub fn stop_after(words: u32) {
    LEFT.store(words, Ordering::Relaxed);
}

impl NorFlash {
    /// The pages from byte `at` of external flash on; none outside of it or not whole pages.
    #[must_use]
    pub fn region(at: usize, pages: usize) -> Option<Self> {
        let len = pages.checked_mul(PAGE)?;
        let end = at.checked_add(len)?;
        (at.is_multiple_of(PAGE) && end <= LEN).then_some(Self { base: BASE + at, len })
    }

    /// All of the region.
    #[must_use]
    pub fn as_slice(&self) -> &'static [u8] {
        // SAFETY: `region` checked that base and length lie in external flash, which is always
        // mapped. What is borrowed from a region is not used any more when that is written again.
        unsafe { core::slice::from_raw_parts(self.base as *const u8, self.len) }
    }

    fn write_word(&mut self, at: usize, word: u32) {
        match LEFT.load(Ordering::Relaxed) {
            u32::MAX => {}
            0 => {
                crate::Uart::open().text("stopped").end();
                crate::halt()
            }
            left => LEFT.store(left - 1, Ordering::Relaxed),
        }
        // SAFETY: callers checked that the word lies in the region and is aligned.
        unsafe { ptr::write_volatile((self.base + at) as *mut u32, word) }
    }

    fn word(&self, at: usize) -> u32 {
        // SAFETY: as for `write_word`.
        unsafe { ptr::read_volatile((self.base + at) as *const u32) }
    }

    fn at(&self, at: u32, len: usize) -> Result<usize, FlashError> {
        let at = at as usize;
        match at.checked_add(len) {
            Some(end) if end <= self.len => Ok(at),
            _ => Err(FlashError::Bounds),
        }
    }
}

impl Flash for NorFlash {
    fn pages(&self) -> u32 {
        (self.len / PAGE) as u32
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError> {
        let at = self.at(at, out.len())?;
        out.copy_from_slice(self.as_slice().get(at..at + out.len()).ok_or(FlashError::Bounds)?);
        Ok(())
    }

    fn program(&mut self, at: u32, words: &[u8]) -> Result<(), FlashError> {
        let at = self.at(at, words.len())?;
        let (whole, rest) = words.as_chunks::<WORD>();
        if !at.is_multiple_of(WORD) || !rest.is_empty() {
            return Err(FlashError::Bounds);
        }
        for (index, word) in whole.iter().enumerate() {
            let at = at + index * WORD;
            if self.word(at) != u32::MAX {
                return Err(FlashError::Driver);
            }
            self.write_word(at, u32::from_le_bytes(*word));
        }
        Ok(())
    }

    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        let from = (page as usize).checked_mul(PAGE).ok_or(FlashError::Bounds)?;
        if from.checked_add(PAGE).is_none_or(|end| end > self.len) {
            return Err(FlashError::Bounds);
        }
        (from..from + PAGE).step_by(WORD).for_each(|at| self.write_word(at, u32::MAX));
        Ok(())
    }
}
