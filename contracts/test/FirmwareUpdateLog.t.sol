// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {IFirmwareUpdateLog} from "../src/IFirmwareUpdateLog.sol";
import {Fleet} from "./Fleet.sol";
import {VM} from "./Vm.sol";

contract FirmwareUpdateLogTest is Fleet {
    function test_log_update_is_the_guides_first_step() external {
        VM.expectEmit(address(d.updates));
        emit IFirmwareUpdateLog.FirmwareUpdated(FIRMWARE, DEVICE, "1.2.3", LOGGER, NOW);
        VM.prank(LOGGER);
        d.updates.logUpdate(FIRMWARE, DEVICE, "1.2.3");
        equal(d.updates.latestFirmwareHash(DEVICE), FIRMWARE, "latest firmware");
        equal(d.updates.getUpdateCount(DEVICE), 1, "count");
        equal(d.updates.getUpdateDetails(DEVICE, 0).timestamp, NOW, "time");
    }

    function test_log_firmware_update_tells_what_it_stored() external {
        VM.recordLogs();
        VM.prank(LOGGER);
        bytes32 hash = d.updates.logFirmwareUpdate(DEVICE, FIRMWARE, "1.2.3", NOW - 60);
        equal(logged(VM.getRecordedLogs()[0]), hash, "event");
        equal(d.updates.previousUpdateHash(DEVICE), hash, "newest hash");
        IFirmwareUpdateLog.UpdateRecord memory told = d.updates.getUpdateDetails(DEVICE, 0);
        equal(told.firmwareHash, FIRMWARE, "firmware");
        equal(told.previousUpdateHash, 0, "previous");
        equal(bytes(told.version), "1.2.3", "version");
        equal(told.timestamp, NOW - 60, "device time");
        equal(told.loggedAt, NOW, "block time");
        equal(uint8(told.status), 0, "status");
        equal(told.authorizedBy, LOGGER, "authorised by");
        equal(told.contentCid, "", "content");
    }

    function test_content_and_status_come_back_as_they_went_in(
        bytes32 firmware,
        bytes32 digest,
        bool raw,
        bool failed
    ) external {
        VM.assume(firmware != 0);
        IFirmwareUpdateLog.UpdateInput memory update = next("2.0.0-rc.1+b7");
        update.firmwareHash = firmware;
        update.contentCid =
            abi.encodePacked(uint8(1), raw ? uint8(0x55) : uint8(0x70), hex"1220", digest);
        update.status =
            failed ? IFirmwareUpdateLog.Status.Failure : IFirmwareUpdateLog.Status.Success;
        send(LOGGER, update);
        IFirmwareUpdateLog.UpdateRecord memory told = d.updates.getUpdateDetails(DEVICE, 0);
        equal(told.firmwareHash, firmware, "firmware");
        equal(told.contentCid, update.contentCid, "content");
        equal(uint8(told.status), uint8(update.status), "status");
        equal(bytes(told.version), bytes(update.version), "version");
        bytes32 latest = d.updates.latestFirmwareHash(DEVICE);
        equal(latest, failed ? bytes32(0) : firmware, "a failed update installs nothing");
    }

    function test_records_form_a_chain() external {
        bytes32[] memory hashes = new bytes32[](5);
        for (uint64 i; i < 5; ++i) {
            hashes[i] = send(LOGGER, next("1.0.0"));
        }
        bytes32 before;
        for (uint64 i; i < 5; ++i) {
            equal(d.updates.getUpdateDetails(DEVICE, i).previousUpdateHash, before, "previous");
            (bool found, uint64 nonce) = d.updates.updateLog(DEVICE, hashes[i]);
            yes(found, "in the log");
            equal(nonce, i, "nonce");
            before = hashes[i];
        }
        yes(d.updates.verifyUpdateChain(DEVICE), "chain");
        bytes32 half = d.updates.foldUpdates(DEVICE, 0, 3, 0);
        equal(half, hashes[2], "half");
        equal(d.updates.foldUpdates(DEVICE, 3, 5, half), hashes[4], "in pages");
        (bool other,) = d.updates.updateLog("another", hashes[0]);
        yes(!other, "not another device's");
    }

    /// One stored byte changed behind the contract's back: the chain no longer leads to its head.
    function test_a_changed_record_breaks_the_chain() external {
        send(LOGGER, next("1.0.0"));
        send(LOGGER, next("1.0.1"));
        bytes32 devices = keccak256(abi.encode(keccak256(bytes(DEVICE)), DEVICES_SLOT));
        bytes32 records = bytes32(uint256(devices) + 2);
        bytes32 first = keccak256(abi.encode(uint256(0), records));
        equal(VM.load(address(d.updates), first), FIRMWARE, "the slot of the first firmware hash");
        VM.store(address(d.updates), first, bytes32(uint256(FIRMWARE) ^ 1));
        yes(!d.updates.verifyUpdateChain(DEVICE), "chain");
    }

    function test_history_in_pages() external {
        for (uint64 i; i < 5; ++i) {
            send(LOGGER, next("1.0.0"));
        }
        equal(d.updates.getUpdateHistory(DEVICE, 0, 99).length, 5, "all");
        equal(d.updates.getUpdateHistory(DEVICE, 5, 1).length, 0, "past the end");
        equal(d.updates.getUpdateHistory(DEVICE, 0, 0).length, 0, "an empty page");
        equal(d.updates.getUpdateHistory("another", 0, 9).length, 0, "of another device");
        IFirmwareUpdateLog.UpdateRecord[] memory page = d.updates.getUpdateHistory(DEVICE, 3, 9);
        equal(page.length, 2, "the rest");
        for (uint64 i; i < 2; ++i) {
            bytes32 one = keccak256(abi.encode(d.updates.getUpdateDetails(DEVICE, 3 + i)));
            equal(keccak256(abi.encode(page[i])), one, "page and detail");
        }
        IFirmwareUpdateLog updates = d.updates;
        check(abi.encodeCall(updates.getUpdateDetails, (DEVICE, 5)), noSuch(5, 5));
        check(abi.encodeCall(updates.foldUpdates, (DEVICE, 0, 6, 0)), badRange(0, 6));
        check(abi.encodeCall(updates.foldUpdates, (DEVICE, 3, 2, 0)), badRange(3, 2));
    }

    function test_verify_update_wants_every_parameter() external {
        VM.prank(LOGGER);
        d.updates.logFirmwareUpdate(DEVICE, FIRMWARE, "1.2.3", NOW);
        yes(d.updates.verifyUpdate(DEVICE, FIRMWARE, NOW, 0), "as logged");
        yes(!d.updates.verifyUpdate("another", FIRMWARE, NOW, 0), "another device");
        yes(!d.updates.verifyUpdate(DEVICE, keccak256("x"), NOW, 0), "another firmware");
        yes(!d.updates.verifyUpdate(DEVICE, FIRMWARE, NOW + 1, 0), "another time");
        yes(!d.updates.verifyUpdate(DEVICE, FIRMWARE, NOW, 1), "another nonce");
        yes(!d.updates.verifyUpdate(DEVICE, 0, 0, 1), "nothing at all");
    }

    function test_a_writer_names_the_record_it_builds_on() external {
        IFirmwareUpdateLog.UpdateInput memory first = next("1.0.0");
        IFirmwareUpdateLog.UpdateInput memory second = next("1.0.1");
        bytes32 hash = send(LOGGER, first);
        bytes memory reason =
            abi.encodeWithSelector(IFirmwareUpdateLog.WrongPrevious.selector, hash, bytes32(0));
        checkSent(LOGGER, second, reason);
        second.previousUpdateHash = hash;
        send(LOGGER, second);
    }

    function test_a_rollback_is_recorded_and_has_its_own_power() external {
        send(LOGGER, next("2.0.0"));
        IFirmwareUpdateLog.UpdateInput memory back = next("1.9.9");
        back.status = IFirmwareUpdateLog.Status.Rollback;
        back.firmwareHash = keccak256("older");
        checkSent(LOGGER, back, notAuthorised(LOGGER, back.status));
        send(ROLLER, back);
        equal(d.updates.latestFirmwareHash(DEVICE), back.firmwareHash, "latest firmware");
        equal(uint8(d.updates.getUpdateDetails(DEVICE, 1).status), 2, "status");
        IFirmwareUpdateLog.UpdateInput memory forward = next("2.0.1");
        checkSent(ROLLER, forward, notAuthorised(ROLLER, forward.status));
    }

    function test_anyone_relays_what_a_p256_authority_signed_once() external {
        (uint256 x, uint256 y) = VM.publicKeyP256(0x77);
        address authority = d.updates.p256Authority(bytes32(x), bytes32(y));
        enrol(authority, true, false);
        IFirmwareUpdateLog.UpdateInput memory update = next("3.0.0");
        bytes memory proof = p256Proof(0x77, d.updates.updateMessage(update));
        VM.prank(address(0xBAD));
        bytes32 hash = d.updates.logFirmwareUpdateSigned(update, proof);
        equal(d.updates.getUpdateDetails(DEVICE, 0).authorizedBy, authority, "authorised by");
        IFirmwareUpdateLog updates = d.updates;
        bytes memory again = abi.encodeCall(updates.logFirmwareUpdateSigned, (update, proof));
        bytes memory reason =
            abi.encodeWithSelector(IFirmwareUpdateLog.WrongPrevious.selector, hash, bytes32(0));
        check(again, reason);
    }

    function test_a_signature_covers_every_field(uint8 field) external {
        enrol(VM.addr(0x88), true, true);
        IFirmwareUpdateLog.UpdateInput memory update = next("3.0.0");
        bytes memory proof = secp256k1Proof(0x88, d.updates.updateMessage(update));
        field = field % 6;
        if (field == 0) update.deviceId = "pump-43";
        if (field == 1) update.firmwareHash = keccak256("x");
        if (field == 2) update.version = "3.0.1";
        if (field == 3) update.timestamp -= 1;
        if (field == 4) update.contentCid = cidOf("x");
        if (field == 5) update.status = IFirmwareUpdateLog.Status.Rollback;
        (bool success, bytes memory answer) = address(d.updates)
            .call(abi.encodeCall(IFirmwareUpdateLog.logFirmwareUpdateSigned, (update, proof)));
        refusedBy(success, answer, IFirmwareUpdateLog.NotAuthorised.selector);
    }

    function test_only_the_enrolled_write() external {
        bytes memory reason = notAuthorised(address(this), IFirmwareUpdateLog.Status.Success);
        IFirmwareUpdateLog updates = d.updates;
        check(abi.encodeCall(updates.logUpdate, (FIRMWARE, DEVICE, "1.0")), reason);
        check(abi.encodeCall(updates.logFirmwareUpdate, (DEVICE, FIRMWARE, "1.0", NOW)), reason);
        checkSent(address(this), next("1.0"), reason);
        VM.prank(REVOKER_ACCOUNT);
        d.updates.revokeAuthoriser(LOGGER);
        checkSent(LOGGER, next("1.0"), notAuthorised(LOGGER, IFirmwareUpdateLog.Status.Success));
    }

    function test_enrolment_keeps_the_number() external {
        (uint32 number,,) = d.updates.authoriser(LOGGER);
        VM.prank(REVOKER_ACCOUNT);
        d.updates.revokeAuthoriser(LOGGER);
        enrol(LOGGER, false, true);
        (uint32 again, bool mayLog, bool mayRollBack) = d.updates.authoriser(LOGGER);
        equal(again, number, "number");
        yes(!mayLog && mayRollBack, "powers");
        IFirmwareUpdateLog updates = d.updates;
        bytes memory zero = abi.encodeWithSelector(IFirmwareUpdateLog.AuthoriserIsZero.selector);
        bytes memory call_ = abi.encodeCall(updates.enrolAuthoriser, (address(0), true, true));
        refused(REGISTRAR_ACCOUNT, address(updates), call_, zero);
        bytes memory none =
            abi.encodeWithSelector(IFirmwareUpdateLog.PowersMissing.selector, address(9));
        call_ = abi.encodeCall(updates.enrolAuthoriser, (address(9), false, false));
        refused(REGISTRAR_ACCOUNT, address(updates), call_, none);
        call_ = abi.encodeCall(updates.revokeAuthoriser, (address(9)));
        refused(REVOKER_ACCOUNT, address(updates), call_, none);
    }

    function test_a_pause_stops_writing_and_no_reading() external {
        send(LOGGER, next("1.0.0"));
        VM.prank(GUARDIAN_ACCOUNT);
        d.updates.pause();
        bytes memory reason = abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        checkSent(LOGGER, next("1.0.1"), reason);
        IFirmwareUpdateLog updates = d.updates;
        bytes memory short = abi.encodeCall(updates.logUpdate, (FIRMWARE, DEVICE, "1.0"));
        refused(LOGGER, address(updates), short, reason);
        equal(d.updates.getUpdateCount(DEVICE), 1, "count");
        yes(d.updates.verifyUpdateChain(DEVICE), "chain");
        equal(d.updates.getUpdateHistory(DEVICE, 0, 9).length, 1, "history");
        bytes memory guardian = abi.encodeWithSelector(
            IAccessManaged.AccessManagedUnauthorized.selector, GUARDIAN_ACCOUNT
        );
        bytes memory unpause = abi.encodeCall(updates.unpause, ());
        refused(GUARDIAN_ACCOUNT, address(updates), unpause, guardian);
        VM.prank(address(d.timelock));
        d.updates.unpause();
        send(LOGGER, next("1.0.1"));
    }

    function test_only_roles_govern(address stranger) external {
        VM.assume(stranger != REGISTRAR_ACCOUNT && stranger != REVOKER_ACCOUNT);
        VM.assume(stranger != GUARDIAN_ACCOUNT && stranger != address(d.timelock));
        IFirmwareUpdateLog updates = d.updates;
        bytes[4] memory calls = [
            abi.encodeCall(updates.enrolAuthoriser, (stranger, true, true)),
            abi.encodeCall(updates.revokeAuthoriser, (LOGGER)),
            abi.encodeCall(updates.pause, ()),
            abi.encodeCall(updates.unpause, ())
        ];
        bytes memory reason =
            abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger);
        for (uint256 i; i < calls.length; ++i) {
            refused(stranger, address(updates), calls[i], reason);
        }
    }
}
