// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

/// @notice The guide's step 4 as it describes it: a struct for each update with the previous
/// update's hash and a CID, a `updateLog` of known hashes, a nonce for each device, one role for
/// the updater. Measured only.
contract SeedRecord is AccessControl {
    bytes32 public constant UPDATER = keccak256("UPDATER");

    struct UpdateRecord {
        string deviceId;
        bytes32 firmwareHash;
        string version;
        uint256 timestamp;
        address authorizedBy;
        bytes32 previousUpdateHash;
        string contentCid;
    }

    event FirmwareUpdateLogged(
        bytes32 indexed updateHash, string deviceId, bytes32 firmwareHash, uint256 nonce
    );

    mapping(string deviceId => mapping(uint256 nonce => UpdateRecord)) private _records;
    mapping(string deviceId => uint256) private _nonces;
    mapping(string deviceId => bytes32) private _latest;
    mapping(bytes32 updateHash => bool) public updateLog;

    constructor() {
        _grantRole(UPDATER, msg.sender);
    }

    function logFirmwareUpdate(
        string calldata deviceId,
        bytes32 firmwareHash,
        string calldata version,
        uint256 timestamp,
        string calldata contentCid
    ) external onlyRole(UPDATER) {
        uint256 nonce = _nonces[deviceId]++;
        bytes32 previous = _latest[deviceId];
        bytes32 updateHash =
            keccak256(abi.encode(deviceId, firmwareHash, timestamp, nonce, previous));
        _records[deviceId][nonce] = UpdateRecord(
            deviceId, firmwareHash, version, timestamp, msg.sender, previous, contentCid
        );
        _latest[deviceId] = updateHash;
        updateLog[updateHash] = true;
        emit FirmwareUpdateLogged(updateHash, deviceId, firmwareHash, nonce);
    }

    function getUpdateCount(string calldata deviceId) external view returns (uint256) {
        return _nonces[deviceId];
    }

    function getUpdateDetails(string calldata deviceId, uint256 nonce)
        external
        view
        returns (UpdateRecord memory)
    {
        return _records[deviceId][nonce];
    }
}
