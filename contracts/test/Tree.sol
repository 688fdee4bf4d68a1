// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @notice Small trees by the recursive definitions of RFC 6962 §2.1; shares nothing with
/// `Rfc6962.sol`. Leaf `i` of a tree is the leaf hash of `i` in eight bytes, followed by the
/// tree's branch number from leaf `since` on: that makes forks.
struct Tree {
    uint64 since;
    uint64 branch;
}

library Trees {
    function leaf(Tree memory tree, uint64 i) internal pure returns (bytes32) {
        bytes memory tail = i >= tree.since ? abi.encodePacked(tree.branch) : bytes("");
        return sha256(abi.encodePacked(uint8(0), i, tail));
    }

    function root(Tree memory tree, uint64 size) internal pure returns (bytes32) {
        return size == 0 ? sha256("") : mth(tree, 0, size);
    }

    function mth(Tree memory tree, uint64 from, uint64 to) internal pure returns (bytes32) {
        if (to - from == 1) return leaf(tree, from);
        uint64 middle = from + half(to - from);
        bytes32 left = mth(tree, from, middle);
        return sha256(abi.encodePacked(uint8(1), left, mth(tree, middle, to)));
    }

    function inclusion(Tree memory tree, uint64 index, uint64 size)
        internal
        pure
        returns (bytes32[] memory)
    {
        return path(tree, index, 0, size);
    }

    function path(Tree memory tree, uint64 index, uint64 from, uint64 to)
        private
        pure
        returns (bytes32[] memory)
    {
        if (to - from == 1) return new bytes32[](0);
        uint64 middle = from + half(to - from);
        if (index < middle) return append(path(tree, index, from, middle), mth(tree, middle, to));
        return append(path(tree, index, middle, to), mth(tree, from, middle));
    }

    function consistency(Tree memory tree, uint64 old, uint64 size)
        internal
        pure
        returns (bytes32[] memory)
    {
        if (old == 0 || old == size) return new bytes32[](0);
        return subproof(tree, old, 0, size, true);
    }

    function subproof(Tree memory tree, uint64 old, uint64 from, uint64 to, bool whole)
        private
        pure
        returns (bytes32[] memory)
    {
        if (old == to) {
            bytes32[] memory none = new bytes32[](0);
            return whole ? none : append(none, mth(tree, from, to));
        }
        uint64 middle = from + half(to - from);
        if (old <= middle) {
            return append(subproof(tree, old, from, middle, whole), mth(tree, middle, to));
        }
        return append(subproof(tree, old, middle, to, false), mth(tree, from, middle));
    }

    /// @dev The largest power of two below `width`.
    function half(uint64 width) private pure returns (uint64 k) {
        k = 1;
        while (k * 2 < width) k *= 2;
    }

    function append(bytes32[] memory list, bytes32 last)
        private
        pure
        returns (bytes32[] memory longer)
    {
        longer = new bytes32[](list.length + 1);
        for (uint256 i; i < list.length; ++i) {
            longer[i] = list[i];
        }
        longer[list.length] = last;
    }
}
