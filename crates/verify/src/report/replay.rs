//! Replaying a bundle's entries through the registry, as the log did when it took them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use firmlog_statement::event::{EventType, Life};
use firmlog_statement::{DeviceId, Kind, Parsed, Severity, Update};
use firmlog_tlog::merkle::LeafIndex;

use super::{EntryState, Evidence, Finding};
use crate::Crypto;
use crate::registry::{Candidate, Decision, Refusal, Registry};

/// The state of a replay.
pub(super) struct Replay {
    pub(super) registry: Registry,
    pub(super) findings: Vec<Finding>,
    lives: BTreeMap<DeviceId, Life>,
    /// Devices that were taken out of use: for good (STA-041).
    retired: BTreeSet<DeviceId>,
    /// The counter of each device's newest statement, where it has one.
    counters: BTreeMap<DeviceId, u64>,
    /// Where each device's statement of a seq is.
    places: BTreeMap<(DeviceId, u64), LeafIndex>,
}

impl Default for Replay {
    fn default() -> Self {
        Self {
            // Rules about what is absent are never judged from part of a log.
            registry: Registry::of_part(),
            findings: Vec::new(),
            lives: BTreeMap::new(),
            retired: BTreeSet::new(),
            counters: BTreeMap::new(),
            places: BTreeMap::new(),
        }
    }
}

impl Replay {
    /// Takes the next entry that is known to be in the log.
    pub(super) fn entry<C: Crypto + ?Sized>(
        &mut self,
        parsed: &Parsed,
        index: LeafIndex,
        crypto: &C,
    ) -> EntryState {
        let candidate = match self.registry.check(parsed, crypto) {
            Ok(candidate) => candidate,
            Err(Refusal::KeyUnknown | Refusal::GenesisMissing) => return EntryState::KeyUnknown,
            Err(Refusal::SignatureWrong) => return EntryState::SignatureWrong,
            Err(refusal) => return self.against_rules(refusal, index),
        };
        if let Err(refusal) = self.sequence(&candidate, parsed, index) {
            return self.against_rules(refusal, index);
        }
        if parsed.kind() == Kind::Update {
            self.observe(parsed, index);
        }
        EntryState::Good
    }

    /// Applies the entry, recording forks and gaps on the way.
    fn sequence(
        &mut self,
        candidate: &Candidate,
        parsed: &Parsed,
        index: LeafIndex,
    ) -> Result<(), Refusal> {
        let place = parsed.update_head().map(|head| (head.device, head.seq));
        match (self.registry.admit(candidate), place) {
            // A bundle may leave the release out; that the log had it cannot be seen here.
            (Decision::Refuse(Refusal::ReleaseUnknown), _) => return Ok(()),
            (Decision::Refuse(refusal), _) => return Err(refusal),
            (Decision::Gap { have }, Some((device, seq))) => {
                let evidence = Evidence::ChainGap { device, from: have.next, to: seq };
                self.found(evidence, [index].into());
                self.registry.heads.resume(candidate, index);
                self.lives.remove(&device);
            }
            (Decision::Fork { .. } | Decision::Earlier { .. }, Some((device, seq))) => {
                let other = self.places.get(&(device, seq)).copied();
                let entries = other.into_iter().chain([index]).collect();
                self.found(Evidence::ChainFork { device, seq }, entries);
                self.registry.apply(candidate, parsed, index)?;
            }
            _ => self.registry.apply(candidate, parsed, index)?,
        }
        if let Some(place) = place {
            self.places.entry(place).or_insert(index);
        }
        Ok(())
    }

    /// Checks the legal order of a device's events. A life that begins in the middle is believed.
    fn observe(&mut self, parsed: &Parsed, index: LeafIndex) {
        let Ok(update) = parsed.update() else { return };
        self.lost(&update, index);
        let fresh = if update.seq.0 == 0 { Some(Life::NEW) } else { None };
        for event in update.events.iter() {
            if event.kind == EventType::Decommissioned {
                self.retired.insert(update.device);
            }
            let start = fresh.unwrap_or_else(|| Life::after(Some(event.kind)));
            let known = self.lives.contains_key(&update.device);
            if !known && fresh.is_none() && event.kind.is_operational() {
                continue;
            }
            let life = self.lives.entry(update.device).or_insert(start);
            if !known && fresh.is_none() {
                continue;
            }
            if let Err(violation) = life.observe(event.kind) {
                let evidence = Evidence::SequenceViolation {
                    device: update.device,
                    after: violation.after,
                    found: violation.found,
                };
                self.found(evidence, [index].into());
            }
        }
    }

    /// What a device says that it lost. What it remembers of its own steps may be older.
    fn lost(&mut self, update: &Update, index: LeafIndex) {
        let device = update.device;
        let counter = update.time.counter;
        let before = match counter {
            Some(counter) => self.counters.insert(device, counter),
            None => self.counters.remove(&device),
        };
        let Some(from) = update.unit.as_ref().and_then(|unit| unit.lost_from) else { return };
        self.lives.remove(&device);
        let counted = |(counter, before): (u64, u64)| counter.checked_sub(before)?.checked_sub(1);
        let gone = counter.zip(before).and_then(counted);
        let evidence = Evidence::JournalLost { device, from, to: update.seq.0, gone };
        self.found(evidence, [index].into());
    }

    /// Whether a device was taken out of use.
    pub(super) fn is_decommissioned(&self, device: &DeviceId) -> bool {
        self.retired.contains(device)
    }

    fn against_rules(&mut self, refusal: Refusal, index: LeafIndex) -> EntryState {
        self.found(Evidence::AgainstRules(refusal), [index].into());
        EntryState::AgainstRules(refusal)
    }

    pub(super) fn found(&mut self, evidence: Evidence, entries: Vec<LeafIndex>) {
        let severity = match evidence {
            Evidence::JournalLost { gone: Some(0), .. } => Severity::Info,
            _ => evidence.kind().severity(),
        };
        self.findings.push(Finding { severity, evidence, entries });
    }
}
