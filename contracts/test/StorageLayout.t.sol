// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IFirmwareAnchor} from "../src/IFirmwareAnchor.sol";
import {IFirmwareUpdateLog} from "../src/IFirmwareUpdateLog.sol";
import {Fleet} from "./Fleet.sol";
import {Tree, Trees} from "./Tree.sol";
import {VM} from "./Vm.sol";

/// @notice Storage proofs are read by these places; the README's section "Where it lies" says them.
contract StorageLayoutTest is Fleet {
    using Trees for Tree;

    function test_a_head_lies_in_three_slots() external {
        grow(honest, 5);
        uint256 place = placeOf(logId, 3);
        IFirmwareAnchor.Head memory head = d.anchor.head(logId);
        equal(anchorSlot(place), uint256(honest.root(5)), "root");
        uint256 packed = uint256(uint160(VM.addr(LOG_KEY))) << 96 | uint256(1) << 64 | 5;
        equal(anchorSlot(place + 1), packed, "authority, seq, size");
        equal(anchorSlot(place + 2), uint256(head.accumulator), "accumulator");
    }

    function test_what_else_is_kept_of_a_log() external {
        VM.prank(REGISTRAR_ACCOUNT);
        d.anchor.scheduleRotation(logId, address(0x77));
        uint256 effectiveAt = NOW + ROTATION_DELAY;
        equal(anchorSlot(placeOf(logId, 4)), effectiveAt << 160 | 0x77, "rotation");
        VM.warp(effectiveAt);
        d.anchor.applyRotation(logId);
        bytes32 former = bytes32(placeOf(logId, 6));
        address old = VM.addr(LOG_KEY);
        equal(anchorSlot(placeOf(bytes32(uint256(uint160(old))), uint256(former))), 1, "former");
        equal(anchorSlot(placeOf(logId, 5)), 0, "not frozen");
        equal(uint160(anchorSlot(0)), uint160(address(d.manager)), "manager");
    }

    function test_a_frozen_log_is_marked() external {
        d.anchor.reportEquivocation(logId, headOf(honest, 9), headOf(Tree(2, 1), 9));
        equal(anchorSlot(placeOf(logId, 5)), 1, "frozen");
    }

    function test_a_device_and_its_records() external {
        send(LOGGER, next("1.2.3"));
        bytes32 newest = send(LOGGER, next("1.2.4"));
        uint256 place = placeOf(keccak256(bytes(DEVICE)), DEVICES_SLOT);
        equal(updatesSlot(place), uint256(newest), "newest hash");
        equal(updatesSlot(place + 1), 2, "count");
        uint256 record = placeOf(bytes32(uint256(1)), place + 2);
        equal(updatesSlot(record), uint256(FIRMWARE), "firmware hash");
        equal(updatesSlot(record + 1), uint256(sha256("manifest")), "content digest");
        uint256 packed = uint256(uint128(bytes16("1.2.4"))) | uint256(NOW - 60) << 128
            | uint256(NOW) << 168 | uint256(1) << 208 | uint256(0x55) << 240;
        equal(updatesSlot(record + 2), packed, "status, codec, authoriser, times, version");
    }

    function test_who_may_write_updates() external {
        equal(updatesSlot(placeOf(bytes32(uint256(uint160(LOGGER))), 4)), 1 << 32 | 1, "may log");
        equal(
            updatesSlot(placeOf(bytes32(uint256(uint160(ROLLER))), 4)), 1 << 40 | 2, "may roll back"
        );
        equal(updatesSlot(placeOf(bytes32(uint256(2)), 5)), uint160(ROLLER), "by number");
        equal(updatesSlot(6), 2, "how many");
        equal(updatesSlot(0), uint160(address(d.manager)), "manager");
        VM.prank(GUARDIAN_ACCOUNT);
        d.updates.pause();
        equal(updatesSlot(0) >> 168, 1, "paused");
    }

    /// @dev Where a mapping keeps the value of a key.
    function placeOf(bytes32 key, uint256 mapping_) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(key, mapping_)));
    }

    function anchorSlot(uint256 place) private view returns (uint256) {
        return uint256(VM.load(address(d.anchor), bytes32(place)));
    }

    function updatesSlot(uint256 place) private view returns (uint256) {
        return uint256(VM.load(address(d.updates), bytes32(place)));
    }
}
