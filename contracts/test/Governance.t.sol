// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {Council} from "../src/Council.sol";
import {IFirmwareAnchor} from "../src/IFirmwareAnchor.sol";
import {IFirmwareUpdateLog} from "../src/IFirmwareUpdateLog.sol";
import {GUARDIAN, REGISTRAR, REVOKER} from "../src/Roles.sol";
import {VM} from "./Vm.sol";
import {World} from "./World.sol";

/// @notice Who can do what after the deployment script has run, and how the council does it.
contract GovernanceTest is World {
    uint64 private constant ADMIN = 0;

    function test_the_deployer_is_left_with_nothing() external view {
        (bool deployer,) = d.manager.hasRole(ADMIN, address(this));
        (bool timelock,) = d.manager.hasRole(ADMIN, address(d.timelock));
        yes(!deployer, "the deployer is no admin");
        yes(timelock, "the timelock is");
        bytes32 owner = d.timelock.DEFAULT_ADMIN_ROLE();
        yes(!d.timelock.hasRole(owner, address(this)), "nor the timelock's admin");
        yes(d.timelock.hasRole(owner, address(d.timelock)), "which is itself");
        equal(d.timelock.getMinDelay(), 2 days, "delay");
        equal(d.council.threshold(), 2, "threshold");
        equal(d.council.getSigners(0, 9).length, 3, "members");
    }

    function test_each_function_has_its_role() external view {
        address anchor = address(d.anchor);
        has(anchor, IFirmwareAnchor.registerLog.selector, REGISTRAR);
        has(anchor, IFirmwareAnchor.scheduleRotation.selector, REGISTRAR);
        has(anchor, IFirmwareAnchor.cancelRotation.selector, REVOKER);
        has(anchor, IFirmwareAnchor.revokeAuthority.selector, REVOKER);
        address updates = address(d.updates);
        has(updates, IFirmwareUpdateLog.enrolAuthoriser.selector, REGISTRAR);
        has(updates, IFirmwareUpdateLog.revokeAuthoriser.selector, REVOKER);
        has(updates, IFirmwareUpdateLog.pause.selector, GUARDIAN);
        has(updates, IFirmwareUpdateLog.unpause.selector, ADMIN);
    }

    function test_the_council_changes_roles_after_the_delay() external {
        bytes memory grant = abi.encodeCall(AccessManager.grantRole, (GUARDIAN, address(0xC0), 0));
        address manager = address(d.manager);
        bytes memory schedule =
            abi.encodeCall(TimelockController.schedule, (manager, 0, grant, 0, 0, 2 days));
        bytes memory execute = abi.encodeCall(TimelockController.execute, (manager, 0, grant, 0, 0));
        decide(address(d.timelock), schedule);
        bytes memory signatures = signedByTwo(address(d.timelock), execute);
        (bool early,) = address(d.council)
            .call(abi.encodeCall(Council.execute, (address(d.timelock), execute, signatures)));
        yes(!early, "not before the delay is over");
        VM.warp(1_800_000_000 + 2 days);
        d.council.execute(address(d.timelock), execute, signatures);
        (bool member,) = d.manager.hasRole(GUARDIAN, address(0xC0));
        yes(member, "granted");
    }

    function test_one_signature_is_not_enough_and_none_counts_twice() external {
        address target = address(d.council);
        bytes memory data = abi.encodeCall(Council.setThreshold, (1));
        bytes memory reason = abi.encodeWithSelector(Council.CouncilRefused.selector, 0);
        bytes memory good = signedByTwo(target, data);
        refuseCouncil(target, data, signedBy(target, data, 1), reason);
        refuseCouncil(target, abi.encodeCall(Council.setThreshold, (3)), good, reason);
        refuseCouncil(target, data, "", reason);
        d.council.execute(target, data, good);
        equal(d.council.threshold(), 1, "threshold");
        reason = abi.encodeWithSelector(Council.CouncilRefused.selector, 1);
        refuseCouncil(target, data, good, reason);
    }

    function test_only_the_council_changes_its_members() external {
        bytes memory reason = abi.encodeWithSelector(Council.CouncilOnly.selector, address(this));
        bytes[] memory one = new bytes[](1);
        one[0] = abi.encodePacked(address(0xC1));
        address council = address(d.council);
        refused(address(this), council, abi.encodeCall(Council.addMembers, (one)), reason);
        refused(address(this), council, abi.encodeCall(Council.removeMembers, (one)), reason);
        refused(address(this), council, abi.encodeCall(Council.setThreshold, (1)), reason);
        decide(council, abi.encodeCall(Council.addMembers, (one)));
        yes(d.council.isSigner(one[0]), "added");
        decide(council, abi.encodeCall(Council.removeMembers, (one)));
        yes(!d.council.isSigner(one[0]), "removed");
    }

    function test_what_a_target_says_comes_through() external {
        bytes memory data = abi.encodeCall(IFirmwareAnchor.head, (bytes32(0)));
        bytes memory signatures = signedByTwo(address(d.anchor), data);
        bytes memory reason =
            abi.encodeWithSelector(IFirmwareAnchor.LogUnknown.selector, bytes32(0));
        refuseCouncil(address(d.anchor), data, signatures, reason);
    }

    function has(address target, bytes4 selector, uint64 role) private view {
        equal(d.manager.getTargetFunctionRole(target, selector), role, "role");
    }

    function decide(address target, bytes memory data) private {
        d.council.execute(target, data, signedByTwo(target, data));
    }

    function refuseCouncil(
        address target,
        bytes memory data,
        bytes memory signatures,
        bytes memory reason
    ) private {
        bytes memory call_ = abi.encodeCall(Council.execute, (target, data, signatures));
        refused(address(0xBAD), address(d.council), call_, reason);
    }

    function signedByTwo(address target, bytes memory data) private view returns (bytes memory) {
        return signedBy(target, data, 2);
    }

    function signedBy(address target, bytes memory data, uint256 k)
        private
        view
        returns (bytes memory)
    {
        bytes32 digest = d.council.callDigest(target, data, d.council.callCount());
        (bytes[] memory members, uint256[] memory keys) = (councilMembers(), memberKeys());
        bytes[] memory signers = new bytes[](k);
        bytes[] memory signatures = new bytes[](k);
        for (uint256 i; i < k; ++i) {
            (signers[i], signatures[i]) = (members[i], accountSignature(keys[i], digest));
        }
        return abi.encode(signers, signatures);
    }
}
