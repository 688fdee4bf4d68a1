// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {
    ERC7913P256Verifier
} from "@openzeppelin/contracts/utils/cryptography/verifiers/ERC7913P256Verifier.sol";

import {Council} from "../src/Council.sol";
import {FirmwareAnchor} from "../src/FirmwareAnchor.sol";
import {FirmwareUpdateLog} from "../src/FirmwareUpdateLog.sol";
import {IFirmwareAnchor} from "../src/IFirmwareAnchor.sol";
import {IFirmwareUpdateLog} from "../src/IFirmwareUpdateLog.sol";
import {GUARDIAN, REGISTRAR, REVOKER} from "../src/Roles.sol";
import {VM} from "../test/Vm.sol";

/// @title Puts both contracts on a chain, governed as the README says
/// @notice Council (k of n) → timelock → admin of the AccessManager → roles. In the end the
/// deployer can do nothing.
abstract contract Deployer {
    struct Plan {
        bytes[] members;
        uint64 threshold;
        uint256 timelockDelay;
        uint64 rotationDelay;
        address registrar;
        address revoker;
        address guardian;
    }

    struct Deployment {
        Council council;
        TimelockController timelock;
        AccessManager manager;
        FirmwareAnchor anchor;
        FirmwareUpdateLog updates;
        ERC7913P256Verifier p256;
    }

    error NotDeployed(string name);

    /// @param deployer The account these calls come from.
    function _deploy(Plan memory plan, address deployer) internal returns (Deployment memory d) {
        d.council = Council(_create("Council", abi.encode(plan.members, plan.threshold)));
        address[] memory council = new address[](1);
        council[0] = address(d.council);
        // Without an admin of its own, the timelock is changed through itself only.
        bytes memory timelock = abi.encode(plan.timelockDelay, council, council, address(0));
        d.timelock = TimelockController(payable(_create("TimelockController", timelock)));
        d.manager = AccessManager(_create("AccessManager", abi.encode(deployer)));
        address manager = address(d.manager);
        d.anchor =
            FirmwareAnchor(_create("FirmwareAnchor", abi.encode(manager, plan.rotationDelay)));
        d.updates = FirmwareUpdateLog(_create("FirmwareUpdateLog", abi.encode(manager)));
        d.p256 = ERC7913P256Verifier(_create("ERC7913P256Verifier", ""));
        _assignFunctions(d);
        _assignRoles(d.manager, plan);
        d.manager.grantRole(d.manager.ADMIN_ROLE(), address(d.timelock), 0);
        d.manager.renounceRole(d.manager.ADMIN_ROLE(), deployer);
    }

    /// @dev From the built artefact: each contract is compiled once, and deployed as committed.
    function _create(string memory name, bytes memory arguments) internal returns (address) {
        bytes memory code = VM.getCode(string.concat(name, ".sol"));
        return _deployed(name, bytes.concat(code, arguments));
    }

    function _deployed(string memory name, bytes memory code) internal returns (address made) {
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        if (made == address(0)) revert NotDeployed(name);
    }

    /// @dev What is not named here is the admin's: `unpause`.
    function _assignFunctions(Deployment memory d) private {
        (AccessManager manager, address anchor) = (d.manager, address(d.anchor));
        _assign(manager, anchor, REGISTRAR, IFirmwareAnchor.registerLog.selector);
        _assign(manager, anchor, REGISTRAR, IFirmwareAnchor.scheduleRotation.selector);
        _assign(manager, anchor, REVOKER, IFirmwareAnchor.cancelRotation.selector);
        _assign(manager, anchor, REVOKER, IFirmwareAnchor.revokeAuthority.selector);
        address updates = address(d.updates);
        _assign(manager, updates, REGISTRAR, IFirmwareUpdateLog.enrolAuthoriser.selector);
        _assign(manager, updates, REVOKER, IFirmwareUpdateLog.revokeAuthoriser.selector);
        _assign(manager, updates, GUARDIAN, IFirmwareUpdateLog.pause.selector);
    }

    function _assignRoles(AccessManager manager, Plan memory plan) private {
        manager.labelRole(REGISTRAR, "registrar");
        manager.labelRole(REVOKER, "revoker");
        manager.labelRole(GUARDIAN, "guardian");
        manager.grantRole(REGISTRAR, plan.registrar, 0);
        manager.grantRole(REVOKER, plan.revoker, 0);
        manager.grantRole(GUARDIAN, plan.guardian, 0);
    }

    function _assign(AccessManager manager, address target, uint64 role, bytes4 selector) private {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = selector;
        manager.setTargetFunctionRole(target, selectors, role);
    }
}
