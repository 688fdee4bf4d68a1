//! The statements of a bundle that are signed and in the log, for the judge.

use alloc::vec;
use alloc::vec::Vec;

use firmlog_statement::{Kind, Parsed};
use firmlog_tlog::merkle::{Hash, TreeHead};

use super::{EntryReport, EntryState};
use crate::bundle::Bundle;
use crate::install::Revocation;
use crate::standing::{Book, Judge, Proven};

/// What was proven, each statement at its first place: where it stands again it is not good.
pub(crate) struct Ledger<'a> {
    trusts: Vec<Proven<'a>>,
    words: Vec<Proven<'a>>,
    /// Words about releases that do not count, and may be named.
    ignored: Vec<Proven<'a>>,
    head: TreeHead,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(bundle: &'a Bundle, reports: &[EntryReport], head: TreeHead) -> Self {
        let all = bundle.entries.iter().zip(reports).filter_map(|(entry, report)| {
            let parsed = Parsed::parse(&entry.bytes).ok()?;
            Some((Proven { index: entry.index, parsed }, report.state))
        });
        Self::of(all, head)
    }

    /// Of entries of which it is known what became of them.
    pub(super) fn of(all: impl Iterator<Item = (Proven<'a>, EntryState)>, head: TreeHead) -> Self {
        let (trusts, words, ignored) = (Vec::new(), Vec::new(), Vec::new());
        let mut ledger = Self { trusts, words, ignored, head };
        for (proven, state) in all {
            match proven.parsed.kind() {
                _ if state.is_ignored() => ledger.ignored.push(proven),
                _ if !state.is_heard() => {}
                Kind::Trust => ledger.trusts.push(proven),
                Kind::Release | Kind::Approval | Kind::Authorisation => ledger.words.push(proven),
                Kind::Update | Kind::Annotation | Kind::Audit => {}
            }
        }
        ledger
    }

    /// Room for the judge's marks.
    pub(crate) fn marks(&self) -> Vec<u64> {
        vec![0; self.trusts.len().div_ceil(64)]
    }

    pub(crate) fn judge<'b>(
        &'b self,
        known: &'b [Revocation],
        marks: &'b mut [u64],
    ) -> Judge<'b, Self> {
        Judge::new(self, known, marks)
    }
}

impl Book for Ledger<'_> {
    fn trusts(&self) -> impl Iterator<Item = Proven<'_>> {
        self.trusts.iter().copied()
    }

    fn words(&self) -> impl Iterator<Item = Proven<'_>> {
        self.words.iter().copied()
    }

    fn said(&self, leaf: &Hash) -> Option<Proven<'_>> {
        self.words.iter().chain(&self.ignored).find(|it| it.leaf() == *leaf).copied()
    }

    fn head(&self) -> TreeHead {
        self.head
    }
}
