// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {VM} from "./Vm.sol";

/// @notice Proofs of each authority kind, and signers in the order contracts want them.
abstract contract Signing {
    uint256 private constant P256_ORDER =
        0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;

    function secp256k1Proof(uint256 key, bytes memory message)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(uint8(1), accountSignature(key, keccak256(message)));
    }

    function p256Proof(uint256 key, bytes memory message) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = VM.signP256(key, sha256(message));
        (uint256 x, uint256 y) = VM.publicKeyP256(key);
        return abi.encodePacked(uint8(2), r, lowS(s), x, y);
    }

    function highSP256Proof(uint256 key, bytes memory message)
        internal
        pure
        returns (bytes memory)
    {
        (bytes32 r, bytes32 s) = VM.signP256(key, sha256(message));
        (uint256 x, uint256 y) = VM.publicKeyP256(key);
        return abi.encodePacked(uint8(2), r, P256_ORDER - uint256(lowS(s)), x, y);
    }

    function thresholdProof(uint256 k, bytes[] memory signers, bytes[] memory signatures)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(uint8(3), abi.encode(k, signers, signatures));
    }

    function accountSignature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Private keys of the accounts 0x21, 0x22 and 0x23, by Keccak-256 of the address.
    function memberKeys() internal pure returns (uint256[] memory keys) {
        keys = new uint256[](3);
        for (uint256 i; i < 3; ++i) {
            keys[i] = 0x21 + i;
        }
        for (uint256 i; i < 2; ++i) {
            for (uint256 j; j + 1 < 3 - i; ++j) {
                if (place(keys[j]) > place(keys[j + 1])) {
                    (keys[j], keys[j + 1]) = (keys[j + 1], keys[j]);
                }
            }
        }
    }

    function councilMembers() internal pure returns (bytes[] memory members) {
        uint256[] memory keys = memberKeys();
        members = new bytes[](3);
        for (uint256 i; i < 3; ++i) {
            members[i] = abi.encodePacked(VM.addr(keys[i]));
        }
    }

    function place(uint256 key) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(VM.addr(key)));
    }

    function lowS(bytes32 s) private pure returns (bytes32) {
        uint256 value = uint256(s);
        return value > P256_ORDER / 2 ? bytes32(P256_ORDER - value) : s;
    }
}
