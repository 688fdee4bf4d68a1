// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {IFirmwareAnchor} from "../src/IFirmwareAnchor.sol";
import {ProofRefusal} from "../src/Rfc6962.sol";
import {Tree, Trees} from "./Tree.sol";
import {VM} from "./Vm.sol";
import {World} from "./World.sol";

contract FirmwareAnchorTest is World {
    using Trees for Tree;

    function test_a_log_starts_at_the_empty_tree() external view {
        IFirmwareAnchor.Head memory head = d.anchor.head(logId);
        equal(logId, sha256(bytes(ORIGIN)), "log id");
        equal(head.root, sha256(""), "root");
        equal(head.size, 0, "size");
        equal(head.seq, 0, "seq");
        equal(head.authority, VM.addr(LOG_KEY), "authority");
        equal(head.accumulator, logId, "accumulator");
    }

    function test_anchors_what_the_authority_signed_and_tells_it() external {
        bytes32 root = honest.root(5);
        VM.expectEmit(address(d.anchor));
        emit IFirmwareAnchor.Anchored(logId, 5, root, 1, uint64(block.timestamp), checkpointHash(5));
        grow(honest, 5);
        grow(honest, 13);
        IFirmwareAnchor.Head memory head = d.anchor.head(logId);
        equal(head.root, honest.root(13), "root");
        equal(head.size, 13, "size");
        equal(head.seq, 2, "seq");
    }

    function test_every_growth_up_to_40(uint64 old, uint64 size) external {
        (old, size) = (1 + old % 40, 1 + size % 40);
        VM.assume(old < size);
        grow(honest, old);
        grow(honest, size);
        equal(d.anchor.head(logId).root, honest.root(size), "root");
    }

    function test_a_repeated_head_changes_nothing_whoever_sends_it() external {
        grow(honest, 7);
        bytes32 before = d.anchor.head(logId).accumulator;
        VM.prank(address(0xBAD));
        d.anchor.anchor(logId, honest.root(7), 7, new bytes32[](0), "", 0);
        equal(d.anchor.head(logId).accumulator, before, "accumulator");
        equal(d.anchor.head(logId).seq, 1, "seq");
    }

    function test_refuses_an_older_head() external {
        grow(honest, 7);
        bytes memory proof = signedHead(honest.root(3), 3);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(
                IFirmwareAnchor.anchor,
                (logId, honest.root(3), 3, new bytes32[](0), proof, checkpointHash(3))
            ),
            inconsistent(ProofRefusal.OldTreeLarger, 7, 3)
        );
    }

    function test_refuses_another_root_of_the_same_size() external {
        grow(honest, 7);
        bytes32 forged = Tree(6, 1).root(7);
        bytes memory proof = signedHead(forged, 7);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(
                IFirmwareAnchor.anchor,
                (logId, forged, 7, new bytes32[](0), proof, checkpointHash(7))
            ),
            inconsistent(ProofRefusal.SameSizeOtherRoot, 7, 7)
        );
    }

    /// The tampered log: an entry rewritten, a consistent new tree, signed again by the true key.
    function test_a_rewritten_log_cannot_be_anchored_over_the_true_one(uint64 since, uint64 size)
        external
    {
        grow(honest, 20);
        since = since % 20;
        size = 21 + size % 20;
        Tree memory forged = Tree(since, 1);
        bytes32 root = forged.root(size);
        bytes32[] memory path = forged.consistency(20, size);
        bytes memory proof = signedHead(root, size);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(
                IFirmwareAnchor.anchor, (logId, root, size, path, proof, checkpointHash(size))
            ),
            inconsistent(ProofRefusal.OldRootMismatch, 20, size)
        );
    }

    function test_refuses_a_signature_of_somebody_else() external {
        bytes32 root = honest.root(4);
        bytes memory message = d.anchor.checkpointMessage(logId, root, 4, checkpointHash(4));
        bytes memory proof = secp256k1Proof(0x99, message);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(
                IFirmwareAnchor.anchor, (logId, root, 4, new bytes32[](0), proof, checkpointHash(4))
            ),
            mismatch(VM.addr(LOG_KEY), VM.addr(0x99))
        );
    }

    function test_a_signature_covers_every_field(uint8 field) external {
        bytes32 root = honest.root(4);
        bytes memory proof = signedHead(root, 4);
        (bytes32 id, uint64 size, bytes32 hash) = (logId, 4, checkpointHash(4));
        if (field % 4 == 0) id = register("log.example/other", VM.addr(LOG_KEY));
        if (field % 4 == 1) root = honest.root(3);
        if (field % 4 == 2) size = 5;
        if (field % 4 == 3) hash = 0;
        (bool success, bytes memory answer) = address(d.anchor)
            .call(
                abi.encodeCall(
                    IFirmwareAnchor.anchor, (id, root, size, new bytes32[](0), proof, hash)
                )
            );
        refusedBy(success, answer, IFirmwareAnchor.AuthorityMismatch.selector);
    }

    function test_the_authority_may_send_without_a_signature() external {
        bytes32 id = register("log.example/direct", address(this));
        d.anchor.anchor(id, honest.root(9), 9, new bytes32[](0), "", 0);
        equal(d.anchor.head(id).size, 9, "size");
        refused(
            address(0xBAD),
            address(d.anchor),
            abi.encodeCall(
                IFirmwareAnchor.anchor, (id, honest.root(10), 10, new bytes32[](0), "", 0)
            ),
            mismatch(address(this), address(0xBAD))
        );
    }

    function test_refuses_unknown_logs_and_a_zero_root() external {
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.anchor, (0, honest.root(1), 1, new bytes32[](0), "", 0)),
            abi.encodeWithSelector(IFirmwareAnchor.LogUnknown.selector, bytes32(0))
        );
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.head, (0)),
            abi.encodeWithSelector(IFirmwareAnchor.LogUnknown.selector, bytes32(0))
        );
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.anchor, (0, 0, 0, new bytes32[](0), "", 0)),
            abi.encodeWithSelector(IFirmwareAnchor.LogUnknown.selector, bytes32(0))
        );
        bytes memory proof = signedHead(0, 1);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(
                IFirmwareAnchor.anchor, (logId, 0, 1, new bytes32[](0), proof, checkpointHash(1))
            ),
            abi.encodeWithSelector(IFirmwareAnchor.RootIsZero.selector)
        );
    }

    function test_registration_is_checked() external {
        refused(
            REGISTRAR_ACCOUNT,
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.registerLog, (ORIGIN, address(1))),
            abi.encodeWithSelector(IFirmwareAnchor.LogExists.selector, logId)
        );
        refused(
            REGISTRAR_ACCOUNT,
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.registerLog, ("", address(1))),
            abi.encodeWithSelector(IFirmwareAnchor.OriginLengthWrong.selector, 0)
        );
        refused(
            REGISTRAR_ACCOUNT,
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.registerLog, (string(new bytes(256)), address(1))),
            abi.encodeWithSelector(IFirmwareAnchor.OriginLengthWrong.selector, 256)
        );
        refused(
            REGISTRAR_ACCOUNT,
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.registerLog, ("log.example/none", address(0))),
            abi.encodeWithSelector(IFirmwareAnchor.AuthorityIsZero.selector)
        );
        uint64 days91 = 91 days;
        refused(
            address(this),
            address(this),
            abi.encodeCall(this.create, ("FirmwareAnchor", abi.encode(address(d.manager), days91))),
            abi.encodeWithSelector(NotDeployed.selector, "FirmwareAnchor")
        );
    }

    function test_inclusion_is_against_the_newest_head(uint64 index, uint64 size) external {
        size = 1 + size % 40;
        index = index % size;
        grow(honest, size);
        bytes32[] memory path = honest.inclusion(index, size);
        bytes32 leaf = honest.leaf(index);
        yes(d.anchor.verifyInclusion(logId, leaf, index, path), "leaf");
        yes(d.anchor.verifyEntry(logId, abi.encodePacked(index), index, path), "entry");
        yes(!d.anchor.verifyInclusion(logId, leaf, index + 1, path), "another place");
        yes(!d.anchor.verifyInclusion(logId, bytes32(uint256(leaf) ^ 1), index, path), "leaf ^ 1");
        grow(honest, size + 1);
        bool still = d.anchor.verifyInclusion(logId, leaf, index, path);
        yes(!still || honest.inclusion(index, size + 1).length == path.length, "an older tree");
    }

    /// A node is no entry: its preimage starts with another byte.
    function test_a_node_does_not_pass_for_an_entry() external {
        grow(honest, 4);
        bytes memory node = abi.encodePacked(honest.leaf(0), honest.leaf(1));
        bytes32[] memory path = new bytes32[](1);
        path[0] = honest.mth(2, 4);
        yes(!d.anchor.verifyEntry(logId, node, 0, path), "a node with half a path");
        yes(!d.anchor.verifyEntry(logId, bytes.concat(hex"01", node), 0, path), "with its prefix");
    }

    function test_history_folds_to_the_accumulator() external {
        IFirmwareAnchor.Anchor[] memory all = new IFirmwareAnchor.Anchor[](3);
        for (uint32 i; i < 3; ++i) {
            uint64 size = 3 + 4 * uint64(i);
            uint64 time = 1_800_000_060 + 60 * uint64(i);
            VM.warp(time);
            grow(honest, size);
            bytes32 root = honest.root(size);
            all[i] = IFirmwareAnchor.Anchor(root, size, i + 1, time, checkpointHash(size));
        }
        yes(d.anchor.verifyHistory(logId, logId, all), "history");
        all[1].time += 1;
        yes(!d.anchor.verifyHistory(logId, logId, all), "history with another time");
        yes(!d.anchor.verifyHistory(0, 0, new IFirmwareAnchor.Anchor[](0)), "an unknown log's");
    }

    function test_only_roles_govern(address stranger) external {
        VM.assume(stranger != REGISTRAR_ACCOUNT && stranger != REVOKER_ACCOUNT);
        VM.assume(stranger != address(d.timelock));
        bytes[4] memory calls = [
            abi.encodeCall(IFirmwareAnchor.registerLog, ("log.example/x", address(1))),
            abi.encodeCall(IFirmwareAnchor.scheduleRotation, (logId, address(1))),
            abi.encodeCall(IFirmwareAnchor.cancelRotation, (logId)),
            abi.encodeCall(IFirmwareAnchor.revokeAuthority, (logId))
        ];
        for (uint256 i; i < calls.length; ++i) {
            VM.prank(stranger);
            (bool success, bytes memory answer) = address(d.anchor).call(calls[i]);
            refusedBy(success, answer, IAccessManaged.AccessManagedUnauthorized.selector);
        }
    }

    function create(string memory name, bytes memory arguments) external returns (address) {
        return _create(name, arguments);
    }

    function mismatch(address expected, address got) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IFirmwareAnchor.AuthorityMismatch.selector, expected, got);
    }

    function inconsistent(ProofRefusal reason, uint64 old, uint64 size)
        private
        pure
        returns (bytes memory)
    {
        return
            abi.encodeWithSelector(IFirmwareAnchor.ConsistencyRefused.selector, reason, old, size);
    }
}
