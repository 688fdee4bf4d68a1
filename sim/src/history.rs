//! Histories of a device, what its journal must hold after each step, and the check of it.
//!
//! ```text
//! install   check · download_started · downloaded · signature_verified · install_started · …
//! wrap      until the journal is full: dropped and counted · receipts · log_wrap
//! ```
//!
//! [`World::check`] is the promise of the journal in one place: whatever happened, it holds each
//! statement that was confirmed and not erased, erased only what a receipt covers, and is before or
//! after the step that was under way.

use crate::device::{Device, Said};
use crate::{Random, SimFlash};
use firmlog_agent::journal::{Append, Class, Covered, Error, Journal, Note, Report};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType as T;
use firmlog_statement::{ChainEntry, Outcome, Parsed, entry_hash};

/// Bytes of a page in these histories.
pub const PAGE: usize = 1024;
/// Bytes of a word.
pub const WORD: usize = 8;
/// Pages of the flash.
pub const PAGES: usize = 8;
/// The seed a device's chain begins with.
pub const SEED: [u8; 32] = [0x5e; 32];

/// The journal of these histories.
pub type SimJournal = Journal<SimFlash, PAGE, WORD>;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Say what happened.
    Say(T),
    /// Remember something without saying it.
    Remember,
    /// The log confirms all but the newest so many.
    Receipt(u64),
    /// Take another key.
    Rotate,
    /// Tell of what was dropped.
    Wrap,
}

/// The scripted histories.
#[must_use]
pub fn scripted() -> Vec<(&'static str, Vec<Step>)> {
    let say =
        |events: &[T]| -> Vec<Step> { events.iter().map(|event| Step::Say(*event)).collect() };
    let begin = [T::Check, T::DownloadStarted, T::Downloaded, T::SignatureVerified];
    let install = [&begin[..], &[T::InstallStarted, T::Installed, T::Reboot, T::BootOk]].concat();
    let failed = [T::InstallStarted, T::Installed, T::Reboot, T::BootFailed];
    let mut back = say(&[&begin[..], &failed].concat());
    back.push(Step::Receipt(2));
    back.extend(say(&[T::RollbackStarted, T::RolledBack]));
    let mut refusal = say(&[T::Check, T::RefusedBadSignature]);
    refusal.extend([Step::Remember; 4]);
    refusal.extend(say(&[T::RefusedBadSignature, T::RefusedDowngrade, T::TamperDetected]));
    let mut wrap = say(&[T::InstalledState; 11]);
    wrap.push(Step::Say(T::RefusedUnsigned));
    wrap.extend([Step::Receipt(5), Step::Wrap]);
    wrap.extend(say(&[T::InstalledState; 7]));
    wrap.push(Step::Receipt(0));
    wrap.extend(say(&[T::Check; 9]));
    let mut rotation = say(&[T::LoggerStarted, T::InstalledState]);
    rotation.extend([Step::Say(T::KeyRotated), Step::Rotate, Step::Receipt(1)]);
    rotation.extend(say(&[T::InstalledState, T::Check]));
    vec![
        ("install", [say(&install), vec![Step::Receipt(0), Step::Say(T::Committed)]].concat()),
        ("rollback", back),
        ("refusal", refusal),
        ("wrap", wrap),
        ("rotation", rotation),
    ]
}

/// A history that a seed decides.
#[must_use]
pub fn random(random: &mut Random, steps: usize) -> Vec<Step> {
    let kinds = [T::Check, T::InstalledState, T::InstallStarted, T::RefusedDowngrade, T::BootOk];
    let step = |random: &mut Random| match random.below(12) {
        0 => Step::Remember,
        1 | 2 => Step::Receipt(random.below(6)),
        3 if random.one_in(4) => Step::Rotate,
        4 => Step::Wrap,
        n => Step::Say(kinds[n as usize % kinds.len()]),
    };
    (0..steps).map(|_| step(random)).collect()
}

/// What the device did, and so what its journal must hold.
#[derive(Clone)]
pub struct World {
    /// The device.
    pub device: Device,
    /// Every statement, by seq.
    pub said: Vec<Vec<u8>>,
    /// What was last remembered.
    pub note: Note,
    /// Statements below this seq are in the log.
    pub covered: u64,
    /// Digests of what had no room.
    pub dropped: Vec<[u8; 32]>,
    steps: u64,
}

impl World {
    /// A device that has not spoken.
    #[must_use]
    pub fn new(number: u8) -> Self {
        let device = Device::new(number);
        let (said, dropped) = (Vec::new(), Vec::new());
        Self { device, said, note: Note::EMPTY, covered: 0, dropped, steps: 0 }
    }

    /// A journal for it.
    ///
    /// # Panics
    /// If blank flash cannot be formatted.
    #[must_use]
    pub fn format(&self, seed: u64) -> SimJournal {
        let flash = SimFlash::new(PAGES, PAGE, WORD, seed);
        SimJournal::format(flash, ChainHead::enrolled(SEED)).expect("blank flash")
    }

    /// Where the chain stands.
    #[must_use]
    pub fn place(&self) -> (u64, [u8; 32]) {
        let hash = self.said.last().map_or(SEED, |entry| entry_hash(entry));
        (self.said.len() as u64, hash)
    }

