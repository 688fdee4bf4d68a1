//! Refused submissions: counted, sampled, and told once a window in the log itself.
//!
//! An attacker who sends a million bad statements makes one audit entry, not a million.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use firmlog_log::{Refusal, Registration};
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::time::{DeviceTime, Source, SyncState};
use firmlog_statement::{
    Audit, AuditAction, Digest, Extra, Severity, Statement, StatementError, leaf_hash,
    sign_statement,
};
use firmlog_verify::registry::Refusal as Rule;

use crate::app::{App, now_ms};
use crate::problem::{self, Problem};

/// Subject of the log's audit statements about what it refused.
const SUBJECT: &str = "refusals";

/// What was refused since the window began.
pub(crate) struct Refused {
    samples_max: usize,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    from_ms: u64,
    reasons: BTreeMap<String, u64>,
    samples: Vec<Digest>,
}

impl Refused {
    pub(crate) fn new(samples_max: u64) -> Self {
        let samples_max = usize::try_from(samples_max).unwrap_or(usize::MAX).min(64);
        let window = Window { from_ms: now_ms(), ..Window::default() };
        Self { samples_max, window: Mutex::new(window) }
    }

    /// Notes one refusal.
    pub(crate) fn note(&self, refusal: Refusal, entry: &Bytes) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        *window.reasons.entry(refusal.to_string()).or_default() += 1;
        if window.samples.len() < self.samples_max {
            let sample = Digest(leaf_hash(entry));
            if !window.samples.contains(&sample) {
                window.samples.push(sample);
            }
        }
    }

    /// Ends the window; `None` if nothing was refused in it.
    fn end(&self, now_ms: u64) -> Option<Window> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let ended =
            std::mem::replace(&mut *window, Window { from_ms: now_ms, ..Window::default() });
        (!ended.reasons.is_empty()).then_some(ended)
    }
}

/// Appends one audit statement for each window with refusals, for ever.
pub(crate) async fn report(app: Arc<App>) {
    let window_s = app.config.refusals.window_s;
    if window_s == 0 || app.engine.registration != Registration::Signed {
        return;
    }
    loop {
        tokio::time::sleep(Duration::from_secs(window_s)).await;
        flush(&app).await;
    }
}

/// Ends the window now and appends its audit statement.
pub(crate) async fn flush(app: &Arc<App>) {
    let until_ms = now_ms();
    let Some(window) = app.refused.end(until_ms) else { return };
    let statement = Statement::Audit(audit(window, until_ms));
    let signed = sign_statement(&statement, &app.engine.origin, SUBJECT, app.engine.key());
    let entry = match signed {
        Ok(entry) => Bytes::from(entry),
        Err(error) => return tracing::error!(%error, "refusals could not be told in the log"),
    };
    match app.engine.submit(vec![entry]).await {
        Ok(answers) if answers.answers.iter().all(|answer| answer.index().is_some()) => {}
        Ok(answers) => {
            let why = answers.answers.first().and_then(crate::engine::Answer::problem);
            let why = why.map(|problem| problem.detail).unwrap_or_default();
            tracing::warn!(why, "refusals could not be told in the log; is its key enrolled?");
        }
        Err(problem) => {
            tracing::warn!(why = problem.detail, "refusals could not be told in the log")
        }
    }
}

fn audit(window: Window, until_ms: u64) -> Audit {
    let detail: Vec<_> =
        window.reasons.iter().map(|(reason, count)| format!("{count} × {reason}")).collect();
    let detail: String = detail.join("; ").chars().filter(|c| !c.is_control()).take(200).collect();
    Audit {
        time: server_time(until_ms),
        initiator: None,
        commitments: Commitments::default(),
        action: AuditAction::SubmissionsRefused,
        subjects: window.samples,
        devices: Vec::new(),
        old: None,
        new: None,
        window_from_ms: Some(window.from_ms),
        window_until_ms: Some(until_ms.max(window.from_ms)),
        count: Some(window.reasons.values().sum()),
        severity: Some(Severity::P3),
        detail: Some(detail),
        esig: None,
        extra: Extra::default(),
    }
}

/// This server's clock: what it is synchronised to is not ours to claim.
fn server_time(now_ms: u64) -> DeviceTime {
    DeviceTime {
        utc_ms: Some(now_ms),
        zone_min: None,
        source: Source::Rtc,
        sync: SyncState::Never,
        uncertainty_ms: None,
        last_sync_ms: None,
        boot_id: None,
        uptime_ms: None,
        counter: None,
        evidence: None,
    }
}

/// A refusal of the log as the client is told it.
pub(crate) fn problem(refusal: Refusal) -> Problem {
    let code = match refusal {
        Refusal::TooLarge | Refusal::Malformed(StatementError::EntryTooLong) => problem::TOO_LARGE,
        Refusal::Malformed(StatementError::AlgorithmUnknown) => problem::BAD_ALGORITHM,
        Refusal::Malformed(_) => problem::NOT_A_STATEMENT,
        Refusal::Rule(Rule::SignatureWrong | Rule::AlgorithmMismatch) => problem::BAD_SIGNATURE,
        _ => problem::NOT_REGISTERED,
    };
    Problem::new(code, refusal.to_string())
}
