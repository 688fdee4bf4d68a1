//! Losing parts of the flash: pages, halves of pages, copies of the head, old content that comes
//! back; between power cuts and brown-outs.
//!
//! ```text
//! say · deliver · remember · cut · brown-out · lose ─▶ open ─▶ safe? ─▶ go on from the log ─▶ lives?
//! ```
//!
//! Safe: a statement that the log does not have is there, or its loss is told; no number is used
//! twice unless the log's head says so; where the head does not hold nothing is touched. Live: with
//! the log in reach and power on, the gap is told once and everything said from then on arrives.

use crate::device::{Device, Said};
use crate::history::{PAGE, PAGES, SEED, SimJournal, WORD};
use crate::{Random, SimFlash};
use firmlog_agent::journal::{Append, Class, Covered, Error, Journal, Note, Report};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType as T;
use firmlog_statement::{ChainEntry, Outcome, entry_hash};

/// What becomes of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it is blank.
    Blank,
    /// Its first half is blank.
    FirstHalf,
    /// Its second half is blank.
    SecondHalf,
    /// Bytes that mean nothing.
    Garbage,
    /// What it held some time ago.
    Stale,
}

/// Every kind of loss.
pub const LOSSES: [Loss; 5] =
    [Loss::Blank, Loss::FirstHalf, Loss::SecondHalf, Loss::Garbage, Loss::Stale];

/// Does it to a page of an image; `old` is the image of some time ago.
pub fn lose(image: &mut [u8], page: usize, loss: Loss, old: &[u8]) {
    let whole = page * PAGE..(page + 1) * PAGE;
    let middle = page * PAGE + PAGE / 2;
    match loss {
        Loss::Blank => image[whole].fill(0xff),
        Loss::FirstHalf => image[whole.start..middle].fill(0xff),
        Loss::SecondHalf => image[middle..whole.end].fill(0xff),
        Loss::Garbage => {
            for (at, byte) in image[whole].iter_mut().enumerate() {
                *byte = (at * 7 + at / 256 * 13 + 0xa5).to_le_bytes()[0];
            }
        }
        Loss::Stale => image[whole.clone()].copy_from_slice(&old[whole]),
    }
}

/// How a history ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It lived to its last step.
    Lived,
    /// The head was lost: nothing was touched.
    HeadLost,
    /// A statement is lost that the log does not have, in front of others that can be read.
    Hole,
}

/// A device, its flash, and the log that gets what it says.
#[derive(Clone)]
pub struct Life {
    device: Device,
    /// What was confirmed to the device, in order.
    said: Vec<(u64, Vec<u8>)>,
    /// What the log has.
    log: Vec<Vec<u8>>,
    /// Where the device's chain stands.
    place: (u64, [u8; 32]),
    /// Notes alone that were recorded.
    notes: u64,
    /// Statements whose numbers were given up with a gap.
    given_up: u64,
    clock: u64,
}

