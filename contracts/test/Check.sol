// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {VM} from "./Vm.sol";

error NotTrue(string what);
error Differs(string what, uint256 expected, uint256 got);
error DiffersInBytes(string what, bytes expected, bytes got);

error NotRefused();
error RefusedOtherwise(bytes expected, bytes got);

/// @notice Assertions that say what was expected and what came.
abstract contract Check {
    function yes(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    function equal(uint256 got, uint256 expected, string memory what) internal pure {
        if (got != expected) revert Differs(what, expected, got);
    }

    function equal(bytes32 got, bytes32 expected, string memory what) internal pure {
        equal(uint256(got), uint256(expected), what);
    }

    function equal(address got, address expected, string memory what) internal pure {
        equal(uint160(got), uint160(expected), what);
    }

    function equal(bytes memory got, bytes memory expected, string memory what) internal pure {
        if (keccak256(got) != keccak256(expected)) revert DiffersInBytes(what, expected, got);
    }

    /// @dev Makes the call and wants exactly this error back.
    function refused(address sender, address target, bytes memory data, bytes memory reason)
        internal
    {
        VM.prank(sender);
        (bool success, bytes memory answer) = target.call(data);
        if (success) revert NotRefused();
        if (keccak256(answer) != keccak256(reason)) revert RefusedOtherwise(reason, answer);
    }

    function refusedBy(bool success, bytes memory answer, bytes4 selector) internal pure {
        if (success) revert NotRefused();
        // Only the first four bytes are wanted.
        if (bytes4(answer) != selector) revert RefusedOtherwise(abi.encode(selector), answer);
    }
}