    /// Takes one step: the journal first, then this world, as far as the journal confirmed it.
    /// What had no room is dropped and counted.
    ///
    /// # Errors
    /// What the journal refused for another reason.
    pub fn play(&mut self, step: Step, journal: &mut SimJournal) -> Result<(), Error> {
        self.steps += 1;
        match step {
            Step::Say(event) => self.say(event, journal),
            Step::Wrap => self.say(T::LogWrap, journal),
            Step::Remember => {
                let note = self.next_note();
                match journal.remember(&note, Class::Routine) {
                    Ok(()) => self.note = note,
                    Err(Error::Full) => {}
                    Err(e) => return Err(e),
                }
                Ok(())
            }
            Step::Receipt(behind) => {
                let next = (self.said.len() as u64).saturating_sub(behind).max(self.covered);
                journal.cover(Covered { next, size: next + 100, root: [1; 32] })?;
                self.covered = next;
                Ok(())
            }
            Step::Rotate => {
                self.device.rotate(0x80 | self.steps.to_be_bytes()[7]);
                Ok(())
            }
        }
    }

    /// This world after a step for which there was no room.
    #[must_use]
    pub fn dropping(&self, step: Step, journal: &SimJournal) -> Self {
        let mut after = self.clone();
        after.steps += 1;
        let event = match step {
            Step::Say(event) => event,
            Step::Wrap => T::LogWrap,
            _ => return after,
        };
        let entry = after.statement(event, journal);
        after.dropped.push(entry_hash(&entry));
        after
    }

    fn next_note(&self) -> Note {
        Note::new(&self.steps.to_be_bytes()).expect("a short note")
    }

    /// The statement of a step, whether or not it gets into the journal.
    fn statement(&self, event: T, journal: &SimJournal) -> Vec<u8> {
        let outcome = match event {
            _ if event.is_refusal() => Outcome::Refused,
            T::InstalledState => Outcome::State,
            T::BootOk | T::Committed => Outcome::Succeeded,
            _ => Outcome::InProgress,
        };
        let dropped = (event == T::LogWrap).then(|| {
            let dropped = journal.dropped();
            (dropped.count, dropped.root)
        });
        let image = if event == T::Check { [0; 32] } else { [7; 32] };
        let uptime_ms = self.steps;
        self.device
            .say(self.place(), &Said { event, outcome, image, version: 3, uptime_ms, dropped })
    }

    fn say(&mut self, event: T, journal: &mut SimJournal) -> Result<(), Error> {
        let entry = self.statement(event, journal);
        let note = self.next_note();
        let class = match event {
            T::LogWrap => Class::Urgent,
            _ => Class::of([event].into_iter()),
        };
        let tells_of_dropped = event == T::LogWrap;
        let said = ChainEntry::parse(&entry).map_err(Error::NotAnUpdate)?;
        match journal.append(&Append {
            entry: said,
            note: &note,
            class,
            tells_of_dropped,
            tells_of_lost: event == T::LogGap,
        }) {
            Ok(()) => {
                self.said.push(entry);
                self.note = note;
                Ok(())
            }
            Err(Error::Full) => {
                let digest = entry_hash(&entry);
                journal.drop_one(&digest)?;
                self.dropped.push(digest);
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    /// Checks a journal that was opened after `step` was cut, and takes over what it decided:
    /// before or after.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_cut(
        &mut self,
        after: &Self,
        journal: &mut SimJournal,
        report: &Report,
    ) -> Result<(), String> {
        if report.losses() > 0 {
            return Err(format!("a cut was taken for damage: {report:?}"));
        }
        let before = self.check(journal);
        if before.is_ok() {
            self.steps = after.steps;
            return Ok(());
        }
        // A step without room is two writes at most, of which the second alone changes anything.
        match after.clone().check(journal) {
            Ok(()) => {
                *self = after.clone();
                Ok(())
            }
            Err(e) => Err(format!("before: {before:?}; after: {e}")),
        }
    }

    /// Checks that the journal holds exactly what it must.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, journal: &mut SimJournal) -> Result<(), String> {
        if journal.next() != Some(self.place()) {
            let next = journal.next().map(|(seq, _)| seq);
            return Err(format!("next is {next:?}, not {}", self.said.len()));
        }
        if journal.note() != &self.note {
            return Err(format!("remembers {:?}, not {:?}", journal.note(), self.note));
        }
        if journal.covered().next != self.covered {
            return Err(format!("covered {}, not {}", journal.covered().next, self.covered));
        }
        if journal.dropped().count as usize != self.dropped.len() {
            return Err(format!("{} dropped, not {}", journal.dropped().count, self.dropped.len()));
        }
        let oldest = journal.oldest().map_err(|e| e.to_string())?;
        if oldest > self.covered {
            return Err(format!("{oldest} is the oldest, but only {} are covered", self.covered));
        }
        self.check_statements(journal, oldest)
    }

    /// From the oldest on every statement is there, byte by byte, and names the one before.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_statements(&self, journal: &mut SimJournal, oldest: u64) -> Result<(), String> {
        let mut buffer = [0; 1024];
        let mut prev = None;
        for (seq, said) in self.said.iter().enumerate().skip(oldest as usize) {
            let len = journal.statement(seq as u64, &mut buffer).map_err(|e| e.to_string())?;
            let entry = len.map(|len| &buffer[..len]);
            if entry != Some(said.as_slice()) {
                return Err(format!("statement {seq} is not there or altered"));
            }
            let front = Parsed::parse(said).ok().and_then(|parsed| parsed.update_head());
            let front = front.ok_or("not an update")?;
            if prev.is_some_and(|prev| prev != front.prev) {
                return Err(format!("statement {seq} does not name the one before"));
            }
            prev = Some(entry_hash(said));
        }
        Ok(())
    }
}
