// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Deployer} from "../script/Deployer.sol";
import {IFirmwareAnchor} from "../src/IFirmwareAnchor.sol";
import {Check} from "./Check.sol";
import {Signing} from "./Signing.sol";
import {Tree, Trees} from "./Tree.sol";
import {VM} from "./Vm.sol";

/// @notice Both contracts as the deployment script makes them, one log, and its keys.
abstract contract World is Check, Deployer, Signing {
    using Trees for Tree;

    address internal constant REGISTRAR_ACCOUNT = address(0xA11);
    address internal constant REVOKER_ACCOUNT = address(0xA12);
    address internal constant GUARDIAN_ACCOUNT = address(0xA13);
    uint256 internal constant LOG_KEY = 0x10;
    uint64 internal constant ROTATION_DELAY = 2 days;
    string internal constant ORIGIN = "log.example/pumps";

    Deployment internal d;
    bytes32 internal logId;
    Tree internal honest;

    constructor() {
        VM.warp(1_800_000_000);
        d = _deploy(plan(), address(this));
        honest = Tree(type(uint64).max, 0);
        logId = register(ORIGIN, VM.addr(LOG_KEY));
    }

    function plan() internal pure returns (Plan memory) {
        return Plan({
            members: councilMembers(),
            threshold: 2,
            timelockDelay: 2 days,
            rotationDelay: ROTATION_DELAY,
            registrar: REGISTRAR_ACCOUNT,
            revoker: REVOKER_ACCOUNT,
            guardian: GUARDIAN_ACCOUNT
        });
    }

    function register(string memory origin, address authority) internal returns (bytes32) {
        VM.prank(REGISTRAR_ACCOUNT);
        return d.anchor.registerLog(origin, authority);
    }

    function checkpointHash(uint64 size) internal pure returns (bytes32) {
        return sha256(abi.encodePacked("checkpoint", size));
    }

    /// @dev The authority's secp256k1 proof over a head.
    function signedHead(bytes32 root, uint64 size) internal view returns (bytes memory) {
        bytes memory message = d.anchor.checkpointMessage(logId, root, size, checkpointHash(size));
        return secp256k1Proof(LOG_KEY, message);
    }

    /// @dev Anchors the tree at this size, with an honest proof from what is anchored.
    function grow(Tree memory tree, uint64 size) internal {
        uint64 old = d.anchor.head(logId).size;
        bytes32 root = tree.root(size);
        bytes memory proof = signedHead(root, size);
        bytes32[] memory path = tree.consistency(old, size);
        d.anchor.anchor(logId, root, size, path, proof, checkpointHash(size));
    }

    function headOf(Tree memory tree, uint64 size)
        internal
        view
        returns (IFirmwareAnchor.SignedHead memory)
    {
        bytes32 root = tree.root(size);
        return IFirmwareAnchor.SignedHead(root, size, checkpointHash(size), signedHead(root, size));
    }
}
