//! A TPM's counter bound to the journal's newest statement: an older journal shows before it
//! speaks.
//!
//! ```text
//! say      the statement carries 42, durable ─▶ the TPM counts to 42 ─▶ it is acknowledged, sent
//! open     journal 42, TPM 42    nothing happened
//!          journal 42, TPM 41    power was cut between the two: count now
//!          journal 40, TPM 42    an older journal was put back
//!          journal 42, TPM 7     another TPM
//! ```
//!
//! Invariant: whatever was acknowledged or sent is counted, so a journal without it is found.

use std::cell::Cell;
use std::rc::Rc;

use firmlog_keys::tpm::TpmCounter;
use firmlog_keys::uri::TpmUri;

use crate::error::{Error, Exit, Result};

/// The counter and what the next statement carries.
pub(crate) struct Bound {
    counter: TpmCounter,
    next: Rc<Cell<Option<u64>>>,
    /// Seq of the next statement when it last counted.
    counted_to: u64,
}

/// How a journal and a counter stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Alike.
    Same,
    /// The newest statement was not counted yet.
    Uncounted,
    /// Statements that were counted are not in the journal.
    RolledBack,
    /// The journal is further than this counter ever was.
    OtherCounter,
}

/// Judges the newest statement's count, or what the counter stood at before the first.
pub(crate) fn judge(journal: u64, counter: u64) -> Standing {
    match journal.checked_sub(counter) {
        Some(0) => Standing::Same,
        Some(1) => Standing::Uncounted,
        Some(_) => Standing::OtherCounter,
        None => Standing::RolledBack,
    }
}

impl Bound {
    /// Opens the counter and compares. `journal` is none when the newest statement is not to be
    /// read. `anyway` goes on where the two differ.
    pub(crate) fn open(
        name: &str,
        (journal, next_seq): (Option<u64>, u64),
        next: Rc<Cell<Option<u64>>>,
        anyway: bool,
    ) -> Result<(Self, Standing)> {
        let counter = open(name)?;
        let value = counter.value().map_err(|e| failed(name, &e))?;
        let standing = journal.map_or(Standing::RolledBack, |journal| judge(journal, value));
        match standing {
            Standing::Same => {}
            Standing::Uncounted => {
                counter.increment().map_err(|e| failed(name, &e))?;
            }
            Standing::RolledBack | Standing::OtherCounter if !anyway => {
                return Err(against(journal, value, standing));
            }
            Standing::RolledBack | Standing::OtherCounter => {}
        }
        let mut bound = Self { counter, next, counted_to: next_seq };
        bound.look(name)?;
        Ok((bound, standing))
    }

    /// Opens the counter for a journal whose end is hidden: nothing is said before
    /// [`found`](Self::found).
    pub(crate) fn waiting(name: &str, next: Rc<Cell<Option<u64>>>) -> Result<Self> {
        Ok(Self { counter: open(name)?, next, counted_to: 0 })
    }

    /// The end is hidden again.
    pub(crate) fn wait(&mut self) {
        self.counted_to = 0;
        self.next.set(None);
    }

    /// Compares with the statement that the log has as the newest. What was counted after it is
    /// lost: how much, the next statement's count shows.
    pub(crate) fn found(
        &mut self,
        (newest, next_seq): (Option<u64>, u64),
        anyway: bool,
    ) -> Result<Standing> {
        let value = self.counter.value().map_err(|e| failed("the counter", &e))?;
        let standing = newest.map_or(Standing::RolledBack, |newest| judge(newest, value));
        match standing {
            Standing::Same | Standing::RolledBack => {}
            Standing::Uncounted => {
                self.counter.increment().map_err(|e| failed("the counter", &e))?;
            }
            Standing::OtherCounter if !anyway => return Err(against(newest, value, standing)),
            Standing::OtherCounter => {}
        }
        self.counted_to = next_seq;
        self.look("the counter")?;
        Ok(standing)
    }

    /// Counts if something was said since.
    pub(crate) fn settle(&mut self, next_seq: u64) -> Result<()> {
        if next_seq != self.counted_to {
            let value = self.counter.increment().map_err(|e| failed("the counter", &e))?;
            self.next.set(value.checked_add(1));
            self.counted_to = next_seq;
        }
        Ok(())
    }

    fn look(&mut self, name: &str) -> Result<()> {
        let value = self.counter.value().map_err(|e| failed(name, &e))?;
        self.next.set(value.checked_add(1));
        Ok(())
    }
}

/// The counter's value before the first statement.
pub(crate) fn start(name: &str) -> Result<u64> {
    open(name)?.value().map_err(|e| failed(name, &e))
}

fn open(name: &str) -> Result<TpmCounter> {
    let uri: TpmUri = name.parse().map_err(|e| Error::new("E-KEY-NAME", e))?;
    TpmCounter::open(&uri).map_err(|e| failed(name, &e))
}

fn failed(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new("E-TPM", format!("{name}: failed to {error}"))
        .help("make a counter with: firmlog tpm counter new tpm:nv=0x01500016")
}

fn against(journal: Option<u64>, value: u64, standing: Standing) -> Error {
    let what = match standing {
        Standing::OtherCounter => "the TPM's counter is not the one that this journal was bound to",
        _ => "an older journal was put back: the TPM has counted more statements than it holds",
    };
    let held = journal.map_or_else(|| "none to be read".to_owned(), |count| count.to_string());
    Error::new("E-ROLLBACK", format!("{what}; nothing was said and nothing was sent"))
        .exit(Exit::Against)
        .expected(format!("a newest statement that carries {value}"), held)
        .help(
            "keep a copy of the journal and look into it; --after-rollback says tamper_detected \
             and goes on, and the log then shows a fork",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_and_is_gone_shows() {
        assert_eq!(judge(42, 42), Standing::Same);
        assert_eq!(judge(42, 41), Standing::Uncounted);
        assert_eq!(judge(41, 42), Standing::RolledBack);
        assert_eq!(judge(0, 42), Standing::RolledBack);
        assert_eq!(judge(42, 7), Standing::OtherCounter);
    }
}
