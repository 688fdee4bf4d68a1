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
