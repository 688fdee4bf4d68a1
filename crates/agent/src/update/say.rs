//! From steps to a statement in the journal, and what happens when that fails.

use super::{Clock, Detail, Identity, Image, Logged, Progress, Updater};
use crate::Flash;
use crate::fields::Put;
use crate::journal::{Append, Class, Error};
use firmlog_statement::event::EventType as T;
use firmlog_statement::{
    Brief, ChainEntry, Outcome, Phase, PublicKey, SecurityCounter, Seq, SignError, Signer, Step,
    UpdateResult, VersionCode, sha256,
};

/// Room for a statement while it is signed.
const BUFFER: usize = crate::journal::ENTRY_MAX;

/// What a statement may grow by while it waits: the count of what was dropped (56 bytes), and
/// numbers that grow with time.
const GROWS: usize = 75;

/// What one more step may add: a refusal with its image and code (55), and a jump of the clock.
pub(super) const STEP: usize = 69;

/// What the count of earlier refusals adds.
const COUNT: usize = 55;

/// What a statement may carry besides, once it is known: its release (35 bytes), a checkpoint (47)
/// and from where the journal was lost (11).
const LATER: usize = 93;

/// Signs nothing: a statement is only to be measured.
struct Nobody(PublicKey);

impl Signer for Nobody {
    fn public_key(&self) -> PublicKey {
        self.0
    }

    fn sign(&self, _: &[u8]) -> Result<[u8; 64], SignError> {
        Ok([1; 64])
    }
}

/// Whether a statement is signed, or only measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signs {
    Really,
    Nothing,
}

