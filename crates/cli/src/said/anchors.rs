//! Anchors of a report, for programs: what was proven of each, apart.

use firmlog_verify::evm::{CodeCheck, EvmAnchor, Hex, NoteCheck};
use firmlog_verify::report::{AnchorReport, AnchorState};
use serde_json::{Value, json};

/// One anchor of a report.
pub(super) fn json(report: &AnchorReport) -> Value {
    let mut json = match &report.state {
        AnchorState::KindUnknown(kind) => json!({"state": "kind unknown", "kind": kind}),
        AnchorState::CheckpointNotBelieved => json!({"state": "checkpoint not believed"}),
        AnchorState::Refused => json!({"state": "refused"}),
        AnchorState::Evm(anchor, note) => evm(anchor, *note),
    };
    json["checkpoint"] = report.checkpoint.into();
    json
}

fn evm(anchor: &EvmAnchor, note: NoteCheck) -> Value {
    let (event, block) = (&anchor.event, &anchor.block);
    let hex = |bytes: &[u8]| Hex(bytes).to_string();
    let code = match anchor.code {
        CodeCheck::Matched => "matched",
        CodeCheck::NotPinned => "not pinned",
        CodeCheck::NotProven => "not proven",
    };
    json!({
        "state": if anchor.is_anchored() { "anchored" } else { "self-consistent" },
        "chain_id": anchor.chain_id.to_string(),
        "contract": hex(&anchor.contract),
        "transaction": hex(&anchor.transaction),
        "block": {"number": block.number.to_string(), "hash": hex(&block.hash),
            "time_s": block.time_s},
        "tree_size": event.head.size.to_string(),
        "root": event.head.root.to_string(),
        "seq": event.seq,
        "event_proven": true,
        "storage_proven": anchor.storage.is_some(),
        "block_pinned": anchor.pinned.map(|pin| json!({"number": pin.number.to_string(),
            "hash": hex(&pin.hash)})),
        "contract_pinned": anchor.contract_pinned,
        "code": code,
        "code_hash": anchor.storage.map(|stored| hex(&stored.code_hash)),
        "note_is_the_anchored": note == NoteCheck::Same,
    })
}
