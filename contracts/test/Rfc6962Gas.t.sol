// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ProofRefusal} from "../src/Rfc6962.sol";
import {Check} from "./Check.sol";
import {Rfc6962Harness} from "./Rfc6962Harness.sol";
import {Tree, Trees} from "./Tree.sol";

/// @notice Who calls chooses the gas, and so the hash at which it runs out. A hash that was not
/// computed leaves an older one in its place, which must never be taken for an answer.
contract Rfc6962GasTest is Check {
    using Trees for Tree;

    uint64 private constant OLD = 27;
    uint64 private constant SIZE = 45;
    uint256 private constant ENOUGH = 20_000;

    Rfc6962Harness private harness = new Rfc6962Harness();
    Tree private honest = Tree(type(uint64).max, 0);

    function test_no_amount_of_gas_changes_an_answer() external view {
        Tree memory forged = Tree(30, 1);
        bytes32[] memory proof = honest.consistency(OLD, SIZE);
        bytes32[] memory path = honest.inclusion(OLD, SIZE);
        bytes32 root = honest.root(SIZE);
        always(grown(root, proof), ProofRefusal.None);
        always(grown(forged.root(SIZE), proof), ProofRefusal.RootMismatch);
        always(included(honest.leaf(OLD), root, path), ProofRefusal.None);
        always(included(honest.leaf(OLD + 1), root, path), ProofRefusal.RootMismatch);
        proof[0] ^= bytes32(uint256(1));
        always(grown(root, proof), ProofRefusal.OldRootMismatch);
    }

    function grown(bytes32 root, bytes32[] memory proof) private view returns (bytes memory) {
        return
            abi.encodeCall(Rfc6962Harness.consistency, (OLD, honest.root(OLD), SIZE, root, proof));
    }

    function included(bytes32 leaf, bytes32 root, bytes32[] memory path)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(Rfc6962Harness.inclusion, (OLD, SIZE, leaf, root, path));
    }

    /// @dev With each amount there is this answer or none, and with enough there is one.
    function always(bytes memory question, ProofRefusal expected) private view {
        bool answered;
        for (uint256 amount; amount < ENOUGH; amount += 7) {
            bytes memory answer;
            (answered, answer) = address(harness).staticcall{gas: amount}(question);
            if (answered) equal(abi.decode(answer, (uint256)), uint256(expected), "answer");
        }
        yes(answered, "enough gas gives an answer");
    }
}
