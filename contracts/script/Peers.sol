// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {
    AttestationRequest,
    AttestationRequestData,
    IEAS
} from "@ethereum-attestation-service/eas-contracts/contracts/IEAS.sol";
import {
    ISchemaRegistry
} from "@ethereum-attestation-service/eas-contracts/contracts/ISchemaRegistry.sol";
import {
    ISchemaResolver
} from "@ethereum-attestation-service/eas-contracts/contracts/resolver/ISchemaResolver.sol";

import {VM} from "../test/Vm.sol";
import {SeedEventOnly} from "../test/peers/SeedEventOnly.sol";
import {SeedRecord} from "../test/peers/SeedRecord.sol";
import {Deployer} from "./Deployer.sol";

/// @notice The same update through others: the guide's two contracts, and the Ethereum Attestation
/// Service as its package brings it, compiled by its authors.
abstract contract Peers is Deployer {
    string internal constant DEVICE = "pump-42";
    bytes32 internal constant FIRMWARE = sha256("firmware 1.2.3");
    bytes internal constant CID =
        hex"01551220e7077cc4fd7a4a4b2bd43a3e0a2ec29e0a2e2cbf9a2a8c7f1cb65ee1f1b4a2c3";
    string private constant CID_TEXT =
        "bafkreihha56mj7l2jjfsxvb2hyfc5qu6bixczp42fkgh6hfwl3q7dnfcym";
    string private constant EAS =
        "node_modules/@ethereum-attestation-service/eas-contracts/artifacts/contracts/";

    function label(string memory name) internal virtual;

    function peers(address account) internal {
        SeedEventOnly events = SeedEventOnly(_create("SeedEventOnly", ""));
        label("seed_event_only");
        events.logUpdate(FIRMWARE, DEVICE, "1.2.3");
        SeedRecord records = SeedRecord(_create("SeedRecord", ""));
        label("seed_record_first");
        records.logFirmwareUpdate(DEVICE, FIRMWARE, "1.2.3", 1_700_000_000, CID_TEXT);
        label("seed_record_later");
        records.logFirmwareUpdate(DEVICE, FIRMWARE, "1.2.4", 1_700_000_000, CID_TEXT);
        attest(account);
    }

    function attest(address account) private {
        address registry = created("SchemaRegistry", "");
        IEAS eas = IEAS(created("EAS", abi.encode(registry)));
        string memory fields =
            "bytes32 firmwareHash,string deviceId,string version,bytes32 previous,bytes contentCid";
        bytes32 schema =
            ISchemaRegistry(registry).register(fields, ISchemaResolver(address(0)), false);
        bytes memory data = abi.encode(FIRMWARE, DEVICE, "1.2.3", keccak256("previous"), CID);
        AttestationRequestData memory content =
            AttestationRequestData(account, 0, false, bytes32(0), data, 0);
        label("eas_attest");
        eas.attest(AttestationRequest(schema, content));
    }

    function created(string memory name, bytes memory arguments) private returns (address) {
        string memory file = string.concat(EAS, name, ".sol/", name, ".json");
        bytes memory code = VM.parseJsonBytes(VM.readFile(file), ".bytecode");
        return _deployed(name, bytes.concat(code, arguments));
    }
}
