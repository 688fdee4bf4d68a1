//! The file of a run: where each leaf hash of a block of entries is, in the order of the hashes.
//!
//! ```text
//! state/leaves/20-00000003      entries 3·2^20 .. 4·2^20
//!   64 bytes    "FLLEAF1\0"  bits  number  node of the tree over these entries  crc32c
//!   5 · 2^20    a record an entry, in 4,096 buckets by the first 12 bits of the leaf hash:
//!               the 20 bits after those, and the 20 bits of the place in the block
//!   8 · 4,096   of each bucket: records up to its end, crc32c of its bytes
//! ```
//!
//! A record has 40 bits whatever the size: of the first 32 bits of a leaf hash those that the
//! bucket does not tell, and the place. A bucket has 256 records on average.
//!
//! Invariants:
//! - Writing a run a second time writes the same bytes.
//! - Header and table are checked when a run is opened, a bucket whenever it is read.
//! - In memory are 8 bytes for 256 entries.

use std::path::PathBuf;

use firmlog_tlog::merkle::Hash;

use crate::disk::DiskFile;
use crate::error::LogError;
use crate::store::Store;

/// A run of the next size is made of 2^4 runs.
pub(super) const FAN_BITS: u8 = 4;

/// The longest run has 2^24 entries: its records have room for no more bits of a place.
pub(super) const MAX_BITS: u8 = 24;

/// The shortest run is one tile.
pub(super) const MIN_BITS: u8 = 8;

const MAGIC: [u8; 8] = *b"FLLEAF1\0";
const HEADER: usize = 64;
const RECORD: usize = 5;

/// Bytes of records gathered before they are written.
const WRITE: usize = 256 << 10;

/// An open run.
pub(super) struct Run {
    bits: u8,
    number: u64,
    file: Box<dyn DiskFile>,
    table: Vec<Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Records up to its end.
    end: u32,
    crc: u32,
}

/// An entry in the order of runs: the first 32 bits of its leaf hash, and its place in the block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) prefix: u32,
    pub(super) place: u32,
}

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// The run must be made again.
    #[error("{0}")]
    Run(LogError),
    /// The tree does not tell.
    #[error("{0}")]
    Tree(LogError),
}

/// Writes a run, bucket by bucket.
pub(super) struct Writer<'a> {
    store: &'a Store,
    bits: u8,
    number: u64,
    file: Box<dyn DiskFile>,
    /// Where `out` goes.
    offset: u64,
    out: Vec<u8>,
    table: Vec<u8>,
    records: u32,
}

impl Run {
    /// Opens a run; `None` if it is not a whole one of this tree.
    pub(super) fn open(store: &Store, bits: u8, number: u64) -> Option<Self> {
        match Self::read(store, bits, number) {
            Ok(run) => Some(run),
            Err(error) => {
                tracing::warn!(%error, "a run of leaf hashes is made again");
                None
            }
        }
    }

    fn read(store: &Store, bits: u8, number: u64) -> Result<Self, LogError> {
        let path = path(store, bits, number);
        let io = |error| LogError::io("read", &path)(error);
        let file = store.disk.open(&path).map_err(io)?;
        let (records, buckets) = (RECORD << bits, buckets(bits));
        let mut bytes = vec![0; HEADER + buckets * 8];
        let (header, table) = bytes.split_at_mut(HEADER);
        file.read_at(header, 0).map_err(io)?;
        file.read_at(table, (HEADER + records) as u64).map_err(io)?;
        let root = store.node(bits, number)?;
        if *header != self::header(bits, number, &root, table) {
            let expected = format!("entries {} on, of this tree", number << bits);
            return Err(LogError::damaged(path.display().to_string(), expected, "another header"));
        }
        let table = table.as_chunks::<8>().0.iter().map(Bucket::decode).collect();
        Ok(Self { bits, number, file, table })
    }

    pub(super) fn bits(&self) -> u8 {
        self.bits
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn first(&self) -> u64 {
        self.number << self.bits
    }

    pub(super) fn end(&self) -> u64 {
        (self.number + 1) << self.bits
    }

    /// Entries whose leaf hash begins with the same 32 bits.
    pub(super) fn candidates(&self, leaf: &Hash) -> Result<Vec<u64>, LogError> {
        let prefix = prefix(leaf);
        let keys = self.bucket(bucket_of(prefix, self.bits))?;
        let same = keys.into_iter().filter(|key| key.prefix == prefix);
        Ok(same.map(|key| self.first() + u64::from(key.place)).collect())
    }

    /// What one bucket holds.
    pub(super) fn bucket(&self, at: usize) -> Result<Vec<Key>, LogError> {
        let damaged = |got: String| {
            let object = format!("bucket {at} of leaf hashes from entry {}", self.first());
            LogError::damaged(object, "records as they were written", got)
        };
        let Some(bucket) = self.table.get(at) else { return Err(damaged("no bucket".into())) };
        let start = at.checked_sub(1).and_then(|i| self.table.get(i)).map_or(0, |b| b.end);
        let records = bucket.end.saturating_sub(start) as usize;
        let mut bytes = vec![0; records * RECORD];
        let offset = HEADER + start as usize * RECORD;
        self.file.read_at(&mut bytes, offset as u64).map_err(|e| damaged(e.to_string()))?;
        if crc32c::crc32c(&bytes) != bucket.crc {
            return Err(damaged("other bytes".into()));
        }
        Ok(bytes.as_chunks::<RECORD>().0.iter().map(|r| Key::decode(r, at, self.bits)).collect())
    }
}

impl Bucket {
    fn decode(bytes: &[u8; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = *bytes;
        Self { end: u32::from_le_bytes([a, b, c, d]), crc: u32::from_le_bytes([e, f, g, h]) }
    }
}

impl Key {
    pub(super) fn new(leaf: &Hash, place: u32) -> Self {
        Self { prefix: prefix(leaf), place }
    }

