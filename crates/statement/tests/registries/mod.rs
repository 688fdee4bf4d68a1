//! Every number on the wire and its name, as one text: `outcome 3 rolled_back`.

use firmlog_statement::disclosure::FieldId;
use firmlog_statement::event::EventType;
use firmlog_statement::time::{Quality, Source, SyncState};
use firmlog_statement::*;
use std::fmt::Write as _;

macro_rules! lines {
    ($out:ident $($name:literal $ty:ty),+ $(,)?) => {$(
        for code in <$ty>::ALL {
            writeln!($out, "{} {} {}", $name, code.code(), code.name()).unwrap_or_default();
        }
    )+};
}

/// The text of `vectors/statement/registries`.
pub(crate) fn text() -> String {
    let mut out = String::new();
    for kind in Kind::ALL {
        writeln!(out, "kind {} {}", kind as u8, kind.name()).unwrap_or_default();
    }
    lines! {
        out
        "audit_action" AuditAction, "channel" Channel, "clinical_context" ClinicalContext,
        "error" StatementError, "event" EventType, "evidence_format" EvidenceFormat,
        "field" FieldId, "gate" Gate, "initiator" InitiatorKind, "meaning" Meaning,
        "outcome" Outcome, "phase" Phase, "power" PowerState, "quality" Quality,
        "reason" ReasonCode, "registration" Registration, "regulatory" RegulatoryAction,
        "relation" Relation, "revoke_reason" RevokeReason, "role" Role, "secure_boot" SecureBoot,
        "severity" Severity, "source" Source, "support" SupportState, "sync" SyncState,
        "udi_change" UdiChange, "verdict" Verdict,
    }
    out
}
