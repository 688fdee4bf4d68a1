//! A start of the device: what runs, against what was said before power went.
//!
//! ```text
//! last step         the new image runs            the committed one runs
//! install_started   installed, reboot, boot_ok    install_failed: install again
//! installed         reboot, boot_ok               reboot, boot_failed, rolled back
//! reboot            boot_ok                       boot_failed, rolled back
//! boot_ok           decide                        rolled back
//! rollback_started  roll back again               rolled_back
//! offered           unexpected_version            update_deferred
//! nothing           unexpected_version            nothing to say
//! ```
//!
//! Any other image is an `unexpected_version`.

use super::words::Words;
use super::{Clock, Detail, Identity, Image, Line, LogBeforeInstall, Progress, Target, Updater};
use crate::Flash;
use crate::journal::{ENTRY_MAX, Error, Journal, Report};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType as T;
use firmlog_statement::{PowerState, Signer, Step, Update};

/// What the updater does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Nothing is under way.
    Idle,
    /// The image was not written whole: write it again, or let it be.
    InstallAgain,
    /// The new image runs on trial: commit it or roll it back.
    Decide,
    /// The way back was cut short: take it again.
    RollBackAgain,
}

/// What a start found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// Where to go on.
    pub resume: Resume,
    /// What was wrong with the journal.
    pub report: Report,
}