impl Life {
    /// A device that has not spoken.
    #[must_use]
    pub fn new() -> Self {
        let (said, log, place) = (Vec::new(), Vec::new(), (0, SEED));
        Self { device: Device::new(4), said, log, place, notes: 0, given_up: 0, clock: 0 }
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

    /// Says something; what has no room is counted.
    ///
    /// # Errors
    /// What the journal refused for another reason.
    pub fn say(&mut self, event: T, journal: &mut SimJournal) -> Result<bool, Error> {
        self.clock += 1;
        let (outcome, image) = (Outcome::State, [7; 32]);
        let said = Said { event, outcome, image, version: 3, uptime_ms: self.clock, dropped: None };
        let place = journal.next().ok_or(Error::ChainUnknown)?;
        let entry = self.device.say(place, &said);
        let note = Note::new(&self.clock.to_be_bytes()).ok_or(Error::Bug)?;
        let append = Append {
            entry: ChainEntry::parse(&entry).map_err(Error::NotAnUpdate)?,
            note: &note,
            class: Class::of([event].into_iter()),
            tells_of_dropped: false,
            tells_of_lost: event == T::LogGap,
        };
        match journal.append(&append) {
            Ok(()) => {
                self.place = (place.0 + 1, entry_hash(&entry));
                self.said.push((place.0, entry));
                Ok(true)
            }
            Err(Error::Full) => journal.drop_one(&entry_hash(&entry)).map(|()| false),
            Err(e) => Err(e),
        }
    }

    fn remember(&mut self, journal: &mut SimJournal) -> Result<(), Error> {
        let note = Note::new(&[9; 16]).ok_or(Error::Bug)?;
        match journal.remember(&note, Class::Routine) {
            Ok(()) => self.notes += 1,
            Err(Error::Full | Error::ChainUnknown) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Sends what the log has not, as far as it can be read, and notes the receipt.
    ///
    /// # Errors
    /// What the journal says.
    pub fn deliver(&mut self, journal: &mut SimJournal) -> Result<(), Error> {
        let mut buffer = [0; 1024];
        while let Some(len) = journal.statement(self.log.len() as u64, &mut buffer)? {
            let entry = &buffer[..len];
            let prev = self.log.last().map_or(SEED, |last| entry_hash(last));
            if *ChainEntry::parse(entry).map_err(Error::NotAnUpdate)?.prev() != prev {
                break;
            }
            self.log.push(entry.to_vec());
        }
        let next = self.log.len() as u64;
        if next > journal.covered().next {
            journal.cover(Covered { next, size: next + 100, root: [1; 32] })?;
        }
        Ok(())
    }

    fn head(&self) -> ChainHead {
        let hash = self.log.last().map_or(SEED, |last| entry_hash(last));
        ChainHead { seq: (self.log.len() as u64).checked_sub(1), hash }
    }

    /// Statements that were confirmed and cannot be read: those the log does not have, and all.
    fn missing(&self, journal: &mut SimJournal) -> Result<(u64, u64), Error> {
        let mut buffer = [0; 1024];
        let (mut missing, mut all) = (0, 0);
        for (seq, entry) in &self.said {
            let found = journal.statement(*seq, &mut buffer)?;
            let is_there = found.is_some_and(|len| buffer[..len] == *entry);
            let is_sent = self.log.get(*seq as usize) == Some(entry);
            all += u64::from(!is_there);
            missing += u64::from(!is_there && !is_sent);
        }
        Ok((missing, all))
    }

    /// What must hold after an opening, whatever was lost before.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self, journal: &mut SimJournal, report: &Report) -> Result<(), String> {
        let (missing, all) = self.missing(journal).map_err(|e| e.to_string())?;
        let most = all + self.given_up + self.notes;
        if !(missing..=most).contains(&report.losses().into()) {
            return Err(format!("{missing} to {most} are lost: {report:?}"));
        }
        match journal.next() {
            Some(place) if place != self.place => {
                Err(format!("goes on at {}, not at {}: {report:?}", place.0, self.place.0))
            }
            None if report.is_clean() => Err("hidden though nothing was found".to_owned()),
            _ => Ok(()),
        }
    }

    /// With the log in reach and power on: the gap is told, once, and what is said arrives.
    ///
    /// # Errors
    /// What does not.
    pub fn live_on(&mut self, journal: &mut SimJournal) -> Result<End, String> {
        let told = |what: &str, e: Error| format!("{what}: {e}");
        self.deliver(journal).map_err(|e| told("deliver", e))?;
        if journal.next().is_none() {
            if journal.readable().0 > self.log.len() as u64 {
                return Ok(End::Hole);
            }
            journal.resume(&self.head()).map_err(|e| told("resume", e))?;
            // What was never sent is gone, and its numbers are free again.
            let before = self.said.len();
            self.said.retain(|(seq, _)| *seq < self.log.len() as u64);
            self.given_up += (before - self.said.len()) as u64;
        } else if journal.next().is_some_and(|(next, _)| next > self.log.len() as u64) {
            return Ok(End::Hole);
        }
        if journal.untold_lost() > 0 || journal.lost_from().is_some() {
            let is_told = self.say(T::LogGap, journal).map_err(|e| told("gap", e))?;
            if !is_told || journal.untold_lost() > 0 {
                return Err(format!("the gap has no room, or {} untold", journal.untold_lost()));
            }
        }
        for n in 0..2 {
            self.deliver(journal).map_err(|e| told("deliver", e))?;
            let is_said = self.say(T::InstallStarted, journal).map_err(|e| told("install", e))?;
            if !is_said {
                return Err(format!("no room for install {n} though the log has everything"));
            }
        }
        self.deliver(journal).map_err(|e| told("deliver", e))?;
        if self.log.len() as u64 != self.place.0 {
            return Err(format!("{} of {} arrived", self.log.len(), self.place.0));
        }
        Ok(End::Lived)
    }
}

impl Default for Life {
    fn default() -> Self {
        Self::new()
    }
}

fn open(flash: SimFlash) -> Result<(SimJournal, Report), String> {
    SimJournal::open(flash).map_err(|e| e.to_string())
}

/// A history that a seed decides.
///
/// # Errors
/// What was lost and not told, or what does not go on.
pub fn history(seed: u64, steps: usize) -> Result<End, String> {
    let mut random = Random::new(seed);
    let mut life = Life::new();
    let mut journal = life.format(seed);
    let mut old = journal.flash().image().to_vec();
    for _ in 0..steps {
        if random.one_in(9) {
            old = journal.flash().image().to_vec();
        }
        let step = random.below(14);
        let told = |e: Error| format!("step {step}: {e}");
        match step {
            0..=4 => life.say(T::InstalledState, &mut journal).map(|_| ()).map_err(told)?,
            5 => life.say(T::RefusedDowngrade, &mut journal).map(|_| ()).map_err(told)?,
            6 | 7 => life.deliver(&mut journal).map_err(told)?,
            8 => life.remember(&mut journal).map_err(told)?,
            9 | 10 => journal = cut(&mut life, journal, &mut random, 1)?,
            11 => {
                let times = 4 + random.below(7);
                journal = cut(&mut life, journal, &mut random, times)?;
            }
            12 => journal = refuse_others(journal)?,
            _ => {
                let mut image = journal.flash().image().to_vec();
                // Both copies of the head, or pages of records and one copy at most: what is lost
                // in all places at once is an older image put back, which only the log can tell.
                let heads = random.one_in(6);
                for n in 0..=random.below(2) {
                    let page = match (heads, n) {
                        (true, _) => random.below(2),
                        (false, 0) => random.below(PAGES as u64),
                        (false, _) => 2 + random.below(PAGES as u64 - 2),
                    };
                    let loss = LOSSES[random.below(LOSSES.len() as u64) as usize];
                    lose(&mut image, page as usize, loss, &old);
                }
                let mut flash = SimFlash::from_image(image.clone(), PAGE, WORD, seed);
                let opened = Journal::<_, PAGE, WORD>::open(&mut flash).map(|_| ());
                let (opened, report) = match opened {
                    Ok(()) => open(SimFlash::from_image(image, PAGE, WORD, seed))?,
                    Err(Error::HeadLost | Error::Unformatted) if flash.tally.bytes == 0 => {
                        return Ok(End::HeadLost);
                    }
                    Err(e) => return Err(format!("after a loss: {e}, {:?}", flash.tally)),
                };
                journal = opened;
                life.check(&mut journal, &report)?;
                match life.live_on(&mut journal).map_err(|e| format!("{e}; {report:?}"))? {
                    End::Lived => {}
                    end => return Ok(end),
                }
                old = journal.flash().image().to_vec();
            }
        }
    }
    let (mut journal, report) = open(journal.into_flash())?;
    life.check(&mut journal, &report)?;
    life.live_on(&mut journal)
}

/// Power goes in the middle of saying something, so many times in a row.
fn cut(
    life: &mut Life,
    journal: SimJournal,
    random: &mut Random,
    times: u64,
) -> Result<SimJournal, String> {
    let mut flash = journal.into_flash();
    for _ in 0..times {
        flash.faults.cut_after = Some(random.below(900));
        let mut after = life.clone();
        flash = match SimJournal::open(flash.clone()) {
            Ok((mut journal, _)) => {
                let done = after.say(T::LoggerStarted, &mut journal);
                let is_said = done == Ok(true);
                let mut flash = journal.into_flash();
                flash.power_up();
                let (mut journal, report) = open(flash)?;
                if !is_said && life.check(&mut journal, &report).is_ok() {
                    after = life.clone();
                } else {
                    // What was not confirmed may count all the same.
                    if !is_said && let Some((seq, hash)) = journal.next() {
                        let mut buffer = [0; 1024];
                        let newest = journal.statement(seq - 1, &mut buffer);
                        let len = newest.map_err(|e| e.to_string())?.ok_or("not there")?;
                        after.said.push((seq - 1, buffer[..len].to_vec()));
                        after.place = (seq, hash);
                    }
                    after.check(&mut journal, &report)?;
                }
                journal.into_flash()
            }
            // Power went while it opened; what it did then, only the flash knows.
            Err(_) => {
                let _ = Journal::<_, PAGE, WORD>::open(&mut flash);
                flash.power_up();
                flash
            }
        };
        *life = after;
    }
    Ok(open(flash)?.0)
}

/// Another build with other pages: told, and nothing is touched.
fn refuse_others(journal: SimJournal) -> Result<SimJournal, String> {
    let mut flash = journal.into_flash();
    let image = flash.image().to_vec();
    let other = Journal::<_, { PAGE * 2 }, WORD>::open(&mut flash).err();
    let word = Journal::<_, PAGE, { WORD * 2 }>::open(&mut flash).err();
    let longer = [&image[..], &[0xff; PAGE]].concat();
    let mut longer = SimFlash::from_image(longer, PAGE, WORD, 1);
    let more = Journal::<_, PAGE, WORD>::open(&mut longer).err();
    let refused = [other, word, more];
    if refused != [Some(Error::OtherGeometry); 3] || flash.image() != image {
        return Err(format!("other pages, words, more pages: {refused:?}"));
    }
    open(flash).map(|(journal, _)| journal)
}
