// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ProofRefusal} from "./Rfc6962.sol";

/// @title Checkpoints of transparency logs, each proven to extend the one before
/// @notice One contract holds many logs. Anyone may relay a checkpoint that a log's authority
/// signed; it is taken only with a proof that the new tree extends the anchored one (RFC 9162
/// §2.1.4), so nobody, the authority and the owners of this contract included, can anchor a
/// rewound or forked tree over it.
///
/// What an anchor proves: this tree head existed by this block, and extends every head anchored
/// before. What it does not prove: that an entry is true, that the log shows everybody this tree,
/// or that entries behind the head can still be read.
///
/// Owner powers (an AccessManager's roles):
/// - registrar: `registerLog`; `scheduleRotation`, which takes effect after `ROTATION_DELAY`.
/// - revoker: `revokeAuthority` at once; `cancelRotation`.
/// - admin (a timelock): gives and takes these roles.
/// - nobody: write a head, edit or delete one, stop reading, change this code, unfreeze a log.
interface IFirmwareAnchor {
    /// @notice What is stored for a log: three slots, overwritten by each anchor.
    struct Head {
        bytes32 root;
        uint64 size;
        uint32 seq;
        /// The authority's name (see `AuthorityCheck`); zero after revocation or a freeze.
        address authority;
        /// `SHA-256(0x02 ‖ accumulator before ‖ root ‖ size ‖ seq ‖ time ‖ checkpointHash)`, the
        /// fold of all `Anchored` events; it starts as the log id.
        bytes32 accumulator;
    }

    /// @notice One anchor as its event tells it.
    struct Anchor {
        bytes32 root;
        uint64 size;
        uint32 seq;
        uint64 time;
        bytes32 checkpointHash;
    }

    /// @notice A tree head with the authority's proof over it.
    struct SignedHead {
        bytes32 root;
        uint64 size;
        bytes32 checkpointHash;
        bytes authoritySig;
    }

    struct Rotation {
        address authority;
        uint64 effectiveAt;
    }

    event LogRegistered(bytes32 indexed logId, string origin, address authority);
    event Anchored(
        bytes32 indexed logId,
        uint64 indexed size,
        bytes32 root,
        uint32 seq,
        uint64 time,
        bytes32 checkpointHash
    );
    event RotationScheduled(
        bytes32 indexed logId, address oldAuthority, address newAuthority, uint64 effectiveAt
    );
    event RotationCancelled(bytes32 indexed logId, address newAuthority);
    event AuthorityRotated(bytes32 indexed logId, address oldAuthority, address newAuthority);
    event AuthorityRevoked(bytes32 indexed logId, address authority);
    event EquivocationProven(bytes32 indexed logId, uint64 size, bytes32 rootA, bytes32 rootB);
    event FormerEquivocationProven(
        bytes32 indexed logId,
        uint64 size,
        bytes32 rootA,
        bytes32 rootB,
        address signerA,
        address signerB
    );

    error LogUnknown(bytes32 logId);
    error LogExists(bytes32 logId);
    error LogFrozen(bytes32 logId);
    error NoAuthority(bytes32 logId);
    error OriginLengthWrong(uint256 length);
    error AuthorityIsZero();
    error RootIsZero();
    error AuthorityMismatch(address expected, address got);
    error ConsistencyRefused(ProofRefusal reason, uint64 oldSize, uint64 newSize);
    error NoRotation(bytes32 logId);
    error RotationTooEarly(uint64 effectiveAt, uint64 time);
    error NotEquivocation(uint64 sizeA, uint64 sizeB, bytes32 rootA, bytes32 rootB);
    error SignatureMissing();
    error DelayTooLong(uint64 delay);
    error Sha256Missing();

    /// @notice Seconds between the scheduling of a rotation and its effect.
    function ROTATION_DELAY() external view returns (uint64);

    /// @notice Opens a log at the empty tree. For the registrar.
    /// @param origin The first line of the log's checkpoints, 1 to 255 bytes.
    /// @param authority The name of the authority that signs its checkpoints.
    /// @return logId `SHA-256(origin)`.
    function registerLog(string calldata origin, address authority) external returns (bytes32 logId);

    /// @notice Anchors a checkpoint. Anyone may relay it. The head that is already there is
    /// taken silently and changes nothing, whoever sends it: two relays may race.
    /// @param consistency The RFC 9162 proof from the anchored tree to this one.
    /// @param authoritySig The authority's proof over `Checkpoint(logId, root, size,
    /// checkpointHash)`; see `AuthorityCheck`.
    /// @param checkpointHash SHA-256 of the whole signed checkpoint, cosignatures included.
    function anchor(
        bytes32 logId,
        bytes32 root,
        uint64 size,
        bytes32[] calldata consistency,
        bytes calldata authoritySig,
        bytes32 checkpointHash
    ) external;

    /// @notice Freezes a log for good, by two heads of one size with different roots, both signed
    /// by its authority. If an earlier authority signed one of them, that is told by an event and
    /// freezes nothing: its key may have been taken away because it was stolen. Anyone may report.
    function reportEquivocation(bytes32 logId, SignedHead calldata a, SignedHead calldata b)
        external;

    /// @notice Announces another authority. For the registrar. Replaces an earlier announcement.
    function scheduleRotation(bytes32 logId, address newAuthority) external;

    /// @notice Takes an announcement back. For the revoker.
    function cancelRotation(bytes32 logId) external;

    /// @notice Puts an announced authority in its place once its time has come. Anyone may; until
    /// then the old authority goes on.
    function applyRotation(bytes32 logId) external;

    /// @notice Leaves the log without an authority, at once. For the revoker.
    function revokeAuthority(bytes32 logId) external;

    /// @notice The newest anchored head.
    function head(bytes32 logId) external view returns (Head memory);

    /// @notice Whether an equivocation froze the log.
    function isFrozen(bytes32 logId) external view returns (bool);

    /// @notice Whether this was an authority of the log that was rotated away or revoked.
    function wasAuthority(bytes32 logId, address authority) external view returns (bool);

    /// @notice The announced authority; zeros if there is none.
    function pendingRotation(bytes32 logId) external view returns (Rotation memory);

    /// @notice What an authority signs: `0x1901 ‖ domain separator ‖ struct hash`.
    function checkpointMessage(bytes32 logId, bytes32 root, uint64 size, bytes32 checkpointHash)
        external
        view
        returns (bytes memory);

    /// @notice Whether the leaf hash is at `index` of the newest anchored tree.
    function verifyInclusion(bytes32 logId, bytes32 leafHash, uint64 index, bytes32[] calldata path)
        external
        view
        returns (bool);

    /// @notice The same of an entry's bytes, which it hashes itself: a node can never pass for one.
    function verifyEntry(bytes32 logId, bytes calldata entry, uint64 index, bytes32[] calldata path)
        external
        view
        returns (bool);

    /// @notice Whether these anchors, folded onto `accumulator`, lead to the stored one; that
    /// proves each of them. The whole history starts from the log id.
    function verifyHistory(bytes32 logId, bytes32 accumulator, Anchor[] calldata anchors)
        external
        view
        returns (bool);
}
