//! Admission to a log of signed statements.
//!
//! In scope: joining the registry's decision with the search for duplicates. Out of scope: the
//! decision itself (`firmlog_verify::registry`), signatures (`check`).
//!
//! | statement | a duplicate is found |
//! |---|---|
//! | device's newest | by the registry, from the chain head |
//! | device's older, or of a fork | in the window of recent leaves, else in the runs of [`leaves`] |
//! | of anyone else | in memory: all their leaf tags are held |
//!
//! Nothing outside the log is asked: a view may lag or be lost, and its "no" would make a replayed
//! statement a fork. Where the log cannot tell yet, it decides nothing ([`Outcome::Undecided`]).
//!
//! [`leaves`]: crate::leaves

use firmlog_statement::{Kind, Parsed};
use firmlog_tlog::merkle::{Hash, LeafIndex};
use firmlog_verify::registry::{Candidate, Decision, Head, Refusal as Rule, Registry};

use super::{Added, duplicate, first_of};
use crate::batch::Outcome;
use crate::check::Refusal;
use crate::error::LogError;
use crate::leaves::Place;
use crate::store::Store;
use crate::window::{Tags, Window, tag};

pub(crate) struct SignedLog {
    pub(crate) registry: Registry,
    pub(crate) size: u64,
    /// Leaf tags of all statements that are not a device's.
    known: Tags,
    /// Recent leaves of any kind.
    pub(super) window: Window,
}

impl SignedLog {
    pub(crate) fn new(window: usize) -> Self {
        Self {
            registry: Registry::new(),
            size: 0,
            known: Tags::default(),
            window: Window::new(window),
        }
    }

    /// Decides on a statement whose signature is good, and applies it if it is to be appended.
    pub(super) fn admit(
        &mut self,
        store: &Store,
        added: &Added,
        candidate: &Candidate,
        entry: &[u8],
    ) -> Outcome {
        if candidate.link.is_none() {
            match self.find_other(store, added, &candidate.leaf) {
                Ok(None) => {}
                Ok(Some(index)) => return Outcome::Duplicate { index },
                Err(error) => return undecided(&error),
            }
        }
        match self.decide(store, added, candidate, entry) {
            Ok(outcome) => outcome,
            Err(rule) => Outcome::Refused(Refusal::Rule(rule)),
        }
    }

    fn decide(
        &mut self,
        store: &Store,
        added: &Added,
        candidate: &Candidate,
        entry: &[u8],
    ) -> Result<Outcome, Rule> {
        let mut candidate = *candidate;
        let mut decision = self.registry.admit(&candidate);
        if decision == Decision::Refuse(Rule::StateChanged) {
            // A key ended since the check. The signature was checked against the key that the
            // statement names, so only the rules have to be asked again.
            let parsed = Parsed::parse(entry).map_err(|_| Rule::Malformed)?;
            candidate = self.registry.keys.resolve(&parsed)?.1;
            decision = self.registry.admit(&candidate);
        }
        let index = LeafIndex(added.next());
        let outcome = match decision {
            Decision::Append => Outcome::Appended { index },
            Decision::Duplicate { index } => return Ok(Outcome::Duplicate { index }),
            Decision::Gap { have } => return Ok(gap(&have)),
            Decision::Earlier { .. } | Decision::Fork { .. } => {
                match self.find_update(store, added, &candidate.leaf) {
                    Ok(Some(known)) => return Ok(Outcome::Duplicate { index: known }),
                    Ok(None) => Outcome::Forked { index },
                    Err(Unknown::Yet) => return Ok(Outcome::Undecided),
                    Err(Unknown::Unreadable(error)) => return Ok(undecided(&error)),
                }
            }
            Decision::Refuse(rule) => return Err(rule),
        };
        self.apply(&candidate, entry, index)?;
        Ok(outcome)
    }

    /// Applies an entry that is in the log; its leaf goes to the window elsewhere.
    pub(super) fn replay(&mut self, index: u64, entry: &[u8]) -> Result<(), LogError> {
        let damaged = |got: String| {
            LogError::damaged(format!("entry {index}"), "a statement that may be in this log", got)
        };
        let parsed = Parsed::parse(entry).map_err(|e| damaged(e.to_string()))?;
        let candidate = self.candidate(&parsed).map_err(|e| damaged(e.to_string()))?;
        self.apply(&candidate, entry, LeafIndex(index)).map_err(|e| damaged(e.to_string()))
    }

