// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

/// @notice The guide's step 1 as it describes it: an owner, an event, no storage. Measured only.
contract SeedEventOnly is Ownable {
    event FirmwareUpdated(
        bytes32 indexed firmwareHash,
        string deviceId,
        string version,
        address authorizedBy,
        uint256 timestamp
    );

    constructor() Ownable(msg.sender) {}

    function logUpdate(bytes32 firmwareHash, string calldata deviceId, string calldata version)
        external
        onlyOwner
    {
        emit FirmwareUpdated(firmwareHash, deviceId, version, msg.sender, block.timestamp);
    }
}
