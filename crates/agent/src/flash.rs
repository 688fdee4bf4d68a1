//! The flash a journal lives in, as the board gives it to us.
//!
//! ```text
//! erased      ff ff ff ff   a page at a time
//! programmed  bits go from 1 to 0, a word at a time, each word once until the next erase
//! ```
//!
//! The journal asks for no more than the poorest part offers: flash with error correction takes
//! each word once. A file or an eMMC partition meets the contract by writing through to the medium
//! before it returns.

/// Erasable pages of programmable words.
pub trait Flash {
    /// How many pages there are.
    fn pages(&self) -> u32;

    /// Reads `out.len()` bytes from byte address `at`.
    ///
    /// # Errors
    /// What the driver reports.
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError>;

    /// Programs whole words that are erased, in ascending order; durable when it returns.
    ///
    /// # Errors
    /// What the driver reports; some of the words may be programmed then.
    fn program(&mut self, at: u32, words: &[u8]) -> Result<(), FlashError>;

    /// Sets every byte of a page to 0xff; durable when it returns.
    ///
    /// # Errors
    /// What the driver reports; the page may hold anything then.
    fn erase(&mut self, page: u32) -> Result<(), FlashError>;
}

impl<F: Flash + ?Sized> Flash for &mut F {
    fn pages(&self) -> u32 {
        (**self).pages()
    }
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError> {
        (**self).read(at, out)
    }
    fn program(&mut self, at: u32, words: &[u8]) -> Result<(), FlashError> {
        (**self).program(at, words)
    }
    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        (**self).erase(page)
    }
}

/// What went wrong in the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum FlashError {
    /// The driver failed.
    Driver = 1,
    /// Outside the flash, or not whole words.
    Bounds = 2,
    /// What was programmed does not read back, or a page is not blank after its erase.
    Worn = 3,
}
