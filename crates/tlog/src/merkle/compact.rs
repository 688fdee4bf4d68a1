//! Compact ranges: the frontier of a growing tree, one hash for each set bit of its size.
//!
//! ```text
//! size 7 = 0b111   frontier: (level 2, 0) (level 1, 2) (level 0, 6)
//! ```
//!
//! In scope: appending leaves, the root at any moment, saving and restoring the frontier.
//! Out of scope: keeping the nodes that get completed; they are offered to a sink.
//!
//! Invariants:
//! - No allocation; 64 hashes inline.
//! - Each `push` offers every perfect subtree it completes, exactly once, leaf first.

use super::{Hash, LeafIndex, TreeHead, TreeSize, empty_root, node_hash};
use crate::refusal::refusals;

/// The frontier of an append-only tree.
#[derive(Clone, Debug)]
pub struct CompactRange {
    size: u64,
    /// Slot `k` holds the frontier node of level `k` if bit `k` of `size` is set.
    nodes: [Hash; 64],
}

refusals! {
    /// Why a saved frontier was refused.
    RangeError {
        WrongHashCount = 1: "the number of hashes is not the number of set bits of the size",
    }
}

impl CompactRange {
    /// The frontier of the empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, nodes: [Hash([0; 32]); 64] }
    }

    /// Restores a frontier saved as [`CompactRange::hashes`].
    ///
    /// # Errors
    /// [`RangeError::WrongHashCount`] unless there is one hash for each set bit of `size`.
    pub fn from_hashes(size: TreeSize, hashes: &[Hash]) -> Result<Self, RangeError> {
        if hashes.len() as u64 != u64::from(size.0.count_ones()) {
            return Err(RangeError::WrongHashCount);
        }
        let mut range = Self { size: size.0, ..Self::new() };
        let occupied = range.nodes.iter_mut().enumerate().rev().filter(|(k, _)| bit(size.0, *k));
        occupied.zip(hashes).for_each(|((_, slot), hash)| *slot = *hash);
        Ok(range)
    }

    /// How many leaves have been pushed.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Appends a leaf hash and returns its index.
    ///
    /// `completed(level, index, hash)` is called for each perfect subtree that becomes whole:
    /// first the leaf itself (level 0), then each parent up to the highest one. At 2^64 − 1
    /// leaves the count wraps; no log gets there.
    #[inline]
    pub fn push(&mut self, leaf: Hash, mut completed: impl FnMut(u8, u64, &Hash)) -> LeafIndex {
        let position = self.size;
        completed(0, position, &leaf);
        let carries = position.trailing_ones();
        let mut hash = leaf;
        let mut index = position;
        for (level, left) in (1u8..).zip(self.nodes.iter().take(carries as usize)) {
            hash = node_hash(left, &hash);
            index >>= 1;
            completed(level, index, &hash);
        }
        if let Some(slot) = self.nodes.get_mut(carries as usize) {
            *slot = hash;
        }
        self.size = position.wrapping_add(1);
        LeafIndex(position)
    }

    /// The root of the tree as it is now.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut occupied = self.occupied();
        let Some(smallest) = occupied.next() else { return empty_root() };
        occupied.fold(*smallest, |right, left| node_hash(left, &right))
    }

    /// Size and root together.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size(), root: self.root() }
    }

    /// The frontier, left (largest subtree) to right.
    pub fn hashes(&self) -> impl Iterator<Item = &Hash> {
        self.occupied().rev()
    }

    /// Frontier nodes from the smallest to the largest.
    fn occupied(&self) -> impl DoubleEndedIterator<Item = &Hash> {
        self.nodes.iter().enumerate().filter(|(k, _)| bit(self.size, *k)).map(|(_, node)| node)
    }
}

impl Default for CompactRange {
    fn default() -> Self {
        Self::new()
    }
}

/// Equal when they are frontiers of the same tree.
impl PartialEq for CompactRange {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && self.occupied().eq(other.occupied())
    }
}

impl Eq for CompactRange {}

fn bit(size: u64, level: usize) -> bool {
    size.checked_shr(level as u32).is_some_and(|rest| rest & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf_hash;
    use std::{collections::BTreeMap, vec::Vec};

    #[test]
    fn offers_each_completed_node_once() {
        let mut seen = BTreeMap::new();
        let mut range = CompactRange::new();
        for i in 0..300u64 {
            let index = range.push(leaf_hash(&i.to_be_bytes()), |level, index, hash| {
                assert_eq!(seen.insert((level, index), *hash), None);
            });
            assert_eq!(index, LeafIndex(i));
        }
        let expected: u64 = (0..9).map(|level| 300u64 >> level).sum();
        assert_eq!(seen.len() as u64, expected);
        for ((level, index), hash) in seen.iter().filter(|((level, _), _)| *level > 0) {
            let child = |side| seen[&(level - 1, 2 * index + side)];
            assert_eq!(*hash, node_hash(&child(0), &child(1)));
        }
    }

    #[test]
    fn restores_from_its_hashes() {
        let mut range = CompactRange::new();
        for i in 0..300u64 {
            let saved: Vec<Hash> = range.hashes().copied().collect();
            let restored = CompactRange::from_hashes(range.size(), &saved);
            assert_eq!(restored.as_ref(), Ok(&range));
            assert_eq!(restored.map(|r| r.root()), Ok(range.root()));
            let more = [&saved[..], &[empty_root()]].concat();
            let refused = CompactRange::from_hashes(range.size(), &more);
            assert_eq!(refused, Err(RangeError::WrongHashCount));
            range.push(leaf_hash(&i.to_be_bytes()), |_, _, _| {});
        }
    }
}
