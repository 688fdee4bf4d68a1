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
        // `size` is above `index`, so it is not zero.
        uint256 last = size - 1;
        bytes32 hash = leaf;
        bool tooLong;
        // The 65 bytes of a node lie beyond the free memory pointer and are forgotten in the end;
        // a digest comes back into scratch space. The precompile fails only when gas runs out.
        assembly ("memory-safe") {
            let preimage := mload(0x40)
            mstore8(preimage, 1)
            let end := add(path.offset, shl(5, path.length))
            for { let place := path.offset } lt(place, end) { place := add(place, 32) } {
                // A node without right sibling is its own parent: climb until it has one.
                if eq(node, last) {
                    for {} and(iszero(and(last, 1)), gt(last, 0)) {} { last := shr(1, last) }
                    node := last
                }
                if iszero(last) {
                    tooLong := 1
                    break
                }
                // A right child goes to the right of its sibling.
                let side := shl(5, and(node, 1))
                mstore(add(add(preimage, 1), side), hash)
                mstore(sub(add(preimage, 33), side), calldataload(place))
                if iszero(staticcall(gas(), 2, preimage, 65, 0x00, 32)) { revert(0, 0) }
                hash := mload(0x00)
                node := shr(1, node)
                last := shr(1, last)
            }
        }
        if (tooLong) return ProofRefusal.TooLong;
        if (last != 0) return ProofRefusal.TooShort;
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
        if (oldSize == 0 && oldRoot != EMPTY_ROOT) {
            return ProofRefusal.EmptyTreeHasRoot;
        }
        if (newSize == 0 && newRoot != EMPTY_ROOT) return ProofRefusal.EmptyTreeHasRoot;
        if (oldSize > newSize) return ProofRefusal.OldTreeLarger;
        if (oldSize != 0 && oldSize != newSize) {
            return _checkGrowth(oldSize, oldRoot, newSize, newRoot, proof);
        }
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
        // Both trees share the perfect subtrees that end the old one: the path starts above them.
        uint256 node = oldSize - 1;
        uint256 last = newSize - 1;
        while (node & 1 == 1) (node, last) = (node >> 1, last >> 1);
        // If the old tree is one perfect subtree, that is its root; else the proof's first hash.
        bool whole = node == 0;
        if (!whole && proof.length == 0) return ProofRefusal.TooShort;
        bytes32 oldHash = whole ? oldRoot : proof[0];
        bytes32 newHash = oldHash;
        bool tooLong;
        // Memory as in `checkInclusion`.
        assembly ("memory-safe") {
            let preimage := mload(0x40)
            mstore8(preimage, 1)
            let end := add(proof.offset, shl(5, proof.length))
            let place := add(proof.offset, shl(5, iszero(whole)))
            for {} lt(place, end) { place := add(place, 32) } {
                if eq(node, last) {
                    for {} and(iszero(and(last, 1)), gt(last, 0)) {} { last := shr(1, last) }
                    node := last
                }
                if iszero(last) {
                    tooLong := 1
                    break
                }
                switch and(node, 1)
                case 1 {
                    // Until the first right sibling both trees are the same.
                    let same := eq(oldHash, newHash)
                    mstore(add(preimage, 1), calldataload(place))
                    mstore(add(preimage, 33), oldHash)
                    if iszero(staticcall(gas(), 2, preimage, 65, 0x00, 32)) {
                        revert(0, 0)
                    }
                    oldHash := mload(0x00)
                    if iszero(same) {
                        mstore(add(preimage, 33), newHash)
                        if iszero(staticcall(gas(), 2, preimage, 65, 0x00, 32)) {
                            revert(0, 0)
                        }
                    }
                    newHash := mload(0x00)
                }
                default {
                    mstore(add(preimage, 1), newHash)
                    mstore(add(preimage, 33), calldataload(place))
                    if iszero(staticcall(gas(), 2, preimage, 65, 0x00, 32)) {
                        revert(0, 0)
                    }
                    newHash := mload(0x00)
                }
                node := shr(1, node)
                last := shr(1, last)
            }
        }
        if (tooLong) return ProofRefusal.TooLong;
        if (last != 0) return ProofRefusal.TooShort;
        if (oldHash != oldRoot) return ProofRefusal.OldRootMismatch;
        return newHash == newRoot ? ProofRefusal.None : ProofRefusal.RootMismatch;
    }
}
