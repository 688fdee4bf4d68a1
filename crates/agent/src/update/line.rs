//! What waits for a statement, in order.
//!
//! ```text
//! step ─▶ [check · download_started · …] ─▶ one statement of all
//! ```
//!
//! Invariant: what does not fit is not taken; whoever takes a step has made room first.

use firmlog_statement::Step;
use firmlog_statement::event::EventType;

/// Most steps that wait.
pub(super) const ROOM: usize = 8;

/// The steps that wait.
pub(super) struct Line {
    steps: [Step; ROOM],
    len: usize,
}

impl Line {
    /// Made by code: as a constant it would lie in flash.
    pub(super) fn empty() -> Self {
        let kind = EventType::InstalledState;
        Self {
            steps: [Step { kind, at_ms: 0, code: None, count: None, image: None }; ROOM],
            len: 0,
        }
    }

    pub(super) fn steps(&self) -> &[Step] {
        self.steps.get(..self.len).unwrap_or_default()
    }

    /// The step by which a statement of these has its outcome and its image: the last one of an
    /// update, or the heartbeat; only without one what happened beside it.
    pub(super) fn told(&self) -> Option<EventType> {
        let kinds = || self.steps().iter().rev().map(|step| step.kind);
        let beside =
            |kind: &EventType| kind.is_operational() && *kind != EventType::UnexpectedVersion;
        kinds().find(|kind| !beside(kind)).or_else(|| kinds().next())
    }

    /// Whether a heartbeat would share a statement with steps of an update: one image cannot be
    /// what runs and what is on its way in.
    pub(super) fn mixes_with(&self, next: EventType) -> bool {
        let beats = |kind: EventType| kind == EventType::InstalledState;
        let others = |step: &Step| !step.kind.is_operational() && beats(step.kind) != beats(next);
        !next.is_operational() && self.steps().iter().any(others)
    }

    /// How many more fit.
    pub(super) const fn room(&self) -> usize {
        ROOM.saturating_sub(self.len)
    }

    pub(super) const fn clear(&mut self) {
        self.len = 0;
    }

    pub(super) fn push(&mut self, step: Step) {
        if let Some(slot) = self.steps.get_mut(self.len) {
            *slot = step;
            self.len = self.len.saturating_add(1);
        }
    }

    /// Puts a step in front of all.
    pub(super) fn push_front(&mut self, step: Step) {
        if self.room() > 0 {
            self.len = self.len.saturating_add(1);
            let mut carried = step;
            let taken = self.steps.iter_mut().take(self.len);
            taken.for_each(|slot| core::mem::swap(slot, &mut carried));
        }
    }

    /// The clock that told the times of the steps went back to this: none was after it.
    pub(super) fn none_after(&mut self, up_ms: u64) {
        self.steps.iter_mut().for_each(|step| step.at_ms = step.at_ms.min(up_ms));
    }

    /// Takes the newest step out again.
    pub(super) const fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
    }

    /// Keeps only these, in order.
    pub(super) fn retain(&mut self, keep: impl Fn(&Step) -> bool) {
        let mut kept = 0usize;
        for at in 0..self.len {
            let Some(step) = self.steps.get(at).copied().filter(&keep) else { continue };
            if let Some(slot) = self.steps.get_mut(kept) {
                *slot = step;
                kept = kept.saturating_add(1);
            }
        }
        self.len = kept;
    }
}
