//! What the log says of itself: its own `Audit` statements, and refusals summed up per window.
//!
//! ```text
//! window of 60 s: 118 refused · 100 signature · 18 unknown key · sample of 8 leaf hashes
//! ```
//!
//! In scope: counting and appending. Out of scope: making and signing the statement (whoever holds
//! the log's statement key), alerting people (`server`).
//!
//! Invariant: however many submissions are refused, a window makes one entry.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use firmlog_tlog::merkle::Hash;

use crate::batch::{Batch, Outcome};
use crate::check::{Checker, Refusal};
use crate::error::AppendError;
use crate::log::Appender;
use crate::sequencer::now_ms;

/// Leaf hashes kept of the refused submissions of a window.
pub const SAMPLES_MAX: usize = 8;

/// Counts refusals until a window is taken.
#[derive(Debug, Default)]
pub struct Refusals {
    window: Mutex<RefusalWindow>,
}

/// The refusals of a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusalWindow {
    /// When the first one came, in milliseconds since 1970.
    pub from_ms: u64,
    /// When the window was taken.
    pub until_ms: u64,
    /// How many, by reason in words.
    pub counts: BTreeMap<String, u64>,
    /// Leaf hashes of the first ones.
    pub samples: Vec<Hash>,
}

/// Why the log could not append what it has to say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnError {
    /// The statement is not one the log may make: its key is not enrolled, or not as a log's.
    #[error("append the log's own statement: {0}")]
    Refused(Refusal),
    /// The log does not append now.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Refusals {
    /// Notes a refused submission.
    pub fn note(&self, reason: &str, leaf: Hash) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.counts.is_empty() {
            window.from_ms = now_ms();
        }
        *window.counts.entry(reason.to_owned()).or_default() += 1;
        if window.samples.len() < SAMPLES_MAX {
            window.samples.push(leaf);
        }
    }

    /// Ends the window; `None` if nothing was refused.
    pub fn take(&self) -> Option<RefusalWindow> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.counts.is_empty() {
            return None;
        }
        let mut taken = std::mem::take(&mut *window);
        taken.until_ms = now_ms();
        Some(taken)
    }
}

impl RefusalWindow {
    /// How many in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The reasons in one line, most frequent first.
    #[must_use]
    pub fn detail(&self) -> String {
        let mut reasons: Vec<_> = self.counts.iter().collect();
        reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), reason.as_str()));
        let parts: Vec<String> = reasons.iter().map(|(r, n)| format!("{n} {r}")).collect();
        parts.join("; ")
    }
}

impl Appender {
    /// Appends a statement of the log itself, signed with a key enrolled for it, and waits.
    ///
    /// # Errors
    /// An [`OwnError`].
    pub fn append_own(&self, checker: &Checker, statement: &[u8]) -> Result<Outcome, OwnError> {
        let mut batch = Batch::with_capacity(1, statement.len());
        checker.push(&mut batch, statement).map_err(OwnError::Refused)?;
        let outcomes = self.append(batch)?.outcomes;
        match outcomes.first() {
            Some(Outcome::Refused(refusal)) => Err(OwnError::Refused(*refusal)),
            Some(outcome) => Ok(*outcome),
            None => Err(OwnError::Append(AppendError::Closed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_sums_up() {
        let refusals = Refusals::default();
        assert_eq!(refusals.take(), None);
        for n in 0..20u8 {
            let reason = if n % 4 == 0 { "key unknown" } else { "signature" };
            refusals.note(reason, Hash([n; 32]));
        }
        let window = refusals.take().unwrap();
        assert_eq!((window.count(), window.samples.len()), (20, SAMPLES_MAX));
        assert_eq!(window.detail(), "15 signature; 5 key unknown");
        assert_eq!(refusals.take(), None);
    }
}
