//! Whether a statement has room for what is to be said, before anything of it is written.
//!
//! ```text
//! one short step, measured at the start · what is told besides · the steps that wait · one more
//! ```
//!
//! Invariant: what fits here fits in the entry; a step is never lost because others waited.

use super::{Clock, Updater};
use crate::Flash;
use crate::journal::{ENTRY_MAX, Error};
use firmlog_statement::{Initiator, Reason, Signer};

/// The longest step, in bytes: a refusal with its image and code, and a jump of the clock.
pub(super) const STEP: usize = 69;

/// The count of earlier refusals, with an image.
const COUNT: usize = 55;

/// A digest that may be there, such as a release.
const DIGEST: usize = 35;

/// A checkpoint, the count of what was dropped, and from where the journal was lost.
const CHECKPOINT: usize = 47;
const DROPPED: usize = 56;
const LOST: usize = 11;

/// Numbers that grow, and those of the result: how long it took, an error, attempts, power.
const GROWS: usize = 24;

impl<F: Flash, S: Signer, C: Clock, const PAGE: usize, const WORD: usize>
    Updater<'_, F, S, C, PAGE, WORD>
{
    /// Measures the statement of one short step, and refuses names with which not each fits that a
    /// device must be able to make.
    pub(super) fn check_names(&mut self) -> Result<(), Error> {
        self.alone = self.measure();
        let most = STEP + DIGEST + CHECKPOINT + DROPPED + LOST + GROWS;
        if self.alone.saturating_add(most) <= ENTRY_MAX { Ok(()) } else { Err(Error::TooLong) }
    }

    /// Whether one more step fits with what waits.
    pub(super) fn fits_another(&self) -> bool {
        self.fits(STEP)
    }

    /// Whether the count of earlier refusals fits with what waits, and so much more.
    pub(super) fn fits_a_count(&self, more: usize) -> bool {
        self.fits(more.saturating_add(COUNT))
    }

    fn fits(&self, more: usize) -> bool {
        let parts = [
            (self.progress.target.release != [0; 32], DIGEST),
            (self.checkpoint.is_some(), CHECKPOINT),
            (self.journal.untold() > 0, DROPPED),
            (self.journal.lost_from().is_some(), LOST),
        ];
        let parts = parts.iter().map(|(is_there, len)| if *is_there { *len } else { 0 });
        let steps = self.line.steps().iter().map(|step| {
            let numbers = [step.code, step.count].iter().flatten().count();
            let image = if step.image.is_some() { DIGEST } else { 0 };
            image.saturating_add(numbers.saturating_mul(6)).saturating_add(10)
        });
        let besides = [
            self.initiator.as_ref().map_or(0, initiator),
            self.reason.as_ref().map_or(0, reason),
            self.commitments.as_ref().map_or(0, |all| all.len().saturating_mul(38)),
        ];
        let all = parts.chain(steps).chain(besides);
        all.fold(self.alone.saturating_add(GROWS).saturating_add(more), usize::saturating_add)
            <= ENTRY_MAX
    }
}

fn initiator(it: &Initiator) -> usize {
    let text = |len: Option<usize>| len.map_or(0, |len| len.saturating_add(3));
    let digest = if it.subject.is_some() { DIGEST } else { 0 };
    let role = text(it.role.as_ref().map(|role| role.len()));
    let organisation = text(it.organisation.as_ref().map(|name| name.len()));
    [4, digest, role, organisation].into_iter().fold(0, usize::saturating_add)
}

fn reason(it: &Reason) -> usize {
    let campaign = if it.campaign.is_some() { 18 } else { 0 };
    let policy = if it.policy.is_some() { DIGEST } else { 0 };
    [6, campaign, policy].into_iter().fold(0, usize::saturating_add)
}
