//! The statements of a bundle that are signed and in the log, for the judge.

use alloc::vec;
use alloc::vec::Vec;

use firmlog_statement::{Kind, Parsed};
use firmlog_tlog::merkle::TreeHead;

use super::{EntryReport, EntryState};
use crate::bundle::Bundle;
use crate::install::Revocation;
use crate::standing::{Book, Judge, Proven};

/// What was proven, each statement at its first place: where it stands again it is not good.
pub(crate) struct Ledger<'a> {
    trusts: Vec<Proven<'a>>,
    words: Vec<Proven<'a>>,
    head: TreeHead,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(bundle: &'a Bundle, reports: &[EntryReport], head: TreeHead) -> Self {
        let good = bundle.entries.iter().zip(reports);
        let good = good.filter(|(_, it)| it.state == EntryState::Good);
        let proven = good.filter_map(|(entry, _)| {
            let parsed = Parsed::parse(&entry.bytes).ok()?;
            Some(Proven { index: entry.index, parsed })
        });
        Self::of(proven, head)
    }

    /// Of entries that are known to be good.
    pub(super) fn of(good: impl Iterator<Item = Proven<'a>>, head: TreeHead) -> Self {
        let mut ledger = Self { trusts: Vec::new(), words: Vec::new(), head };
        for proven in good {
            match proven.parsed.kind() {
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

    fn head(&self) -> TreeHead {
        self.head
    }
}
