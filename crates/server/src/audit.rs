//! The log's own voice: `Audit` statements, signed with the log's key and appended to the log.
//!
//! ```text
//! refusals, anchoring ─▶ tell ─▶ the log
//! deeds that wait     ─▶ tell ─▶ the log ─▶ the deed's file goes
//! ```
//!
//! Invariants:
//! - A deed is forgotten only after the log has its entry. What cannot be told, as the log's key is
//!   not enrolled or its disk is full, waits and is tried again.
//! - An erasure is told only after it was done in this process: a deed may be older than the
//!   erasure.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::time::{DeviceTime, Source, SyncState};
use firmlog_statement::{Audit, AuditAction, Extra, Statement, sign_statement};
use firmlog_tlog::merkle::LeafIndex;

use crate::app::App;
use crate::deeds::{Deed, Deeds, What};
use crate::engine::{Answer, Engine};
use crate::erase;

/// Longest text in the system's own words.
const WORDS_MAX: usize = 200;

/// Seconds until what could not be told is tried again.
const AGAIN_S: u64 = 60;

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

/// Tells deeds for ever: those that wait now, and those that could not be told.
pub(crate) async fn run(app: Arc<App>, deeds: Deeds) {
    loop {
        if tell_waiting(&app, &deeds).await {
            app.untold.notified().await;
        }
        tokio::time::sleep(Duration::from_secs(AGAIN_S)).await;
    }
}

/// Whether nothing waits any more.
async fn tell_waiting(app: &Arc<App>, deeds: &Deeds) -> bool {
    let waiting = match deeds.waiting() {
        Ok(waiting) => waiting,
        Err(error) => {
            tracing::error!(%error, "what was done to the log cannot be read, nor told in it");
            return false;
        }
    };
    let mut all = true;
    for (path, _) in waiting {
        all &= tell_deed(app, deeds, &path).await.is_ok();
    }
    all
}

/// Tells one deed and forgets it; `None` if nothing had come of it.
pub(crate) async fn tell_deed(
    app: &Arc<App>,
    deeds: &Deeds,
    path: &Path,
) -> Result<Option<LeafIndex>, String> {
    let deed = deeds.read(path).map_err(|error| error.to_string())?;
    let Some(deed) = complete(app, deed).await? else {
        deeds.forget(path).map_err(|error| error.to_string())?;
        return Ok(None);
    };
    let index = tell(&app.engine, deed.what.subject(), deed.audit()).await?;
    tracing::info!(index = index.0, subject = deed.what.subject(), "told in the log");
    if let Err(error) = deeds.forget(path) {
        // It is told once more, with the same bytes, and the log has it once.
        tracing::warn!(%error, path = %path.display(), "what was told is still noted");
    }
    Ok(Some(index))
}

/// Makes true what a deed says: its process may have died over it.
async fn complete(app: &Arc<App>, mut deed: Deed) -> Result<Option<Deed>, String> {
    match &mut deed.what {
        What::Pruned { from, until } => {
            *until = app.engine.reader().min_index().min(*until);
            Ok((from < until).then_some(deed))
        }
        What::Erased { index, fields, .. } => {
            let (place, fields) = (*index, erase::codes(fields));
            let erased = crate::api::ask(app, move |view| view.erase(place, &fields)).await;
            match erased {
                Ok(_) => Ok(Some(deed)),
                Err(problem) => {
                    tracing::warn!(index = place, why = problem.detail, "not erased yet");
                    Err(problem.detail)
                }
            }
        }
        _ => Ok(Some(deed)),
    }
}
