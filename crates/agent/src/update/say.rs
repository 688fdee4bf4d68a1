//! From steps to a statement in the journal, and what happens when that fails.

use super::{Clock, Detail, Logged, Pending, Updater};
use crate::Flash;
use crate::journal::{Append, Class, Error};
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::event::EventType as T;
use firmlog_statement::time::DeviceTime;
use firmlog_statement::{
    Digest, Event, Events, Extra, List, Outcome, Phase, SecurityCounter, Seq, Signer,
    StatementError, Unit, Update, UpdateResult, VersionCode, entry_hash, seal,
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
        let update = self.update(detail, untold).map_err(Error::NotAnUpdate)?;
        let names = &self.identity;
        let len = seal(&update, names.issuer, names.subject, &self.signer, buffer)
            .map_err(Error::Signer)?;
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

    fn update(&mut self, detail: Detail, untold: bool) -> Result<Update, StatementError> {
        let time = self.clock.now();
        let events = self.events(&time, untold)?;
        let last = events.iter().rev().map(|event| event.kind).find(|kind| *kind != T::LogWrap);
        let last = last.unwrap_or(T::LogWrap);
        let (seq, prev) = self.journal.next().unwrap_or_default();
        let image = self.image_of(last);
        let dropped = self.journal.dropped();
        let unit = untold.then_some(Unit {
            manufacturer: None,
            model: None,
            hw_rev: None,
            udi_di: None,
            journal: None,
            dropped: Some(dropped.count),
            dropped_root: Some(Digest(dropped.root)),
        });
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
        Ok(Update {
            device: self.identity.device,
            image: Digest(image.sha256),
            version: VersionCode(image.version),
            counter: SecurityCounter(image.counter),
            outcome: outcome(last),
            seq: Seq(seq),
            prev: Digest(prev),
            events,
            time,
            from: None,
            to: None,
            release: (release != [0; 32]).then_some(Digest(release)),
            authorisation: None,
            initiator: self.initiator.clone(),
            reason: self.reason.clone(),
            transport: None,
            result: Some(result),
            boot: None,
            checkpoint: self.checkpoint.clone(),
            unit,
            commitments: Commitments::default(),
            extra: Extra::default(),
        })
    }

    fn events(&self, time: &DeviceTime, untold: bool) -> Result<Events, StatementError> {
        let now_ms = time.uptime_ms.unwrap_or_default();
        let mut list = List::<Event, 16>::new();
        let about = self.waiting().last().and_then(|pending| pending.image);
        let about = about.map(|image| image.sha256);
        for pending in self.waiting() {
            let own = pending.image.map(|image| image.sha256);
            list.push(Event {
                kind: pending.kind,
                ago_ms: now_ms.saturating_sub(pending.at_ms),
                code: pending.code,
                count: pending.count,
                // What the whole statement is about is not said twice.
                image: own.filter(|own| Some(*own) != about).map(Digest),
            })?;
        }
        if untold {
            list.push(Event::new(T::LogWrap, 0))?;
        }
        Events::new(&list)
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
            let [high, low] = pending.kind.code().to_be_bytes();
            let mut said = [0; 10];
            let parts = [high, low].into_iter().chain(pending.at_ms.to_be_bytes());
            said.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
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
