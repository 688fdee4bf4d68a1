// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IFirmwareUpdateLog} from "../src/IFirmwareUpdateLog.sol";
import {VM, Vm} from "./Vm.sol";
import {World} from "./World.sol";

/// @notice One device, one who may log its updates, and one who may roll it back.
abstract contract Fleet is World {
    address internal constant LOGGER = address(0xB11);
    address internal constant ROLLER = address(0xB12);
    uint64 internal constant NOW = 1_800_000_000;
    /// The third of the contract's own slots follows those of its bases.
    uint256 internal constant DEVICES_SLOT = 3;
    bytes32 internal constant FIRMWARE = keccak256("firmware 1.2.3");
    string internal constant DEVICE = "pump-42";

    constructor() {
        enrol(LOGGER, true, false);
        enrol(ROLLER, false, true);
    }

    function enrol(address who, bool mayLog, bool mayRollBack) internal {
        VM.prank(REGISTRAR_ACCOUNT);
        d.updates.enrolAuthoriser(who, mayLog, mayRollBack);
    }

    /// @dev The device's next successful update, with content.
    function next(string memory version)
        internal
        view
        returns (IFirmwareUpdateLog.UpdateInput memory)
    {
        return IFirmwareUpdateLog.UpdateInput({
            deviceId: DEVICE,
            firmwareHash: FIRMWARE,
            version: version,
            timestamp: NOW - 60,
            contentCid: cidOf("manifest"),
            status: IFirmwareUpdateLog.Status.Success,
            previousUpdateHash: d.updates.previousUpdateHash(DEVICE)
        });
    }

    function cidOf(bytes memory content) internal pure returns (bytes memory) {
        return abi.encodePacked(hex"01551220", sha256(content));
    }

    function send(address who, IFirmwareUpdateLog.UpdateInput memory update)
        internal
        returns (bytes32)
    {
        VM.prank(who);
        return d.updates.logFirmwareUpdateSigned(update, "");
    }

    function check(bytes memory data, bytes memory reason) internal {
        refused(address(this), address(d.updates), data, reason);
    }

    function checkSent(
        address who,
        IFirmwareUpdateLog.UpdateInput memory update,
        bytes memory reason
    ) internal {
        bytes memory data = abi.encodeCall(IFirmwareUpdateLog.logFirmwareUpdateSigned, (update, ""));
        refused(who, address(d.updates), data, reason);
    }

    /// @dev The update hash that an event tells.
    function logged(Vm.Log memory log) internal pure returns (bytes32) {
        equal(log.topics[0], IFirmwareUpdateLog.FirmwareUpdateLogged.selector, "event");
        equal(log.topics[1], keccak256(bytes(DEVICE)), "device key");
        return log.topics[2];
    }

    function notAuthorised(address who, IFirmwareUpdateLog.Status status)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IFirmwareUpdateLog.NotAuthorised.selector, who, status);
    }

    function noSuch(uint64 nonce, uint64 count) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IFirmwareUpdateLog.NoSuchUpdate.selector, nonce, count);
    }

    function badRange(uint64 from, uint64 to) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IFirmwareUpdateLog.RangeWrong.selector, from, to, 5);
    }
}
