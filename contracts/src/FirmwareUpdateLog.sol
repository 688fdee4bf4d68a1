// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {AuthorityCheck} from "./AuthorityCheck.sol";
import {IFirmwareUpdateLog} from "./IFirmwareUpdateLog.sol";
import {UpdateFields} from "./UpdateFields.sol";

/// @title See {IFirmwareUpdateLog}
///
/// A record takes three new slots and overwrites two. Its hash is not among them: only the newest
/// of a device is stored, and the others are folded again by the views that tell them.
///
/// Invariants:
/// - A device's count only rises, by one `FirmwareUpdateLogged` event each time.
/// - Folding a device's records from zero gives its stored hash.
/// - Only enrolled authorities write, and only what their powers allow; a pause stops all of them.
contract FirmwareUpdateLog is IFirmwareUpdateLog, AccessManaged, Pausable, AuthorityCheck {
    struct Record {
        bytes32 firmwareHash;
        bytes32 contentDigest;
        bytes16 version;
        uint40 timestamp;
        uint40 loggedAt;
        uint32 authoriser;
        uint8 contentCodec;
        Status status;
    }

    struct Device {
        bytes32 updateHash;
        uint64 count;
        mapping(uint64 nonce => Record) records;
    }

    struct Authoriser {
        uint32 number;
        bool mayLog;
        bool mayRollBack;
    }

    /// @notice How far a device's clock may be ahead of the block's.
    uint256 public constant CLOCK_AHEAD_MAX = 1 days;

    bytes32 private constant UPDATE = keccak256(
        "Update(string deviceId,bytes32 firmwareHash,string version,uint64 timestamp,"
        "bytes contentCid,uint8 status,bytes32 previousUpdateHash)"
    );

    mapping(bytes32 deviceKey => Device) private _devices;
    mapping(address => Authoriser) private _authorisers;
    mapping(uint32 number => address) private _numbered;
    uint32 private _authoriserCount;

    constructor(address manager) AccessManaged(manager) EIP712("FirmwareUpdateLog", "1") {}

    /// @inheritdoc IFirmwareUpdateLog
    function enrolAuthoriser(address who, bool mayLog, bool mayRollBack) external restricted {
        if (who == address(0)) revert AuthoriserIsZero();
        if (!mayLog && !mayRollBack) revert PowersMissing(who);
        uint32 number = _authorisers[who].number;
        if (number == 0) {
            number = ++_authoriserCount;
            _numbered[number] = who;
        }
        _authorisers[who] = Authoriser(number, mayLog, mayRollBack);
        emit AuthoriserEnrolled(who, number, mayLog, mayRollBack);
    }

    /// @inheritdoc IFirmwareUpdateLog
    function revokeAuthoriser(address who) external restricted {
        Authoriser storage known = _authorisers[who];
        if (!known.mayLog && !known.mayRollBack) revert PowersMissing(who);
        (known.mayLog, known.mayRollBack) = (false, false);
        emit AuthoriserRevoked(who);
    }

    /// @inheritdoc IFirmwareUpdateLog
    function pause() external restricted {
        _pause();
    }

    /// @inheritdoc IFirmwareUpdateLog
    function unpause() external restricted {
        _unpause();
    }

    /// @inheritdoc IFirmwareUpdateLog
    function logUpdate(bytes32 firmwareHash, string calldata deviceId, string calldata version)
        external
    {
        _append(msg.sender, deviceId, _success(firmwareHash, version, block.timestamp), "");
        emit FirmwareUpdated(firmwareHash, deviceId, version, msg.sender, block.timestamp);
    }

    /// @inheritdoc IFirmwareUpdateLog
    function logFirmwareUpdate(
        string calldata serial,
        bytes32 firmwareHash,
        string calldata version,
        uint256 timestamp
    ) external returns (bytes32 updateHash) {
        return _append(msg.sender, serial, _success(firmwareHash, version, timestamp), "");
    }

    /// @inheritdoc IFirmwareUpdateLog
    function logFirmwareUpdateSigned(UpdateInput calldata update, bytes calldata authoritySig)
        external
        returns (bytes32 updateHash)
    {
        address who =
            authoritySig.length == 0 ? msg.sender : _authorityOf(_structHash(update), authoritySig);
        bytes32 newest = _device(update.deviceId).updateHash;
        if (newest != update.previousUpdateHash) {
            revert WrongPrevious(newest, update.previousUpdateHash);
        }
        Record memory record = _success(update.firmwareHash, update.version, update.timestamp);
        record.status = update.status;
        (record.contentCodec, record.contentDigest) = UpdateFields.parseCid(update.contentCid);
        return _append(who, update.deviceId, record, update.contentCid);
    }

    /// @inheritdoc IFirmwareUpdateLog
    function updateMessage(UpdateInput calldata update) external view returns (bytes memory) {
        return abi.encodePacked(hex"1901", _domainSeparatorV4(), _structHash(update));
    }

    /// @inheritdoc IFirmwareUpdateLog
    function verifyUpdate(
        string calldata deviceId,
        bytes32 firmwareHash,
        uint256 timestamp,
        uint64 nonce
    ) external view returns (bool) {
        Device storage device = _device(deviceId);
        Record storage record = device.records[nonce];
        return nonce < device.count && record.firmwareHash == firmwareHash
            && record.timestamp == timestamp;
    }

    /// @inheritdoc IFirmwareUpdateLog
    function verifyUpdateChain(string calldata deviceId) external view returns (bool) {
        Device storage device = _device(deviceId);
        return _foldRange(deviceId, 0, device.count, 0) == device.updateHash;
    }

    /// @inheritdoc IFirmwareUpdateLog
    function foldUpdates(string calldata deviceId, uint64 from, uint64 to, bytes32 before)
        external
        view
        returns (bytes32)
    {
        uint64 count = _device(deviceId).count;
        if (from > to || to > count) revert RangeWrong(from, to, count);
        return _foldRange(deviceId, from, to, before);
    }

    /// @inheritdoc IFirmwareUpdateLog
    function updateLog(string calldata deviceId, bytes32 updateHash)
        external
        view
        returns (bool found, uint64 nonce)
    {
        bytes32 hash;
        for (uint64 count = _device(deviceId).count; nonce < count; ++nonce) {
            hash = _foldRange(deviceId, nonce, nonce + 1, hash);
            if (hash == updateHash) return (true, nonce);
        }
        return (false, 0);
    }

    /// @inheritdoc IFirmwareUpdateLog
    function getUpdateCount(string calldata deviceId) external view returns (uint64) {
        return _device(deviceId).count;
    }

    /// @inheritdoc IFirmwareUpdateLog
    function getUpdateDetails(string calldata deviceId, uint64 nonce)
        external
        view
        returns (UpdateRecord memory)
    {
        Device storage device = _device(deviceId);
        if (nonce >= device.count) revert NoSuchUpdate(nonce, device.count);
        return _told(device.records[nonce], _foldRange(deviceId, 0, nonce, 0));
    }

    /// @inheritdoc IFirmwareUpdateLog
    function getUpdateHistory(string calldata deviceId, uint64 start, uint64 max)
        external
        view
        returns (UpdateRecord[] memory history)
    {
        Device storage device = _device(deviceId);
        uint64 left = start < device.count ? device.count - start : 0;
        history = new UpdateRecord[](left < max ? left : max);
        bytes32 hash = history.length == 0 ? bytes32(0) : _foldRange(deviceId, 0, start, 0);
        for (uint64 i; i < history.length; ++i) {
            history[i] = _told(device.records[start + i], hash);
            hash = _foldRange(deviceId, start + i, start + i + 1, hash);
        }
    }

    /// @inheritdoc IFirmwareUpdateLog
    function latestFirmwareHash(string calldata deviceId) external view returns (bytes32) {
        Device storage device = _device(deviceId);
        for (uint64 left = device.count; left > 0; --left) {
            Record storage record = device.records[left - 1];
            if (record.status != Status.Failure) return record.firmwareHash;
        }
        return 0;
    }

    /// @inheritdoc IFirmwareUpdateLog
    function previousUpdateHash(string calldata deviceId) external view returns (bytes32) {
        return _device(deviceId).updateHash;
    }

    /// @inheritdoc IFirmwareUpdateLog
    function authoriser(address who)
        external
        view
        returns (uint32 number, bool mayLog, bool mayRollBack)
    {
        Authoriser storage known = _authorisers[who];
        return (known.number, known.mayLog, known.mayRollBack);
    }

    /// @dev The only place that writes a record.
    function _append(
        address who,
        string calldata deviceId,
        Record memory record,
        bytes memory contentCid
    ) private whenNotPaused returns (bytes32 updateHash) {
        Authoriser storage known = _authorisers[who];
        bool may = record.status == Status.Rollback ? known.mayRollBack : known.mayLog;
        if (!may) revert NotAuthorised(who, record.status);
        record.authoriser = known.number;
        bytes32 key = keccak256(bytes(deviceId));
        Device storage device = _device(deviceId);
        (bytes32 previous, uint64 nonce) = (device.updateHash, device.count);
        updateHash = _hash(previous, key, nonce, record);
        device.records[nonce] = record;
        (device.updateHash, device.count) = (updateHash, nonce + 1);
        emit FirmwareUpdateLogged(
            key,
            updateHash,
            previous,
            record.firmwareHash,
            nonce,
            record.timestamp,
            record.status,
            who,
            UpdateFields.text(record.version),
            contentCid
        );
    }

    /// @dev A record of a successful update without content, with what is checkable checked.
    function _success(bytes32 firmwareHash, string calldata version, uint256 timestamp)
        private
        view
        returns (Record memory record)
    {
        if (firmwareHash == 0) revert ZeroHash();
        if (timestamp == 0) revert ZeroTimestamp();
        uint256 latest = block.timestamp + CLOCK_AHEAD_MAX;
        if (timestamp > latest) revert FutureTimestamp(timestamp, latest);
        record.firmwareHash = firmwareHash;
        record.version = UpdateFields.parseVersion(version);
        // 40 bits hold the block's time until the year 36,812; `timestamp` is at most a day more.
        // forge-lint: disable-next-line(unsafe-typecast)
        (record.timestamp, record.loggedAt) = (uint40(timestamp), uint40(block.timestamp));
    }

    function _device(string calldata deviceId) private view returns (Device storage) {
        uint256 length = bytes(deviceId).length;
        if (length == 0 || length > 64) revert DeviceIdLengthWrong(length);
        return _devices[keccak256(bytes(deviceId))];
    }

    function _foldRange(string calldata deviceId, uint64 from, uint64 to, bytes32 hash)
        private
        view
        returns (bytes32)
    {
        bytes32 key = keccak256(bytes(deviceId));
        for (; from < to; ++from) {
            hash = _hash(hash, key, from, _devices[key].records[from]);
        }
        return hash;
    }

    function _hash(bytes32 previous, bytes32 key, uint64 nonce, Record memory record)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(previous, key, nonce, record));
    }

    function _told(Record memory record, bytes32 previous)
        private
        view
        returns (UpdateRecord memory)
    {
        return UpdateRecord({
            firmwareHash: record.firmwareHash,
            previousUpdateHash: previous,
            contentCid: UpdateFields.cid(record.contentCodec, record.contentDigest),
            version: UpdateFields.text(record.version),
            timestamp: record.timestamp,
            loggedAt: record.loggedAt,
            status: record.status,
            authorizedBy: _numbered[record.authoriser]
        });
    }

    function _structHash(UpdateInput calldata u) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                UPDATE,
                keccak256(bytes(u.deviceId)),
                u.firmwareHash,
                keccak256(bytes(u.version)),
                u.timestamp,
                keccak256(u.contentCid),
                u.status,
                u.previousUpdateHash
            )
        );
    }
}
