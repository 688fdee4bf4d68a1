// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IFirmwareAnchor} from "../src/IFirmwareAnchor.sol";
import {Tree, Trees} from "./Tree.sol";
import {VM} from "./Vm.sol";
import {World} from "./World.sol";

/// @notice Rotation, revocation, equivocation: how a log's authority changes and ends.
contract AuthorityLifeTest is World {
    using Trees for Tree;

    uint256 private constant NEW_KEY = 0x11;

    function test_a_rotation_waits_and_then_holds() external {
        schedule();
        uint64 effectiveAt = 1_800_000_000 + ROTATION_DELAY;
        equal(d.anchor.pendingRotation(logId).effectiveAt, effectiveAt, "effective at");
        VM.warp(effectiveAt - 1);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.applyRotation, (logId)),
            abi.encodeWithSelector(
                IFirmwareAnchor.RotationTooEarly.selector, effectiveAt, effectiveAt - 1
            )
        );
        grow(honest, 3);
        VM.warp(effectiveAt);
        d.anchor.applyRotation(logId);
        equal(d.anchor.head(logId).authority, VM.addr(NEW_KEY), "authority");
        equal(d.anchor.head(logId).size, 3, "size");
        equal(d.anchor.pendingRotation(logId).authority, address(0), "nothing pending");
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.applyRotation, (logId)),
            about(IFirmwareAnchor.NoRotation.selector)
        );
        bytes memory old = signedHead(honest.root(4), 4);
        bytes32[] memory path = honest.consistency(3, 4);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(
                IFirmwareAnchor.anchor, (logId, honest.root(4), 4, path, old, checkpointHash(4))
            ),
            abi.encodeWithSelector(
                IFirmwareAnchor.AuthorityMismatch.selector, VM.addr(NEW_KEY), VM.addr(LOG_KEY)
            )
        );
    }

    function test_a_rotation_can_be_cancelled() external {
        schedule();
        VM.prank(REVOKER_ACCOUNT);
        d.anchor.cancelRotation(logId);
        VM.warp(block.timestamp + ROTATION_DELAY);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.applyRotation, (logId)),
            about(IFirmwareAnchor.NoRotation.selector)
        );
        refused(
            REVOKER_ACCOUNT,
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.cancelRotation, (logId)),
            about(IFirmwareAnchor.NoRotation.selector)
        );
    }

    function test_rotations_are_checked() external {
        refused(
            REGISTRAR_ACCOUNT,
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.scheduleRotation, (logId, address(0))),
            abi.encodeWithSelector(IFirmwareAnchor.AuthorityIsZero.selector)
        );
        refused(
            REGISTRAR_ACCOUNT,
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.scheduleRotation, (0, address(1))),
            abi.encodeWithSelector(IFirmwareAnchor.LogUnknown.selector, bytes32(0))
        );
    }

    function test_a_revocation_is_instant_and_a_rotation_heals_it() external {
        grow(honest, 3);
        revoke();
        bytes memory proof = signedHead(honest.root(4), 4);
        bytes32[] memory path = honest.consistency(3, 4);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(
                IFirmwareAnchor.anchor, (logId, honest.root(4), 4, path, proof, checkpointHash(4))
            ),
            about(IFirmwareAnchor.NoAuthority.selector)
        );
        refused(
            REVOKER_ACCOUNT,
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.revokeAuthority, (logId)),
            about(IFirmwareAnchor.NoAuthority.selector)
        );
        yes(d.anchor.verifyInclusion(logId, honest.leaf(1), 1, honest.inclusion(1, 3)), "reading");
        schedule();
        VM.warp(block.timestamp + ROTATION_DELAY);
        d.anchor.applyRotation(logId);
        bytes memory message =
            d.anchor.checkpointMessage(logId, honest.root(4), 4, checkpointHash(4));
        proof = secp256k1Proof(NEW_KEY, message);
        d.anchor.anchor(logId, honest.root(4), 4, path, proof, checkpointHash(4));
        equal(d.anchor.head(logId).size, 4, "size");
    }

    function test_two_signed_trees_of_one_size_freeze_the_log_for_good() external {
        grow(honest, 5);
        schedule();
        Tree memory forged = Tree(2, 1);
        IFirmwareAnchor.SignedHead memory a = headOf(honest, 9);
        IFirmwareAnchor.SignedHead memory b = headOf(forged, 9);
        VM.expectEmit(address(d.anchor));
        emit IFirmwareAnchor.EquivocationProven(logId, 9, a.root, b.root);
        VM.prank(address(0xBAD));
        d.anchor.reportEquivocation(logId, a, b);
        yes(d.anchor.isFrozen(logId), "frozen");
        equal(d.anchor.head(logId).root, honest.root(5), "the anchored head stays");
        bytes32[] memory path = honest.consistency(5, 9);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(
                IFirmwareAnchor.anchor, (logId, a.root, 9, path, a.authoritySig, a.checkpointHash)
            ),
            about(IFirmwareAnchor.LogFrozen.selector)
        );
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.reportEquivocation, (logId, a, b)),
            about(IFirmwareAnchor.LogFrozen.selector)
        );
        VM.warp(block.timestamp + ROTATION_DELAY);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.applyRotation, (logId)),
            about(IFirmwareAnchor.NoRotation.selector)
        );
        refused(
            REGISTRAR_ACCOUNT,
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.scheduleRotation, (logId, VM.addr(NEW_KEY))),
            about(IFirmwareAnchor.LogFrozen.selector)
        );
        refused(
            REVOKER_ACCOUNT,
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.revokeAuthority, (logId)),
            about(IFirmwareAnchor.LogFrozen.selector)
        );
    }

    function test_what_is_no_equivocation_freezes_nothing() external {
        IFirmwareAnchor.SignedHead memory a = headOf(honest, 9);
        IFirmwareAnchor.SignedHead memory b = headOf(honest, 10);
        expectNoEquivocation(a, b);
        expectNoEquivocation(a, a);
        b = headOf(Tree(2, 1), 9);
        bytes memory good = b.authoritySig;
        b.authoritySig = "";
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.reportEquivocation, (logId, a, b)),
            abi.encodeWithSelector(IFirmwareAnchor.SignatureMissing.selector)
        );
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.reportEquivocation, (logId, b, a)),
            abi.encodeWithSelector(IFirmwareAnchor.SignatureMissing.selector)
        );
        bytes memory message = d.anchor.checkpointMessage(logId, b.root, b.size, b.checkpointHash);
        b.authoritySig = secp256k1Proof(0x99, message);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.reportEquivocation, (logId, a, b)),
            abi.encodeWithSelector(
                IFirmwareAnchor.AuthorityMismatch.selector, VM.addr(LOG_KEY), VM.addr(0x99)
            )
        );
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.reportEquivocation, (0, a, b)),
            abi.encodeWithSelector(IFirmwareAnchor.LogUnknown.selector, bytes32(0))
        );
        yes(!d.anchor.isFrozen(logId), "not frozen");
        b.authoritySig = good;
        d.anchor.reportEquivocation(logId, a, b);
        yes(d.anchor.isFrozen(logId), "the true pair freezes it");
    }

    function test_heads_of_a_former_authority_are_told_and_freeze_nothing() external {
        IFirmwareAnchor.SignedHead memory a = headOf(honest, 9);
        IFirmwareAnchor.SignedHead memory b = headOf(Tree(2, 1), 9);
        address old = VM.addr(LOG_KEY);
        yes(!d.anchor.wasAuthority(logId, old), "it still is");
        revoke();
        yes(d.anchor.wasAuthority(logId, old), "it was");
        expectTold(a, b, old, old);
        schedule();
        VM.warp(block.timestamp + ROTATION_DELAY);
        d.anchor.applyRotation(logId);
        yes(!d.anchor.wasAuthority(logId, address(0)), "nobody is no authority");
        expectTold(a, b, old, old);
        bytes memory message = d.anchor.checkpointMessage(logId, b.root, b.size, b.checkpointHash);
        b.authoritySig = secp256k1Proof(NEW_KEY, message);
        expectTold(a, b, old, VM.addr(NEW_KEY));
        b.authoritySig = secp256k1Proof(0x99, message);
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.reportEquivocation, (logId, a, b)),
            abi.encodeWithSelector(
                IFirmwareAnchor.AuthorityMismatch.selector, VM.addr(NEW_KEY), VM.addr(0x99)
            )
        );
    }

    function test_a_former_authority_that_came_back_is_held_to_its_heads() external {
        IFirmwareAnchor.SignedHead memory a = headOf(honest, 9);
        IFirmwareAnchor.SignedHead memory b = headOf(Tree(2, 1), 9);
        revoke();
        VM.prank(REGISTRAR_ACCOUNT);
        d.anchor.scheduleRotation(logId, VM.addr(LOG_KEY));
        VM.warp(block.timestamp + ROTATION_DELAY);
        d.anchor.applyRotation(logId);
        d.anchor.reportEquivocation(logId, a, b);
        yes(d.anchor.isFrozen(logId), "frozen");
    }

    function expectTold(
        IFirmwareAnchor.SignedHead memory a,
        IFirmwareAnchor.SignedHead memory b,
        address signerA,
        address signerB
    ) private {
        VM.expectEmit(address(d.anchor));
        emit IFirmwareAnchor.FormerEquivocationProven(
            logId, a.size, a.root, b.root, signerA, signerB
        );
        d.anchor.reportEquivocation(logId, a, b);
        yes(!d.anchor.isFrozen(logId), "not frozen");
    }

    function expectNoEquivocation(
        IFirmwareAnchor.SignedHead memory a,
        IFirmwareAnchor.SignedHead memory b
    ) private {
        refused(
            address(this),
            address(d.anchor),
            abi.encodeCall(IFirmwareAnchor.reportEquivocation, (logId, a, b)),
            abi.encodeWithSelector(
                IFirmwareAnchor.NotEquivocation.selector, a.size, b.size, a.root, b.root
            )
        );
    }

    function schedule() private {
        VM.prank(REGISTRAR_ACCOUNT);
        d.anchor.scheduleRotation(logId, VM.addr(NEW_KEY));
    }

    function revoke() private {
        VM.prank(REVOKER_ACCOUNT);
        d.anchor.revokeAuthority(logId);
    }

    function about(bytes4 reason) private view returns (bytes memory) {
        return abi.encodeWithSelector(reason, logId);
    }
}
