//! Refused submissions: counted, sampled, and told once a window in the log itself.
//!
//! An attacker who sends a million bad statements makes one audit entry, not a million.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use firmlog_log::{Refusal, Registration};
use firmlog_statement::{Audit, AuditAction, Digest, Severity, StatementError, leaf_hash};
use firmlog_verify::registry::Refusal as Rule;

use crate::app::{App, now_ms};
use crate::audit;
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
    // The operator is told if it fails.
    let _ = audit::tell(&app.engine, SUBJECT, summary(window, until_ms)).await;
}

fn summary(window: Window, until_ms: u64) -> Audit {
    let detail: Vec<_> =
        window.reasons.iter().map(|(reason, count)| format!("{count} × {reason}")).collect();
    Audit {
        subjects: window.samples,
        window_from_ms: Some(window.from_ms),
        window_until_ms: Some(until_ms.max(window.from_ms)),
        count: Some(window.reasons.values().sum()),
        severity: Some(Severity::P3),
        detail: Some(audit::words(&detail.join("; "))),
        ..audit::audit(AuditAction::SubmissionsRefused, Some(until_ms))
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
