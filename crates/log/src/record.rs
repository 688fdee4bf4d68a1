//! The never-fork record: the last checkpoint this log signed, in a file of its own.
//!
//! ```text
//! slot 0 (4 KiB)  "FLNF" crc32c seq=6 size=1024 root[32] origin[32] len checkpoint …
//! slot 1 (4 KiB)  "FLNF" crc32c seq=7 size=1031 …            ← the newest valid slot counts
//! ```
//!
//! In scope: reading, overwriting, and the lock on the file. Out of scope: whether the data
//! agrees with it (`recovery`).
//!
//! Invariants:
//! - The file is made by [`Record::create`] alone, which refuses to replace one. It is not part of
//!   a backup, so a restored older copy of the data finds a newer record and refuses to sign.
//! - A checkpoint is shown to nobody before the slot that holds it is durable. Dying before that
//!   leaves the other slot, with the last checkpoint that anybody can have seen.

use std::path::{Path, PathBuf};

use firmlog_tlog::merkle::{Hash, TreeHead, TreeSize};

use crate::disk::{Disk, DiskFile};
use crate::error::LogError;

const SLOT: usize = 4096;
const MAGIC: u32 = u32::from_le_bytes(*b"FLNF");
const FIXED: usize = 100;

/// The open record. Holds the lock.
pub(crate) struct Record {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    origin: Hash,
    seq: u64,
    slot: Box<[u8; SLOT]>,
    _lock: Box<dyn Send + Sync>,
}

/// What the record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) seq: u64,
    pub(crate) head: TreeHead,
    pub(crate) checkpoint: String,
}

impl Record {
    /// Makes the record of a new log, saying that nothing was signed yet (size 0).
    pub(crate) fn create(disk: &dyn Disk, path: &Path, origin: &str) -> Result<(), LogError> {
        if disk.open(path).is_ok() {
            return Err(LogError::Exists(path.to_path_buf()));
        }
        let dir = path.parent().unwrap_or(Path::new("."));
        disk.create_dirs(dir).map_err(LogError::io("create", dir))?;
        disk.preallocate(path, 2 * SLOT as u64).map_err(LogError::io("create", path))?;
        let mut record = Self::unread(disk, path, origin)?;
        record.store(&TreeHead::empty(), "")?;
        // The name must survive as well: without it the log would not start again.
        disk.sync_dir(dir).map_err(LogError::io("sync", dir))
    }

    /// Locks and reads the record.
    pub(crate) fn open(
        disk: &dyn Disk,
        path: &Path,
        origin: &str,
    ) -> Result<(Self, Signed), LogError> {
        let mut record = Self::unread(disk, path, origin)?;
        let mut newest: Option<Signed> = None;
        for slot in 0..2u64 {
            let mut bytes = Box::new([0u8; SLOT]);
            record
                .file
                .read_at(&mut bytes[..], slot * SLOT as u64)
                .map_err(LogError::io("read", path))?;
            let Some((signed, of)) = decode(&bytes) else { continue };
            if of != record.origin {
                return Err(LogError::OtherOrigin {
                    expected: origin.into(),
                    got: format!("whose origin hashes to {of}"),
                });
            }
            newest = newest.filter(|n| n.seq >= signed.seq).or(Some(signed));
        }
        let signed = newest.ok_or_else(|| {
            LogError::damaged(path.display().to_string(), "a valid slot", "two damaged slots")
        })?;
        record.seq = signed.seq;
        Ok((record, signed))
    }

