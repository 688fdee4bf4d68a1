//! The device as one process holds it: journal, update state machine and key, under a lock.
//!
//! Invariants:
//! - One process at a time: `lock` in the agent's folder is held as long as a [`Unit`] lives.
//! - A start of the device is told from a start of the agent by the kernel's boot id.
//! - What is acknowledged is durable, and counted where a TPM counts.

use std::fs::File;
use std::time::{Duration, Instant};

use firmlog_agent::journal::{Error as JournalError, Report};
use firmlog_agent::update::{Identity, Resume, Updater};
use firmlog_agent::{Flash, Journal};
use firmlog_keys::Key;
use firmlog_statement::event::EventType;
use firmlog_statement::{CheckpointSeen, Digest, Parsed};

use super::clock::{DaemonClock, boot_id};
use super::config::Config;
use super::counter::{Bound, Standing};
use super::flash::{FileFlash, PAGE, WORD};
use super::head::Found;
use super::private::Private;
use crate::error::{Error, Exit, Result};

/// The update state machine over the file.
pub(crate) type Device<'a> = Updater<'a, FileFlash, Key, DaemonClock, PAGE, WORD>;

/// How long a short command waits for another to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The folder's lock.
pub(crate) struct Held(#[expect(dead_code, reason = "held, not read")] File);

impl Held {
    /// Takes the lock if nobody has it.
    pub(crate) fn try_take(config: &Config) -> Result<Option<Self>> {
        let path = config.dir.join("lock");
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(|e| Error::io("open", &path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(e)) => Err(Error::io("lock", &path, e)),
        }
    }

    /// Takes it, waiting for `other` to do what is to be done instead, or for a short command.
    pub(crate) fn take_or<T>(
        config: &Config,
        mut other: impl FnMut() -> Result<Option<T>>,
    ) -> Result<std::result::Result<Self, T>> {
        let start = Instant::now();
        loop {
            if let Some(done) = other()? {
                return Ok(Err(done));
            }
            if let Some(held) = Self::try_take(config)? {
                return Ok(Ok(held));
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::new("E-AGENT-BUSY", "another process holds the journal")
                    .help("it neither answers nor ends; see: fuser -v DIR/lock"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A device that is held.
pub(crate) struct Unit<'a> {
    pub(crate) device: Device<'a>,
    pub(crate) opened: Opened,
    pub(crate) private: Private,
    clock: DaemonClock,
    counter: Option<Bound>,
    config: &'a Config,
    after_rollback: bool,
    _held: Held,
}

/// What was found when it was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    pub(crate) report: Report,
    /// Where an update goes on; none within the same boot.
    pub(crate) resume: Option<Resume>,
    pub(crate) standing: Option<Standing>,
}

impl<'a> Unit<'a> {
    /// Opens it, after a start of the device or within the same boot.
    pub(crate) fn open(config: &'a Config, held: Held, after_rollback: bool) -> Result<Self> {
        let clock = DaemonClock::new(config.time.clone(), config.dir.join("time"))?;
        let flash = open_flash(config)?;
        let (counter, standing, flash) = match &config.counter {
            None => (None, None, flash),
            Some(name) => {
                let (newest, flash) = newest(flash, config)?;
                let next = clock.counter.clone();
                match newest {
                    None => (Some(Bound::waiting(name, next)?), None, flash),
                    Some(newest) => {
                        let (bound, standing) = Bound::open(name, newest, next, after_rollback)?;
                        (Some(bound), Some(standing), flash)
                    }
                }
            }
        };
        let (device, report, resume) = start(config, flash, clock.clone())?;
        let opened = Opened { report, resume, standing };
        let private = Private::of(config);
        let mut unit =
            Self { device, opened, private, clock, counter, config, after_rollback, _held: held };
        if matches!(standing, Some(Standing::RolledBack | Standing::OtherCounter)) {
            unit.tampered();
        }
        unit.settle()?;
        unit.private.settle(&mut unit.device)?;
        // While the end is hidden nothing was compared.
        if !unit.is_end_hidden() {
            note_boot(config)?;
        }
        Ok(unit)
    }

    fn tampered(&mut self) {
        let told = self.device.step(EventType::TamperDetected, Default::default());
        tracing::warn!(?told, "went on after a rollback of the journal");
    }

    /// Whether damage hides the end of the device's chain, so that nothing can be said.
    pub(crate) fn is_end_hidden(&mut self) -> bool {
        self.device.journal().next().is_none()
    }

    /// Goes on from the head that the log proved to have, and says what is lost. A process that is
    /// killed here finds the end hidden as before, or the gap told. Returns the journal's error
    /// where the gap could not be said: the end is hidden then, and the caller asks again later.
    pub(crate) fn resume(&mut self, found: &Found) -> Result<Option<JournalError>> {
        let Found { head, last, covered, seen, .. } = found;
        let config = self.config;
        let said = |e| journal_error(config, e);
        if covered.next > self.device.journal().covered().next {
            self.device.journal().cover(*covered).map_err(said)?;
        }
        if let Some(counter) = &mut self.counter {
            let newest = last.as_ref().map_or(config.counter_start, |last| last.time.counter);
            let standing = counter.found((newest, covered.next), self.after_rollback)?;
            self.opened.standing = Some(standing);
        }
        let checkpoint = CheckpointSeen { size: seen.size.0, root: Digest(seen.root.0) };
        self.device.saw_checkpoint(checkpoint);
        // Within a boot nothing new runs.
        let is_start = self.opened.resume.is_some();
        let running = is_start.then(|| config.running()).transpose()?;
        let resume = match self.device.resume(head, last.as_ref(), running) {
            Err(error @ (JournalError::Full | JournalError::SignerUnavailable)) => {
                self.counter.iter_mut().for_each(Bound::wait);
                return Ok(Some(error));
            }
            done => done.map_err(said)?,
        };
        if self.opened.standing == Some(Standing::OtherCounter) {
            self.tampered();
        }
        self.opened.resume = self.opened.resume.map(|_| resume);
        self.settle()?;
        note_boot(config).map(|()| None)
    }

    /// Asks for signed time, when that is due.
    pub(crate) fn refresh_time(&mut self) {
        if let Some((_, newest)) = self.device.journal().next() {
            self.clock.refresh(newest);
        }
    }

    /// Counts what was said: only then may it be acknowledged or sent.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let next = self.device.journal().next().map_or(0, |(next, _)| next);
        self.counter.as_mut().map_or(Ok(()), |counter| counter.settle(next))
    }
}

/// After a start of the device, what runs is compared; otherwise nothing new can run.
fn start<'a>(
    config: &'a Config,
    flash: FileFlash,
    clock: DaemonClock,
) -> Result<(Device<'a>, Report, Option<Resume>)> {
    let names =
        Identity { device: config.device()?, issuer: &config.issuer, subject: &config.subject };
    let (key, policy) = (config.open_key()?, config.log_before_install.into());
    let mut device = Device::new(flash, key, clock, names, policy);
    if !is_new_boot(config) {
        match device.attach() {
            // Nothing was ever said: this is a start after all.
            Err(JournalError::Unformatted) => {}
            attached => {
                let report = attached.map_err(|e| journal_error(config, e))?;
                return Ok((device, report, None));
            }
        }
    }
    let started = device.start(config.running()?).map_err(|e| journal_error(config, e))?;
    Ok((device, started.report, Some(started.resume)))
}

fn open_flash(config: &Config) -> Result<FileFlash> {
    let path = config.path(&config.journal);
    FileFlash::open(&path).map_err(|e| Error::io("open", &path, e))
}

/// The count that a newest statement carries, and the seq of the next.
type Newest = (Option<u64>, u64);

/// That of the journal; none while damage hides its end.
fn newest(flash: FileFlash, config: &Config) -> Result<(Option<Newest>, FileFlash)> {
    let said = |e| journal_error(config, e);
    let (mut journal, _) = Journal::<_, PAGE, WORD>::open(flash).map_err(said)?;
    let Some((next, _)) = journal.next() else { return Ok((None, journal.into_flash())) };
    let Some(seq) = next.checked_sub(1) else {
        return Ok((Some((config.counter_start, 0)), journal.into_flash()));
    };
    let count = counter_of(&mut journal, seq).map_err(said)?;
    Ok((Some((count, next)), journal.into_flash()))
}

fn counter_of<F: Flash>(
    journal: &mut Journal<F, PAGE, WORD>,
    seq: u64,
) -> std::result::Result<Option<u64>, JournalError> {
    let mut buffer = [0; firmlog_agent::journal::ENTRY_MAX];
    let Some(len) = journal.statement(seq, &mut buffer)? else { return Ok(None) };
    let update = Parsed::parse(&buffer[..len]).and_then(|parsed| parsed.update());
    Ok(update.ok().and_then(|update| update.time.counter))
}

/// What is wrong with a journal, for people.
pub(crate) fn journal_error(config: &Config, error: JournalError) -> Error {
    let path = config.path(&config.journal);
    let told = Error::new("E-JOURNAL", format!("{}: {error}", path.display()));
    match error {
        JournalError::HeadLost => told
            .exit(Exit::Against)
            .help("keep a copy of it; the log has what it confirmed, the rest may still be read"),
        JournalError::Unformatted | JournalError::FormatCut => {
            told.help("firmlog agent init makes a journal")
        }
        JournalError::OtherFormat | JournalError::OtherGeometry => told
            .exit(Exit::Against)
            .help("nothing was written; use the firmlog and the size that it was made with"),
        JournalError::TooLong => {
            told.help("issuer and subject are too long for each statement to fit")
        }
        _ => told,
    }
}

fn boot_note(config: &Config) -> std::path::PathBuf {
    config.dir.join("boot")
}

fn is_new_boot(config: &Config) -> bool {
    let noted = std::fs::read_to_string(boot_note(config)).ok();
    noted.is_none() || noted != boot_id()
}

/// From here on this boot is compared. Power cut before: it is compared again, which says nothing
/// twice.
fn note_boot(config: &Config) -> Result<()> {
    let path = boot_note(config);
    let id = boot_id().unwrap_or_default();
    if std::fs::read_to_string(&path).is_ok_and(|noted| noted == id) {
        return Ok(());
    }
    std::fs::write(&path, id).map_err(|e| Error::io("write", &path, e))
}
