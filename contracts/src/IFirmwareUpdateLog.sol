// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @title Firmware updates written straight to a chain, one transaction each
/// @notice For small fleets, consortium chains and demonstrations; larger fleets anchor a log
/// (`IFirmwareAnchor`). Each device has a chain of records: a record's hash covers the hash of the
/// one before, and the newest hash is stored. Every view answers from contract state alone.
///
/// What a record proves: the authoriser said so, by this block, after the record before. What it
/// does not prove: that the device runs this firmware, or that its clock was right.
///
/// A serial number or UDI in clear is public for ever; on a public chain use a salted pseudonym
/// as `deviceId`.
///
/// Owner powers (an AccessManager's roles):
/// - registrar: `enrolAuthoriser`, who may then write.
/// - revoker: `revokeAuthoriser`, at once.
/// - guardian: `pause`, which stops new records and no view.
/// - admin (a timelock): `unpause`; gives and takes these roles.
/// - nobody: edit or delete a record, stop reading, change this code.
interface IFirmwareUpdateLog {
    enum Status {
        Success,
        Failure,
        Rollback
    }

    /// @notice One update as it is told.
    struct UpdateRecord {
        bytes32 firmwareHash;
        /// The hash of the device's record before; zero for its first.
        bytes32 previousUpdateHash;
        /// The CID of image or manifest, 36 bytes; empty if none was named.
        bytes contentCid;
        string version;
        /// The device's own time, never corrected; seconds since 1970.
        uint64 timestamp;
        /// The block's time.
        uint64 loggedAt;
        Status status;
        address authorizedBy;
    }

    /// @notice One update as it is asked for.
    struct UpdateInput {
        string deviceId;
        bytes32 firmwareHash;
        string version;
        uint64 timestamp;
        /// A CIDv1 in bytes, `0x01 codec 0x12 0x20 ‖ SHA-256`, codec raw (0x55) or dag-pb (0x70);
        /// or empty.
        bytes contentCid;
        Status status;
        /// What the writer takes for the device's newest record; zero for none.
        bytes32 previousUpdateHash;
    }

    event FirmwareUpdated(
        bytes32 indexed firmwareHash,
        string deviceId,
        string version,
        address authorizedBy,
        uint256 timestamp
    );
    event FirmwareUpdateLogged(
        bytes32 indexed deviceKey,
        bytes32 indexed updateHash,
        bytes32 previousUpdateHash,
        bytes32 firmwareHash,
        uint64 nonce,
        uint64 timestamp,
        Status status,
        address authorizedBy,
        string version,
        bytes contentCid
    );
    event AuthoriserEnrolled(
        address indexed authoriser, uint32 number, bool mayLog, bool mayRollBack
    );
    event AuthoriserRevoked(address indexed authoriser);

    error NotAuthorised(address authoriser, Status status);
    error AuthoriserIsZero();
    error PowersMissing(address authoriser);
    error ZeroHash();
    error DeviceIdLengthWrong(uint256 length);
    error BadVersion(string version);
    error BadCid(bytes contentCid);
    error FutureTimestamp(uint256 timestamp, uint256 latest);
    error ZeroTimestamp();
    error WrongPrevious(bytes32 expected, bytes32 got);
    error NoSuchUpdate(uint64 nonce, uint64 count);
    error RangeWrong(uint64 from, uint64 to, uint64 count);

    /// @notice Lets an authority (see `AuthorityCheck`) write. For the registrar. Enrolling again
    /// changes its powers.
    function enrolAuthoriser(address who, bool mayLog, bool mayRollBack) external;

    /// @notice Takes all powers away, at once. For the revoker. What was written stays.
    function revokeAuthoriser(address who) external;

    /// @notice Stops new records. For the guardian.
    function pause() external;

    /// @notice Lets new records in again. For the admin.
    function unpause() external;

    /// @notice Records a successful update at the block's time. For enrolled senders.
    function logUpdate(bytes32 firmwareHash, string calldata deviceId, string calldata version)
        external;

    /// @notice Records a successful update. For enrolled senders.
    function logFirmwareUpdate(
        string calldata serial,
        bytes32 firmwareHash,
        string calldata version,
        uint256 timestamp
    ) external returns (bytes32 updateHash);

    /// @notice Records an update with all that can be said of it, on top of the record named as
    /// the previous one and of no other.
    /// @param authoritySig An enrolled authority's proof over the update, then anyone may send it;
    /// or empty, then the sender is the authority.
    function logFirmwareUpdateSigned(UpdateInput calldata update, bytes calldata authoritySig)
        external
        returns (bytes32 updateHash);

    /// @notice What an authority signs.
    function updateMessage(UpdateInput calldata update) external view returns (bytes memory);

    /// @notice Whether record `nonce` of the device is this firmware at this device time.
    function verifyUpdate(
        string calldata deviceId,
        bytes32 firmwareHash,
        uint256 timestamp,
        uint64 nonce
    ) external view returns (bool);

    /// @notice Whether all records of the device, folded again, lead to the stored newest hash.
    function verifyUpdateChain(string calldata deviceId) external view returns (bool);

    /// @notice The hash after folding records `from` to `to` (exclusive) onto `before`: the same
    /// in pages. The first page starts from zero.
    function foldUpdates(string calldata deviceId, uint64 from, uint64 to, bytes32 before)
        external
        view
        returns (bytes32);

    /// @notice Whether the device has a record of this hash, and which.
    function updateLog(string calldata deviceId, bytes32 updateHash)
        external
        view
        returns (bool found, uint64 nonce);

    /// @notice How many records the device has.
    function getUpdateCount(string calldata deviceId) external view returns (uint64);

    /// @notice Record `nonce` of the device, counted from zero.
    function getUpdateDetails(string calldata deviceId, uint64 nonce)
        external
        view
        returns (UpdateRecord memory);

    /// @notice At most `max` records from `start` on.
    function getUpdateHistory(string calldata deviceId, uint64 start, uint64 max)
        external
        view
        returns (UpdateRecord[] memory);

    /// @notice What the newest record that did not fail installed; zero if there is none.
    function latestFirmwareHash(string calldata deviceId) external view returns (bytes32);

    /// @notice The hash of the device's newest record: what the next one must name.
    function previousUpdateHash(string calldata deviceId) external view returns (bytes32);

    /// @notice An authority's number and powers; number 0 if it was never enrolled.
    function authoriser(address who)
        external
        view
        returns (uint32 number, bool mayLog, bool mayRollBack);
}
