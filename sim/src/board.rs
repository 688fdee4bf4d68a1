//! A board with two slots, a clock that may jump, and an updater that loses power.
//!
//! ```text
//! Board { written }   reboot ─▶ runs the new image if it was written whole, the old one otherwise
//! ```

use crate::SimFlash;
use crate::device::{Device, Key};
use crate::history::{PAGE, SEED, SimJournal, WORD};
use firmlog_agent::journal::Error;
use firmlog_agent::update::{
    Clock, Detail, Identity, Image, LogBeforeInstall, Resume, Started, Target, Updater,
};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::{EventType as T, Life};
use firmlog_statement::time::{DeviceTime, Source, SyncState};
use firmlog_statement::{Parsed, Update, entry_hash};

/// Pages of its flash.
const PAGES: usize = 14;

/// The updater of this board.
pub type SimUpdater<'a> = Updater<'a, &'a mut SimFlash, Key, SimClock, PAGE, WORD>;

/// A clock that goes on by a second each time it is asked, and jumps where it is told to.
#[derive(Clone, Debug, Default)]
pub struct SimClock {
    uptime_ms: u64,
    /// UTC at boot; none without a clock.
    pub utc_ms: Option<u64>,
    /// Added to UTC from that uptime on.
    pub jump: Option<(u64, i64)>,
    /// At that uptime it goes back by so much, once.
    pub back: Option<(u64, u64)>,
}

impl Clock for SimClock {
    fn now(&mut self) -> DeviceTime {
        self.uptime_ms += 1000;
        if let Some((_, by)) = self.back.take_if(|(at, _)| self.uptime_ms >= *at) {
            self.uptime_ms -= by;
        }
        let jump = self.jump.filter(|(from, _)| self.uptime_ms >= *from).map_or(0, |(_, by)| by);
        let utc = self.utc_ms.map(|utc| (utc + self.uptime_ms).saturating_add_signed(jump));
        DeviceTime {
            utc_ms: utc,
            zone_min: None,
            source: Source::Rtc,
            sync: SyncState::Never,
            uncertainty_ms: None,
            last_sync_ms: None,
            boot_id: None,
            uptime_ms: Some(self.uptime_ms),
            counter: None,
            evidence: None,
        }
    }
}

/// An image by one byte.
#[must_use]
pub fn image(byte: u8) -> Image {
    Image { sha256: [byte; 32], version: u64::from(byte), counter: u32::from(byte) }
}

/// A board and what is on it.
#[derive(Clone, Debug)]
pub struct Board {
    /// The journal's flash.
    pub flash: SimFlash,
    /// What runs after a reboot.
    pub boots: Image,
    /// The image being put in.
    pub target: Target,
    /// Whether installing it touched the other slot, and whether that was said before.
    pub touched: u32,
    /// Its clock at a start.
    pub clock: SimClock,
    /// What it does when it cannot record.
    pub policy: LogBeforeInstall,
    /// The trial of the target ends well.
    pub good: bool,
}

impl Board {
    /// A board that runs image 1 and will be offered image 2.
    ///
    /// # Panics
    /// If blank flash cannot be formatted.
    #[must_use]
    pub fn new(policy: LogBeforeInstall) -> Self {
        let flash = SimFlash::new(PAGES, PAGE, WORD, 1);
        let journal = SimJournal::format(flash, ChainHead::enrolled(SEED)).expect("blank flash");
        Self {
            flash: journal.into_flash(),
            boots: image(1),
            target: Target { image: image(2), release: [0x11; 32] },
            touched: 0,
            clock: SimClock { utc_ms: Some(1_800_000_000_000), ..SimClock::default() },
            policy,
            good: true,
        }
    }

