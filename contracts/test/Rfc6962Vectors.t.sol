// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Check} from "./Check.sol";
import {Rfc6962Harness} from "./Rfc6962Harness.sol";
import {VM, Vm} from "./Vm.sol";

/// @notice The test vectors that `tlog` reads, from the same files.
contract Rfc6962VectorsTest is Check {
    Rfc6962Harness private harness = new Rfc6962Harness();

    /// The names of `ProofRefusal`, by number.
    string[9] private names = [
        "ok",
        "IndexOutsideTree",
        "TooShort",
        "TooLong",
        "RootMismatch",
        "OldTreeLarger",
        "OldRootMismatch",
        "SameSizeOtherRoot",
        "EmptyTreeHasRoot"
    ];

    function test_inclusion_vectors() external view {
        string[] memory files = list("../vectors/tlog/inclusion");
        yes(files.length >= 50, "inclusion vectors are there");
        for (uint256 i; i < files.length; ++i) {
            (string memory header, bytes32[] memory path) = read(files[i]);
            uint8 got = uint8(
                harness.inclusion(
                    number(header, "index"),
                    number(header, "size"),
                    hash(header, "leaf"),
                    hash(header, "root"),
                    path
                )
            );
            equal(bytes(names[got]), bytes(value(header, "expect")), files[i]);
        }
    }

    function test_consistency_vectors() external view {
        string[] memory files = list("../vectors/tlog/consistency");
        yes(files.length >= 50, "consistency vectors are there");
        for (uint256 i; i < files.length; ++i) {
            (string memory header, bytes32[] memory proof) = read(files[i]);
            uint8 got = uint8(
                harness.consistency(
                    number(header, "old-size"),
                    hash(header, "old-root"),
                    number(header, "new-size"),
                    hash(header, "new-root"),
                    proof
                )
            );
            equal(bytes(names[got]), bytes(value(header, "expect")), files[i]);
        }
    }

    function list(string memory folder) private view returns (string[] memory files) {
        Vm.DirEntry[] memory entries = VM.readDir(folder);
        files = new string[](entries.length);
        for (uint256 i; i < entries.length; ++i) {
            files[i] = entries[i].path;
        }
    }

    /// @dev Header and hashes; a body in text is an empty one here.
    function read(string memory file)
        private
        view
        returns (string memory header, bytes32[] memory hashes)
    {
        string[] memory parts = VM.split(VM.readFile(file), "\n\n");
        header = parts[0];
        if (keccak256(bytes(value(header, "body"))) == keccak256("text")) return (header, hashes);
        string[] memory lines = VM.split(VM.trim(parts[1]), "\n");
        hashes = new bytes32[](lines.length);
        for (uint256 i; i < lines.length; ++i) {
            equal(bytes(lines[i]).length, 64, "a line of the body is one hash");
            hashes[i] = VM.parseBytes32(string.concat("0x", lines[i]));
        }
    }

    function value(string memory header, string memory key) private pure returns (string memory) {
        string[] memory lines = VM.split(header, "\n");
        for (uint256 i; i < lines.length; ++i) {
            string[] memory pair = VM.split(lines[i], ": ");
            if (keccak256(bytes(pair[0])) == keccak256(bytes(key))) return pair[1];
        }
        revert(string.concat("no key ", key));
    }

    function number(string memory header, string memory key) private pure returns (uint64) {
        return uint64(VM.parseUint(value(header, key)));
    }

    function hash(string memory header, string memory key) private pure returns (bytes32) {
        return VM.parseBytes32(string.concat("0x", value(header, key)));
    }
}
