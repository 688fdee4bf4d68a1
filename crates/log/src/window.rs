//! Which entries were here lately: a bounded window of leaf hashes.
//!
//! Invariants:
//! - The newest `size` entries are found, and at most twice as many: all from [`Window::since`] on.
//! - It answers with candidates only. A tag is eight bytes of a hash, and whoever signs can make
//!   two entries that share one: all of them are kept, and the caller compares the whole leaf hash
//!   before it believes in a duplicate.

use std::hash::{BuildHasherDefault, Hasher};

use firmlog_tlog::merkle::Hash;
use hashbrown::HashMap;

/// A map from tags, which are hash values already.
pub(crate) type TagMap = HashMap<u64, u64, BuildHasherDefault<TagHasher>>;

/// Where leaf hashes with a tag may be.
#[derive(Default)]
pub(crate) struct Tags {
    first: TagMap,
    /// Further entries whose tag another had before, in no order: few ever do.
    more: Vec<(u64, u64)>,
}

/// The recent entries.
#[derive(Default)]
pub(crate) struct Window {
    size: usize,
    newer: Tags,
    older: Tags,
    /// The first entry of each.
    since: [u64; 2],
}

/// Passes the tag through.
#[derive(Default)]
pub(crate) struct TagHasher(u64);

impl Tags {
    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.more.len()
    }

    pub(crate) fn insert(&mut self, tag: u64, index: u64) {
        if let Some(before) = self.first.insert(tag, index) {
            self.more.push((tag, before));
        }
    }

    /// Where an entry with this tag may be.
    pub(crate) fn candidates(&self, tag: u64) -> impl Iterator<Item = u64> + '_ {
        let more = self.more.iter().filter(move |(other, _)| *other == tag).map(|(_, at)| *at);
        self.first.get(&tag).copied().into_iter().chain(more)
    }

    /// All tags and places, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.first.iter().map(|(tag, at)| (*tag, *at)).chain(self.more.iter().copied())
    }

    fn clear(&mut self) {
        self.first.clear();
        self.more.clear();
    }
}

impl Window {
    pub(crate) fn new(size: usize) -> Self {
        Self { size: size.max(1), ..Self::default() }
    }

    /// Where an entry with this leaf hash may be.
    pub(crate) fn candidates(&self, leaf: &Hash) -> impl Iterator<Item = u64> + '_ {
        let tag = tag(leaf);
        self.newer.candidates(tag).chain(self.older.candidates(tag))
    }

    /// Every entry from this one on is here; `None` if there is none.
    pub(crate) fn since(&self) -> Option<u64> {
        let [newer, older] = self.since;
        if self.older.len() > 0 { Some(older) } else { (self.newer.len() > 0).then_some(newer) }
    }

    /// Remembers an entry: the one after that remembered last.
    pub(crate) fn insert(&mut self, leaf: &Hash, index: u64) {
        if self.newer.len() >= self.size {
            std::mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
            self.since = [index, self.since[0]];
        }
        if self.newer.len() == 0 {
            self.since[0] = index;
        }
        self.newer.insert(tag(leaf), index);
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.newer.clear();
        self.older.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(tag: u64, rest: u8) -> Hash {
        let mut hash = [rest; 32];
        hash[..8].copy_from_slice(&tag.to_le_bytes());
        Hash(hash)
    }

    #[test]
    fn it_says_from_where_on_it_knows_all() {
        let mut window = Window::new(4);
        assert_eq!(window.since(), None);
        for index in 10..30 {
            window.insert(&leaf(index, 0), index);
            let since = window.since().unwrap();
            assert!(index < 14 || (4..=8).contains(&(index + 1 - since)), "{index}: {since}");
            for known in since..=index {
                assert_eq!(window.candidates(&leaf(known, 0)).collect::<Vec<_>>(), [known]);
            }
        }
        window.clear();
        assert_eq!((window.since(), window.candidates(&leaf(29, 0)).count()), (None, 0));
    }

    #[test]
    fn entries_that_share_a_tag_are_all_kept() {
        let mut window = Window::new(4);
        for index in 0..3 {
            window.insert(&leaf(7, index as u8), index);
        }
        let mut found: Vec<u64> = window.candidates(&leaf(7, 9)).collect();
        found.sort_unstable();
        assert_eq!(found, [0, 1, 2]);
    }
}
