// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IFirmwareUpdateLog} from "../src/IFirmwareUpdateLog.sol";
import {Fleet} from "./Fleet.sol";
import {VM, Vm} from "./Vm.sol";

/// @notice Writers, strangers, guardian and admin in any order, on three devices.
contract FleetActor is Fleet {
    string[3] private _ids = ["pump-1", "pump-2", "pump-3"];
    mapping(string id => bytes32[]) private _hashes;
    bool private _paused;
    uint256 public written;
    bytes32 public wrong;

    function log(uint8 device, bytes32 firmware, uint8 who, bool stale) external {
        string memory id = _ids[device % 3];
        address sender = who % 4 == 0 ? address(0xBAD) : who % 4 == 1 ? ROLLER : LOGGER;
        IFirmwareUpdateLog.UpdateInput memory update = next("1.0.0");
        update.deviceId = id;
        update.firmwareHash = firmware;
        update.previousUpdateHash = stale ? keccak256("stale") : last(id);
        if (who % 8 > 4) update.status = IFirmwareUpdateLog.Status.Failure;
        if (sender == ROLLER) update.status = IFirmwareUpdateLog.Status.Rollback;
        bool may = sender != address(0xBAD) && !_paused && !stale && firmware != 0;
        attempt(id, sender, update, may);
    }

    function pause(bool on) external {
        if (on == _paused) return;
        VM.prank(on ? GUARDIAN_ACCOUNT : address(d.timelock));
        on ? d.updates.pause() : d.updates.unpause();
        _paused = on;
    }

    /// @dev Every chain folds to its head, its count and hashes are those of the events.
    function complete() external view returns (bool) {
        for (uint256 i; i < 3; ++i) {
            string memory id = _ids[i];
            bytes32[] storage hashes = _hashes[id];
            IFirmwareUpdateLog.UpdateRecord[] memory all =
                d.updates.getUpdateHistory(id, 0, type(uint64).max);
            if (all.length != hashes.length || !d.updates.verifyUpdateChain(id)) return false;
            for (uint256 j; j < all.length; ++j) {
                if (all[j].previousUpdateHash != (j == 0 ? bytes32(0) : hashes[j - 1])) {
                    return false;
                }
            }
            if (d.updates.previousUpdateHash(id) != last(id)) return false;
        }
        return true;
    }

    function attempt(
        string memory id,
        address sender,
        IFirmwareUpdateLog.UpdateInput memory update,
        bool may
    ) private {
        VM.recordLogs();
        VM.prank(sender);
        (bool success,) = address(d.updates)
            .call(abi.encodeCall(IFirmwareUpdateLog.logFirmwareUpdateSigned, (update, "")));
        Vm.Log[] memory logs = VM.getRecordedLogs();
        if (success != may) {
            wrong = may ? bytes32("refused the enrolled") : bytes32("took another");
        }
        if (!success) return;
        _hashes[id].push(logs[0].topics[2]);
        ++written;
    }

    function last(string memory id) private view returns (bytes32) {
        bytes32[] storage hashes = _hashes[id];
        return hashes.length == 0 ? bytes32(0) : hashes[hashes.length - 1];
    }
}

contract UpdateInvariants {
    FleetActor private actor = new FleetActor();

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(actor);
    }

    function invariant_chains_are_complete() external view {
        require(actor.complete(), "complete");
    }

    function invariant_exactly_the_enrolled_write_and_only_unpaused() external view {
        require(actor.wrong() == 0, "who wrote");
    }

    /// Without records the other invariants would hold of nothing.
    function test_the_actor_does_write() external {
        actor.log(0, keccak256("a"), 2, false);
        actor.log(0, keccak256("b"), 1, false);
        require(actor.written() == 2 && actor.complete() && actor.wrong() == 0, "two records");
    }
}
