//! Making proofs from wherever nodes are kept.
//!
//! In scope: which nodes to ask for, and folding those of a cut-off range into one hash.
//! Out of scope: checking that the nodes are right. A proof made from bad nodes fails
//! verification against the head; whoever serves proofs from untrusted tiles verifies them.
//!
//! Invariant: a [`NodeSource`] is asked only for perfect subtrees inside the tree.

use alloc::vec::Vec;
use core::fmt;

use super::{
    Hash, LeafIndex, LeafRange, Ranges, TreeSize, consistency_ranges, empty_root, inclusion_ranges,
    node_hash,
};

/// Where the hashes of perfect subtrees come from: memory, tiles, a network.
pub trait NodeSource {
    /// Why a node could not be had.
    type Error;

    /// The hash of the perfect subtree over leaves `index·2^level .. (index+1)·2^level`.
    ///
    /// # Errors
    /// Whatever keeps the source from answering.
    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

impl<S: NodeSource + ?Sized> NodeSource for &mut S {
    type Error = S::Error;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        (**self).node(level, index)
    }
}

/// Why a proof could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError<E> {
    /// The leaf is not in a tree of this size.
    IndexOutsideTree,
    /// The old tree is larger than the new one.
    OldTreeLarger,
    /// The source could not give a node.
    Source(E),
}

impl<E: fmt::Display> fmt::Display for BuildError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IndexOutsideTree => f.write_str("the leaf is outside the tree"),
            Self::OldTreeLarger => f.write_str("the old tree is larger than the new one"),
            Self::Source(source) => write!(f, "a node is missing: {source}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for BuildError<E> {}

/// The inclusion proof of leaf `index` in the tree of `size` leaves (RFC 9162 §2.1.3.1).
///
/// # Errors
/// [`BuildError::IndexOutsideTree`], or the source's own.
pub fn inclusion_proof<S: NodeSource>(
    mut source: S,
    index: LeafIndex,
    size: TreeSize,
) -> Result<Vec<Hash>, BuildError<S::Error>> {
    let ranges = inclusion_ranges(index, size).ok_or(BuildError::IndexOutsideTree)?;
    collect(&mut source, ranges)
}

/// The consistency proof between two sizes of one tree (RFC 9162 §2.1.4.1).
///
/// Empty if `old` is 0 or equals `new`.
///
/// # Errors
/// [`BuildError::OldTreeLarger`], or the source's own.
pub fn consistency_proof<S: NodeSource>(
    mut source: S,
    old: TreeSize,
    new: TreeSize,
) -> Result<Vec<Hash>, BuildError<S::Error>> {
    let ranges = consistency_ranges(old, new).ok_or(BuildError::OldTreeLarger)?;
    collect(&mut source, ranges)
}

/// The root of the tree of `size` leaves.
///
/// # Errors
/// The source's own.
pub fn root<S: NodeSource>(mut source: S, size: TreeSize) -> Result<Hash, S::Error> {
    range_root(&mut source, LeafRange { start: 0, end: size.0 })
}

/// The hash a proof carries for a leaf range: its perfect subtrees folded from the right.
///
/// # Errors
/// The source's own.
pub fn range_root<S: NodeSource>(source: &mut S, range: LeafRange) -> Result<Hash, S::Error> {
    // At most 63 subtrees tile any range a proof names; they are few enough to ask for twice
    // over, but a network source should not be: collect, then fold.
    let nodes =
        range.nodes().map(|id| source.node(id.level, id.index)).collect::<Result<Vec<_>, _>>()?;
    let folded = nodes.into_iter().rev().reduce(|right, left| node_hash(&left, &right));
    Ok(folded.unwrap_or_else(empty_root))
}

fn collect<S: NodeSource>(
    source: &mut S,
    ranges: Ranges,
) -> Result<Vec<Hash>, BuildError<S::Error>> {
    ranges.map(|range| range_root(source, range).map_err(BuildError::Source)).collect()
}