    /// Makes `checkpoint` the last one signed. Durable on `Ok`; on `Err` it may or may not be,
    /// and the log must not sign again before a restart has read the record back.
    pub(crate) fn store(&mut self, head: &TreeHead, checkpoint: &str) -> Result<(), LogError> {
        let seq = self.seq + 1;
        let text = checkpoint.as_bytes();
        if text.len() > SLOT - FIXED {
            return Err(LogError::Signer(format!("a checkpoint of {} bytes", text.len())));
        }
        let slot = &mut self.slot;
        slot.fill(0);
        slot[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        slot[8..16].copy_from_slice(&seq.to_le_bytes());
        slot[16..24].copy_from_slice(&head.size.0.to_le_bytes());
        slot[24..56].copy_from_slice(&head.root.0);
        slot[56..88].copy_from_slice(&self.origin.0);
        slot[88..92].copy_from_slice(&(text.len() as u32).to_le_bytes());
        slot[FIXED..FIXED + text.len()].copy_from_slice(text);
        let crc = crc32c::crc32c(&slot[8..]);
        slot[4..8].copy_from_slice(&crc.to_le_bytes());
        let offset = (seq % 2) * SLOT as u64;
        self.file.write_at(&slot[..], offset).map_err(LogError::io("write", &self.path))?;
        self.file.sync().map_err(LogError::io("sync", &self.path))?;
        self.seq = seq;
        Ok(())
    }

    fn unread(disk: &dyn Disk, path: &Path, origin: &str) -> Result<Self, LogError> {
        let file = match disk.open(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(LogError::RecordMissing(path.to_path_buf()));
            }
            other => other.map_err(LogError::io("open", path))?,
        };
        let lock = crate::recovery::lock(disk, path)?;
        let origin = origin_hash(origin);
        let slot = Box::new([0; SLOT]);
        Ok(Self { path: path.to_path_buf(), file, origin, seq: 0, slot, _lock: lock })
    }
}

/// The name of a log where a fixed width is wanted.
pub(crate) fn origin_hash(origin: &str) -> Hash {
    firmlog_tlog::merkle::leaf_hash(origin.as_bytes())
}

fn decode(slot: &[u8; SLOT]) -> Option<(Signed, Hash)> {
    let u32_at =
        |at: usize| u32::from_le_bytes([slot[at], slot[at + 1], slot[at + 2], slot[at + 3]]);
    let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
    let hash_at = |at: usize| slot[at..at + 32].try_into().ok().map(Hash);
    if u32_at(0) != MAGIC || u32_at(4) != crc32c::crc32c(&slot[8..]) {
        return None;
    }
    let text = slot[FIXED..].get(..u32_at(88) as usize)?;
    let head = TreeHead { size: TreeSize(u64_at(16)), root: hash_at(24)? };
    let checkpoint = String::from_utf8(text.to_vec()).ok()?;
    Some((Signed { seq: u64_at(8), head, checkpoint }, hash_at(56)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, FaultDisk, FaultKind, Op};

    const PATH: &str = "/r/never-fork";

    fn head(size: u64) -> TreeHead {
        TreeHead { size: TreeSize(size), root: origin_hash(&size.to_string()) }
    }

    #[test]
    fn the_newest_durable_slot_counts() {
        let disk = FaultDisk::new();
        let path = Path::new(PATH);
        assert!(matches!(Record::open(&disk, path, "o"), Err(LogError::RecordMissing(_))));
        Record::create(&disk, path, "o").unwrap();
        assert!(matches!(Record::create(&disk, path, "o"), Err(LogError::Exists(_))));
        let (mut record, signed) = Record::open(&disk, path, "o").unwrap();
        assert_eq!(signed.head, TreeHead::empty());
        assert!(matches!(Record::open(&disk, path, "o"), Err(LogError::Locked(_))));
        for size in 1..5 {
            record.store(&head(size), "text").unwrap();
        }
        drop(record);
        let (_, signed) = Record::open(&disk, path, "o").unwrap();
        assert_eq!((signed.head, signed.checkpoint.as_str()), (head(4), "text"));
        assert!(matches!(
            Record::open(&disk.killed(), path, "p"),
            Err(LogError::OtherOrigin { .. })
        ));
    }

    #[test]
    fn a_torn_write_leaves_the_one_before() {
        for kind in [FaultKind::Torn, FaultKind::Failed, FaultKind::PowerCut] {
            for seed in 0..20 {
                let disk = FaultDisk::new();
                let path = Path::new(PATH);
                Record::create(&disk, path, "o").unwrap();
                let (mut record, _) = Record::open(&disk, path, "o").unwrap();
                record.store(&head(7), "seven").unwrap();
                let fault =
                    Fault { op: Op::Any, path: String::new(), nth: seed % 2, times: 1, kind };
                disk.inject(fault);
                assert!(record.store(&head(8), "eight").is_err());
                drop(record);
                let (_, signed) = Record::open(&disk.power_cut(seed), path, "o").unwrap();
                assert!(signed.head == head(7) || signed.head == head(8));
            }
        }
    }
}
