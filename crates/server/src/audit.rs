//! The log's own voice: `Audit` statements, signed with the log's key and appended to the log.
//!
//! ```text
//! refusals, anchoring ─▶ tell ─▶ the log
//! ```
//!
//! Invariant: what could not be told is told to the operator.

use std::sync::Arc;

use bytes::Bytes;
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::time::{DeviceTime, Source, SyncState};
use firmlog_statement::{Audit, AuditAction, Extra, Statement, sign_statement};
use firmlog_tlog::merkle::LeafIndex;

use crate::engine::{Answer, Engine};

/// Longest text in the system's own words.
const WORDS_MAX: usize = 200;

/// An audit statement that says nothing yet.
pub(crate) fn audit(action: AuditAction, utc_ms: Option<u64>) -> Audit {
    Audit {
        time: DeviceTime {
            utc_ms,
            zone_min: None,
            // This server's clock: what it is synchronised to is not ours to claim.
            source: if utc_ms.is_some() { Source::Rtc } else { Source::None },
            sync: SyncState::Never,
            uncertainty_ms: None,
            last_sync_ms: None,
            boot_id: None,
            uptime_ms: None,
            counter: None,
            evidence: None,
        },
        initiator: None,
        commitments: Commitments::default(),
        action,
        subjects: Vec::new(),
        devices: Vec::new(),
        old: None,
        new: None,
        window_from_ms: None,
        window_until_ms: None,
        count: None,
        severity: None,
        detail: None,
        esig: None,
        extra: Extra::default(),
    }
}

/// Text as a statement takes it.
pub(crate) fn words(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}

/// Signs and appends; returns where it is. What hinders it is told to the operator too.
pub(crate) async fn tell(
    engine: &Arc<Engine>,
    subject: &str,
    audit: Audit,
) -> Result<LeafIndex, String> {
    let told = append(engine, subject, audit).await;
    if let Err(why) = &told {
        tracing::warn!(subject, why, "this could not be told in the log; is its key enrolled?");
    }
    told
}

async fn append(engine: &Arc<Engine>, subject: &str, audit: Audit) -> Result<LeafIndex, String> {
    let statement = Statement::Audit(audit);
    let entry = sign_statement(&statement, &engine.origin, subject, engine.key());
    let entry = Bytes::from(entry.map_err(|error| error.to_string())?);
    let given = engine.submit(vec![entry]).await.map_err(|problem| problem.detail)?;
    let answer = given.answers.first();
    match answer.and_then(Answer::index) {
        Some(index) => Ok(index),
        None => Err(answer.and_then(Answer::problem).map_or_else(String::new, |it| it.detail)),
    }
}
