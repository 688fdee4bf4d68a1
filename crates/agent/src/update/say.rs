//! From steps to a statement in the journal, and what happens when that fails.

use super::{Clock, Detail, Logged, Pending, Updater};
use crate::Flash;
use crate::fields::Put;
use crate::journal::{Append, Class, Error};
use firmlog_statement::event::EventType as T;
use firmlog_statement::time::DeviceTime;
use firmlog_statement::{
    Brief, Digest, Event, Outcome, Phase, SecurityCounter, Seq, SignError, Signer, StatementError,
    UpdateResult, VersionCode, entry_hash,
};

/// Room for a statement while it is signed.
const BUFFER: usize = crate::journal::ENTRY_MAX;

impl<F: Flash, S: Signer, C: Clock, const PAGE: usize, const WORD: usize>
    Updater<'_, F, S, C, PAGE, WORD>
{
    /// Says all that waits in one statement. On an error it waits still.
    pub(super) fn say(&mut self, detail: Detail) -> Result<(), Error> {
        self.line_up_counted();
        let untold = self.journal.untold() > 0;
        let (seq, _) = self.journal.next().ok_or(Error::ChainUnknown)?;
        let mut buffer = [0; BUFFER];
        match self.seal_and_append(&mut buffer, detail, untold) {
            Err(Error::Flash(_) | Error::NeedsOpening) => {
                self.journal.reopen()?;
                // The write may have got as far as it takes to count.
                if self.journal.next().is_none_or(|(next, _)| next == seq) {
                    self.seal_and_append(&mut buffer, detail, untold)?;
                }
            }
            done => done?,
        }
        self.pending = [None; super::WAITING];
        self.said_last = self.progress.last;
        Ok(())
    }

    fn seal_and_append(
        &mut self,
        buffer: &mut [u8; BUFFER],
        detail: Detail,
        untold: bool,
    ) -> Result<(), Error> {
        let len = self.seal(buffer, detail, untold)?;
        let entry = buffer.get(..len).ok_or(Error::Bug)?;
        let note = self.progress.encode().ok_or(Error::Bug)?;
        // What was dropped is told along with something: it may not use up the reserve by itself.
        let urgent = self.waiting().any(|pending| pending.kind.is_urgent());
        let class = if urgent { Class::Urgent } else { Class::Routine };
        self.journal.append(&Append { entry, note: &note, class, tells_of_dropped: untold })
    }

    fn waiting(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter().flatten()
    }

    /// Writes and signs a statement of what waits.
    #[inline(never)]
    fn seal(
        &mut self,
        buffer: &mut [u8; BUFFER],
        detail: Detail,
        untold: bool,
    ) -> Result<usize, SignError> {
        let time = self.clock.now();
        let mut events = [Event::new(T::LogWrap, 0); super::WAITING + 1];
        let events = self.events(&mut events, &time, untold)?;
        let last = events.iter().rev().map(|event| event.kind).find(|kind| *kind != T::LogWrap);
        let last = last.unwrap_or(T::LogWrap);
        let (seq, prev) = self.journal.next().unwrap_or_default();
        let image = self.image_of(last);
        let dropped = self.journal.dropped();
        let target = &self.progress.target;
        let release = if image == target.image { target.release } else { [0; 32] };
        let attempts = self.progress.attempts;
        let began = self.began_ms.zip(time.uptime_ms).filter(|_| last != T::InstallStarted);
        let result = UpdateResult {
            phase: phase(last),
            error: detail.error,
            attempts: (attempts > 1).then_some(attempts),
            duration_ms: began.map(|(began, now)| now.saturating_sub(began)),
            power: detail.power,
            test: None,
        };
        let brief = Brief {
            device: self.identity.device,
            image: Digest(image.sha256),
            version: VersionCode(image.version),
            counter: SecurityCounter(image.counter),
            outcome: outcome(last),
            seq: Seq(seq),
            prev: Digest(prev),
            events,
            time: &time,
            release: (release != [0; 32]).then_some(Digest(release)),
            initiator: self.initiator.as_ref(),
            reason: self.reason.as_ref(),
            result: Some(&result),
            checkpoint: self.checkpoint.as_ref(),
            dropped: untold.then_some((dropped.count, Digest(dropped.root))),
        };
        brief.seal(self.identity.issuer, self.identity.subject, &self.signer, buffer)
    }

    /// What waits, in order, and word of what was dropped behind it.
    fn events<'e>(
        &self,
        out: &'e mut [Event; super::WAITING + 1],
        time: &DeviceTime,
        untold: bool,
    ) -> Result<&'e [Event], StatementError> {
        let now_ms = time.uptime_ms.unwrap_or_default();
        let about = self.waiting().last().and_then(|pending| pending.image.as_ref());
        let about = about.map(|image| &image.sha256);
        let mut len = usize::from(untold);
        for (event, pending) in out.iter_mut().zip(self.waiting()) {
            len = len.saturating_add(1);
            let own = pending.image.as_ref().map(|image| &image.sha256);
            *event = Event {
                kind: pending.kind,
                ago_ms: now_ms.saturating_sub(pending.at_ms),
                code: pending.code,
                count: pending.count,
                // What the whole statement is about is not said twice.
                image: own.filter(|own| Some(*own) != about).copied().map(Digest),
            };
        }
        out.get(..len).ok_or(StatementError::Bug)
    }

    /// The image a statement is about, by its last event.
    fn image_of(&self, last: T) -> super::Image {
        let refused = self.waiting().last().and_then(|pending| pending.image);
        match (last, refused) {
            (_, Some(image)) => image,
            (T::UnexpectedVersion | T::InstalledState, _) => self.progress.committed,
            _ => self.progress.target.image,
        }
    }

    /// Counts what could not be said, as far as the journal still can, and goes on.
    pub(super) fn dropped(&mut self) -> Logged {
        for pending in self.pending.iter_mut().filter_map(Option::take) {
            let mut said = [0; 10];
            Put(&mut said).put(&pending.kind.code().to_be_bytes()).u64(pending.at_ms);
            // A journal that cannot even count must not stop the device.
            let _ = self.journal.drop_one(&entry_hash(&said));
        }
        Logged::Dropped
    }

    /// Makes the count of refusals durable.
    pub(super) fn remember(&mut self) -> Logged {
        let Some(note) = self.progress.encode() else { return Logged::Dropped };
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