    pub(super) fn encode(self, bits: u8) -> [u8; RECORD] {
        let [a, b, c, d, e, ..] =
            (u64::from(self.prefix) << bits | u64::from(self.place)).to_le_bytes();
        [a, b, c, d, e]
    }

    pub(super) fn decode(record: &[u8; RECORD], bucket: usize, bits: u8) -> Self {
        let [a, b, c, d, e] = *record;
        let record = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]);
        let prefix = (bucket as u64) << (40 - bits) | record >> bits;
        Self { prefix: prefix as u32, place: (record & ((1 << bits) - 1)) as u32 }
    }
}

impl<'a> Writer<'a> {
    pub(super) fn create(store: &'a Store, bits: u8, number: u64) -> Result<Self, LogError> {
        let path = path(store, bits, number);
        // Until the header stands there, this is no run.
        let file = store.disk.create(&path, &[0; HEADER]).map_err(LogError::io("write", &path))?;
        let (out, table) = (Vec::with_capacity(WRITE), Vec::with_capacity(buckets(bits) * 8));
        let offset = HEADER as u64;
        Ok(Self { store, bits, number, file, offset, out, table, records: 0 })
    }

    /// Writes all keys, which are in order, of as many buckets as there are from the next one on.
    pub(super) fn buckets(&mut self, count: usize, mut keys: &[Key]) -> Result<(), LogError> {
        let first = self.table.len() / 8;
        for at in first..first + count {
            let inside = keys.partition_point(|key| bucket_of(key.prefix, self.bits) <= at);
            let (own, rest) = keys.split_at(inside);
            keys = rest;
            self.bucket(own)?;
        }
        Ok(())
    }

    fn bucket(&mut self, keys: &[Key]) -> Result<(), LogError> {
        let start = self.out.len();
        keys.iter().for_each(|key| self.out.extend_from_slice(&key.encode(self.bits)));
        self.records += keys.len() as u32;
        self.table.extend_from_slice(&self.records.to_le_bytes());
        let crc = crc32c::crc32c(self.out.get(start..).unwrap_or_default());
        self.table.extend_from_slice(&crc.to_le_bytes());
        if self.out.len() >= WRITE { self.write_out() } else { Ok(()) }
    }

    /// Writes the rest. `root` is the node of the tree over the entries of this run.
    pub(super) fn finish(mut self, root: &Hash) -> Result<Run, LogError> {
        self.write_out()?;
        let Self { store, bits, number, file, table, offset, .. } = self;
        let io = |error| LogError::io("write", &path(store, bits, number))(error);
        file.write_at(&table, offset).map_err(io)?;
        file.write_at(&header(bits, number, root, &table), 0).map_err(io)?;
        Run::read(store, bits, number)
    }

    fn write_out(&mut self) -> Result<(), LogError> {
        let path = || path(self.store, self.bits, self.number);
        self.file
            .write_at(&self.out, self.offset)
            .map_err(|error| LogError::io("write", &path())(error))?;
        self.offset += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }
}

/// The runs that have a file: their bits and numbers.
pub(super) fn list(store: &Store) -> Result<Vec<(u8, u64)>, LogError> {
    let dir = store.dir.join("state/leaves");
    let names = store.disk.list(&dir).map_err(LogError::io("list", &dir))?;
    let parse = |name: &String| -> Option<(u8, u64)> {
        let (bits, number) = name.split_once('-')?;
        let (bits, number): (u8, u64) = (bits.parse().ok()?, number.parse().ok()?);
        let fits = (MIN_BITS..=MAX_BITS).contains(&bits) && number < 1 << (40 - bits);
        fits.then_some((bits, number))
    };
    Ok(names.iter().filter_map(parse).collect())
}

/// Removes the file of a run; what stays is only untidy.
pub(super) fn remove(store: &Store, bits: u8, number: u64) {
    let _ = store.disk.remove(&path(store, bits, number));
}

fn path(store: &Store, bits: u8, number: u64) -> PathBuf {
    store.dir.join(format!("state/leaves/{bits:02}-{number:08}"))
}

fn header(bits: u8, number: u64, root: &Hash, table: &[u8]) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..8].copy_from_slice(&MAGIC);
    out[8] = bits;
    out[16..24].copy_from_slice(&number.to_le_bytes());
    out[24..56].copy_from_slice(&root.0);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out[..56]), table);
    out[56..60].copy_from_slice(&crc.to_le_bytes());
    out
}

fn prefix(leaf: &Hash) -> u32 {
    let [a, b, c, d, ..] = leaf.0;
    u32::from_be_bytes([a, b, c, d])
}

/// How many buckets a run has.
pub(super) fn buckets(bits: u8) -> usize {
    1 << (bits - MIN_BITS)
}

fn bucket_of(prefix: u32, bits: u8) -> usize {
    ((u64::from(prefix) << (bits - MIN_BITS)) >> 32) as usize
}
