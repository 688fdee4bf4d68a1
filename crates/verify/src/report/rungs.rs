//! The ladder of a report, and what was left out.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::run::Run;
use super::{EntryState, Extent, Level, NotChecked, Rung, RungState, anchors};
use crate::bundle::Bundle;

impl Run<'_> {
    pub(super) fn rungs(&self) -> [Rung; 5] {
        let statements = self.entries.iter().filter(|entry| entry.kind.is_some());
        let good = statements.clone().filter(|entry| entry.state == EntryState::Good).count();
        let all = statements.count();
        let wrong = self.entries.iter().any(|entry| {
            matches!(entry.state, EntryState::SignatureWrong | EntryState::AgainstRules(_))
        });
        let signed = match (wrong, good == all && all > 0) {
            (true, _) => RungState::Failed,
            (false, true) => RungState::Reached,
            (false, false) => RungState::Missing,
        };
        let (in_log, in_log_detail) = self.in_log_rung();
        let (witnessed, witnessed_detail) = self.witnessed_rung();
        let details = [
            (signed, format!("{good} of {all} statements")),
            (in_log, in_log_detail),
            (witnessed, witnessed_detail),
            (RungState::Missing, String::from("no time-stamp in the bundle")),
            self.anchored_rung(),
        ];
        let mut levels = Level::ALL.into_iter();
        details.map(|(state, detail)| {
            let level = levels.next().unwrap_or(Level::Anchored);
            Rung { level, state, detail }
        })
    }

    fn in_log_rung(&self) -> (RungState, String) {
        let Some(head) = &self.head else {
            let state = if self.altered { RungState::Failed } else { RungState::Missing };
            return (state, "no checkpoint is believed".into());
        };
        let out = self.entries.iter().any(|entry| entry.state == EntryState::NotInLog);
        let state = if out { RungState::Failed } else { RungState::Reached };
        (state, format!("{}, {} {}", head.origin, head.head.size, entries(head.head.size.0)))
    }

    fn witnessed_rung(&self) -> (RungState, String) {
        let Some(head) = &self.head else { return (RungState::Missing, "no checkpoint".into()) };
        let names: Vec<&str> = head.witnesses.iter().map(|w| w.name.as_str()).collect();
        let names = if names.is_empty() { "nobody".into() } else { names.join(", ") };
        if !self.asks_witnesses() {
            return (RungState::Missing, format!("{names}; the trust root asks for none"));
        }
        let state = if head.quorum { RungState::Reached } else { RungState::Missing };
        let quorum = if head.quorum { "quorum reached" } else { "quorum not reached" };
        (state, format!("{names} ({quorum})"))
    }

    pub(super) fn anchored_rung(&self) -> (RungState, String) {
        let any = self.entries.iter().any(|entry| entry.asked);
        anchors::rung(&self.anchors, |size| {
            let asked = self.entries.iter().filter(|entry| entry.asked || !any);
            let covered = asked.clone().filter(|entry| entry.index.0 < size).count();
            (covered, asked.count())
        })
    }

    pub(super) fn not_checked(&self, bundle: &Bundle) -> Vec<NotChecked> {
        let foreign = self.entries.iter().filter(|entry| entry.kind.is_none()).count() as u64;
        let counted = [
            NotChecked::Certificates(bundle.certificates.len() as u64),
            NotChecked::Undisclosed(self.undisclosed),
            NotChecked::ForeignEntries(foreign),
        ];
        let mut out: Vec<NotChecked> = match self.extent {
            Extent::Part => [NotChecked::LeftOut].into(),
            Extent::EveryEntry => [NotChecked::OtherEntries, NotChecked::RulesElsewhere].into(),
        };
        out.extend([NotChecked::TruthOfStatements, NotChecked::DeviceClocks, NotChecked::Image]);
        out.extend(anchors::not_checked(&self.anchors));
        out.extend(counted.into_iter().filter(|left_out| left_out.count() > 0));
        if !self.asks_witnesses() {
            out.push(NotChecked::SplitView);
        }
        out
    }
}

const fn entries(n: u64) -> &'static str {
    if n == 1 { "entry" } else { "entries" }
}
