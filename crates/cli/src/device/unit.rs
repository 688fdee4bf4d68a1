//! One simulated device: the agent that runs on real ones, over a file in the place of flash.
//!
//! ```text
//! device-07/key.pem   its attestation key
//! device-07/journal   its flash, 16 pages of 4 KiB
//! device-07/running   digest, version and counter of what runs
//! ```
//!
//! Invariants:
//! - Nothing is installed that the device has not checked offline, from the bundle file alone.
//! - After a reboot the device knows only what its files say.

use std::path::{Path, PathBuf};

use firmlog_agent::Journal;
use firmlog_agent::update::{
    Clock, Detail, Identity, Image, LogBeforeInstall, Logged, Refused, Resume, Target, Updater,
};
use firmlog_keys::Key;
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType;
use firmlog_statement::time::{DeviceTime, Source, SyncState};
use firmlog_statement::{
    CheckpointSeen, ClinicalContext, DeviceId, Digest, Initiator, InitiatorKind, PowerState,
    Reason, ReasonCode, Signer,
};

use super::World;
use crate::agent::config::{encode_image, parse_image};
use crate::agent::flash::{FileFlash, PAGE, WORD};
use crate::error::{Error, Result};
use crate::submit;

/// Bytes of a device's flash.
const FLASH: u64 = 16 * PAGE as u64;

/// The agent of a simulated device.
type Device<'w> = Updater<'w, FileFlash, Key, UnitClock, PAGE, WORD>;

/// The release the device was offered, as it found it in the bundle.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) release: [u8; 32],
    /// Who released it: the devices take releases of nobody else.
    pub(crate) issuer: String,
    pub(crate) to: Image,
    pub(crate) checkpoint: (u64, [u8; 32]),
}

/// A device that is powered up.
pub(crate) struct Unit<'w> {
    pub(crate) name: String,
    pub(crate) id: DeviceId,
    pub(crate) device: Device<'w>,
    pub(crate) resume: Resume,
    pub(crate) running: Image,
    dir: PathBuf,
}

/// Makes a device's files, before it is powered up for the first time.
pub(crate) fn make(dir: &Path, running: &Image, seed: [u8; 32]) -> Result<()> {
    let path = dir.join("journal");
    let flash = FileFlash::create(&path, FLASH).map_err(|e| Error::io("make", &path, e))?;
    Journal::<_, PAGE, WORD>::format(flash, ChainHead::enrolled(seed))
        .map_err(|e| Error::new("E-JOURNAL", format!("{}: {e}", path.display())))?;
    write_running(dir, running)
}

fn write_running(dir: &Path, running: &Image) -> Result<()> {
    let path = dir.join("running");
    std::fs::write(&path, encode_image(running)).map_err(|e| Error::io("write", &path, e))
}

impl<'w> Unit<'w> {
    /// Powers up whatever the files of a directory make it.
    pub(crate) fn boot(dir: &Path, world: &'w World<'_>) -> Result<Self> {
        let key = crate::command::key::open(&dir.join("key.pem").into(), &Default::default())?;
        let id = DeviceId(key.public_key().thumbprint().0);
        let name = dir.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let running = read_running(dir)?;
        let path = dir.join("journal");
        let flash = FileFlash::open(&path).map_err(|e| Error::io("open", &path, e))?;
        let names = Identity { device: id, issuer: &world.args.issuer, subject: &world.subject };
        let policy = LogBeforeInstall::Required;
        let mut device = Device::new(flash, key, UnitClock, names, policy);
        let started = device
            .start(running)
            .map_err(|e| Error::new("E-JOURNAL", format!("{}: {e}", path.display())))?;
        if started.report.losses() > 0 {
            return Err(Error::new("E-JOURNAL", format!("{} is damaged", path.display())));
        }
        device
            .because(Some(system()), Some(periodic()))
            .map_err(|e| Error::new("E-JOURNAL", format!("{}: {e}", path.display())))?;
        let (size, root) = world.offer.checkpoint;
        device.saw_checkpoint(CheckpointSeen { size, root: Digest(root) });
        let resume = started.resume;
        Ok(Self { name, id, device, resume, running, dir: dir.to_owned() })
    }

    /// Power goes, and comes back: only the files are left.
    pub(crate) fn restart(self, world: &'w World<'_>) -> Result<Self> {
        let dir = self.dir.clone();
        drop(self);
        Self::boot(&dir, world)
    }

    /// Takes a step.
    pub(crate) fn step(&mut self, event: EventType) -> Result<()> {
        let taken = self.device.step(event, on_mains());
        self.taken(event, taken)
    }

    /// Takes steps, one after the other.
    pub(crate) fn steps(&mut self, events: &[EventType]) -> Result<()> {
        events.iter().try_for_each(|event| self.step(*event))
    }

    /// Takes over an image that was found good.
    pub(crate) fn verified(&mut self, offer: &Offer) -> Result<()> {
        let target = Target { image: offer.to, release: offer.release };
        let taken = self.device.verified(target, on_mains());
        self.taken(EventType::SignatureVerified, taken)
    }

    /// Refuses an image.
    pub(crate) fn refuse(&mut self, event: EventType, image: Image) -> Result<()> {
        let taken = self.device.refuse(event, image, on_mains());
        self.taken(event, taken)
    }

    /// Writes flash: afterwards another image runs.
    pub(crate) fn write(&mut self, running: Image) -> Result<()> {
        self.running = running;
        write_running(&self.dir, &running)
    }

    /// Says what waits.
    pub(crate) fn flush(&mut self) -> Result<()> {
        match self.device.flush() {
            Logged::Dropped(why) => Err(Error::new("E-JOURNAL", format!("{}: {why}", self.name))),
            Logged::Recorded | Logged::Waiting => Ok(()),
        }
    }

    fn taken(&self, event: EventType, taken: std::result::Result<Logged, Refused>) -> Result<()> {
        match taken {
            Ok(Logged::Recorded | Logged::Waiting) => Ok(()),
            other => Err(Error::new(
                "E-BUG",
                format!("{}: {event} was not recorded: {other:?}", self.name),
            )),
        }
    }
}

fn on_mains() -> Detail {
    Detail { error: None, power: Some(PowerState::Mains) }
}

fn system() -> Initiator {
    Initiator { kind: InitiatorKind::System, subject: None, role: None, organisation: None }
}

fn periodic() -> Reason {
    let (code, clinical) = (ReasonCode::Periodic, Some(ClinicalContext::Idle));
    Reason { code, clinical, campaign: None, policy: None }
}

fn read_running(dir: &Path) -> Result<Image> {
    let path = dir.join("running");
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
    parse_image(&text)
        .ok_or_else(|| Error::form(&path.display().to_string(), "not digest, version, counter"))
}

/// The clock of a simulated device: this computer's, called NTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnitClock;

impl Clock for UnitClock {
    fn now(&mut self) -> DeviceTime {
        DeviceTime {
            source: Source::Ntp,
            sync: SyncState::Synchronised,
            uncertainty_ms: Some(50),
            uptime_ms: Some(crate::agent::uptime_ms()),
            ..submit::now()
        }
    }
}