impl<F: Flash, S: Signer, C: Clock, const PAGE: usize, const WORD: usize>
    Updater<'_, F, S, C, PAGE, WORD>
{
    /// Says all that waits in one statement. On an error it waits still.
    pub(super) fn say(&mut self, detail: Detail) -> Result<(), Error> {
        if !self.started {
            return Err(Error::NeedsOpening);
        }
        // Who writes beside this one may have moved the update: only a start can tell.
        if self.journal.saw_other_writer() {
            return Err(Error::OtherWriter);
        }
        if !self.journal.is_open() {
            self.journal.reopen()?;
        }
        self.line_up_counted(0);
        let untold = self.journal.untold() > 0;
        let (seq, _) = self.journal.next().ok_or(Error::ChainUnknown)?;
        let mut buffer = [0; BUFFER];
        match self.seal_and_append(&mut buffer, detail, untold) {
            Err(Error::Flash(_) | Error::NeedsOpening) => {
                self.journal.reopen()?;
                match self.journal.next() {
                    // The write may have got as far as it takes to count.
                    Some((next, _)) if next > seq && self.journal.has_the_last() => {}
                    Some((next, _)) if next > seq => {
                        self.started = false;
                        return Err(Error::OtherWriter);
                    }
                    _ => self.seal_and_append(&mut buffer, detail, untold)?,
                }
            }
            done => done?,
        }
        self.line.clear();
        self.commitments = None;
        if matches!(self.progress.last, Some(T::Committed | T::RolledBack)) {
            (self.initiator, self.reason) = (None, None);
        }
        self.said_last = self.progress.last;
        Ok(())
    }

    fn seal_and_append(
        &mut self,
        buffer: &mut [u8; BUFFER],
        detail: Detail,
        untold: bool,
    ) -> Result<(), Error> {
        self.journal.has_room(self.class())?;
        let entry = self.seal(buffer, detail, untold, Signs::Really)?;
        let note = self.progress.encode().ok_or(Error::Bug)?;
        let tells_of_lost = self.line.steps().iter().any(|step| step.kind == T::LogGap);
        let class = self.class();
        let (note, tells_of_dropped) = (&note, untold);
        self.journal.append(&Append { entry, note, class, tells_of_dropped, tells_of_lost })
    }

    /// Refuses names with which not each statement fits that a device must be able to make.
    pub(super) fn check_names(&mut self) -> Result<(), Error> {
        if self.leaves(STEP + LATER) { Ok(()) } else { Err(Error::TooLong) }
    }

    /// Whether one more step fits with what waits; where nothing does, whether one fits at all.
    pub(super) fn fits_another(&mut self) -> bool {
        self.leaves(STEP)
    }

    /// Whether the count of earlier refusals fits too, its image with it, and so much more.
    pub(super) fn fits_a_count(&mut self, more: usize) -> bool {
        self.leaves(more.saturating_add(COUNT))
    }

    /// Whether the statement of what waits, or of one step where nothing does, leaves this many
    /// bytes of the longest there may be.
    fn leaves(&mut self, room: usize) -> bool {
        let is_empty = self.line.steps().is_empty();
        if is_empty {
            let (kind, at_ms) = (T::Check, self.up_ms);
            self.line.push(Step { kind, at_ms, code: None, count: None, image: None });
        }
        let len = self.measure();
        if is_empty {
            self.line.clear();
        }
        len.is_some_and(|len| len.saturating_add(room).saturating_add(GROWS) <= BUFFER)
    }

    /// How long the statement of what waits is; none if there can be none.
    #[inline(never)]
    fn measure(&mut self) -> Option<usize> {
        let mut buffer = [0; BUFFER];
        let entry = self.seal(&mut buffer, Detail::default(), false, Signs::Nothing).ok()?;
        Some(entry.bytes().len())
    }

    /// What was dropped is told along with something: it may not use up the reserve by itself.
    fn class(&self) -> Class {
        Class::of(self.line.steps().iter().map(|step| step.kind))
    }

    /// Writes and signs a statement of what waits.
    #[inline(never)]
    fn seal<'b>(
        &mut self,
        buffer: &'b mut [u8; BUFFER],
        detail: Detail,
        untold: bool,
        signs: Signs,
    ) -> Result<ChainEntry<'b>, SignError> {
        let time = self.clock.now();
        let steps = self.line.steps();
        let last = steps.last().map_or(T::LogWrap, |step| step.kind);
        let (seq, prev) = self.journal.next().unwrap_or_default();
        let image = self.image_of(last);
        let dropped = self.journal.dropped();
        let Progress { target, attempts, .. } = &self.progress;
        let of_release = target.release != [0; 32] && *image == target.image;
        let began = self.began_ms.zip(time.uptime_ms).filter(|_| last != T::InstallStarted);
        let result = UpdateResult {
            phase: phase(last),
            error: detail.error,
            attempts: (*attempts > 1).then_some(*attempts),
            duration_ms: began.map(|(began, now)| now.saturating_sub(began)),
            power: detail.power,
            test: None,
        };
        let brief = Brief {
            device: &self.identity.device,
            image: &image.sha256,
            version: VersionCode(image.version),
            counter: SecurityCounter(image.counter),
            outcome: outcome(last),
            seq: Seq(seq),
            prev: &prev,
            steps,
            time: &time,
            release: of_release.then_some(&target.release),
            initiator: self.initiator.as_ref(),
            reason: self.reason.as_ref(),
            result: Some(&result),
            checkpoint: self.checkpoint.as_ref(),
            dropped: untold.then_some((dropped.count, &dropped.root)),
            commitments: self.commitments.as_ref(),
            lost_from: self.journal.lost_from(),
        };
        let Identity { issuer, subject, .. } = self.identity;
        match signs {
            Signs::Really => brief.seal(issuer, subject, &self.signer, buffer),
            Signs::Nothing => {
                brief.seal(issuer, subject, &Nobody(self.signer.public_key()), buffer)
            }
        }
    }

    /// The image a statement is about, by its last step.
    fn image_of(&self, last: T) -> &Image {
        let names_one = self.line.steps().last().is_some_and(|step| step.image.is_some());
        match last {
            _ if names_one => &self.refused,
            T::UnexpectedVersion | T::InstalledState => &self.progress.committed,
            _ => &self.progress.target.image,
        }
    }

    /// Counts what could not be said, as far as the journal still can, and goes on.
    pub(super) fn dropped(&mut self, why: Error) -> Logged {
        for step in self.line.steps() {
            let mut said = [0; 10];
            Put(&mut said).put(&step.kind.code().to_be_bytes()).u64(step.at_ms);
            // A journal that cannot even count must not stop the device.
            let _ = self.journal.drop_one(&sha256(&[&said]));
        }
        self.line.clear();
        Logged::Dropped(why)
    }

    /// Makes the count of refusals durable.
    pub(super) fn remember(&mut self) -> Logged {
        let Some(note) = self.progress.encode() else {
            return Logged::Dropped(Error::Bug);
        };
        match self.journal.remember(&note, Class::Routine) {
            Ok(()) => Logged::Recorded,
            Err(_) => Logged::Waiting,
        }
    }
}

fn outcome(last: T) -> Outcome {
    match last {
        _ if last.is_refusal() => Outcome::Refused,
        T::Committed => Outcome::Succeeded,
        T::DownloadFailed | T::VerificationFailed | T::InstallFailed => Outcome::Failed,
        T::RolledBack => Outcome::RolledBack,
        T::RollbackFailed => Outcome::RollbackFailed,
        T::UpdateDeferred => Outcome::Deferred,
        T::UnexpectedVersion => Outcome::Unexpected,
        T::InstalledState => Outcome::State,
        _ if last.is_operational() => Outcome::State,
        _ => Outcome::InProgress,
    }
}

pub(super) fn phase(last: T) -> Phase {
    match last {
        T::DownloadStarted | T::Downloaded | T::DownloadFailed => Phase::Download,
        T::SignatureVerified | T::VerificationFailed => Phase::Verify,
        _ if last.is_refusal() => Phase::Verify,
        T::InstallStarted | T::Installed | T::InstallFailed => Phase::Install,
        T::Reboot => Phase::Activate,
        T::BootOk | T::BootFailed | T::UnexpectedVersion => Phase::Boot,
        T::Committed => Phase::Commit,
        T::RollbackStarted | T::RolledBack | T::RollbackFailed => Phase::Rollback,
        _ => Phase::Idle,
    }
}
