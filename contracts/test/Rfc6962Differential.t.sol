// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Check} from "./Check.sol";
import {Rfc6962Harness} from "./Rfc6962Harness.sol";
import {VM} from "./Vm.sol";

/// @notice Every pair of sizes up to 300, and every leaf of each: `tlog`'s proofs are accepted, and
/// each spoiled twin is refused for `tlog`'s reason. `crates/tlog/examples/contract_fixtures.rs`
/// writes the files and says how twins are spoiled.
contract Rfc6962DifferentialTest is Check {
    uint64 private constant LARGEST = 300;
    Rfc6962Harness private harness = new Rfc6962Harness();

    struct Cursor {
        bytes file;
        uint256 place;
    }

    function test_every_pair_of_sizes_up_to_300() external view {
        uint256 pairs;
        uint256 refused;
        for (uint64 size = 1; size <= LARGEST; ++size) {
            // A call of its own, so that its memory is given back.
            (uint256 seen, uint256 spoiled) = this.compare(size);
            pairs += seen;
            refused += spoiled;
        }
        equal(pairs, 300 * 301 / 2 * 2 + 300, "all proofs were compared");
        // A few twins are proofs again: nothing to flip, sizes that are equal when swapped.
        yes(refused > pairs * 9 / 10, "nine in ten twins are refused");
    }

    function compare(uint64 size) external view returns (uint256 pairs, uint256 refused) {
        bytes memory roots = VM.readFileBinary("fixtures/roots.bin");
        string memory name = VM.toString(1000 + uint256(size));
        Cursor memory cursor = Cursor(VM.readFileBinary(path(name)), 0);
        for (uint64 old; old <= size; ++old) {
            refused += consistency(cursor, roots, old, size);
            ++pairs;
        }
        for (uint64 index; index < size; ++index) {
            refused += inclusion(cursor, root(roots, size), index, size);
            ++pairs;
        }
        equal(cursor.place, cursor.file.length, "the file was read to its end");
    }

    function consistency(Cursor memory cursor, bytes memory roots, uint64 old, uint64 size)
        private
        view
        returns (uint256)
    {
        (bytes32[] memory proof, uint8 expected) = next(cursor);
        bytes32 first = root(roots, old);
        bytes32 second = root(roots, size);
        equal(uint8(harness.consistency(old, first, size, second, proof)), 0, "consistency");
        (first, second, proof) = spoil(old, size, first, second, proof);
        (uint64 from, uint64 to) = kind(old, size) == 6 ? (size, old) : (old, size);
        uint8 got = uint8(harness.consistency(from, first, to, second, proof));
        equal(got, expected, "refusal of a spoiled consistency proof");
        return got == 0 ? 0 : 1;
    }

    function inclusion(Cursor memory cursor, bytes32 second, uint64 index, uint64 size)
        private
        view
        returns (uint256)
    {
        (bytes32[] memory proof, uint8 expected) = next(cursor);
        bytes32 first = leaf(index);
        equal(uint8(harness.inclusion(index, size, first, second, proof)), 0, "inclusion");
        (first, second, proof) = spoil(index, size, first, second, proof);
        uint64 place = kind(index, size) == 6 ? size - index : index;
        uint8 got = uint8(harness.inclusion(place, size, first, second, proof));
        equal(got, expected, "refusal of a spoiled inclusion proof");
        return got == 0 ? 0 : 1;
    }

    function kind(uint64 first, uint64 size) private pure returns (uint64) {
        return (first * 31 + size) % 7;
    }

    /// @dev All kinds but the last, which changes a number.
    function spoil(uint64 a, uint64 b, bytes32 first, bytes32 second, bytes32[] memory proof)
        private
        view
        returns (bytes32, bytes32, bytes32[] memory)
    {
        uint64 how = kind(a, b);
        uint256 n = proof.length;
        if (how == 0 && n > 0) proof[0] ^= bytes32(uint256(1));
        if (how == 1 && n > 0) proof[n - 1] ^= bytes32(uint256(1));
        if (how == 2 && n > 0) proof = resized(proof, n - 1);
        if (how == 3) {
            proof = resized(proof, n + 1);
            proof[n] = leaf(0);
        }
        if (how == 4) first ^= bytes32(uint256(1));
        if (how == 5) second ^= bytes32(uint256(1));
        return (first, second, proof);
    }

    function resized(bytes32[] memory list, uint256 length)
        private
        pure
        returns (bytes32[] memory out)
    {
        out = new bytes32[](length);
        for (uint256 i; i < length && i < list.length; ++i) {
            out[i] = list[i];
        }
    }

    function next(Cursor memory cursor)
        private
        pure
        returns (bytes32[] memory proof, uint8 expected)
    {
        proof = new bytes32[](uint8(cursor.file[cursor.place]));
        expected = uint8(cursor.file[cursor.place + 1]);
        cursor.place += 2;
        for (uint256 i; i < proof.length; ++i) {
            proof[i] = word(cursor.file, cursor.place);
            cursor.place += 32;
        }
    }

    function root(bytes memory roots, uint64 size) private pure returns (bytes32) {
        return word(roots, uint256(size) * 32);
    }

    function word(bytes memory data, uint256 place) private pure returns (bytes32 value) {
        require(place + 32 <= data.length, "the fixture is cut short");
        assembly ("memory-safe") {
            value := mload(add(add(data, 32), place))
        }
    }

    function leaf(uint64 index) private view returns (bytes32) {
        return harness.leafHash(abi.encodePacked(index));
    }

    /// @dev `tree_007.bin` of "1007".
    function path(string memory padded) private pure returns (string memory) {
        bytes memory digits = new bytes(3);
        for (uint256 i; i < 3; ++i) {
            digits[i] = bytes(padded)[i + 1];
        }
        return string.concat("fixtures/tree_", string(digits), ".bin");
    }
}
