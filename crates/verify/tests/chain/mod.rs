//! A development node on loopback with the real contract, and evidence collected from it.
//!
//! The node's clock, keys and order of transactions are fixed, so every run makes the same blocks.

#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses its own part")]

pub(crate) mod bundles;
#[path = "../../../../xtask/src/ports.rs"]
mod ports;
mod rpc;
pub(crate) mod spoiled;
pub(crate) mod story;
pub(crate) mod vector;

use std::path::{Path, PathBuf};

use alloy_primitives::keccak256;
use alloy_rlp::Encodable as _;
use firmlog_verify::evm::{
    Address, AnchorParts, BlockParts, EvmEvidence, EvmRefusal, Leaf, Slot, StateEvidence, Word,
    account_rlp, build, head_slots,
};
use serde_json::{Value, json};

pub(crate) use rpc::Node;

/// The node's first block, in seconds since 1970, and how far blocks are apart.
const START_S: u64 = 1_800_000_000;
const BLOCK_S: u64 = 12;
/// A contract that answers (true, 0) to every call; it stands for the AccessManager.
const PERMITS_ALL: &str = "0x600a600c600039600a6000f3600160005260406000f3";
const GAS: &str = "0x600000";

/// A chain with the contract on it.
pub(crate) struct Chain {
    node: Node,
    accounts: Vec<String>,
    pub(crate) contract: Address,
    mined: u64,
    nonces: Vec<u64>,
}

impl Chain {
    /// Starts a node and deploys; nothing when no node is installed.
    pub(crate) fn start() -> Option<Self> {
        let node = Node::start(START_S)?;
        let accounts = node.ask("eth_accounts", json!([]));
        let accounts: Vec<String> = serde_json::from_value(accounts).unwrap();
        let nonces = vec![0; accounts.len()];
        let mut chain = Self { node, accounts, contract: [0; 20], mined: 0, nonces };
        chain.send(0, json!({"data": PERMITS_ALL}));
        let manager = chain.mine().remove(0)["contractAddress"].as_str().unwrap()[2..].to_owned();
        let artefact =
            std::fs::read(workspace().join("contracts/abi/FirmwareAnchor.json")).unwrap();
        let artefact: Value = serde_json::from_slice(&artefact).unwrap();
        let code = artefact["bytecode"].as_str().unwrap();
        chain.send(0, json!({"data": format!("{code}{manager:0>64}{:0>64}", "")}));
        chain.contract = unhex(&chain.mine().remove(0)["contractAddress"]).try_into().unwrap();
        Some(chain)
    }

    /// Registers a log whose authority is account 1.
    pub(crate) fn register(&mut self, origin: &str) {
        let authority = &self.accounts[1][2..];
        let text = hex(origin.as_bytes());
        let call = format!(
            "{}{:064x}{authority:0>64}{:064x}{text:0<width$}",
            selector("registerLog(string,address)"),
            64,
            origin.len(),
            width = text.len().next_multiple_of(64),
        );
        self.call(0, &call, json!({}));
        self.mine();
    }

    /// Sends an anchor by the authority; `more` are fields of the transaction.
    pub(crate) fn anchor(&mut self, anchor: &story::Anchored, more: Value) {
        let proof: String = anchor.consistency.iter().map(|hash| hex(&hash.0)).collect();
        let call = format!(
            "{}{}{}{:064x}{:064x}{:064x}{}{:064x}{proof}{:064x}",
            selector("anchor(bytes32,bytes32,uint64,bytes32[],bytes,bytes32)"),
            hex(&anchor.log_id),
            hex(&anchor.head.root.0),
            anchor.head.size.0,
            6 * 32,
            (7 + anchor.consistency.len()) * 32,
            hex(&anchor.checkpoint_hash),
            anchor.consistency.len(),
            0,
        );
        self.call(1, &call, more);
    }

