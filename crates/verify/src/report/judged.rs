//! What a question is about, judged over what was proven.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use firmlog_statement::{DeviceId, Parsed};
use firmlog_tlog::merkle::Hash;

use super::run::Run;
use super::{DeviceStanding, EntryState, Evidence, Ledger, Question, released};
use crate::bundle::Bundle;
use crate::standing::Proven;

impl Run<'_> {
    /// Judges what the question is about, over what was proven.
    pub(super) fn judge_all(&mut self, bundle: &Bundle) {
        let Some(head) = self.head.as_ref().map(|head| head.head) else { return };
        let ledger = Ledger::new(bundle, &self.entries, head);
        let mut marks = ledger.marks();
        let judge = ledger.judge(&[], &mut marks);
        let (named, runs) = self.said_by_device(bundle);
        let asked = released::asked(&judge, &self.question, &named, &runs);
        for begins in &asked {
            let Some(it) = released::released(&judge, begins) else { continue };
            released::findings(&judge, begins, &it, &mut self.replay.findings);
            self.releases.push(it);
        }
        released::contradictions(&judge, &asked, &mut self.replay.findings);
        let about = released::places(&judge, &asked);
        let mut compromised = Vec::new();
        for (entry, report) in bundle.entries.iter().zip(&mut self.entries) {
            let Ok(parsed) = Parsed::parse(&entry.bytes) else { continue };
            let it = Proven { index: entry.index, parsed };
            let good = report.state == EntryState::Good;
            let update = parsed.update_head();
            report.asked = match self.question {
                Question::Whole => true,
                Question::Device(device) => update.is_some_and(|head| head.device == device),
                Question::Release(_) | Question::Image(_) => about.contains(&entry.index),
                Question::Statement(leaf) => report.leaf == leaf,
            };
            if let Some(head) = update.filter(|_| good && !judge.permits(&it)) {
                compromised.push((head.device, entry.index));
            }
        }
        for (device, index) in &compromised {
            let evidence = Evidence::DeviceKeyCompromised { device: *device };
            self.replay.found(evidence, [*index].into());
        }
        if let Question::Device(device) = self.question
            && self.entries.iter().any(|entry| entry.asked)
        {
            let bad = compromised.iter().any(|(it, _)| *it == device);
            self.device = Some(self.device_standing(&device, bad));
        }
    }

    /// Releases that the statements of devices name, and the images they speak of.
    fn said_by_device(&self, bundle: &Bundle) -> (BTreeSet<Hash>, BTreeSet<[u8; 32]>) {
        let (mut named, mut runs) = (BTreeSet::new(), BTreeSet::new());
        let Question::Device(device) = self.question else { return (named, runs) };
        let good = bundle.entries.iter().zip(&self.entries);
        for (entry, _) in good.filter(|(_, report)| report.state == EntryState::Good) {
            let update = Parsed::parse(&entry.bytes).ok().and_then(|it| it.update().ok());
            let Some(update) = update.filter(|it| it.device == device) else { continue };
            named.extend(update.release.map(|leaf| Hash(leaf.0)));
            runs.insert(update.image.0);
        }
        (named, runs)
    }

    fn device_standing(&self, device: &DeviceId, compromised: bool) -> DeviceStanding {
        let forked = self.replay.findings.iter().any(|finding| {
            matches!(finding.evidence, Evidence::ChainFork { device: it, .. } if it == *device)
        });
        if forked {
            DeviceStanding::Forked
        } else if compromised {
            DeviceStanding::Compromised
        } else if self.replay.is_decommissioned(device) {
            DeviceStanding::Decommissioned
        } else {
            DeviceStanding::InService
        }
    }
}
