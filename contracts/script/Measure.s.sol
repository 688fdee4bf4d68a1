// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IFirmwareUpdateLog} from "../src/IFirmwareUpdateLog.sol";
import {Signing} from "../test/Signing.sol";
import {VM} from "../test/Vm.sol";
import {Meter} from "../test/peers/Meter.sol";
import {Deployer} from "./Deployer.sol";
import {Peers} from "./Peers.sol";

/// @notice Sends every transaction whose gas is told, to a node whose first account is ours.
/// Which is which stands in `fixtures/gas-labels.txt`: the sender's nonce, then the label.
/// Run by `cargo xtask contracts`, which reads the receipts.
contract Measure is Deployer, Peers, Signing {
    /// Development nodes give money to the accounts of this phrase.
    string private constant PHRASE = "test test test test test test test test test test test junk";
    uint256 private constant LOG_KEY = 0x10;
    uint256 private constant P256_KEY = 0x77;
    bytes32 private constant CHECKPOINT_HASH = sha256("a signed checkpoint");
    uint64 private constant DEVICE_TIME = 1_700_000_000;

    string private labels;
    string private json;
    address private account;
    Deployment private d;

    struct Head {
        string name;
        uint64 size;
    }

    function run() external {
        json = VM.readFile("fixtures/million.json");
        // An update's hash covers its block's time: the node's clock must stand where ours does.
        VM.rpc("anvil_setBlockTimestampInterval", "[0]");
        uint256 key = VM.deriveKey(PHRASE, 0);
        account = VM.addr(key);
        VM.startBroadcast(key);
        d = _deploy(plan(), account);
        anchors();
        direct();
        peers(account);
        VM.stopBroadcast();
        VM.writeFile("fixtures/gas-labels.txt", labels);
    }

    function anchors() private {
        label("register_log");
        bytes32 logId = d.anchor.registerLog("log.example/account", account);
        bytes32[] memory path = hashes("from900000");
        label("anchor_head_only");
        d.anchor.anchor(logId, root("900000"), 900_000, new bytes32[](0), "", CHECKPOINT_HASH);
        label("anchor_sent_at_1m");
        d.anchor.anchor(logId, root("1000000"), 1_000_000, path, "", CHECKPOINT_HASH);

        logId = d.anchor.registerLog("log.example/secp256k1", VM.addr(LOG_KEY));
        send(logId, Head("900000", 900_000), new bytes32[](0), 1, "");
        send(logId, Head("1000000", 1_000_000), path, 1, "anchor_at_1m");
        send(logId, Head("1000000", 1_000_000), path, 1, "anchor_repeated");
        view_(logId);

        logId = d.anchor.registerLog("log.example/worst", VM.addr(LOG_KEY));
        send(logId, Head("899999", 899_999), new bytes32[](0), 1, "");
        bytes32[] memory longest = hashes("from899999");
        send(logId, Head("1000000", 1_000_000), longest, 1, "anchor_at_1m_worst");

        logId = d.anchor.registerLog("log.example/p256", p256());
        send(logId, Head("900000", 900_000), new bytes32[](0), 2, "");
        send(logId, Head("1000000", 1_000_000), path, 2, "anchor_p256_at_1m");

        address authority = d.anchor.thresholdAuthority(2, councilMembers());
        logId = d.anchor.registerLog("log.example/threshold", authority);
        send(logId, Head("900000", 900_000), new bytes32[](0), 3, "");
        send(logId, Head("1000000", 1_000_000), path, 3, "anchor_threshold_at_1m");
    }

    function view_(bytes32 logId) private {
        bytes32 leaf = VM.parseJsonBytes32(json, ".leaf");
        uint64 index = uint64(VM.parseJsonUint(json, ".index"));
        bytes memory question =
            abi.encodeCall(d.anchor.verifyInclusion, (logId, leaf, index, hashes("inclusion")));
        Meter meter = Meter(_create("Meter", ""));
        label("inclusion_view_at_1m");
        meter.measure(address(d.anchor), question);
    }

    function direct() private {
        d.updates.enrolAuthoriser(account, true, true);
        bytes32 previous;
        label("direct_first");
        previous = d.updates.logFirmwareUpdateSigned(update("1.2.3", previous), "");
        label("direct_later");
        previous = d.updates.logFirmwareUpdateSigned(update("1.2.4", previous), "");
        d.updates.enrolAuthoriser(p256(), true, false);
        IFirmwareUpdateLog.UpdateInput memory signed = update("1.2.5", previous);
        bytes memory proof = p256Proof(P256_KEY, d.updates.updateMessage(signed));
        label("direct_signed_later");
        d.updates.logFirmwareUpdateSigned(signed, proof);
        label("direct_plain_later");
        d.updates.logFirmwareUpdate(DEVICE, FIRMWARE, "1.2.6", DEVICE_TIME);
    }

    function send(
        bytes32 logId,
        Head memory head,
        bytes32[] memory path,
        uint8 kind,
        string memory name
    ) private {
        bytes32 treeRoot = root(head.name);
        bytes memory message =
            d.anchor.checkpointMessage(logId, treeRoot, head.size, CHECKPOINT_HASH);
        bytes memory proof = proofOf(kind, message);
        if (bytes(name).length != 0) label(name);
        d.anchor.anchor(logId, treeRoot, head.size, path, proof, CHECKPOINT_HASH);
    }

    function proofOf(uint8 kind, bytes memory message) private pure returns (bytes memory) {
        if (kind == 1) return secp256k1Proof(LOG_KEY, message);
        if (kind == 2) return p256Proof(P256_KEY, message);
        (bytes[] memory members, uint256[] memory keys) = (councilMembers(), memberKeys());
        bytes[] memory signatures = new bytes[](3);
        for (uint256 i; i < 2; ++i) {
            signatures[i] = accountSignature(keys[i], keccak256(message));
        }
        return thresholdProof(2, members, signatures);
    }

    function label(string memory name) internal override {
        string memory nonce = VM.toString(uint256(VM.getNonce(account)));
        labels = string.concat(labels, nonce, " ", name, "\n");
    }

    function update(string memory version, bytes32 previous)
        private
        pure
        returns (IFirmwareUpdateLog.UpdateInput memory)
    {
        return IFirmwareUpdateLog.UpdateInput({
            deviceId: DEVICE,
            firmwareHash: FIRMWARE,
            version: version,
            timestamp: DEVICE_TIME,
            contentCid: CID,
            status: IFirmwareUpdateLog.Status.Success,
            previousUpdateHash: previous
        });
    }

    function plan() private view returns (Plan memory) {
        return Plan(councilMembers(), 2, 2 days, 2 days, account, account, account);
    }

    function p256() private view returns (address) {
        (uint256 x, uint256 y) = VM.publicKeyP256(P256_KEY);
        return d.anchor.p256Authority(bytes32(x), bytes32(y));
    }

    function root(string memory name) private view returns (bytes32) {
        return VM.parseJsonBytes32(json, string.concat(".root", name));
    }

    function hashes(string memory name) private view returns (bytes32[] memory) {
        return VM.parseJsonBytes32Array(json, string.concat(".", name));
    }
}
