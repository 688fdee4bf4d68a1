// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Who signed this: four kinds of authority behind one address-sized name
/// @notice An authority is named by 160 bits, so that it fits a slot beside a tree size:
///
/// | proof | authority | its name |
/// |---|---|---|
/// | empty | the account that sends the call | its address |
/// | 0x01 ‖ r ‖ s ‖ v | a secp256k1 key, by EIP-712 | its address |
/// | 0x02 ‖ r ‖ s ‖ x ‖ y | a P-256 key, over SHA-256 | `p256Authority(x, y)` |
/// | 0x03 ‖ abi (k, signers, signatures) | k of n ERC-7913 signers | `thresholdAuthority(…)` |
///
/// What is signed is one message for all kinds, `0x1901 ‖ domain separator ‖ struct hash`: its
/// Keccak-256 (EIP-712), and for P-256 its SHA-256, which is what key hardware computes. The
/// domain holds the chain id and this contract, so no signature counts anywhere else.
abstract contract AuthorityCheck is EIP712 {
    /// @notice Whether the chain had the P-256 precompile when this contract was deployed;
    /// without it signatures are checked in Solidity, for some 200,000 gas more.
    bool public immutable HAS_P256_PRECOMPILE;

    /// @notice The proof starts with a kind that there is not.
    error UnknownAuthorityKind(uint8 kind);
    /// @notice The proof has not the length its kind has.
    error ProofLengthWrong(uint256 length);
    /// @notice The signature is not one of this key over this message, or has a high s.
    error SignatureRefused();
    /// @notice Fewer signers than the threshold signed.
    error TooFewSigners(uint256 signed, uint256 threshold);
    /// @notice Signers must come in ascending order of their Keccak-256, each once.
    error SignersNotAscending(uint256 position);

    // A signature over SHA-256("firmlog") by a key made for this.
    bytes32 private constant PROBE_DIGEST =
        0xd230a843cedcfd8f99e30ad3cd63ffff87b8bc3e5063d78119bcecb441f3a0a3;
    bytes32 private constant PROBE_R =
        0x9492bae0e72e08df09c2f04c2066c72da9a531f36bfb7cf5a7d3ee8259af2f17;
    bytes32 private constant PROBE_S =
        0x283de4e4c3d6c03c6da4d60ce1fc9110e10e050b846efff70beb8015225f10e4;
    bytes32 private constant PROBE_X =
        0xb8fbdd731c9e78e6a09b2e006fbbf0e3f79fbf212fa4f6291d4eba4a3ca94e37;
    bytes32 private constant PROBE_Y =
        0x9d11c7463f25ff7045e58cfd0907b8c71d6b069784501cbe789706266893160e;

    uint8 private constant SECP256K1 = 1;
    uint8 private constant P_256 = 2;
    uint8 private constant THRESHOLD = 3;

    constructor() {
        HAS_P256_PRECOMPILE = _probeP256();
    }

    /// @notice The name of the authority that holds this P-256 key.
    function p256Authority(bytes32 x, bytes32 y) public pure returns (address) {
        return _name(keccak256(abi.encodePacked(P_256, x, y)));
    }

    /// @notice The name of the authority that any `threshold` of these ERC-7913 signers are.
    /// @param signers Each `verifier ‖ key`, or an account's address; ascending by Keccak-256.
    function thresholdAuthority(uint256 threshold, bytes[] memory signers)
        public
        pure
        returns (address)
    {
        return _name(keccak256(abi.encode(THRESHOLD, threshold, signers)));
    }

    /// @dev The authority that made this claim; reverts unless the proof shows one.
    function _authorityOf(bytes32 structHash, bytes calldata proof)
        internal
        view
        returns (address)
    {
        if (proof.length == 0) return msg.sender;
        uint8 kind = uint8(proof[0]);
        if (kind == SECP256K1) return _secp256k1(_hashTypedDataV4(structHash), proof);
        if (kind == P_256) return _p256(structHash, proof);
        if (kind == THRESHOLD) return _threshold(_hashTypedDataV4(structHash), proof);
        revert UnknownAuthorityKind(kind);
    }

    function _secp256k1(bytes32 digest, bytes calldata proof) private pure returns (address) {
        if (proof.length != 66) revert ProofLengthWrong(proof.length);
        (address signer, ECDSA.RecoverError problem,) =
            ECDSA.tryRecover(digest, uint8(proof[65]), bytes32(proof[1:33]), bytes32(proof[33:65]));
        if (problem != ECDSA.RecoverError.NoError) revert SignatureRefused();
        return signer;
    }

    function _p256(bytes32 structHash, bytes calldata proof) private view returns (address) {
        if (proof.length != 129) revert ProofLengthWrong(proof.length);
        bytes32 digest = _sha256TypedData(_domainSeparatorV4(), structHash);
        (bytes32 r, bytes32 s) = (bytes32(proof[1:33]), bytes32(proof[33:65]));
        (bytes32 x, bytes32 y) = (bytes32(proof[65:97]), bytes32(proof[97:129]));
        // Both refuse a high s, which would be a second spelling of the same signature.
        bool good = HAS_P256_PRECOMPILE
            ? P256.verifyNative(digest, r, s, x, y)
            : P256.verifySolidity(digest, r, s, x, y);
        if (!good) revert SignatureRefused();
        return p256Authority(x, y);
    }

    /// @dev `SHA-256(0x1901 ‖ separator ‖ struct hash)`; assembly saves 230 gas.
    function _sha256TypedData(bytes32 separator, bytes32 structHash)
        private
        view
        returns (bytes32 digest)
    {
        assembly ("memory-safe") {
            let message := mload(0x40)
            mstore(message, shl(240, 0x1901))
            mstore(add(message, 2), separator)
            mstore(add(message, 34), structHash)
            // The precompile fails only when gas runs out.
            if iszero(staticcall(gas(), 2, message, 66, 0x00, 32)) { revert(0, 0) }
            digest := mload(0x00)
        }
    }

    function _threshold(bytes32 digest, bytes calldata proof) private view returns (address) {
        (uint256 threshold, bytes[] memory signers, bytes[] memory signatures) =
            abi.decode(proof[1:], (uint256, bytes[], bytes[]));
        if (signatures.length != signers.length) revert ProofLengthWrong(signatures.length);
        uint256 signed;
        bytes32 previous;
        for (uint256 i; i < signers.length; ++i) {
            bytes32 place = keccak256(signers[i]);
            if (place <= previous) revert SignersNotAscending(i);
            previous = place;
            // An empty signature is an abstention; a wrong one spoils the proof.
            if (signatures[i].length == 0) continue;
            if (!SignatureChecker.isValidSignatureNow(signers[i], digest, signatures[i])) {
                revert SignatureRefused();
            }
            ++signed;
        }
        if (threshold == 0 || signed < threshold) revert TooFewSigners(signed, threshold);
        return thresholdAuthority(threshold, signers);
    }

    function _name(bytes32 hash) private pure returns (address) {
        return address(uint160(uint256(hash)));
    }

    /// @dev Absence and refusal look the same, so a signature known to be good is asked about.
    function _probeP256() private view returns (bool) {
        (bool success, bytes memory answer) =
            address(0x100).staticcall(abi.encode(PROBE_DIGEST, PROBE_R, PROBE_S, PROBE_X, PROBE_Y));
        return success && answer.length == 32 && abi.decode(answer, (uint256)) == 1;
    }
}
