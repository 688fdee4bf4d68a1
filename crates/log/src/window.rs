//! Which entries were here lately: a bounded window of leaf hashes.
//!
//! Invariants:
//! - The newest `size` entries are found, and at most twice as many.
//! - It answers with candidates only. A tag is eight bytes of a hash, and two entries can be made
//!   to share one: the caller compares the whole leaf hash before it believes in a duplicate.

use std::hash::{BuildHasherDefault, Hasher};

use firmlog_tlog::merkle::Hash;
use hashbrown::HashMap;

/// A map from tags, which are hash values already.
pub(crate) type TagMap = HashMap<u64, u64, BuildHasherDefault<TagHasher>>;

/// The recent entries.
#[derive(Default)]
pub(crate) struct Window {
    size: usize,
    newer: TagMap,
    older: TagMap,
}

/// Passes the tag through.
#[derive(Default)]
pub(crate) struct TagHasher(u64);

impl Window {
    pub(crate) fn new(size: usize) -> Self {
        Self { size: size.max(1), newer: TagMap::default(), older: TagMap::default() }
    }

    /// Where an entry with this leaf hash may be.
    pub(crate) fn candidate(&self, leaf: &Hash) -> Option<u64> {
        let tag = tag(leaf);
        self.newer.get(&tag).or_else(|| self.older.get(&tag)).copied()
    }

    /// Remembers an entry.
    pub(crate) fn insert(&mut self, leaf: &Hash, index: u64) {
        if self.newer.len() >= self.size {
            std::mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
        }
        self.newer.insert(tag(leaf), index);
    }
}

/// The part of a leaf hash that maps are keyed by.
pub(crate) fn tag(leaf: &Hash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = leaf.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl Hasher for TagHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not used for tags; kept correct for any other key.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, tag: u64) {
        self.0 = tag;
    }
}
