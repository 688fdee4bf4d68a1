// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

import {AuthorityCheck} from "../src/AuthorityCheck.sol";
import {FirmwareAnchor} from "../src/FirmwareAnchor.sol";
import {Tree, Trees} from "./Tree.sol";
import {VM} from "./Vm.sol";
import {World} from "./World.sol";

contract AuthorityCheckTest is World {
    using Trees for Tree;

    uint256 private constant P256_KEY = 0x77;
    string private constant OTHER = "log.example/authority";

    struct Head {
        bytes32 id;
        bytes32 root;
        bytes message;
    }

    function test_p256_in_the_pure_library() external {
        yes(!d.anchor.HAS_P256_PRECOMPILE(), "these rules have no precompile");
        checkP256(d.anchor);
    }

    /// What stands at 0x100 here checks signatures with the library, as the precompile would.
    function test_p256_by_the_precompile_found_at_deployment() external {
        VM.etch(address(0x100), address(new PrecompileStandIn()).code);
        FirmwareAnchor fresh = another();
        yes(fresh.HAS_P256_PRECOMPILE(), "it was found");
        checkP256(fresh);
    }

    function test_two_of_three_are_enough_and_one_is_not() external {
        bytes[] memory members = councilMembers();
        Head memory head = opened(d.anchor, d.anchor.thresholdAuthority(2, members));
        uint256[] memory keys = memberKeys();
        bytes[] memory signatures = new bytes[](3);
        signatures[0] = accountSignature(keys[0], keccak256(head.message));
        bytes memory proof = thresholdProof(2, members, signatures);
        refused(d.anchor, head, proof, AuthorityCheck.TooFewSigners.selector);
        // Lowering the threshold in the proof names another authority.
        proof = thresholdProof(1, members, signatures);
        refused(d.anchor, head, proof, MISMATCH);
        proof = thresholdProof(0, members, signatures);
        refused(d.anchor, head, proof, AuthorityCheck.TooFewSigners.selector);
        signatures[2] = accountSignature(0x99, keccak256(head.message));
        proof = thresholdProof(2, members, signatures);
        refused(d.anchor, head, proof, AuthorityCheck.SignatureRefused.selector);
        signatures[2] = accountSignature(keys[2], keccak256(head.message));
        proof = thresholdProof(2, members, signatures);
        accepted(d.anchor, head, proof);
    }

    function test_nobody_is_counted_twice() external {
        bytes[] memory twice = new bytes[](2);
        (twice[0], twice[1]) = (abi.encodePacked(VM.addr(0x21)), abi.encodePacked(VM.addr(0x21)));
        Head memory head = opened(d.anchor, d.anchor.thresholdAuthority(2, twice));
        bytes[] memory signatures = new bytes[](2);
        signatures[0] = accountSignature(0x21, keccak256(head.message));
        signatures[1] = signatures[0];
        bytes memory proof = thresholdProof(2, twice, signatures);
        refused(d.anchor, head, proof, AuthorityCheck.SignersNotAscending.selector);
        refused(
            d.anchor,
            head,
            thresholdProof(2, twice, new bytes[](1)),
            AuthorityCheck.ProofLengthWrong.selector
        );
    }

    function test_a_threshold_of_nobody_is_refused() external {
        bytes[] memory none = new bytes[](0);
        Head memory head = opened(d.anchor, d.anchor.thresholdAuthority(0, none));
        bytes memory proof = thresholdProof(0, none, none);
        refused(d.anchor, head, proof, AuthorityCheck.TooFewSigners.selector);
    }

    /// P-256 keys sign among accounts, through OpenZeppelin's stateless verifier.
    function test_a_p256_key_is_one_of_the_signers() external {
        (uint256 x, uint256 y) = VM.publicKeyP256(P256_KEY);
        bytes[] memory members = new bytes[](1);
        members[0] = abi.encodePacked(address(d.p256), x, y);
        Head memory head = opened(d.anchor, d.anchor.thresholdAuthority(1, members));
        (bytes32 r, bytes32 s) = VM.signP256(P256_KEY, keccak256(head.message));
        uint256 order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
        if (uint256(s) > order / 2) s = bytes32(order - uint256(s));
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = abi.encodePacked(r, s);
        accepted(d.anchor, head, thresholdProof(1, members, signatures));
    }

    function test_broken_proofs_are_refused() external {
        Head memory head = opened(d.anchor, VM.addr(LOG_KEY));
        bytes memory good = secp256k1Proof(LOG_KEY, head.message);
        refused(d.anchor, head, hex"04", AuthorityCheck.UnknownAuthorityKind.selector);
        refused(d.anchor, head, hex"00", AuthorityCheck.UnknownAuthorityKind.selector);
        refused(d.anchor, head, hex"01", AuthorityCheck.ProofLengthWrong.selector);
        refused(d.anchor, head, hex"02", AuthorityCheck.ProofLengthWrong.selector);
        bytes memory longer = bytes.concat(good, hex"00");
        refused(d.anchor, head, longer, AuthorityCheck.ProofLengthWrong.selector);
        good[65] = 0x05;
        refused(d.anchor, head, good, AuthorityCheck.SignatureRefused.selector);
    }

    /// The same signature spelled with a high s and the other parity.
    function test_a_high_s_is_refused() external {
        Head memory head = opened(d.anchor, VM.addr(LOG_KEY));
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(LOG_KEY, keccak256(head.message));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes memory proof = abi.encodePacked(uint8(1), r, order - uint256(s), 55 - v);
        refused(d.anchor, head, proof, AuthorityCheck.SignatureRefused.selector);
    }

    function test_a_signature_counts_on_one_contract_only() external {
        Head memory head = opened(d.anchor, VM.addr(LOG_KEY));
        bytes memory proof = secp256k1Proof(LOG_KEY, head.message);
        FirmwareAnchor second = another();
        head = opened(second, VM.addr(LOG_KEY));
        refused(second, head, proof, MISMATCH);
    }

    bytes4 private constant MISMATCH = bytes4(keccak256("AuthorityMismatch(address,address)"));

    function checkP256(FirmwareAnchor anchor) private {
        (uint256 x, uint256 y) = VM.publicKeyP256(P256_KEY);
        Head memory head = opened(anchor, anchor.p256Authority(bytes32(x), bytes32(y)));
        bytes4 reason = AuthorityCheck.SignatureRefused.selector;
        refused(anchor, head, highSP256Proof(P256_KEY, head.message), reason);
        bytes memory proof = p256Proof(P256_KEY, bytes.concat(head.message, hex"00"));
        refused(anchor, head, proof, reason);
        refused(anchor, head, p256Proof(0x78, head.message), MISMATCH);
        accepted(anchor, head, p256Proof(P256_KEY, head.message));
    }

    /// @dev A second contract, governed by the same manager.
    function another() private returns (FirmwareAnchor anchor) {
        bytes memory arguments = abi.encode(address(d.manager), 0);
        anchor = FirmwareAnchor(_create("FirmwareAnchor", arguments));
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = FirmwareAnchor.registerLog.selector;
        VM.prank(address(d.timelock));
        d.manager.setTargetFunctionRole(address(anchor), selectors, 1);
    }

    /// @dev A log of this authority, and the head it is to sign.
    function opened(FirmwareAnchor anchor, address authority) private returns (Head memory head) {
        VM.prank(REGISTRAR_ACCOUNT);
        head.id = anchor.registerLog(OTHER, authority);
        head.root = honest.root(6);
        head.message = anchor.checkpointMessage(head.id, head.root, 6, checkpointHash(6));
    }

    function accepted(FirmwareAnchor anchor, Head memory head, bytes memory proof) private {
        anchor.anchor(head.id, head.root, 6, new bytes32[](0), proof, checkpointHash(6));
        equal(anchor.head(head.id).size, 6, "anchored");
    }

    function refused(FirmwareAnchor anchor, Head memory head, bytes memory proof, bytes4 reason)
        private
    {
        (bool success, bytes memory answer) = address(anchor)
            .call(
                abi.encodeCall(
                    anchor.anchor,
                    (head.id, head.root, 6, new bytes32[](0), proof, checkpointHash(6))
                )
            );
        refusedBy(success, answer, reason);
    }
}

/// @notice P256VERIFY of EIP-7951 as a contract: 160 bytes in; the word 1 out, or nothing.
contract PrecompileStandIn {
    fallback() external {
        (bytes32 h, bytes32 r, bytes32 s, bytes32 x, bytes32 y) =
            abi.decode(msg.data, (bytes32, bytes32, bytes32, bytes32, bytes32));
        if (P256.verifySolidity(h, r, s, x, y)) {
            assembly {
                mstore(0, 1)
                return(0, 32)
            }
        }
    }
}
