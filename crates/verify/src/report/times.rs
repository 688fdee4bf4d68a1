//! Statements whose own time is outside of what bounds it (STA-064).
//!
//! ```text
//! entry 5  release   12:00 ± 1 s      ◀── entry 9 names it, so 9 was made after 12:00
//! entry 9  approval  11:30            ─▶  too early by half an hour
//! a quorum cosigned 10 entries at 11:00   ─▶  too late: 9 was there by then
//! ```
//!
//! In scope: telling. Times inform people; no rule rests on them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use firmlog_statement::time::DeviceTime;
use firmlog_statement::{Field as _, Kind, Parsed};
use firmlog_tlog::merkle::{Hash, LeafIndex};

use super::run::Run;
use super::{AnchorState, EntryReport, EntryState, Evidence};
use crate::Verified;
use crate::bundle::Bundle;
use crate::checkpoint::SignedHead;
use crate::standing::hash;

/// A time as stated: no earlier than the first and no later than the second, milliseconds.
type Stated = (u64, u64);

impl Run<'_> {
    /// Looks at every statement that was asked for.
    pub(super) fn times(&mut self, bundle: &Bundle, heads: &[Option<Verified<SignedHead>>]) {
        let bounds = self.bounds(heads);
        let good = bundle.entries.iter().zip(&self.entries);
        let good = good.filter(|(_, report)| report.state == EntryState::Good);
        let read = good.filter_map(|(entry, report)| {
            let parsed = Parsed::parse(&entry.bytes).ok()?;
            Some((report, stated(&parsed)?, parsed))
        });
        let read: Vec<(&EntryReport, Stated, Parsed<'_>)> = read.collect();
        let places: BTreeMap<Hash, (LeafIndex, Stated)> =
            read.iter().map(|(it, own, _)| (it.leaf, (it.index, *own))).collect();
        let mut found = Vec::new();
        for (it, own, parsed) in read.iter().filter(|(it, ..)| it.asked) {
            let seen = bounds.iter().find(|(size, _)| *size > it.index.0).map(|(_, at)| *at);
            if let Some(seen_s) = seen.filter(|at| own.0 > ms(*at)) {
                let evidence = Evidence::TimeTooLate { stated_ms: own.0, seen_s };
                found.push((evidence, Vec::from([it.index])));
            }
            for (named, (named_ms, _)) in named(parsed).filter_map(|leaf| places.get(&leaf)) {
                if own.1 < *named_ms {
                    let evidence = Evidence::TimeTooEarly { stated_ms: own.1, named_ms: *named_ms };
                    found.push((evidence, Vec::from([*named, it.index])));
                }
            }
        }
        found.into_iter().for_each(|(evidence, entries)| self.replay.found(evidence, entries));
    }

    /// By when which size was seen, seconds; the earliest first.
    fn bounds(&self, heads: &[Option<Verified<SignedHead>>]) -> Vec<(u64, u64)> {
        let asks = self.asks_witnesses();
        let witnessed = heads.iter().flatten().filter(|head| asks && head.quorum);
        let witnessed = witnessed.filter_map(|head| {
            let time_s = head.witnesses.iter().map(|witness| witness.time_s).max()?;
            Some((head.head.size.0, time_s))
        });
        let anchored = self.anchors.iter().filter_map(|anchor| match &anchor.state {
            AnchorState::Evm(it, _) if it.is_anchored() => {
                Some((it.event.head.size.0, it.block.time_s))
            }
            _ => None,
        });
        let mut bounds: Vec<_> = witnessed.chain(anchored).collect();
        bounds.sort_unstable_by_key(|(_, time_s)| *time_s);
        bounds
    }
}

/// The end of a second, in milliseconds.
const fn ms(time_s: u64) -> u64 {
    time_s.saturating_mul(1000).saturating_add(999)
}

/// What a statement says of its own time, if it has a clock.
fn stated(parsed: &Parsed<'_>) -> Option<Stated> {
    let time = DeviceTime::decode(&mut parsed.field(10)?).ok()?;
    let (utc_ms, half) = (time.utc_ms?, u64::from(time.uncertainty_ms.unwrap_or_default()));
    Some((utc_ms.saturating_sub(half), utc_ms.saturating_add(half)))
}

/// Statements that this one names, and so was made after.
fn named(parsed: &Parsed<'_>) -> impl Iterator<Item = Hash> {
    use Kind::{Approval, Authorisation, Release, Update};
    let names = matches!(parsed.kind(), Release | Approval | Authorisation | Update);
    let all = [13, 14, 27].map(|key| hash(parsed, key).filter(|_| names));
    all.into_iter().flatten()
}
