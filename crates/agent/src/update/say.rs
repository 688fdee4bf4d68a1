//! From steps to a statement in the journal, and what happens when that fails.

use super::{Clock, Detail, Identity, Image, Logged, Progress, Updater};
use crate::Flash;
use crate::fields::Put;
use crate::journal::{Append, Class, Error};
use firmlog_statement::event::EventType as T;
use firmlog_statement::time::{DeviceTime, ZoneOffset};
use firmlog_statement::{
    Brief, ChainEntry, Outcome, Phase, PublicKey, SecurityCounter, Seq, SignError, Signer, Step,
    UpdateResult, VersionCode, sha256,
};

/// Room for a statement while it is signed.
const BUFFER: usize = crate::journal::ENTRY_MAX;

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

    /// How long the statement of one short step is, in bytes; [`BUFFER`] if there is none.
    #[inline(never)]
    pub(super) fn measure(&mut self) -> usize {
        let mut buffer = [0; BUFFER];
        let (kind, at_ms) = (T::Check, self.up_ms);
        self.line.push(Step { kind, at_ms, code: None, count: None, image: None });
        let entry = self.seal(&mut buffer, Detail::default(), false, Signs::Nothing);
        let len = entry.map_or(BUFFER, |entry| entry.bytes().len());
        self.line.pop();
        len
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
        let time = match signs {
            Signs::Really => self.clock.now(),
            Signs::Nothing => longest(self.clock.now()),
        };
        let steps = self.line.steps();
        let last = self.line.told().unwrap_or(T::LogWrap);
        let (seq, prev) = self.journal.next().unwrap_or_default();
        let image = self.image_of(last);
        let dropped = self.journal.dropped();
        let Progress { target, attempts, .. } = &self.progress;
        // What comes and goes is counted where it is asked whether more fits.
        let really = signs == Signs::Really;
        let of_release = really && target.release != [0; 32] && *image == target.image;
        let began = self.began_ms.zip(time.uptime_ms);
        let began = began.filter(|_| really && last != T::InstallStarted);
        let result = UpdateResult {
            phase: phase(last),
            error: detail.error,
            attempts: (really && *attempts > 1).then_some(*attempts),
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
            initiator: self.initiator.as_ref().filter(|_| really),
            reason: self.reason.as_ref().filter(|_| really),
            result: Some(&result),
            checkpoint: self.checkpoint.as_ref().filter(|_| really),
            dropped: untold.then_some((dropped.count, &dropped.root)),
            commitments: self.commitments.as_ref().filter(|_| really),
            lost_from: self.journal.lost_from().filter(|_| really),
        };
        let Identity { issuer, subject, .. } = self.identity;
        match signs {
            Signs::Really => brief.seal(issuer, subject, &self.signer, buffer),
            Signs::Nothing => {
                brief.seal(issuer, subject, &Nobody(self.signer.public_key()), buffer)
            }
        }
    }

    /// The image a statement is about, by the step that it tells: without one that moves an update,
    /// what runs.
    fn image_of(&self, last: T) -> &Image {
        let names_one = self.line.steps().last().is_some_and(|step| step.image.is_some());
        match last {
            _ if names_one => &self.refused,
            T::UnexpectedVersion => &self.progress.committed,
            T::InstalledState => self.progress.runs(),
            _ if last.is_operational() => self.progress.runs(),
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

/// The time as long as it may become: a clock that knows little now may be set later.
fn longest(now: DeviceTime) -> DeviceTime {
    const MOST: u64 = 1 << 45;
    DeviceTime {
        utc_ms: Some(MOST),
        zone_min: now.zone_min.or(Some(ZoneOffset::UTC)),
        uncertainty_ms: Some(u32::MAX),
        last_sync_ms: Some(MOST),
        uptime_ms: Some(MOST),
        ..now
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

fn phase(last: T) -> Phase {
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