    /// A transfer that has nothing to do with any of it.
    pub(crate) fn noise(&mut self, account: usize) {
        let to = self.accounts[0].clone();
        self.send(account, json!({"to": to, "value": "0x1", "gas": "0x5208"}));
    }

    fn call(&mut self, account: usize, data: &str, more: Value) {
        let mut transaction = json!({"to": hex0(&self.contract), "data": format!("0x{data}")});
        for (name, value) in more.as_object().unwrap() {
            transaction[name] = value.clone();
        }
        self.send(account, transaction);
    }

    fn send(&mut self, account: usize, mut transaction: Value) {
        transaction["from"] = json!(self.accounts[account]);
        transaction["nonce"] = json!(format!("{:#x}", self.nonces[account]));
        self.nonces[account] += 1;
        let fields = transaction.as_object_mut().unwrap();
        fields.entry("gas").or_insert(json!(GAS));
        if !fields.contains_key("gasPrice") {
            fields.insert("maxFeePerGas".into(), json!("0x77359400"));
            fields.insert("maxPriorityFeePerGas".into(), json!("0x1"));
        }
        self.node.ask("eth_sendTransaction", json!([transaction]));
    }

    /// Makes a block of all that was sent; returns its receipts, all of success.
    pub(crate) fn mine(&mut self) -> Vec<Value> {
        self.mined += 1;
        let time_s = START_S + self.mined * BLOCK_S;
        self.node.ask("evm_setNextBlockTimestamp", json!([time_s]));
        self.node.ask("evm_mine", json!([]));
        let receipts = self.node.ask("eth_getBlockReceipts", json!(["latest"]));
        let receipts: Vec<Value> = serde_json::from_value(receipts).unwrap();
        assert!(receipts.iter().all(|receipt| receipt["status"] == "0x1"), "{receipts:?}");
        receipts
    }

    /// Evidence of the log's last anchor in a block, with the headers up to another.
    pub(crate) fn evidence(
        &self,
        log_id: &Word,
        number: u64,
        last: u64,
        accumulator_before: Word,
    ) -> Result<EvmEvidence, EvmRefusal> {
        let at = json!(format!("{number:#x}"));
        let receipts = self.node.ask("eth_getBlockReceipts", json!([at]));
        let receipts = receipts.as_array().unwrap();
        let index = receipts.iter().rposition(|receipt| {
            let logs = receipt["logs"].as_array().unwrap();
            logs.iter().any(|log| log["topics"][1] == json!(hex0(log_id)))
        });
        let hashes = receipts.iter().map(|receipt| receipt["transactionHash"].clone());
        let raw = |hash| unhex(&self.node.ask("eth_getRawTransactionByHash", json!([hash])));
        let receipts: Vec<Vec<u8>> = receipts.iter().map(receipt_bytes).collect();
        let block = BlockParts {
            header: &self.header(number),
            transactions: &hashes.map(raw).collect::<Vec<_>>(),
            receipts: &receipts,
        };
        let parts = AnchorParts {
            chain_id: u64::from_str_radix(
                &self.node.ask("eth_chainId", json!([])).as_str().unwrap()[2..],
                16,
            )
            .unwrap(),
            contract: self.contract,
            log_id: *log_id,
            index: index.unwrap() as u64,
            state: Some(self.state(log_id, &at, accumulator_before)),
            descendants: (number + 1..=last).map(|number| self.header(number)).collect(),
        };
        build(&block, parts)
    }

    fn state(&self, log_id: &Word, at: &Value, accumulator_before: Word) -> StateEvidence {
        let keys: Vec<String> = head_slots(log_id).iter().map(|key| hex0(key)).collect();
        let proof = self.node.ask("eth_getProof", json!([hex0(&self.contract), keys, at]));
        let nodes = |value: &Value| value.as_array().unwrap().iter().map(unhex).collect();
        let account = Leaf {
            value: account_rlp(
                quantity(&proof["nonce"]),
                &word(&proof["balance"]),
                &word(&proof["storageHash"]),
                &word(&proof["codeHash"]),
            ),
            proof: nodes(&proof["accountProof"]),
        };
        let slot = |n: usize| Slot {
            value: word(&proof["storageProof"][n]["value"]),
            proof: nodes(&proof["storageProof"][n]["proof"]),
        };
        StateEvidence { accumulator_before, account, slots: [slot(0), slot(1), slot(2)] }
    }

