// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @notice Tells what a view takes that answers yes, when it is asked directly: the account warm,
/// as a transaction's target is, its slots cold.
contract Meter {
    event Metered(uint256 gas);

    error ViewFailed(bytes answer);

    function measure(address target, bytes calldata question) external {
        bytes memory data = question;
        // The account is touched before the clock starts.
        if (target.code.length == 0) revert ViewFailed("");
        uint256 before = gasleft();
        (bool success, bytes memory answer) = target.staticcall(data);
        uint256 gas = before - gasleft();
        if (!success || !abi.decode(answer, (bool))) revert ViewFailed(answer);
        emit Metered(gas);
    }
}
