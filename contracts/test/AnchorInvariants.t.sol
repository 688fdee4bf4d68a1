// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IFirmwareAnchor} from "../src/IFirmwareAnchor.sol";
import {Tree, Trees} from "./Tree.sol";
import {VM, Vm} from "./Vm.sol";
import {World} from "./World.sol";

/// @notice Everybody does what they can to one log, in any order: relays honest heads and forged
/// ones (all signed by the true key), with right and wrong proofs; rotates, revokes, tries others'
/// powers. It keeps what the events said.
contract AnchorActor is World {
    using Trees for Tree;

    IFirmwareAnchor.Anchor[] private _told;
    uint256 public grown;
    uint256 public forged;
    bytes32 public wrong;

    function anchorHonest(uint8 step) external {
        uint64 old = d.anchor.head(logId).size;
        uint64 size = old + 1 + step % 7;
        if (size > 200) return;
        VM.warp(clock() + step);
        attempt(honest, old, size, size);
    }

    function anchorForged(uint8 since, uint8 step, bool proofOfHonest) external {
        uint64 old = d.anchor.head(logId).size;
        if (old == 0) return;
        uint64 size = old + step % 7;
        Tree memory fork = Tree(since % old, 1);
        if (attempt(proofOfHonest ? honest : fork, old, size, size, fork)) ++forged;
    }

    function anchorOlder(uint8 size) external {
        uint64 old = d.anchor.head(logId).size;
        if (old == 0) return;
        uint64 smaller = size % old;
        if (attempt(honest, smaller, old, smaller)) ++forged;
    }

    function revoke(uint8 dice) external {
        if (dice % 8 != 0) return;
        VM.prank(REVOKER_ACCOUNT);
        (bool success,) =
            address(d.anchor).call(abi.encodeCall(IFirmwareAnchor.revokeAuthority, (logId)));
        success;
        VM.prank(REGISTRAR_ACCOUNT);
        d.anchor.scheduleRotation(logId, VM.addr(LOG_KEY));
        VM.warp(clock() + ROTATION_DELAY);
        d.anchor.applyRotation(logId);
    }

    function govern(address stranger, uint8 which) external {
        bytes memory data = abi.encodeCall(IFirmwareAnchor.scheduleRotation, (logId, stranger));
        if (which % 3 == 0) data = abi.encodeCall(IFirmwareAnchor.registerLog, ("x.y", stranger));
        if (which % 3 == 1) data = abi.encodeCall(IFirmwareAnchor.revokeAuthority, (logId));
        bool has = stranger == REGISTRAR_ACCOUNT || stranger == REVOKER_ACCOUNT;
        if (has || stranger == address(d.timelock)) return;
        VM.prank(stranger);
        (bool success,) = address(d.anchor).call(data);
        if (success) wrong = "a stranger governed";
    }

    function head() external view returns (IFirmwareAnchor.Head memory) {
        return d.anchor.head(logId);
    }

    function folds() external view returns (bool) {
        return d.anchor.verifyHistory(logId, logId, _told);
    }

    function expectedRoot() external view returns (bytes32) {
        return honest.root(d.anchor.head(logId).size);
    }

    function told() external view returns (uint256) {
        return _told.length;
    }

    /// @dev Whether a head with the root of `tree` was taken that was not there before.
    function attempt(Tree memory tree, uint64 from, uint64 to, uint64 size) private returns (bool) {
        return attempt(tree, from, to, size, tree);
    }

    function attempt(Tree memory prover, uint64 from, uint64 to, uint64 size, Tree memory tree)
        private
        returns (bool)
    {
        bytes32 root = tree.root(size);
        bytes32[] memory path = prover.consistency(from, to);
        bytes memory proof = signedHead(root, size);
        IFirmwareAnchor.Head memory before = d.anchor.head(logId);
        VM.recordLogs();
        (bool success,) = address(d.anchor)
            .call(
                abi.encodeCall(
                    IFirmwareAnchor.anchor, (logId, root, size, path, proof, checkpointHash(size))
                )
            );
        Vm.Log[] memory logs = VM.getRecordedLogs();
        IFirmwareAnchor.Head memory later = d.anchor.head(logId);
        if (!success || logs.length == 0) {
            if (keccak256(abi.encode(before)) != keccak256(abi.encode(later))) wrong = "silent";
            return false;
        }
        if (later.size <= before.size || later.seq != before.seq + 1) wrong = "did not rise";
        keep(logs[0]);
        ++grown;
        return true;
    }

    function keep(Vm.Log memory log) private {
        (bytes32 root, uint32 seq, uint64 time, bytes32 hash) =
            abi.decode(log.data, (bytes32, uint32, uint64, bytes32));
        _told.push(IFirmwareAnchor.Anchor(root, uint64(uint256(log.topics[2])), seq, time, hash));
    }

    /// @dev Read anew each time: the compiler may take the block's time for a constant.
    function clock() private view returns (uint256) {
        return VM.getBlockTimestamp();
    }
}

contract AnchorInvariants {
    AnchorActor private actor = new AnchorActor();

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(actor);
    }

    function invariant_size_and_seq_only_rise_and_nothing_changes_silently() external view {
        require(actor.wrong() == 0, "size, seq, silence or a stranger");
        require(actor.head().seq == actor.told(), "seq counts the events");
    }

    function invariant_no_root_without_a_consistency_proof() external view {
        require(actor.forged() == 0, "a forged or older head was taken");
        require(actor.head().root == actor.expectedRoot(), "the root is the honest tree's");
    }

    function invariant_the_accumulator_is_the_fold_of_the_events() external view {
        require(actor.folds(), "fold");
    }

    /// Without growth the other invariants would hold of nothing.
    function test_the_actor_does_grow_the_log() external {
        actor.anchorHonest(3);
        actor.revoke(0);
        actor.anchorHonest(200);
        require(actor.grown() == 2 && actor.head().seq == 2, "two anchors");
    }
}