    /// The statement as the registry sees it now. Its signature is not looked at.
    pub(crate) fn candidate(&self, parsed: &Parsed<'_>) -> Result<Candidate, Rule> {
        if self.registry.has_genesis() {
            return self.registry.keys.resolve(parsed).map(|(_, candidate)| candidate);
        }
        Registry::genesis_key(parsed).map(|_| Candidate::genesis(parsed))
    }

    fn apply(&mut self, candidate: &Candidate, entry: &[u8], index: LeafIndex) -> Result<(), Rule> {
        if candidate.kind == Kind::Trust {
            let parsed = Parsed::parse(entry).map_err(|_| Rule::Malformed)?;
            self.registry.apply(candidate, &parsed, index)?;
        } else {
            self.registry.heads.apply(candidate, index)?;
        }
        if candidate.link.is_none() {
            self.known.insert(tag(&candidate.leaf), index.0);
        }
        Ok(())
    }

    /// Where the same statement of no device is.
    pub(crate) fn find_other(
        &self,
        store: &Store,
        added: &Added,
        leaf: &Hash,
    ) -> Result<Option<LeafIndex>, LogError> {
        first_of(self.known.candidates(tag(leaf)), store, added, leaf)
    }

    /// Where a statement is that is held in memory, of those before `size`.
    pub(crate) fn find_recent(&self, store: &Store, size: u64, leaf: &Hash) -> Option<LeafIndex> {
        let added = Added { first: size, leaves: Vec::new() };
        let other = self.find_other(store, &added, leaf).ok().flatten();
        other.or_else(|| duplicate(&self.window, store, &added, leaf).ok().flatten())
    }

    /// Where a device's older statement is; `Ok(None)` only if it is nowhere.
    fn find_update(
        &self,
        store: &Store,
        added: &Added,
        leaf: &Hash,
    ) -> Result<Option<LeafIndex>, Unknown> {
        if let Some(index) = duplicate(&self.window, store, added, leaf)? {
            return Ok(Some(index));
        }
        match store.leaves.find(store, leaf) {
            Place::At(index) => Ok(Some(LeafIndex(index))),
            // What no run has, the window has.
            Place::NotBefore(end) if self.window.since().is_some_and(|it| it <= end) => Ok(None),
            Place::NotBefore(_) => Err(Unknown::Yet),
        }
    }

    /// The state as bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut known: Vec<(u64, u64)> = self.known.iter().collect();
        known.sort_unstable();
        let mut out = Vec::new();
        out.extend_from_slice(&(known.len() as u64).to_le_bytes());
        for (tag, index) in known {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&index.to_le_bytes());
        }
        let written = self.registry.encode_snapshot(|part| {
            out.extend_from_slice(part);
            Ok::<(), std::convert::Infallible>(())
        });
        match written {
            Ok(()) => out,
        }
    }

    /// The state after `size` entries; `None` if the bytes do not hold one.
    pub(crate) fn decode(bytes: &[u8], size: u64, window: usize) -> Option<Self> {
        let (count, mut rest) = take_u64(bytes)?;
        let mut known = Tags::default();
        for _ in 0..count {
            let (tag, after) = take_u64(rest)?;
            let (index, after) = take_u64(after)?;
            known.insert(tag, index);
            rest = after;
        }
        let registry = Registry::decode_snapshot(|out| match rest.split_at_checked(out.len()) {
            Some((part, after)) => {
                out.copy_from_slice(part);
                rest = after;
                true
            }
            None => false,
        });
        Some(Self { registry: registry.ok()?, size, known, ..Self::new(window) })
    }
}

/// The log cannot tell whether it has a statement.
#[derive(Debug)]
enum Unknown {
    /// The runs of leaf hashes do not reach the window, or one of them is made again.
    Yet,
    /// A leaf hash could not be read.
    Unreadable(LogError),
}

impl From<LogError> for Unknown {
    fn from(error: LogError) -> Self {
        Self::Unreadable(error)
    }
}

fn undecided(error: &LogError) -> Outcome {
    tracing::warn!(%error, "a leaf hash cannot be read: a submission is put off");
    Outcome::Undecided
}

fn gap(have: &Head) -> Outcome {
    Outcome::Gap { have_seq: have.next.checked_sub(1), have_hash: have.last }
}

fn take_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*head), rest))
}
