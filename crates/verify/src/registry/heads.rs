//! Where each device's chain stands, forks included.
//!
//! ```text
//! enrolled  next 0, last = seed            seq 0, prev = seed      → append
//! head 41   next 42, last = SHA-256(41)    seq 42, prev = last     → append
//!                                          bytes of 41 again       → duplicate
//!                                          seq 43 and up           → gap: resend from 42
//!                                          seq 42, other prev      → fork: append, new branch
//!                                          seq < 41                → duplicate or fork: ask the log
//! ```
//!
//! **After a fork** the device has one head per branch, in the order in which the log saw the
//! branches begin. Branch 0 is the chain as it was. A statement extends the branch whose head it
//! names, so both halves of a cloned device are recorded to the end, and nobody has to guess which
//! one is genuine. A device that has ever forked keeps its finding for ever.
//!
//! Invariants:
//! - Replaying the same entries in the same order gives the same heads, byte for byte.
//! - At most [`BRANCHES_MAX`] branches have heads; a fork past that is appended all the same, and
//!   is then not extended.
//! - 48 bytes a holder; branches only for those who forked.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use firmlog_statement::Kind;
use firmlog_statement::chain::{self, ChainHead, Verdict};
use firmlog_tlog::merkle::{Hash, LeafIndex};

use super::chunked::Chunked;
use super::keys::Slot;
use super::{About, Refusal};
use crate::standing::{begins, is_final, may_step};

/// Branches of one device that can be extended.
pub const BRANCHES_MAX: usize = 16;

/// No entry yet.
const NONE: u64 = u64::MAX;

/// Where a chain, or a branch of it, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// SHA-256 of the newest entry's bytes, or the seed of enrolment.
    pub last: [u8; 32],
    /// The `seq` that comes next.
    pub next: u64,
    /// Where the newest entry is in the log, if there is one.
    pub index: Option<LeafIndex>,
}

/// What a device says about its place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub seq: u64,
    /// What it says came before.
    pub prev: [u8; 32],
    /// SHA-256 of its own bytes.
    pub entry: [u8; 32],
}

/// How a statement relates to what is known of its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the next of this branch.
    Next {
        /// 0 unless the device forked.
        branch: u8,
    },
    /// It is the newest entry of a branch again, byte for byte.
    Same {
        /// Where that entry is.
        index: LeafIndex,
    },
    /// Statements are missing before it.
    Gap {
        /// The head to resend from.
        have: Head,
    },
    /// It names a place below the head: a duplicate if the log has these very bytes, else a fork.
    Earlier {
        /// The head of the longest branch.
        have: Head,
    },
    /// It names a place that other bytes have, or another past.
    Fork {
        /// The head of the longest branch.
        have: Head,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) last: [u8; 32],
    pub(super) next: u64,
    pub(super) index: u64,
}

/// The heads of all holders, by [`Slot`]. Written by the sequencer alone.
#[derive(Clone, Debug)]
pub struct Heads {
    pub(super) main: Chunked<Stored>,
    /// Branches 1 and up.
    pub(super) branches: BTreeMap<u32, Vec<Stored>>,
    /// Statements of the kind release, by leaf hash.
    pub(super) releases: BTreeMap<[u8; 32], Release>,
    /// Issuers that a key may speak for, by slot, where its enrolment names some.
    pub(super) scopes: BTreeMap<u32, Vec<[u8; 2]>>,
    /// The issuer that others speak for.
    pub(super) first_manufacturer: Option<[u8; 2]>,
    /// Only part of the log is seen.
    pub(super) part: bool,
}

/// What registration knows of a statement of the kind release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) author: u32,
    pub(super) issuer: [u8; 2],
    /// It is no step of another.
    pub(super) begins: bool,
    /// It was recalled or ended.
    pub(super) is_final: bool,
}

impl Default for Heads {
    fn default() -> Self {
        Self::new()
    }
}

