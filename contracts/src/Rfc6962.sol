// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @notice Why a proof was refused: the same reasons, under the same numbers, as
/// `tlog::merkle::ProofError`; `None` says that it was not.
enum ProofRefusal {
    None,
    IndexOutsideTree,
    TooShort,
    TooLong,
    RootMismatch,
    OldTreeLarger,
    OldRootMismatch,
    SameSizeOtherRoot,
    EmptyTreeHasRoot
}

/// @title Merkle trees of RFC 6962 §2.1 over SHA-256, and the proofs of RFC 9162 §2.1.3.2, §2.1.4.2
/// @notice leaf hash `SHA-256(0x00 ‖ entry)`, node hash `SHA-256(0x01 ‖ left ‖ right)`, empty tree
/// `SHA-256("")`. Mirrors `crates/tlog/src/merkle/verify.rs` and is tested over the same vectors.
///
/// Invariants:
/// - A proof of any other length than RFC 9162 gives is refused, as is one trailing hash.
/// - No storage, no recursion, no memory kept; one node hash for each proof element, two at most
///   for consistency.
///
/// Paths are walked without asking at each level where the tree ends. As far up as a node and the
/// last node of its level are apart, every level has a sibling; above, the node is the last one,
/// and has a sibling, to its left, where its bit is 1. So the two sizes say how many hashes are
/// used; a shorter proof is read past its end and refused when they are counted.
///
/// The walks are assembly because Solidity's took thousands of gas more (`docs/design/005`). What
/// they share:
/// - A preimage `0x01 ‖ left ‖ right` lies beyond the free memory pointer and is forgotten in the
///   end; its digest comes back into the place where the next level wants it.
/// - The SHA-256 precompile fails only when gas runs out; then `done` is 0, and all is reverted.
library Rfc6962 {
    /// @notice The root of the tree without leaves.
    bytes32 internal constant EMPTY_ROOT =
        0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    /// @notice The hash of an entry as a leaf.
    function leafHash(bytes calldata entry) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(0), entry));
    }

    /// @notice Whether the leaf with this hash is at `index` of the tree (`size`, `root`).
    function checkInclusion(
        uint64 index,
        uint64 size,
        bytes32 leaf,
        bytes32 root,
        bytes32[] calldata path
    ) internal view returns (ProofRefusal) {
        if (index >= size) return ProofRefusal.IndexOutsideTree;
        uint256 node = index;
        uint256 last = size - 1;
        uint256 used;
        bytes32 hash;
        assembly ("memory-safe") {
            let apart := xor(node, last)
            let place := path.offset
            let preimage := mload(0x40)
            let left := add(preimage, 1)
            let right := add(preimage, 33)
            mstore8(preimage, 1)
            mstore(left, leaf)
            let done := 1
            for {} apart {} {
                let sibling := calldataload(place)
                mstore(right, sibling)
                if and(node, 1) {
                    mstore(right, mload(left))
                    mstore(left, sibling)
                }
                done := and(done, staticcall(gas(), 2, preimage, 65, left, 32))
                place := add(place, 32)
                node := shr(1, node)
                apart := shr(1, apart)
            }
            // One step for each bit that is 1.
            for {} node { node := and(node, sub(node, 1)) } {
                mstore(right, mload(left))
                mstore(left, calldataload(place))
                done := and(done, staticcall(gas(), 2, preimage, 65, left, 32))
                place := add(place, 32)
            }
            if iszero(done) { revert(0, 0) }
            used := shr(5, sub(place, path.offset))
            hash := mload(left)
        }
        if (used < path.length) return ProofRefusal.TooLong;
        if (used > path.length) return ProofRefusal.TooShort;
        return hash == root ? ProofRefusal.None : ProofRefusal.RootMismatch;
    }

    /// @notice Whether the tree `new` extends the tree `old` by appending only.
    /// @dev An empty old tree is extended by every tree; then, and if the sizes are equal, the
    /// proof must be empty.
    function checkConsistency(
        uint64 oldSize,
        bytes32 oldRoot,
        uint64 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) internal view returns (ProofRefusal) {
        // The usual case first; the rules below hold of it by themselves.
        if (0 < oldSize && oldSize < newSize) {
            return _checkGrowth(oldSize, oldRoot, newSize, newRoot, proof);
        }
        if (oldSize == 0 && oldRoot != EMPTY_ROOT) return ProofRefusal.EmptyTreeHasRoot;
        if (newSize == 0 && newRoot != EMPTY_ROOT) return ProofRefusal.EmptyTreeHasRoot;
        if (oldSize > newSize) return ProofRefusal.OldTreeLarger;
        if (proof.length != 0) return ProofRefusal.TooLong;
        bool differs = oldSize == newSize && oldRoot != newRoot;
        return differs ? ProofRefusal.SameSizeOtherRoot : ProofRefusal.None;
    }

    /// @dev RFC 9162 §2.1.4.2 for `0 < oldSize < newSize`.
    function _checkGrowth(
        uint64 oldSize,
        bytes32 oldRoot,
        uint64 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) private view returns (ProofRefusal) {
        uint256 node = oldSize;
        uint256 last = newSize;
        uint256 used;
        bytes32 oldHash = oldRoot;
        bytes32 newHash;
        assembly ("memory-safe") {
            // Both trees have the perfect subtree that ends the old one: the path starts above it.
            let subtree := and(node, sub(0, node))
            node := div(sub(node, 1), subtree)
            let apart := xor(node, div(sub(last, 1), subtree))
            let place := proof.offset
            // Its root is the proof's first hash, unless it is the old tree itself.
            if node {
                oldHash := calldataload(place)
                place := add(place, 32)
            }
            // Of the new tree's nodes the path's is to the left, until a sibling pushes it aside.
            let newer := mload(0x40)
            let left := add(newer, 1)
            let right := add(newer, 33)
            mstore8(newer, 1)
            mstore(left, oldHash)
            // The old tree has left siblings only, so there it is to the right.
            let older := add(newer, 65)
            mstore8(older, 1)
            mstore(add(older, 33), oldHash)
            let done := 1
            for {} apart {} {
                let sibling := calldataload(place)
                mstore(right, sibling)
                if and(node, 1) {
                    mstore(right, mload(left))
                    mstore(left, sibling)
                    mstore(add(older, 1), sibling)
                    done := and(done, staticcall(gas(), 2, older, 65, add(older, 33), 32))
                }
                done := and(done, staticcall(gas(), 2, newer, 65, left, 32))
                place := add(place, 32)
                node := shr(1, node)
                apart := shr(1, apart)
            }
            // One step for each bit that is 1; a left sibling is one of both trees.
            for {} node { node := and(node, sub(node, 1)) } {
                let sibling := calldataload(place)
                mstore(right, mload(left))
                mstore(left, sibling)
                mstore(add(older, 1), sibling)
                done := and(done, staticcall(gas(), 2, older, 65, add(older, 33), 32))
                done := and(done, staticcall(gas(), 2, newer, 65, left, 32))
                place := add(place, 32)
            }
            if iszero(done) { revert(0, 0) }
            used := shr(5, sub(place, proof.offset))
            oldHash := mload(add(older, 33))
            newHash := mload(left)
        }
        if (used < proof.length) return ProofRefusal.TooLong;
        if (used > proof.length) return ProofRefusal.TooShort;
        if (oldHash != oldRoot) return ProofRefusal.OldRootMismatch;
        return newHash == newRoot ? ProofRefusal.None : ProofRefusal.RootMismatch;
    }
}
