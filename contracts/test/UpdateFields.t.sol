// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IFirmwareUpdateLog} from "../src/IFirmwareUpdateLog.sol";
import {Fleet} from "./Fleet.sol";

/// @notice What a record refuses to hold.
contract UpdateFieldsTest is Fleet {
    function test_versions_of_1_to_16_letters() external {
        send(LOGGER, next("1"));
        send(LOGGER, next("AZaz09.+-_~12345"));
        string[7] memory bad =
            ["", "1.0 ", "1/0", "v:1", "1.0\n", "12345678901234567", unicode"1é"];
        for (uint256 i; i < bad.length; ++i) {
            checkSent(
                LOGGER,
                next(bad[i]),
                abi.encodeWithSelector(IFirmwareUpdateLog.BadVersion.selector, bad[i])
            );
        }
    }

    function test_every_byte_a_version_may_not_have(uint8 letter) external {
        bool good = (letter >= 48 && letter <= 57) || (letter >= 65 && letter <= 90)
            || (letter >= 97 && letter <= 122) || letter == 43 || letter == 45 || letter == 46
            || letter == 95 || letter == 126;
        string memory version = string(abi.encodePacked(letter));
        if (good) {
            send(LOGGER, next(version));
            equal(bytes(d.updates.getUpdateDetails(DEVICE, 0).version), bytes(version), "version");
        } else {
            checkSent(
                LOGGER,
                next(version),
                abi.encodeWithSelector(IFirmwareUpdateLog.BadVersion.selector, version)
            );
        }
    }

    function test_cids_of_one_shape() external {
        bytes memory good = cidOf("x");
        for (uint256 i; i < 4; ++i) {
            bytes memory bad = bytes.concat(good);
            bad[i] ^= 0x02;
            badCid(bad);
        }
        badCid(bytes.concat(good, hex"00"));
        badCid(hex"01551220");
        badCid(hex"01");
    }

    function test_numbers_and_ids() external {
        IFirmwareUpdateLog.UpdateInput memory update = next("1.0");
        update.firmwareHash = 0;
        checkSent(LOGGER, update, abi.encodeWithSelector(IFirmwareUpdateLog.ZeroHash.selector));
        update = next("1.0");
        update.timestamp = 0;
        bytes memory zero = abi.encodeWithSelector(IFirmwareUpdateLog.ZeroTimestamp.selector);
        checkSent(LOGGER, update, zero);
        update.timestamp = NOW + 1 days;
        send(LOGGER, update);
        update = next("1.0");
        update.timestamp = NOW + 1 days + 1;
        bytes memory future = abi.encodeWithSelector(
            IFirmwareUpdateLog.FutureTimestamp.selector, NOW + 1 days + 1, NOW + 1 days
        );
        checkSent(LOGGER, update, future);
        badId("");
        badId(string(new bytes(65)));
    }

    function badCid(bytes memory cid) private {
        IFirmwareUpdateLog.UpdateInput memory update = next("1.0");
        update.contentCid = cid;
        checkSent(LOGGER, update, abi.encodeWithSelector(IFirmwareUpdateLog.BadCid.selector, cid));
    }

    function badId(string memory id) private {
        bytes memory reason = abi.encodeWithSelector(
            IFirmwareUpdateLog.DeviceIdLengthWrong.selector, bytes(id).length
        );
        bytes memory data =
            abi.encodeCall(IFirmwareUpdateLog.logFirmwareUpdate, (id, FIRMWARE, "1.0", NOW));
        refused(LOGGER, address(d.updates), data, reason);
        check(abi.encodeCall(IFirmwareUpdateLog.getUpdateCount, (id)), reason);
    }
}