    /// Powers up and lets the agent look around.
    ///
    /// # Errors
    /// As [`Updater::start`].
    pub fn start<'a>(&'a mut self, device: &Device) -> Result<(SimUpdater<'a>, Started), Error> {
        let names =
            Identity { device: device.id, issuer: "acme.example/devices", subject: "ip-200/app" };
        let (key, clock) = (device.key().clone(), self.clock.clone());
        let mut updater = Updater::new(&mut self.flash, key, clock, names, self.policy);
        let started = updater.start(self.boots)?;
        Ok((updater, started))
    }

    /// One life from power-up to reboot or loss of power; true when the update has ended.
    ///
    /// # Errors
    /// A step that was out of order, or a journal that does not open.
    pub fn live(&mut self, device: &Device) -> Result<bool, String> {
        let (boots, target, good) = (self.boots, self.target, self.good);
        let (mut touched, mut next) = (self.touched, boots);
        let started = self.start(device);
        let (mut updater, started) = match started {
            Ok(started) => started,
            Err(Error::Flash(_)) => return Ok(false),
            Err(e) => return Err(e.to_string()),
        };
        let done = match started.resume {
            Resume::Idle if updater.progress().last == Some(T::RolledBack) => Ok(true),
            Resume::Idle if boots == target.image => Ok(true),
            Resume::Idle => run(&mut updater, |u| {
                u.step(T::Check, Detail::default())?;
                u.step(T::DownloadStarted, Detail::default())?;
                u.step(T::Downloaded, Detail::default())?;
                u.verified(target, Detail::default())
            })
            .and_then(|alive| {
                if alive {
                    install(&mut updater, &mut touched, &mut next, target)
                } else {
                    Ok(false)
                }
            }),
            Resume::InstallAgain => install(&mut updater, &mut touched, &mut next, target),
            Resume::Decide if good => run(&mut updater, |u| u.committed(Detail::default())),
            Resume::Decide | Resume::RollBackAgain => {
                next = image(1);
                run(&mut updater, |u| u.step(T::RollbackStarted, Detail::default())).map(|_| false)
            }
        };
        (self.touched, self.boots) = (touched, next);
        done.map_err(|e| format!("{e:?} after {started:?}"))
    }

    /// All statements in the journal, in order, each naming the one before.
    ///
    /// # Errors
    /// A journal that does not open, or a statement that cannot be read.
    pub fn updates(&mut self) -> Result<Vec<Update>, String> {
        let opened = firmlog_agent::Journal::<_, PAGE, WORD>::open(&mut self.flash);
        let (mut journal, _) = opened.map_err(|e| e.to_string())?;
        let (next, _) = journal.next().ok_or("the end of the chain is hidden")?;
        let mut out = Vec::new();
        let oldest = journal.oldest().map_err(|e| e.to_string())?;
        let (mut buffer, mut prev) = ([0; 1024], (oldest == 0).then_some(SEED));
        for seq in oldest..next {
            let len = journal.statement(seq, &mut buffer).map_err(|e| e.to_string())?;
            let entry = &buffer[..len.ok_or(format!("statement {seq} is missing"))?];
            let update = Parsed::parse(entry).and_then(|parsed| parsed.update());
            let update = update.map_err(|e| e.to_string())?;
            if prev.is_some_and(|prev| prev != update.prev.0) {
                return Err(format!("statement {seq} does not name the one before"));
            }
            prev = Some(entry_hash(entry));
            out.push(update);
        }
        Ok(out)
    }
}

/// The legal order over all of them.
///
/// # Errors
/// The first step that may not follow.
pub fn check_order(updates: &[Update]) -> Result<(), String> {
    let mut life = Life::NEW;
    for event in updates.iter().flat_map(|update| update.events.iter()) {
        life.observe(event.kind).map_err(|e| format!("{e:?}"))?;
    }
    Ok(())
}

type Refused = firmlog_agent::update::Refused;

/// Lets the updater work; false when power went meanwhile, whatever it answered.
fn run<T>(
    updater: &mut SimUpdater<'_>,
    work: impl FnOnce(&mut SimUpdater<'_>) -> Result<T, Refused>,
) -> Result<bool, Refused> {
    let done = work(updater);
    if updater.journal().flash().is_dead() {
        return Ok(false);
    }
    done.map(|_| true)
}

fn install(
    updater: &mut SimUpdater<'_>,
    touched: &mut u32,
    next: &mut Image,
    target: Target,
) -> Result<bool, Refused> {
    if !run(updater, |u| u.install_started(Detail::default()))? {
        return Ok(false);
    }
    *touched += 1;
    *next = target.image;
    run(updater, |u| {
        u.step(T::Installed, Detail::default())?;
        u.step(T::Reboot, Detail::default())?;
        Ok(u.flush())
    })?;
    Ok(false)
}
