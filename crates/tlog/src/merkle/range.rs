//! Which nodes a proof needs, as arithmetic: no tree, no hashes.
//!
//! ```text
//! inclusion of leaf 4 in 7 leaves:   [5,6) [6,7) [0,4)
//! consistency from 3 to 7 leaves:    [2,3) [3,4) [0,2) [4,7)
//! [4,7) = node (level 1, index 2), node (level 0, index 6)
//! ```
//!
//! In scope: the leaf range under each proof hash, and the perfect subtrees that tile it.
//! Out of scope: fetching nodes (`source`), checking proofs (`verify`).
//!
//! Invariants: ranges come in proof order (RFC 9162 §2.1.3, §2.1.4: leaf to root); only the
//! last node of a level can be cut short by the end of the tree; no allocation.

use super::{LeafIndex, TreeSize};

/// A perfect subtree: leaves `index·2^level .. (index+1)·2^level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Height above the leaves, 0 to 63.
    pub level: u8,
    /// Position among the nodes of that level, from the left.
    pub index: u64,
}

/// A run of leaves `start..end` that one proof hash stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeafRange {
    /// First leaf.
    pub start: u64,
    /// One past the last leaf.
    pub end: u64,
}

impl LeafRange {
    /// The perfect subtrees that tile this range, left to right.
    #[must_use]
    pub const fn nodes(self) -> Nodes {
        Nodes { start: self.start, end: self.end }
    }
}

/// The perfect subtrees that tile leaves `0..size`, left to right.
#[must_use]
pub const fn range_nodes(size: TreeSize) -> Nodes {
    Nodes { start: 0, end: size.0 }
}

/// The leaf range under each hash of the inclusion proof, in proof order.
///
/// `None` if the leaf is not in a tree of that size.
#[must_use]
pub fn inclusion_ranges(index: LeafIndex, size: TreeSize) -> Option<Ranges> {
    let last = size.0.checked_sub(1)?;
    (index.0 <= last).then_some(Ranges { first: None, level: 0, node: index.0, last })
}

/// The leaf range under each hash of the consistency proof, in proof order.
///
/// Empty if `old` is 0 or equals `new`: there is nothing to prove beyond the roots.
/// `None` if the old tree is larger than the new one.
#[must_use]
pub fn consistency_ranges(old: TreeSize, new: TreeSize) -> Option<Ranges> {
    if old > new {
        return None;
    }
    let (Some(old_last), Some(last)) = (old.0.checked_sub(1), new.0.checked_sub(1)) else {
        return Some(Ranges::EMPTY);
    };
    if old == new {
        return Some(Ranges::EMPTY);
    }
    // The proof starts at the last perfect subtree of the old tree. It names that node unless
    // it is the whole old tree, whose root the verifier has already.
    let level = old.0.trailing_zeros();
    let node = old_last >> level;
    let first = (node != 0).then_some(LeafRange { start: node << level, end: old.0 });
    Some(Ranges { first, level, node: old_last, last })
}

/// Iterator over the leaf ranges of a proof.
#[derive(Clone, Debug)]
pub struct Ranges {
    first: Option<LeafRange>,
    level: u32,
    /// A leaf below the node whose path is being climbed.
    node: u64,
    /// The last leaf of the tree.
    last: u64,
}

impl Ranges {
    const EMPTY: Self = Self { first: None, level: 0, node: 0, last: 0 };
}

impl Iterator for Ranges {
    type Item = LeafRange;

    fn next(&mut self) -> Option<LeafRange> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let level = self.level;
            let last = self.last.checked_shr(level).filter(|last| *last != 0)?;
            self.level = level.wrapping_add(1);
            let sibling = (self.node >> level) ^ 1;
            if sibling <= last {
                // The sibling's last leaf, cut off where the tree ends.
                let below = (1u64 << level).wrapping_sub(1);
                let start = sibling << level;
                let end = (start | below).min(self.last).wrapping_add(1);
                return Some(LeafRange { start, end });
            }
        }
    }
}

/// Iterator over the perfect subtrees that tile a leaf range.
#[derive(Clone, Debug)]
pub struct Nodes {
    start: u64,
    end: u64,
}

impl Iterator for Nodes {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let left = self.end.checked_sub(self.start).filter(|left| *left != 0)?;
        // As large as the alignment of the start and the leaves left allow.
        let level = left.ilog2().min(self.start.trailing_zeros());
        let index = self.start.checked_shr(level)?;
        self.start = self.start.wrapping_add(1u64.checked_shl(level)?);
        Some(NodeId { level: level as u8, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn pairs(ranges: Ranges) -> Vec<(u64, u64)> {
        ranges.map(|r| (r.start, r.end)).collect()
    }

    #[test]
    fn rfc6962_section_2_1_3_examples() {
        let inclusion = |i| pairs(inclusion_ranges(LeafIndex(i), TreeSize(7)).unwrap());
        assert_eq!(inclusion(0), [(1, 2), (2, 4), (4, 7)]);
        assert_eq!(inclusion(3), [(2, 3), (0, 2), (4, 7)]);
        assert_eq!(inclusion(4), [(5, 6), (6, 7), (0, 4)]);
        assert_eq!(inclusion(6), [(4, 6), (0, 4)]);
        let consistency = |m| pairs(consistency_ranges(TreeSize(m), TreeSize(7)).unwrap());
        assert_eq!(consistency(3), [(2, 3), (3, 4), (0, 2), (4, 7)]);
        assert_eq!(consistency(4), [(4, 7)]);
        assert_eq!(consistency(6), [(4, 6), (6, 7), (0, 4)]);
    }

    #[test]
    fn the_largest_trees_do_not_overflow() {
        let size = TreeSize(u64::MAX);
        for index in [0, 1, u64::MAX / 2, u64::MAX - 1] {
            let ranges = inclusion_ranges(LeafIndex(index), size).unwrap();
            let covered: u64 = ranges.clone().map(|r| r.end - r.start).sum();
            assert_eq!(covered, u64::MAX - 1);
            assert!(ranges.count() <= 64);
        }
        assert_eq!(range_nodes(size).count(), 64);
        assert_eq!(inclusion_ranges(LeafIndex(u64::MAX), size).map(pairs), None);
    }
}
