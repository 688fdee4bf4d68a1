//! A file or a partition as the journal's flash: written through before a call returns.
//!
//! ```text
//! /var/lib/firmlog-agent/journal   1 MiB, 256 pages of 4 KiB
//! /dev/mmcblk0p7                   a partition of its own; its size decides the pages
//! ```
//!
//! Invariants:
//! - A write that returned is on the medium: `fdatasync` after each.
//! - After a sync that failed nothing is written any more: what the kernel then still shows as
//!   written may never get there. Opening anew reads what is on the medium.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use firmlog_agent::{Flash, FlashError};

/// Bytes of a page: that of file systems and of most eMMC.
pub(crate) const PAGE: usize = 4096;
/// Bytes of a word.
pub(crate) const WORD: usize = 8;
/// The largest journal, in bytes: addresses have 32 bits.
const BYTES_MAX: u64 = 1 << 31;

/// A file or block device.
#[derive(Debug)]
pub(crate) struct FileFlash {
    file: File,
    pages: u32,
    failed: bool,
}

impl FileFlash {
    /// Opens what is there.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        Self::of(File::options().read(true).write(true).open(path)?)
    }

    /// Opens a partition, or makes a file of that many bytes that is not there yet. A device that
    /// is missing is no file to make: what stands in /dev is gone at the next start.
    pub(crate) fn create(path: &Path, bytes: u64) -> std::io::Result<Self> {
        let is_device = path.metadata().is_ok_and(|data| data.file_type().is_block_device());
        if is_device || path.starts_with("/dev") {
            return Self::open(path);
        }
        let new = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        new.set_len(bytes)?;
        new.sync_all()?;
        Self::of(new)
    }

    fn of(mut file: File) -> std::io::Result<Self> {
        // The size of a block device is where it ends.
        let bytes = file.seek(SeekFrom::End(0))?.min(BYTES_MAX);
        let pages = u32::try_from(bytes / PAGE as u64).unwrap_or(u32::MAX);
        Ok(Self { file, pages, failed: false })
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), FlashError> {
        if self.failed {
            return Err(FlashError::Driver);
        }
        self.file.write_all_at(bytes, at.into()).and_then(|()| self.file.sync_data()).map_err(
            |error| {
                tracing::error!(%error, "the journal cannot be written");
                self.failed = true;
                FlashError::Driver
            },
        )
    }
}

impl Flash for FileFlash {
    fn pages(&self) -> u32 {
        self.pages
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError> {
        if self.failed {
            return Err(FlashError::Driver);
        }
        self.file.read_exact_at(out, at.into()).map_err(|_| FlashError::Driver)
    }

    fn program(&mut self, at: u32, words: &[u8]) -> Result<(), FlashError> {
        self.write(at, words)
    }

    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        let at = page.checked_mul(PAGE as u32).ok_or(FlashError::Bounds)?;
        self.write(at, &[0xff; PAGE])
    }
}
