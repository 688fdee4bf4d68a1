// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IFirmwareUpdateLog} from "./IFirmwareUpdateLog.sol";

/// @title Versions and content ids in the few bytes that a record has for them
/// @notice `parse` then tell gives the same bytes back; everything else is refused.
library UpdateFields {
    uint8 private constant RAW = 0x55;
    uint8 private constant DAG_PB = 0x70;

    /// @notice 1 to 16 of `0-9 A-Z a-z . + - _ ~`, left-aligned.
    function parseVersion(string calldata version) internal pure returns (bytes16 packed) {
        bytes calldata letters = bytes(version);
        if (letters.length == 0 || letters.length > 16) {
            revert IFirmwareUpdateLog.BadVersion(version);
        }
        for (uint256 i; i < letters.length; ++i) {
            if (!_isVersionLetter(letters[i])) revert IFirmwareUpdateLog.BadVersion(version);
        }
        // At most 16 letters, so nothing is cut off.
        // forge-lint: disable-next-line(unsafe-typecast)
        return bytes16(letters);
    }

    /// @notice The version as it came.
    function text(bytes16 packed) internal pure returns (string memory) {
        uint256 length;
        while (length < 16 && packed[length] != 0) ++length;
        bytes memory letters = new bytes(length);
        for (uint256 i; i < length; ++i) {
            letters[i] = packed[i];
        }
        return string(letters);
    }

    /// @notice Codec and digest of a CIDv1 over SHA-256; zeros of an empty one.
    function parseCid(bytes calldata contentCid)
        internal
        pure
        returns (uint8 codec, bytes32 digest)
    {
        if (contentCid.length == 0) return (0, 0);
        if (contentCid.length != 36) revert IFirmwareUpdateLog.BadCid(contentCid);
        codec = uint8(contentCid[1]);
        bool known = codec == RAW || codec == DAG_PB;
        bool shaped = contentCid[0] == 0x01 && bytes2(contentCid[2:4]) == 0x1220;
        if (!known || !shaped) revert IFirmwareUpdateLog.BadCid(contentCid);
        digest = bytes32(contentCid[4:]);
    }

    /// @notice The CID as it came.
    function cid(uint8 codec, bytes32 digest) internal pure returns (bytes memory) {
        return codec == 0 ? bytes("") : abi.encodePacked(uint8(1), codec, hex"1220", digest);
    }

    function _isVersionLetter(bytes1 c) private pure returns (bool) {
        return (c >= "0" && c <= "9") || (c >= "a" && c <= "z") || (c >= "A" && c <= "Z")
            || c == "." || c == "-" || c == "+" || c == "_" || c == "~";
    }
}
