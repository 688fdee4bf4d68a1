// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ProofRefusal, Rfc6962} from "../src/Rfc6962.sol";

/// @notice The library's functions behind calls, because proofs come as calldata.
contract Rfc6962Harness {
    function leafHash(bytes calldata entry) external pure returns (bytes32) {
        return Rfc6962.leafHash(entry);
    }

    function inclusion(
        uint64 index,
        uint64 size,
        bytes32 leaf,
        bytes32 root,
        bytes32[] calldata path
    ) external view returns (ProofRefusal) {
        return Rfc6962.checkInclusion(index, size, leaf, root, path);
    }

    function consistency(
        uint64 oldSize,
        bytes32 oldRoot,
        uint64 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) external view returns (ProofRefusal) {
        return Rfc6962.checkConsistency(oldSize, oldRoot, newSize, newRoot, proof);
    }
}
