//! What goes in and what comes back: batches of checked entries, and one outcome for each.
//!
//! In scope: the types callers hold. Out of scope: checking (`check`), ordering (`sequencer`).

use std::sync::Arc;

use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead};
use firmlog_verify::registry::Candidate;

use crate::check::Refusal;
use crate::error::AppendError;

/// Checked entries to append in this order. Made by a [`Checker`](crate::Checker) alone.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Entries as in a bundle: two bytes of length, then the entry.
    bytes: Vec<u8>,
    items: Vec<Item>,
    /// What the registry has to decide on; empty for raw entries.
    candidates: Vec<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    leaf: Hash,
    end: u32,
}

/// What became of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is in the log now, at this index.
    Appended {
        /// Where.
        index: LeafIndex,
    },
    /// The same bytes were in the log already.
    Duplicate {
        /// Where.
        index: LeafIndex,
    },
    /// It is in the log now, and it contradicts what its device said before: two statements with
    /// one sequence number, or one that names another predecessor.
    Forked {
        /// Where.
        index: LeafIndex,
    },
    /// Not appended: the device's statements between the head the log has and this one are missing.
    Gap {
        /// Sequence number of the last statement the log has; `None` if it has none.
        have_seq: Option<u64>,
        /// Its SHA-256, or the seed of the chain.
        have_hash: [u8; 32],
    },
    /// Not appended: the log cannot tell yet whether it has these very bytes, and a device's old
    /// statement must not be taken for a fork. Submitting it again later makes sense.
    Undecided,
    /// Not appended.
    Refused(Refusal),
}

impl Outcome {
    /// Where the entry is, if it is in the log.
    #[must_use]
    pub const fn index(&self) -> Option<LeafIndex> {
        match self {
            Self::Appended { index } | Self::Duplicate { index } | Self::Forked { index } => {
                Some(*index)
            }
            Self::Gap { .. } | Self::Undecided | Self::Refused(_) => None,
        }
    }
}

/// A signed tree head as the world sees it.
#[derive(Clone, Debug)]
pub struct Published {
    /// The signed note.
    pub checkpoint: String,
    /// Its size and root.
    pub head: TreeHead,
    /// When it was signed, in milliseconds since 1970, by the log's clock.
    pub time_ms: u64,
}

/// What became of a batch: durable, and covered by `published`.
#[derive(Clone, Debug)]
pub struct Committed {
    /// One outcome for each entry, in order.
    pub outcomes: Vec<Outcome>,
    /// A checkpoint that covers every index in `outcomes`.
    pub published: Arc<Published>,
}

/// Where the answer to a submission goes. Called once, on a thread of the log: it should only
/// wake somebody.
pub trait Reply: Send {
    /// Takes the answer.
    fn done(self: Box<Self>, result: Result<Committed, AppendError>);
}

impl<F: FnOnce(Result<Committed, AppendError>) + Send> Reply for F {
    fn done(self: Box<Self>, result: Result<Committed, AppendError>) {
        self(result);
    }
}

impl Batch {
    /// A batch with room for `entries` entries of `bytes` bytes together.
    #[must_use]
    pub fn with_capacity(entries: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes + 2 * entries),
            items: Vec::with_capacity(entries),
            candidates: Vec::new(),
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The leaf hash of an entry of this batch.
    #[must_use]
    pub fn leaf(&self, position: usize) -> Option<Hash> {
        self.items.get(position).map(|i| i.leaf)
    }

    /// Adds an entry of at most 65,535 bytes that was checked.
    pub(crate) fn push(&mut self, entry: &[u8], leaf: Hash, candidate: Option<Candidate>) {
        self.bytes.extend_from_slice(&(entry.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(entry);
        self.items.push(Item { leaf, end: self.bytes.len() as u32 });
        self.candidates.extend(candidate);
    }

    pub(crate) fn candidate(&self, position: usize) -> Option<&Candidate> {
        self.candidates.get(position)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Leaf hash and bundled bytes of each entry.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Hash, &[u8])> {
        let mut start = 0;
        self.items.iter().map(move |item| {
            let bundled = &self.bytes[start..item.end as usize];
            start = item.end as usize;
            (item.leaf, bundled)
        })
    }
}