impl<'a, F: Flash, S: Signer, C: Clock, const PAGE: usize, const WORD: usize>
    Updater<'a, F, S, C, PAGE, WORD>
{
    /// An updater that takes nothing before [`start`](Self::start) or [`attach`](Self::attach).
    pub fn new(
        flash: F,
        signer: S,
        clock: C,
        identity: Identity<'a>,
        policy: LogBeforeInstall,
    ) -> Self {
        Self {
            journal: Journal::unopened(flash),
            signer,
            clock,
            identity,
            policy,
            started: false,
            progress: Progress::NONE,
            line: Line::empty(),
            refused: Image::NONE,
            said_last: None,
            began_ms: None,
            alone: 0,
            up_ms: 0,
            asked_ms: None,
            filled_ms: None,
            checkpoint: None,
            initiator: None,
            reason: None,
            commitments: None,
            earlier_key: None,
        }
    }

    /// Starts from the journal and the image that runs, measured by the boot chain. Whatever the
    /// start shows is said before it returns, as far as the journal can.
    ///
    /// A journal that was never used begins with `running` as the committed image.
    ///
    /// # Errors
    /// As [`Journal::open`]; [`Error::OtherFormat`] too where another version of this library wrote
    /// the note, [`Error::OtherKey`] where a key signed the newest statement that is neither this
    /// one nor [the one before](Self::follows_key), and [`Error::TooLong`] where with these names
    /// not every statement fits: nothing is said then. The device starts all the same: without a
    /// journal nothing is installed where logging is required.
    pub fn start(&mut self, running: Image) -> Result<Started, Error> {
        let report = self.journal.reopen()?;
        let is_new = !self.take_note()?;
        if is_new {
            self.progress = Progress::idle(running);
        }
        self.started = true;
        if is_new {
            self.take(T::LoggerStarted, None);
        }
        if self.journal.next().is_none() {
            // Nothing can be said, and the note may be older than what runs: `resume` compares.
            return Ok(Started { resume: Resume::Idle, report });
        }
        let lost = self.journal.untold_lost();
        if lost > 0 {
            self.take(T::LogGap, Some(lost));
        }
        let resume = self.compare(running);
        self.flush_if(true, Detail { error: None, power: None });
        Ok(Started { resume, report })
    }

    /// Goes on from the journal within the same boot, after the process that kept it has ended.
    /// What it had not said is lost; where the update stands is not, and nothing new runs.
    ///
    /// # Errors
    /// As [`Journal::open`]; [`Error::Unformatted`] too where no start was ever recorded.
    pub fn attach(&mut self) -> Result<Report, Error> {
        let report = self.journal.reopen()?;
        self.started = self.take_note()?;
        if self.started { Ok(report) } else { Err(Error::Unformatted) }
    }

    /// Goes on from the log's head, where damage hides the end of the journal's chain, and says so.
    /// `last` is the statement at that head, if there is one: it may know more than the journal of
    /// what the device runs. `running` is what does, where a start could not compare it.
    ///
    /// Nothing is durable before the statement is. The caller has verified that the log has the
    /// head, and that it is this device's.
    ///
    /// # Errors
    /// [`Error::NotNext`] as [`Journal::resume`]. After any error the end is hidden as before.
    pub fn resume(
        &mut self,
        head: &ChainHead,
        last: Option<&Update>,
        running: Option<Image>,
    ) -> Result<Resume, Error> {
        self.journal.resume(head)?;
        let before = self.progress;
        let told = last.and_then(runs);
        let mut noted = Progress::NONE;
        let unknown = told.is_none() && noted.read(self.journal.note()).is_none();
        if let Some(running) = running {
            self.settle_what_runs(running, told, unknown);
        }
        let at_ms = self.line.steps().first().map(|step| step.at_ms);
        let at_ms = at_ms.or(self.clock.now().uptime_ms).unwrap_or_default();
        let lost = self.journal.untold_lost();
        let (kind, code) = (T::LogGap, (lost > 0).then_some(lost));
        self.line.push_front(Step { kind, at_ms, code, count: None, image: None });
        if let Err(error) = self.say(Detail::default()) {
            self.line.retain(|step| !matches!(step.kind, T::LogGap | T::UnexpectedVersion));
            self.progress = before;
            self.journal.reopen()?;
            return Err(error);
        }
        let compared = running.filter(|_| told.is_none() && !unknown);
        let resume = compared.map_or(Resume::Idle, |running| self.compare(running));
        self.flush_if(true, Detail::default());
        Ok(resume)
    }

    /// The log's newer word on what runs counts, and what nobody told of is said with the gap.
    fn settle_what_runs(&mut self, running: Image, told: Option<[u8; 32]>, unknown: bool) {
        let Progress { attempts, repeats, last, .. } = self.progress;
        let idle = Progress { attempts, repeats, ..Progress::idle(running) };
        if told == Some(running.sha256) {
            self.progress = idle;
        } else if told.is_some() || unknown {
            self.progress = Progress { last, ..idle };
            self.take(T::UnexpectedVersion, None);
        }
    }

    /// Takes up where the journal's note says the update stands, as far as the device's own words
    /// bear it out; false if there is none. One that another version wrote is not taken for none:
    /// who cannot read it knows nothing of the device.
    fn take_note(&mut self) -> Result<bool, Error> {
        let note = self.journal.note();
        let is_there = !note.as_bytes().is_empty();
        if is_there && self.progress.read(note).is_none() {
            self.progress = Progress::NONE;
            return Err(Error::OtherFormat);
        }
        self.check_names()?;
        if is_there {
            self.progress.settle();
            self.said_last = self.progress.last;
            self.hear_own_words()?;
        }
        Ok(is_there)
    }

    /// Puts the device's signed word on what runs above the note's.
    #[inline(never)]
    fn hear_own_words(&mut self) -> Result<(), Error> {
        let (mut words, mut buffer) = (Words::default(), [0; ENTRY_MAX]);
        let device = &self.identity.device;
        self.journal.each_statement(&mut buffer, &mut |seq, hash, entry| {
            words.take(device, seq, hash, entry);
        })?;
        let is_rotated = self.compares_key(words.key)?;
        let idle = !self.progress.is_under_way();
        let Progress { last, committed, target, .. } = &mut self.progress;
        *committed = words.runs.unwrap_or(*committed);
        // Where the device can read its words from before an update began, nothing is on trial but
        // what they say, and no step of an install was taken.
        let is_told = words.runs.is_some() || words.trial.is_some();
        let installs = matches!(
            last,
            Some(T::InstallStarted | T::Installed | T::RollbackStarted | T::RollbackFailed)
        );
        let boots = matches!(last, Some(T::Reboot | T::BootOk | T::BootFailed));
        let image = match words.trial {
            Some((image, said)) => {
                *last = Some(said);
                image
            }
            None if is_told && (installs || boots || words.named != Some(target.image)) => {
                *committed
            }
            None if idle => *committed,
            None => target.image,
        };
        if is_told && words.trial.is_none() && installs {
            *last = None;
        }
        if image != target.image {
            *target = Target { image, release: [0; 32] };
        }
        if words.broken {
            self.take(T::TamperDetected, None);
        }
        if is_rotated {
            self.take(T::KeyRotated, None);
        }
        Ok(())
    }

    /// Whether the newest statement is signed by the key before this one.
    fn compares_key(&self, newest: Option<[u8; 32]>) -> Result<bool, Error> {
        let own = self.signer.public_key().thumbprint().0;
        match newest.filter(|key| *key != own) {
            None => Ok(false),
            other if other == self.earlier_key => Ok(true),
            Some(_) => Err(Error::OtherKey),
        }
    }

    fn compare(&mut self, running: Image) -> Resume {
        let Progress { last, committed, target, .. } = self.progress;
        let same = !self.progress.is_under_way();
        let on_trial = !same && running == target.image;
        match last {
            Some(T::InstallStarted) if on_trial => {
                self.take_all(&[T::Installed, T::Reboot, T::BootOk], Resume::Decide)
            }
            Some(T::Installed) if on_trial => {
                self.take_all(&[T::Reboot, T::BootOk], Resume::Decide)
            }
            Some(T::Reboot | T::BootFailed) if on_trial => {
                self.take_all(&[T::BootOk], Resume::Decide)
            }
            Some(T::BootOk) if on_trial => Resume::Decide,
            Some(T::RollbackStarted | T::RollbackFailed) if on_trial => Resume::RollBackAgain,
            _ if running != committed => self.unexpected(running),
            // The committed image was installed again, and runs.
            Some(T::Installed) if same => self.stays(&[T::Reboot, T::BootOk, T::Committed]),
            Some(T::Reboot) if same => self.stays(&[T::BootOk, T::Committed]),
            Some(T::BootOk) if same => self.stays(&[T::Committed]),
            Some(T::InstallStarted) => {
                let lost = Detail { error: None, power: Some(PowerState::Lost) };
                self.take(T::InstallFailed, None);
                self.flush_if(true, lost);
                Resume::InstallAgain
            }
            Some(T::Installed) => {
                self.back(&[T::Reboot, T::BootFailed, T::RollbackStarted, T::RolledBack])
            }
            Some(T::Reboot) => self.back(&[T::BootFailed, T::RollbackStarted, T::RolledBack]),
            Some(T::BootOk | T::BootFailed) => self.back(&[T::RollbackStarted, T::RolledBack]),
            Some(T::RollbackStarted) => self.back(&[T::RolledBack]),
            Some(T::RollbackFailed) => self.back(&[T::RollbackStarted, T::RolledBack]),
            // What was fetched may be gone: it is offered again, or another one is.
            Some(T::DownloadStarted | T::Downloaded | T::SignatureVerified) => {
                self.stays(&[T::UpdateDeferred])
            }
            _ => Resume::Idle,
        }
    }

    /// What runs was committed before, and stays.
    fn stays(&mut self, events: &[T]) -> Resume {
        self.take_all(events, Resume::Idle);
        self.flush_if(true, Detail::default());
        Resume::Idle
    }

    fn take_all(&mut self, events: &[T], resume: Resume) -> Resume {
        events.iter().for_each(|event| self.take(*event, None));
        resume
    }

    /// The boot chain went back by itself.
    fn back(&mut self, events: &[T]) -> Resume {
        self.take_all(events, Resume::Idle);
        self.flush_if(true, Detail::default());
        self.progress.settle();
        Resume::Idle
    }

    /// Nobody said that this would run. From now on it is what runs.
    fn unexpected(&mut self, running: Image) -> Resume {
        let attempts = self.progress.attempts;
        let repeats = self.progress.repeats;
        let last = self.progress.last;
        self.progress = Progress { attempts, repeats, last, ..Progress::idle(running) };
        self.take(T::UnexpectedVersion, None);
        self.flush_if(true, Detail::default());
        Resume::Idle
    }
}

/// The image that a statement says is what runs.
fn runs(update: &Update) -> Option<[u8; 32]> {
    let last = update.events.iter().rev().map(|event| event.kind).find(|kind| *kind != T::LogWrap);
    match last {
        Some(T::Committed | T::InstalledState | T::UnexpectedVersion) => Some(update.image.0),
        _ => None,
    }
}
