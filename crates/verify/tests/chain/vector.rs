//! Vectors of evidence: what is in it, what is pinned, what is expected, and its bytes in hex.

use std::fmt::Write as _;

use firmlog_verify::evm::{
    BlockPin, ContractPin, EvmEvidence, EvmPart, EvmPins, parse_header, verify_evm,
};

/// A vector as its file tells it.
pub(crate) struct Vector {
    /// `ok`, or the name of the refusal.
    pub(crate) expect: String,
    /// The part that is refused.
    pub(crate) part: Option<String>,
    pub(crate) pins: EvmPins,
    pub(crate) bytes: Vec<u8>,
}

/// Reads `vectors/anchor_evidence/NAME`.
pub(crate) fn read(name: &str) -> Vector {
    let text = std::fs::read_to_string(super::vectors().join(name)).expect("the vector is there");
    let (head, body) = text.split_once("evidence:\n").expect("the vector has evidence");
    let lines = |name: &'static str| head.lines().filter_map(move |line| line.strip_prefix(name));
    let pins: Vec<&str> = lines("pin: ").collect();
    Vector {
        expect: lines("expect: ").next().expect("what is expected").to_owned(),
        part: lines("part: ").next().map(str::to_owned),
        pins: EvmPins::parse(&pins.join("\n")).expect("sound pins"),
        bytes: unhex(&body.replace('\n', "")),
    }
}

/// The file of evidence that is sound, or that is refused for `expect` in `part`.
pub(crate) fn text(
    expect: &str,
    part: Option<EvmPart>,
    evidence: &EvmEvidence,
    pins: &EvmPins,
) -> String {
    let mut out = format!("expect: {expect}\n");
    if let Some(part) = part {
        writeln!(out, "part: {part}").unwrap();
    }
    let contract = super::hex0(&evidence.contract);
    writeln!(out, "made by: cargo xtask vectors, from an anvil node").unwrap();
    writeln!(out, "chain: {}\ncontract: {contract}", evidence.chain_id).unwrap();
    for line in pins.to_string().lines() {
        writeln!(out, "pin: {line}").unwrap();
    }
    out.push_str("evidence:\n");
    for line in evidence.encode().chunks(48) {
        writeln!(out, "{}", super::hex(line)).unwrap();
    }
    out
}

/// Every vector, by name.
pub(crate) fn all() -> Vec<(String, Vector)> {
    let files = std::fs::read_dir(super::vectors()).expect("the vectors are there");
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.map(|name| (name.clone(), read(&name))).collect()
}

/// Pins the contract, its code if the evidence shows it, and the evidence's last block.
pub(crate) fn pins(evidence: &EvmEvidence) -> EvmPins {
    let proven = verify_evm(evidence, &EvmPins::default()).expect("sound evidence");
    let code_hash = proven.storage.map(|stored| stored.code_hash);
    let last = evidence.descendants.last().unwrap_or(&evidence.header);
    let block = parse_header(last).expect("a header");
    EvmPins {
        contracts: vec![ContractPin {
            chain_id: evidence.chain_id,
            address: evidence.contract,
            code_hash,
        }],
        blocks: vec![BlockPin {
            chain_id: evidence.chain_id,
            number: block.number,
            hash: block.hash,
        }],
    }
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}