    pub(crate) fn header(&self, number: u64) -> Vec<u8> {
        let block = self.node.ask("eth_getBlockByNumber", json!([format!("{number:#x}"), false]));
        let rlp = header_rlp(&block);
        assert_eq!(hex0(&keccak256(&rlp).0), block["hash"], "the fields are not all");
        rlp
    }
}

/// RLP of a header, from the node's JSON.
fn header_rlp(block: &Value) -> Vec<u8> {
    const STRINGS: [&str; 7] = [
        "parentHash",
        "sha3Uncles",
        "miner",
        "stateRoot",
        "transactionsRoot",
        "receiptsRoot",
        "logsBloom",
    ];
    const NUMBERS: [&str; 5] = ["difficulty", "number", "gasLimit", "gasUsed", "timestamp"];
    let mut payload = Vec::new();
    let string = |out: &mut Vec<u8>, name: &str| unhex(&block[name])[..].encode(out);
    let number = |out: &mut Vec<u8>, name: &str| quantity(&block[name]).encode(out);
    STRINGS.iter().for_each(|name| string(&mut payload, name));
    NUMBERS.iter().for_each(|name| number(&mut payload, name));
    ["extraData", "mixHash", "nonce"].iter().for_each(|name| string(&mut payload, name));
    number(&mut payload, "baseFeePerGas");
    string(&mut payload, "withdrawalsRoot");
    number(&mut payload, "blobGasUsed");
    number(&mut payload, "excessBlobGas");
    string(&mut payload, "parentBeaconBlockRoot");
    string(&mut payload, "requestsHash");
    list(&payload)
}

/// EIP-2718 bytes of a receipt, from the node's JSON.
fn receipt_bytes(receipt: &Value) -> Vec<u8> {
    let mut logs = Vec::new();
    for log in receipt["logs"].as_array().unwrap() {
        let mut topics = Vec::new();
        log["topics"].as_array().unwrap().iter().for_each(|t| unhex(t)[..].encode(&mut topics));
        let mut fields = Vec::new();
        unhex(&log["address"])[..].encode(&mut fields);
        fields.extend(list(&topics));
        unhex(&log["data"])[..].encode(&mut fields);
        logs.extend(list(&fields));
    }
    let mut payload = Vec::new();
    quantity(&receipt["status"]).encode(&mut payload);
    quantity(&receipt["cumulativeGasUsed"]).encode(&mut payload);
    unhex(&receipt["logsBloom"])[..].encode(&mut payload);
    payload.extend(list(&logs));
    let kind = quantity(&receipt["type"]) as u8;
    let kind = if kind == 0 { vec![] } else { vec![kind] };
    [kind, list(&payload)].concat()
}

pub(crate) fn list(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(payload);
    out
}

fn selector(signature: &str) -> String {
    hex(&keccak256(signature)[..4])
}

fn quantity(value: &Value) -> u64 {
    u64::from_str_radix(&value.as_str().unwrap()[2..], 16).unwrap()
}

fn word(value: &Value) -> Word {
    let digits = &value.as_str().unwrap()[2..];
    unhex(&json!(format!("0x{digits:0>64}"))).try_into().unwrap()
}

fn hex0(bytes: &[u8]) -> String {
    format!("0x{}", hex(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(value: &Value) -> Vec<u8> {
    vector::unhex(value.as_str().unwrap().trim_start_matches("0x"))
}

pub(crate) fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

pub(crate) fn vectors() -> PathBuf {
    workspace().join("vectors/anchor_evidence")
}
