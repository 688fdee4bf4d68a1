//! A simulated device's journal: its own statements, durable before it goes on.
//!
//! ```text
//! journal.bin   u32 length ‖ entry ‖ first 8 bytes of SHA-256(length ‖ entry), one after another
//! sent          how many of them a receipt covers
//! ```
//!
//! Invariants:
//! - [`Journal::append`] returns after `fdatasync`: what it took survives a power cut.
//! - A record cut short by a power cut is dropped when the journal is opened; one that is whole and
//!   wrong is an error, because a journal that skips hides evidence.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use firmlog_statement::entry_hash;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Bytes of a record before its entry, and after it.
const HEAD: usize = 4;
const CHECK: usize = 8;

/// The journal of one device.
pub(crate) struct Journal {
    file: File,
    dir: PathBuf,
    seed: [u8; 32],
    entries: Vec<Vec<u8>>,
    sent: usize,
}

impl Journal {
    /// Opens or makes the journal in a device's directory.
    pub(crate) fn open(dir: &Path, seed: [u8; 32]) -> Result<Self> {
        let path = dir.join("journal.bin");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| Error::io("open", &path, e))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| Error::io("read", &path, e))?;
        let (entries, whole) = parse(&bytes).ok_or_else(|| {
            Error::new("E-JOURNAL", format!("ALTERED: {} is damaged", path.display()))
                .exit(crate::error::Exit::Against)
        })?;
        file.set_len(whole).map_err(|e| Error::io("cut", &path, e))?;
        file.seek(SeekFrom::End(0)).map_err(|e| Error::io("seek in", &path, e))?;
        let sent = std::fs::read_to_string(dir.join("sent")).unwrap_or_default();
        let sent = sent.trim().parse().unwrap_or(0);
        Ok(Self { file, dir: dir.to_owned(), seed, entries, sent })
    }

    /// Place of the next statement in the chain.
    pub(crate) fn next_seq(&self) -> u64 {
        self.entries.len() as u64
    }

    /// `prev` of the next statement.
    pub(crate) fn prev(&self) -> [u8; 32] {
        self.entries.last().map_or(self.seed, |entry| entry_hash(entry))
    }

    /// The oldest statement.
    pub(crate) fn first(&self) -> Option<&[u8]> {
        self.entries.first().map(Vec::as_slice)
    }

    /// The newest statement.
    pub(crate) fn last(&self) -> Option<&[u8]> {
        self.entries.last().map(Vec::as_slice)
    }

    /// Writes a statement and waits until it is durable.
    pub(crate) fn append(&mut self, entry: &[u8]) -> Result<()> {
        let path = self.dir.join("journal.bin");
        self.file
            .write_all(&record(entry))
            .and_then(|()| self.file.sync_data())
            .map_err(|e| Error::io("write", &path, e))?;
        self.entries.push(entry.to_vec());
        Ok(())
    }

    /// Statements that no receipt covers yet.
    pub(crate) fn unsent(&self) -> &[Vec<u8>] {
        self.entries.get(self.sent..).unwrap_or_default()
    }

    /// Notes that the log has all of them.
    pub(crate) fn all_sent(&mut self) -> Result<()> {
        self.sent = self.entries.len();
        let path = self.dir.join("sent");
        std::fs::write(&path, self.sent.to_string()).map_err(|e| Error::io("write", &path, e))
    }
}

/// An entry as it stands in the journal.
pub(crate) fn record(entry: &[u8]) -> Vec<u8> {
    let mut record = (entry.len() as u32).to_be_bytes().to_vec();
    record.extend_from_slice(entry);
    let check = Sha256::digest(&record);
    record.extend_from_slice(&check[..8]);
    record
}

/// The records and how many bytes they take; `None` if a whole record is wrong.
pub(crate) fn parse(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, u64)> {
    let (mut entries, mut at) = (Vec::new(), 0);
    while let Some((head, rest)) = bytes[at..].split_first_chunk::<4>() {
        let len = u32::from_be_bytes(*head);
        let Some(end) = whole(len, rest) else {
            // A record that ends behind the file was cut short, unless it is whole under another
            // length: dropping it would then hide what follows.
            let altered = (0..32).any(|bit| is_sound(len ^ 1 << bit, rest));
            return (!altered).then_some((entries, at as u64));
        };
        if !is_sound(len, rest) {
            return None;
        }
        entries.push(rest[..end].to_vec());
        at += HEAD + end + CHECK;
    }
    Some((entries, at as u64))
}

/// Where the entry of that length ends, if its checksum is there as well.
fn whole(len: u32, rest: &[u8]) -> Option<usize> {
    let end = usize::try_from(len).ok()?;
    rest.len().checked_sub(CHECK).filter(|room| *room >= end).map(|_| end)
}

fn is_sound(len: u32, rest: &[u8]) -> bool {
    whole(len, rest).is_some_and(|end| record(&rest[..end])[HEAD..] == rest[..end + CHECK])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_cut_at_every_byte_loses_at_most_the_last_record() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut journal = Journal::open(dir.path(), [7; 32]).expect("opens");
        journal.append(b"first").expect("appends");
        journal.append(b"second").expect("appends");
        let whole = std::fs::read(dir.path().join("journal.bin")).expect("reads");
        let first = 4 + 5 + 8;
        for cut in 0..whole.len() {
            std::fs::write(dir.path().join("journal.bin"), &whole[..cut]).expect("writes");
            let journal = Journal::open(dir.path(), [7; 32]).expect("opens after a cut");
            assert_eq!(journal.next_seq(), u64::from(cut >= first), "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let whole = [record(b"first"), record(b"second")].concat();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&bytes), None, "bit {bit}");
        }
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("journal.bin"), [&[0x80], &whole[1..]].concat())
            .expect("writes");
        assert!(Journal::open(dir.path(), [7; 32]).is_err());
    }
}
