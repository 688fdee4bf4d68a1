//! Checking proofs, after the algorithms of RFC 9162 §2.1.3.2 and §2.1.4.2.
//!
//! In scope: does this proof connect this leaf, or this older head, to this head?
//! Out of scope: whether anybody signed the head.
//!
//! Invariants:
//! - No allocation, no recursion; one node hash for each proof element, two for consistency.
//! - A proof of any other length than RFC 9162 gives is refused, as is one trailing hash.

use super::{Hash, LeafIndex, TreeHead, TreeSize, empty_root, node_hash};
use crate::refusal::refusals;

refusals! {
    /// Why a proof was refused.
    ProofError {
        IndexOutsideTree = 1: "the leaf index is not below the tree size",
        TooShort = 2: "the proof has too few hashes",
        TooLong = 3: "the proof has too many hashes",
        RootMismatch = 4: "the proof does not lead to the root",
        OldTreeLarger = 5: "the old tree is larger than the new one",
        OldRootMismatch = 6: "the proof does not lead to the old root",
        SameSizeOtherRoot = 7: "two trees of the same size have different roots",
        EmptyTreeHasRoot = 8: "the root of an empty tree is not the hash of nothing",
    }
}

/// Checks that the leaf with this hash is at `index` of the tree `head`.
///
/// # Errors
/// A [`ProofError`] naming the rule that the proof breaks.
pub fn verify_inclusion(
    index: LeafIndex,
    leaf: &Hash,
    head: &TreeHead,
    proof: &[Hash],
) -> Result<(), ProofError> {
    verify_inclusion_path(index, leaf, head, proof.iter().copied())
}

/// [`verify_inclusion`] of a proof whose hashes come one by one, for whoever has no room for all.
///
/// # Errors
/// As [`verify_inclusion`].
pub fn verify_inclusion_path(
    index: LeafIndex,
    leaf: &Hash,
    head: &TreeHead,
    proof: impl Iterator<Item = Hash>,
) -> Result<(), ProofError> {
    let root = root_from_path(index, head.size, leaf, proof)?;
    if root == head.root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// The root that an inclusion proof leads to, for callers that compare it elsewhere
/// (a COSE receipt carries no root).
///
/// # Errors
/// [`ProofError::IndexOutsideTree`], [`ProofError::TooShort`] or [`ProofError::TooLong`].
pub fn root_from_inclusion(
    index: LeafIndex,
    size: TreeSize,
    leaf: &Hash,
    proof: &[Hash],
) -> Result<Hash, ProofError> {
    root_from_path(index, size, leaf, proof.iter().copied())
}

/// [`root_from_inclusion`] of a proof whose hashes come one by one.
///
/// # Errors
/// As [`root_from_inclusion`].
pub fn root_from_path(
    index: LeafIndex,
    size: TreeSize,
    leaf: &Hash,
    proof: impl Iterator<Item = Hash>,
) -> Result<Hash, ProofError> {
    let mut last = size.0.wrapping_sub(1);
    let mut node = index.0;
    if index.0 >= size.0 {
        return Err(ProofError::IndexOutsideTree);
    }
    let mut hash = *leaf;
    for sibling in proof {
        // A node without right sibling is its own parent: climb until it has one.
        while node == last && node & 1 == 0 && last != 0 {
            (node, last) = (node >> 1, last >> 1);
        }
        if last == 0 {
            return Err(ProofError::TooLong);
        }
        hash = if node & 1 == 1 { node_hash(&sibling, &hash) } else { node_hash(&hash, &sibling) };
        (node, last) = (node >> 1, last >> 1);
    }
    if last == 0 { Ok(hash) } else { Err(ProofError::TooShort) }
}

/// Checks that the tree `new` extends the tree `old` by appending only.
///
/// An empty old tree is extended by every tree; then, and if the sizes are equal, the proof
/// must be empty.
///
/// # Errors
/// A [`ProofError`] naming the rule that the proof breaks.
pub fn verify_consistency(
    old: &TreeHead,
    new: &TreeHead,
    proof: &[Hash],
) -> Result<(), ProofError> {
    for head in [old, new] {
        if head.size.0 == 0 && head.root != empty_root() {
            return Err(ProofError::EmptyTreeHasRoot);
        }
    }
    if old.size > new.size {
        return Err(ProofError::OldTreeLarger);
    }
    if old.size.0 == 0 || old.size == new.size {
        return verify_trivial(old, new, proof);
    }
    verify_growth(old, new, proof)
}

fn verify_trivial(old: &TreeHead, new: &TreeHead, proof: &[Hash]) -> Result<(), ProofError> {
    if !proof.is_empty() {
        return Err(ProofError::TooLong);
    }
    if old.size == new.size && old.root != new.root {
        return Err(ProofError::SameSizeOtherRoot);
    }
    Ok(())
}

/// RFC 9162 §2.1.4.2 for `0 < old.size < new.size`.
fn verify_growth(old: &TreeHead, new: &TreeHead, proof: &[Hash]) -> Result<(), ProofError> {
    let shift = old.size.0.trailing_zeros();
    let mut node = old.size.0.wrapping_sub(1) >> shift;
    let mut last = new.size.0.wrapping_sub(1) >> shift;
    // If the old tree is one perfect subtree, its root is where the path starts.
    let (start, path) = match proof.split_first() {
        _ if node == 0 => (&old.root, proof),
        Some((start, path)) => (start, path),
        None => return Err(ProofError::TooShort),
    };
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in path {
        while node == last && node & 1 == 0 && last != 0 {
            (node, last) = (node >> 1, last >> 1);
        }
        if last == 0 {
            return Err(ProofError::TooLong);
        }
        if node & 1 == 1 {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofError::TooShort);
    }
    if old_hash != old.root {
        return Err(ProofError::OldRootMismatch);
    }
    if new_hash == new.root { Ok(()) } else { Err(ProofError::RootMismatch) }
}
