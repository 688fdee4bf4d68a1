//! Anchors: the parts of their evidence, by name.
//!
//! ```text
//! anchor       of checkpoint 1, chain 31337, contract 0xe7f1…, log id 0xe425…
//!   block        5 at 2027-01-15T08:01:00Z, 0x9b0c…
//!   event        size 10, root 5a51…, seq 2
//! ```

use firmlog_verify::bundle::Anchor;
use firmlog_verify::evm::{
    self, EvmEvidence, Hex, Leaf, StateEvidence, anchor_event, parse_header,
};
use serde_json::{Value, json};

use super::Found;
use super::text::utc;

/// Explains evidence by itself; `None` if the bytes are none.
pub(crate) fn explain(bytes: &[u8]) -> Option<Found> {
    let evidence = EvmEvidence::parse(bytes).ok()?;
    let summary = format!("of chain {}, contract {}", evidence.chain_id, Hex(&evidence.contract));
    Some(Found::new("anchor evidence", summary).text(parts(&evidence)).json(to_json(&evidence)))
}

/// An anchor of a bundle, in lines and for programs.
pub(crate) fn of_bundle(anchor: &Anchor) -> (String, Value) {
    let of = format!("anchor       of checkpoint {}, ", anchor.checkpoint);
    let evidence = match anchor.kind {
        evm::KIND => EvmEvidence::parse(&anchor.evidence),
        kind => {
            let text = format!("{of}kind {kind}, {} bytes\n", anchor.evidence.len());
            return (text, json!({"kind": kind, "bytes": anchor.evidence.len()}));
        }
    };
    match evidence {
        Ok(evidence) => {
            let (chain, contract) = (evidence.chain_id, Hex(&evidence.contract));
            let log_id = Hex(&evidence.log_id);
            let head = format!("{of}chain {chain}, contract {contract}, log id {log_id}\n");
            (head + &parts(&evidence), to_json(&evidence))
        }
        Err(error) => (format!("{of}✗ broken: {error}\n"), json!({"broken": error.to_string()})),
    }
}

/// Every part of evidence, one a line.
fn parts(evidence: &EvmEvidence) -> String {
    let mut text = String::new();
    let mut line = |name: &str, what: String| text.push_str(&format!("  {name:<13}{what}\n"));
    line("block", block(&evidence.header));
    let at = evidence.index;
    line("transaction", format!("{at} of the block, {}", leaf(&evidence.transaction)));
    line("receipt", leaf(&evidence.receipt));
    let event = anchor_event(&evidence.receipt.value, &evidence.contract, &evidence.log_id);
    line(
        "event",
        match event {
            Ok(event) => {
                let (head, hash) = (event.head, Hex(&event.checkpoint_hash).to_string());
                format!(
                    "size {}, root {}, seq {}, checkpoint {hash}",
                    head.size, head.root, event.seq
                )
            }
            Err(refusal) => refusal.to_string(),
        },
    );
    match &evidence.state {
        Some(state) => state_lines(state).into_iter().for_each(|(name, what)| line(name, what)),
        None => line("state", "none: storage cannot be proven".into()),
    }
    if let Some(last) = evidence.descendants.last() {
        let count = evidence.descendants.len();
        line("headers", format!("{count} later ones, up to block {}", block(last)));
    }
    text
}

fn block(header: &[u8]) -> String {
    match parse_header(header) {
        Ok(block) => format!("{} at {}, {}", block.number, utc(block.time_s), Hex(&block.hash)),
        Err(error) => error.to_string(),
    }
}

fn leaf(leaf: &Leaf) -> String {
    format!("{} bytes, proof of {} nodes", leaf.value.len(), leaf.proof.len())
}

fn state_lines(state: &StateEvidence) -> Vec<(&'static str, String)> {
    let names = ["root slot", "size slot", "accumulator"];
    let slots = names.into_iter().zip(&state.slots).map(|(name, slot)| {
        (name, format!("{}, proof of {} nodes", Hex(&slot.value), slot.proof.len()))
    });
    [("account", leaf(&state.account))].into_iter().chain(slots).collect()
}

fn to_json(evidence: &EvmEvidence) -> Value {
    let block = parse_header(&evidence.header).ok();
    json!({
        "kind": evm::KIND,
        "chain_id": evidence.chain_id.to_string(),
        "contract": Hex(&evidence.contract).to_string(),
        "log_id": Hex(&evidence.log_id).to_string(),
        "block": block.map(|block| json!({"number": block.number.to_string(),
            "hash": Hex(&block.hash).to_string(), "time_s": block.time_s})),
        "index": evidence.index,
        "state": evidence.state.is_some(),
        "later_headers": evidence.descendants.len(),
    })
}
