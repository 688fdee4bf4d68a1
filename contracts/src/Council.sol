// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {
    MultiSignerERC7913
} from "@openzeppelin/contracts/utils/cryptography/signers/MultiSignerERC7913.sol";

/// @title k of n people who together own the timelock
/// @notice For places without a multisig of their own; any other contract will do. Members are
/// ERC-7913 signers: an account's address, or a verifier's address with a P-256 key.
///
/// Owner powers: none but the council's own. With k signatures it makes any call, and by calling
/// itself it changes its members.
contract Council is MultiSignerERC7913, EIP712 {
    /// @notice How many calls were made; the number each next one is signed for.
    uint256 public callCount;

    bytes32 private constant CALL = keccak256("Call(address target,bytes data,uint256 number)");

    event CallMade(uint256 indexed number, address indexed target, bytes data);

    error CouncilRefused(uint256 number);
    error CouncilOnly(address sender);

    modifier onlyCouncil() {
        if (msg.sender != address(this)) revert CouncilOnly(msg.sender);
        _;
    }

    constructor(bytes[] memory members, uint64 threshold)
        EIP712("Council", "1")
        MultiSignerERC7913(members, threshold)
    {}

    /// @notice Calls `target`, once k members signed that. Anyone may send it.
    /// @param signatures `abi.encode(bytes[] members, bytes[] signatures)`, by Keccak-256 of the
    /// member, ascending.
    function execute(address target, bytes calldata data, bytes calldata signatures)
        external
        returns (bytes memory result)
    {
        uint256 number = callCount;
        if (!_rawSignatureValidation(callDigest(target, data, number), signatures)) {
            revert CouncilRefused(number);
        }
        callCount = number + 1;
        emit CallMade(number, target, data);
        bool success;
        (success, result) = target.call(data);
        if (!success) {
            // What the target said is the reason; it is passed on as it came.
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }
    }

    function addMembers(bytes[] memory members) external onlyCouncil {
        _addSigners(members);
    }

    function removeMembers(bytes[] memory members) external onlyCouncil {
        _removeSigners(members);
    }

    function setThreshold(uint64 k) external onlyCouncil {
        _setThreshold(k);
    }

    /// @notice What members sign.
    function callDigest(address target, bytes calldata data, uint256 number)
        public
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(keccak256(abi.encode(CALL, target, keccak256(data), number)));
    }
}
