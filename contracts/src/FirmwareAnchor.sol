// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {AuthorityCheck} from "./AuthorityCheck.sol";
import {IFirmwareAnchor} from "./IFirmwareAnchor.sol";
import {ProofRefusal, Rfc6962} from "./Rfc6962.sol";

/// @title See {IFirmwareAnchor}
///
/// Invariants:
/// - Size and seq only rise, by one `Anchored` event each time.
/// - The root changes only with a consistency proof from the stored one.
/// - The accumulator is the fold of the `Anchored` events, from the log id on.
/// - A frozen log has no authority, and gets none.
/// - No external call but `staticcall`s to verifiers, before the first write.
contract FirmwareAnchor is IFirmwareAnchor, AccessManaged, AuthorityCheck {
    /// @inheritdoc IFirmwareAnchor
    uint64 public immutable ROTATION_DELAY;

    uint64 private constant DELAY_MAX = 90 days;
    uint8 private constant ACCUMULATOR_PREFIX = 2;
    bytes32 private constant CHECKPOINT =
        keccak256("Checkpoint(bytes32 logId,bytes32 root,uint64 size,bytes32 checkpointHash)");

    /// @dev Never zero from registration on, so that every anchor overwrites and none allocates.
    mapping(bytes32 logId => Head) private _heads;
    mapping(bytes32 logId => Rotation) private _rotations;
    mapping(bytes32 logId => bool) private _frozen;
    mapping(bytes32 logId => mapping(address authority => bool)) private _former;

    constructor(address manager, uint64 rotationDelay)
        AccessManaged(manager)
        EIP712("FirmwareAnchor", "1")
    {
        if (rotationDelay > DELAY_MAX) revert DelayTooLong(rotationDelay);
        if (sha256("") != Rfc6962.EMPTY_ROOT) revert Sha256Missing();
        ROTATION_DELAY = rotationDelay;
    }

    /// @inheritdoc IFirmwareAnchor
    function registerLog(string calldata origin, address authority)
        external
        restricted
        returns (bytes32 logId)
    {
        uint256 length = bytes(origin).length;
        if (length == 0 || length > 255) revert OriginLengthWrong(length);
        if (authority == address(0)) revert AuthorityIsZero();
        logId = sha256(bytes(origin));
        if (_heads[logId].root != 0) revert LogExists(logId);
        _heads[logId] = Head(Rfc6962.EMPTY_ROOT, 0, 0, authority, logId);
        emit LogRegistered(logId, origin, authority);
    }

    /// @inheritdoc IFirmwareAnchor
    function anchor(
        bytes32 logId,
        bytes32 root,
        uint64 size,
        bytes32[] calldata consistency,
        bytes calldata authoritySig,
        bytes32 checkpointHash
    ) external {
        Head storage stored = _heads[logId];
        (bytes32 oldRoot, uint64 oldSize) = (stored.root, stored.size);
        if (root == oldRoot && size == oldSize && root != 0) return;
        address authority = stored.authority;
        if (authority == address(0)) _refuseWithoutAuthority(logId, oldRoot);
        if (root == 0) revert RootIsZero();
        _checkSigned(authority, logId, root, size, checkpointHash, authoritySig);
        ProofRefusal reason = Rfc6962.checkConsistency(oldSize, oldRoot, size, root, consistency);
        if (reason != ProofRefusal.None) revert ConsistencyRefused(reason, oldSize, size);

        uint32 seq = stored.seq + 1;
        uint64 time = uint64(block.timestamp);
        stored.root = root;
        stored.accumulator = _fold(stored.accumulator, root, size, seq, time, checkpointHash);
        uint256 packed = size | uint256(seq) << 64 | uint256(uint160(authority)) << 96;
        // Field by field, the compiler reads and writes this slot once more, for 300 gas.
        assembly ("memory-safe") {
            sstore(add(stored.slot, 1), packed)
        }
        emit Anchored(logId, size, root, seq, time, checkpointHash);
    }

    /// @inheritdoc IFirmwareAnchor
    function reportEquivocation(bytes32 logId, SignedHead calldata a, SignedHead calldata b)
        external
    {
        if (a.size != b.size || a.root == b.root) {
            revert NotEquivocation(a.size, b.size, a.root, b.root);
        }
        // An empty proof would stand for the sender, and be no evidence for anybody else.
        if (a.authoritySig.length == 0 || b.authoritySig.length == 0) revert SignatureMissing();
        _requireLive(logId);
        address authority = _heads[logId].authority;
        address signerA = _signerOf(authority, logId, a);
        address signerB = _signerOf(authority, logId, b);
        if (signerA != authority || signerB != authority) {
            // A stolen key is rotated away or revoked; its thief must not end the log with it.
            emit FormerEquivocationProven(logId, a.size, a.root, b.root, signerA, signerB);
            return;
        }
        _heads[logId].authority = address(0);
        _frozen[logId] = true;
        delete _rotations[logId];
        emit EquivocationProven(logId, a.size, a.root, b.root);
    }

    /// @inheritdoc IFirmwareAnchor
    function scheduleRotation(bytes32 logId, address newAuthority) external restricted {
        _requireLive(logId);
        if (newAuthority == address(0)) revert AuthorityIsZero();
        uint64 effectiveAt = uint64(block.timestamp) + ROTATION_DELAY;
        _rotations[logId] = Rotation(newAuthority, effectiveAt);
        emit RotationScheduled(logId, _heads[logId].authority, newAuthority, effectiveAt);
    }

    /// @inheritdoc IFirmwareAnchor
    function cancelRotation(bytes32 logId) external restricted {
        address newAuthority = _rotations[logId].authority;
        if (newAuthority == address(0)) revert NoRotation(logId);
        delete _rotations[logId];
        emit RotationCancelled(logId, newAuthority);
    }

    /// @inheritdoc IFirmwareAnchor
    function applyRotation(bytes32 logId) external {
        Rotation memory next = _rotations[logId];
        if (next.authority == address(0)) revert NoRotation(logId);
        uint64 time = uint64(block.timestamp);
        if (time < next.effectiveAt) revert RotationTooEarly(next.effectiveAt, time);
        address old = _heads[logId].authority;
        if (old != address(0)) _former[logId][old] = true;
        _heads[logId].authority = next.authority;
        delete _rotations[logId];
        emit AuthorityRotated(logId, old, next.authority);
    }

    /// @inheritdoc IFirmwareAnchor
    function revokeAuthority(bytes32 logId) external restricted {
        Head storage stored = _heads[logId];
        address authority = stored.authority;
        if (authority == address(0)) _refuseWithoutAuthority(logId, stored.root);
        stored.authority = address(0);
        _former[logId][authority] = true;
        emit AuthorityRevoked(logId, authority);
    }

    /// @inheritdoc IFirmwareAnchor
    function head(bytes32 logId) external view returns (Head memory) {
        if (_heads[logId].root == 0) revert LogUnknown(logId);
        return _heads[logId];
    }

    /// @inheritdoc IFirmwareAnchor
    function isFrozen(bytes32 logId) external view returns (bool) {
        return _frozen[logId];
    }

    /// @inheritdoc IFirmwareAnchor
    function wasAuthority(bytes32 logId, address authority) external view returns (bool) {
        return _former[logId][authority];
    }

    /// @inheritdoc IFirmwareAnchor
    function pendingRotation(bytes32 logId) external view returns (Rotation memory) {
        return _rotations[logId];
    }

    /// @inheritdoc IFirmwareAnchor
    function checkpointMessage(bytes32 logId, bytes32 root, uint64 size, bytes32 checkpointHash)
        external
        view
        returns (bytes memory)
    {
        bytes32 structHash = _structHash(logId, root, size, checkpointHash);
        return abi.encodePacked(hex"1901", _domainSeparatorV4(), structHash);
    }

    /// @inheritdoc IFirmwareAnchor
    function verifyInclusion(bytes32 logId, bytes32 leafHash, uint64 index, bytes32[] calldata path)
        external
        view
        returns (bool)
    {
        return _isIncluded(logId, leafHash, index, path);
    }

    /// @inheritdoc IFirmwareAnchor
    function verifyEntry(bytes32 logId, bytes calldata entry, uint64 index, bytes32[] calldata path)
        external
        view
        returns (bool)
    {
        return _isIncluded(logId, Rfc6962.leafHash(entry), index, path);
    }

    /// @inheritdoc IFirmwareAnchor
    function verifyHistory(bytes32 logId, bytes32 accumulator, Anchor[] calldata anchors)
        external
        view
        returns (bool)
    {
        for (uint256 i; i < anchors.length; ++i) {
            Anchor calldata a = anchors[i];
            accumulator = _fold(accumulator, a.root, a.size, a.seq, a.time, a.checkpointHash);
        }
        // Of an unknown log there is no history, not even the empty one.
        return accumulator != 0 && accumulator == _heads[logId].accumulator;
    }

    function _isIncluded(bytes32 logId, bytes32 leaf, uint64 index, bytes32[] calldata path)
        private
        view
        returns (bool)
    {
        Head storage stored = _heads[logId];
        return
            Rfc6962.checkInclusion(index, stored.size, leaf, stored.root, path) == ProofRefusal.None;
    }

    function _checkSigned(
        address authority,
        bytes32 logId,
        bytes32 root,
        uint64 size,
        bytes32 checkpointHash,
        bytes calldata proof
    ) private view {
        address got = _authorityOf(_structHash(logId, root, size, checkpointHash), proof);
        if (got != authority) revert AuthorityMismatch(authority, got);
    }

    /// @dev The authority, now or before, that signed this head of the log.
    function _signerOf(address authority, bytes32 logId, SignedHead calldata a)
        private
        view
        returns (address got)
    {
        bytes32 structHash = _structHash(logId, a.root, a.size, a.checkpointHash);
        got = _authorityOf(structHash, a.authoritySig);
        if (got != authority && !_former[logId][got]) revert AuthorityMismatch(authority, got);
    }

    function _structHash(bytes32 logId, bytes32 root, uint64 size, bytes32 checkpointHash)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(CHECKPOINT, logId, root, size, checkpointHash));
    }

    function _fold(
        bytes32 accumulator,
        bytes32 root,
        uint64 size,
        uint32 seq,
        uint64 time,
        bytes32 checkpointHash
    ) private view returns (bytes32 folded) {
        // A short field starts its word, and the next one overwrites the rest. Saves 200 gas.
        assembly ("memory-safe") {
            let preimage := mload(0x40)
            mstore8(preimage, ACCUMULATOR_PREFIX)
            mstore(add(preimage, 1), accumulator)
            mstore(add(preimage, 33), root)
            mstore(add(preimage, 65), shl(192, size))
            mstore(add(preimage, 73), shl(224, seq))
            mstore(add(preimage, 77), shl(192, time))
            mstore(add(preimage, 85), checkpointHash)
            if iszero(staticcall(gas(), 2, preimage, 117, 0x00, 32)) { revert(0, 0) }
            folded := mload(0x00)
        }
    }

    function _requireLive(bytes32 logId) private view {
        if (_heads[logId].root == 0) revert LogUnknown(logId);
        if (_frozen[logId]) revert LogFrozen(logId);
    }

    /// @dev Says why there is no authority; only where that is the case.
    function _refuseWithoutAuthority(bytes32 logId, bytes32 root) private view {
        if (root == 0) revert LogUnknown(logId);
        if (_frozen[logId]) revert LogFrozen(logId);
        revert NoAuthority(logId);
    }
}
