//! Flash behind C's callbacks.

use crate::Status;
use core::ffi::{c_int, c_void};
use firmlog_agent::FlashError;

/// Erasable pages of programmable words that belong to the journal alone.
///
/// Each callback returns 0 when it is done and anything else when it failed. Addresses begin at 0.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Flash {
    /// Handed to each callback.
    pub context: *mut c_void,
    /// Copies `len` bytes from address `at` to `out`.
    pub read: Option<
        unsafe extern "C" fn(context: *mut c_void, at: u32, out: *mut u8, len: usize) -> c_int,
    >,
    /// Programs `len` bytes, whole words that are erased, in ascending order; durable when it
    /// returns.
    pub program: Option<
        unsafe extern "C" fn(context: *mut c_void, at: u32, words: *const u8, len: usize) -> c_int,
    >,
    /// Sets every byte of a page to 0xff; durable when it returns.
    pub erase: Option<unsafe extern "C" fn(context: *mut c_void, page: u32) -> c_int>,
    /// How many pages there are; at least six.
    pub pages: u32,
    /// Bytes of a page: what `erase` erases. A multiple of the part's own will do.
    pub page_bytes: u32,
    /// Bytes of a word: what is programmed once. A multiple of the part's own will do.
    pub word_bytes: u32,
}

impl Flash {
    pub(crate) fn check(&self) -> Result<(), Status> {
        let all = self.read.is_some() && self.program.is_some() && self.erase.is_some();
        if all { Ok(()) } else { Err(Status::NoCallback) }
    }
}

impl firmlog_agent::Flash for Flash {
    fn pages(&self) -> u32 {
        self.pages
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError> {
        let read = self.read.ok_or(FlashError::Driver)?;
        // SAFETY: the buffer is ours and as long as said; the caller keeps to its prototype.
        done(unsafe { read(self.context, at, out.as_mut_ptr(), out.len()) })
    }

    fn program(&mut self, at: u32, words: &[u8]) -> Result<(), FlashError> {
        let program = self.program.ok_or(FlashError::Driver)?;
        // SAFETY: the words are ours and as many as said; the caller keeps to its prototype.
        done(unsafe { program(self.context, at, words.as_ptr(), words.len()) })
    }

    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        let erase = self.erase.ok_or(FlashError::Driver)?;
        // SAFETY: nothing is lent; the caller keeps to its prototype.
        done(unsafe { erase(self.context, page) })
    }
}

fn done(result: c_int) -> Result<(), FlashError> {
    if result == 0 { Ok(()) } else { Err(FlashError::Driver) }
}
