//! Which entries are appended: duplicates, device chains and registration, in log order.
//!
//! In scope: the decision on an entry whose signature a [`Checker`](crate::Checker) has checked.
//! Out of scope: the registration rules themselves (`firmlog_verify::registry`).
//!
//! Invariants:
//! - Decisions depend on the entries before alone, so a replay and an audit come to the same.
//! - What is decided is applied at once: the next entry of the same batch sees it.

mod signed;

use firmlog_tlog::merkle::{Hash, LeafIndex};

use crate::batch::{Batch, Outcome};
use crate::check::Refusal;
use crate::error::LogError;
use crate::store::Store;
use crate::window::Window;

pub(crate) use signed::SignedLog;

/// The state decisions are made on.
pub(crate) enum Admission {
    /// A log of any bytes: duplicates are recognised within the window.
    Any { window: Window, size: u64 },
    /// A log of signed statements.
    Signed(Box<SignedLog>),
}

/// Entries of the batch being built.
#[derive(Default)]
pub(crate) struct Added {
    pub(crate) first: u64,
    pub(crate) leaves: Vec<Hash>,
}

impl Added {
    pub(crate) fn start(&mut self, first: u64) {
        self.first = first;
        self.leaves.clear();
    }

    /// The index of the entry added next.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.leaves.len() as u64
    }

    /// Whether the leaf at `index`, in this batch or in the log, is this one.
    ///
    /// # Errors
    /// If the leaf cannot be read: it may be this one.
    pub(crate) fn has(&self, store: &Store, index: u64, leaf: &Hash) -> Result<bool, LogError> {
        match index.checked_sub(self.first) {
            Some(i) => Ok(self.leaves.get(i as usize) == Some(leaf)),
            None => Ok(store.leaf(index)? == *leaf),
        }
    }
}

impl Admission {
    pub(crate) fn any(window: usize) -> Self {
        Self::Any { window: Window::new(window), size: 0 }
    }

    /// How many entries have been applied.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Any { size, .. } => *size,
            Self::Signed(signed) => signed.size,
        }
    }

    /// Decides on the entries of a batch; those to append go to `added` and `buf`.
    pub(crate) fn admit(
        &mut self,
        store: &Store,
        batch: &Batch,
        added: &mut Added,
        buf: &mut Vec<u8>,
        outcomes: &mut Vec<Outcome>,
    ) {
        for (position, (leaf, bundled)) in batch.iter().enumerate() {
            let index = added.next();
            let outcome = match self {
                Self::Any { window, .. } => duplicate(window, store, added, &leaf)
                    .ok()
                    .flatten()
                    .map_or(Outcome::Appended { index: LeafIndex(index) }, |index| {
                        Outcome::Duplicate { index }
                    }),
                Self::Signed(signed) => match batch.candidate(position) {
                    Some(candidate) => signed.admit(store, added, candidate, &bundled[2..]),
                    None => Outcome::Refused(Refusal::Unsigned),
                },
            };
            if matches!(outcome, Outcome::Appended { .. } | Outcome::Forked { .. }) {
                buf.extend_from_slice(bundled);
                added.leaves.push(leaf);
                self.appended(index, &leaf);
            }
            outcomes.push(outcome);
        }
    }

    /// Applies an entry that is in the log.
    pub(crate) fn replay(&mut self, index: u64, leaf: Hash, entry: &[u8]) -> Result<(), LogError> {
        if let Self::Signed(signed) = self {
            signed.replay(index, entry)?;
        }
        self.appended(index, &leaf);
        Ok(())
    }

    /// The state as bytes, if it has any worth keeping.
    pub(crate) fn snapshot(&self) -> Option<Vec<u8>> {
        match self {
            Self::Any { .. } => None,
            Self::Signed(signed) => Some(signed.encode()),
        }
    }

    /// The registration state of a log of signed statements.
    pub(crate) fn signed(&self) -> Option<&SignedLog> {
        match self {
            Self::Any { .. } => None,
            Self::Signed(signed) => Some(signed),
        }
    }

    /// Puts a recent leaf where duplicates are looked for.
    pub(crate) fn remember(&mut self, index: u64, leaf: &Hash) {
        match self {
            Self::Any { window, .. } => window.insert(leaf, index),
            Self::Signed(signed) => signed.window.insert(leaf, index),
        }
    }

    /// Forgets all recent leaves.
    pub(crate) fn forget(&mut self) {
        match self {
            Self::Any { window, .. } => window.clear(),
            Self::Signed(signed) => signed.window.clear(),
        }
    }

    fn appended(&mut self, index: u64, leaf: &Hash) {
        self.remember(index, leaf);
        match self {
            Self::Any { size, .. } => *size = index + 1,
            Self::Signed(signed) => signed.size = index + 1,
        }
    }
}

/// Where the same bytes are, if they are among the recent entries.
fn duplicate(
    window: &Window,
    store: &Store,
    added: &Added,
    leaf: &Hash,
) -> Result<Option<LeafIndex>, LogError> {
    first_of(window.candidates(leaf), store, added, leaf)
}

/// The first of these entries that has this leaf hash.
fn first_of(
    candidates: impl Iterator<Item = u64>,
    store: &Store,
    added: &Added,
    leaf: &Hash,
) -> Result<Option<LeafIndex>, LogError> {
    for index in candidates {
        if added.has(store, index, leaf)? {
            return Ok(Some(LeafIndex(index)));
        }
    }
    Ok(None)
}