impl Heads {
    /// No chain.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            main: Chunked::new(),
            branches: BTreeMap::new(),
            releases: BTreeMap::new(),
            scopes: BTreeMap::new(),
            first_manufacturer: None,
            part: false,
        }
    }

    /// No chain, of part of a log.
    pub(super) const fn of_part() -> Self {
        {
            let mut heads = Self::new();
            heads.part = true;
            heads
        }
    }

    /// The head of a holder's chain: branch 0 if it forked.
    #[must_use]
    pub fn head(&self, slot: Slot) -> Option<Head> {
        self.main.get(slot.0).map(Stored::head)
    }

    /// How many branches a device has: 1 unless it forked.
    #[must_use]
    pub fn branches(&self, slot: Slot) -> usize {
        self.branches.get(&slot.0).map_or(1, |more| more.len().saturating_add(1))
    }

    /// The heads of all branches of a device.
    pub fn branch_heads(&self, slot: Slot) -> impl Iterator<Item = Head> + '_ {
        self.stored(slot).map(Stored::head)
    }

    /// Whether this may be said about a release by the holder of a key. No allocation.
    pub(super) fn judge(&self, signer: Slot, kind: Kind, about: &About) -> Result<(), Refusal> {
        let Some(named) = &about.release else {
            return if begins(about.event) { Ok(()) } else { Err(Refusal::StepNamesNone) };
        };
        let release = self.releases.get(&named.0).ok_or(Refusal::ReleaseUnknown)?;
        if !release.begins {
            return Err(Refusal::NotARelease);
        }
        if kind == Kind::Release {
            return judge_step(release, about);
        }
        if release.author == signer.0 {
            return Err(Refusal::AuthorMayNotApprove);
        }
        let speaks_for = match self.scopes.get(&signer.0) {
            Some(scope) => scope.contains(&release.issuer),
            // Which was the first, part of a log cannot show.
            None => self.part || self.first_manufacturer == Some(release.issuer),
        };
        if speaks_for { Ok(()) } else { Err(Refusal::OutOfScope) }
    }

    /// Records a statement of the kind release.
    pub(super) fn step(&mut self, signer: Slot, leaf: &Hash, about: &About) {
        let named = about.release.and_then(|named| self.releases.get_mut(&named.0));
        if let Some(begun) = named {
            begun.is_final |= is_final(about.event);
        }
        let begins = about.release.is_none();
        let (author, issuer) = (signer.0, about.issuer);
        let is_final = begins && is_final(about.event);
        self.releases.insert(leaf.0, Release { author, issuer, begins, is_final });
    }

    /// Records for whom a new holder may speak.
    pub(super) fn speaks_for(&mut self, slot: Slot, issuers: Vec<[u8; 2]>) {
        if !issuers.is_empty() {
            self.scopes.insert(slot.0, issuers);
        }
    }

    /// Judges a statement's place. No allocation; one array access unless the device forked.
    #[must_use]
    #[inline]
    pub fn place(&self, slot: Slot, link: &Link) -> Option<Place> {
        let main = self.main.get(slot.0)?;
        if main.next == link.seq && main.last == link.prev {
            return Some(Place::Next { branch: 0 });
        }
        Some(self.unusual_place(slot, main, link))
    }

    #[cold]
    fn unusual_place(&self, slot: Slot, main: &Stored, link: &Link) -> Place {
        let mut longest = main;
        for (branch, head) in (0..).zip(self.stored(slot)) {
            match chain::judge(&head.chain_head(), link.seq, &link.prev, &link.entry) {
                Verdict::Next => return Place::Next { branch },
                Verdict::Same => return Place::Same { index: LeafIndex(head.index) },
                Verdict::Earlier | Verdict::Gap { .. } | Verdict::Fork => {}
            }
            if head.next > longest.next {
                longest = head;
            }
        }
        let have = longest.head();
        match chain::judge(&longest.chain_head(), link.seq, &link.prev, &link.entry) {
            Verdict::Gap { .. } => Place::Gap { have },
            Verdict::Earlier => Place::Earlier { have },
            _ => Place::Fork { have },
        }
    }

    /// Records that the statement was appended at `index` as [`Heads::place`] said it would be.
    pub(super) fn append(&mut self, slot: Slot, link: &Link, branch: u8, index: LeafIndex) {
        let stored = match branch.checked_sub(1) {
            None => self.main.get_mut(slot.0),
            Some(more) => {
                self.branches.get_mut(&slot.0).and_then(|all| all.get_mut(usize::from(more)))
            }
        };
        if let Some(stored) = stored {
            *stored = Stored::after(link, index);
        }
    }

    /// Records that the statement was appended at `index` although its place was taken.
    pub(super) fn fork(&mut self, slot: Slot, link: &Link, index: LeafIndex) {
        let more = self.branches.entry(slot.0).or_default();
        // Branch 0 is in `main`.
        if more.len() < BRANCHES_MAX.saturating_sub(1) {
            more.push(Stored::after(link, index));
        }
    }

    /// Takes up a chain after a gap: only for readers of part of a log, never for the log itself.
    pub(crate) fn resume(&mut self, candidate: &super::Candidate, index: LeafIndex) {
        if let (Some(slot), Some(link)) = (candidate.signer, &candidate.link) {
            self.append(slot, link, 0, index);
        }
    }

    /// Starts the chain of a new holder.
    pub(super) fn enrolled(&mut self, seed: [u8; 32]) -> Option<u32> {
        self.main.push(Stored { last: seed, next: 0, index: NONE })
    }

    fn stored(&self, slot: Slot) -> impl Iterator<Item = &Stored> {
        let more = self.branches.get(&slot.0).into_iter().flatten();
        self.main.get(slot.0).into_iter().chain(more)
    }
}

/// Whether this step may be taken in the life of a release.
fn judge_step(release: &Release, about: &About) -> Result<(), Refusal> {
    if !may_step(about.role, about.issuer == release.issuer, about.event) {
        return Err(Refusal::StepOfAnotherIssuer);
    }
    // That it is withdrawn may always be said.
    let withdraws = crate::standing::withdraws(about.event);
    if release.is_final && !withdraws { Err(Refusal::ReleaseFinal) } else { Ok(()) }
}

impl Stored {
    fn after(link: &Link, index: LeafIndex) -> Self {
        Self { last: link.entry, next: link.seq.saturating_add(1), index: index.0 }
    }

    fn chain_head(&self) -> ChainHead {
        ChainHead { seq: self.next.checked_sub(1), hash: self.last }
    }

    fn head(&self) -> Head {
        let index = (self.index != NONE).then_some(LeafIndex(self.index));
        Head { last: self.last, next: self.next, index }
    }
}
