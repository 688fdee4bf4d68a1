//! One simulated device: the same statement code a real one runs, over files instead of flash.
//!
//! ```text
//! device-07/key.pem       its attestation key
//! device-07/journal.bin   what it has said, durable
//! device-07/flash         digest and version of what runs
//! ```
//!
//! Invariants:
//! - `install_started` is durable before flash is touched; `installed` after.
//! - Nothing is installed that the device has not checked offline, from the bundle file alone.
//! - After a reboot the device knows only what its files say.

use std::path::{Path, PathBuf};

use firmlog_keys::Key;
use firmlog_statement::disclosure::{Commitments, FieldId};
use firmlog_statement::event::EventType;
use firmlog_statement::time::{DeviceTime, Source, SyncState, ZoneOffset};
use firmlog_statement::{
    Boot, CheckpointSeen, DeviceId, Digest, Event, Extra, Firmware, Initiator, InitiatorKind, List,
    Measurement, Outcome, Parsed, Phase, PowerState, Reason, ReasonCode, SecureBoot,
    SecurityCounter, Seq, Signer, Text, Unit as UnitOf, Update, UpdateResult, VersionCode, seal,
};

use super::journal::Journal;
use crate::error::{Error, Result};
use crate::submit::{self, Secret};

/// Room for one statement: they stay under 512 bytes, the encoder wants some more.
const BUFFER: usize = 1024;

/// What runs on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) image: [u8; 32],
    pub(crate) version: u64,
    pub(crate) counter: u32,
}

/// The release the device was offered, as it found it in the bundle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) release: [u8; 32],
    pub(crate) to: Running,
    pub(crate) checkpoint: (u64, [u8; 32]),
}

/// A device.
pub(crate) struct Unit {
    pub(crate) name: String,
    pub(crate) id: DeviceId,
    pub(crate) serial: String,
    dir: PathBuf,
    key: Key,
    issuer: String,
    model: String,
    pub(crate) journal: Journal,
    pub(crate) running: Running,
    pub(crate) secrets: Vec<(u64, Secret)>,
}

/// How one statement differs from a plain one.
pub(crate) struct Said<'a> {
    pub(crate) events: &'a [EventType],
    pub(crate) outcome: Outcome,
    pub(crate) image: Running,
    pub(crate) phase: Phase,
    pub(crate) power: PowerState,
    pub(crate) attempts: u16,
    pub(crate) booted: bool,
}

impl Unit {
    /// Starts a device from its directory, as after power came.
    pub(crate) fn boot(dir: &Path, names: (&str, &str, &str), seed: [u8; 32]) -> Result<Self> {
        let (serial, issuer, model) = names;
        let key = crate::command::key::open(&dir.join("key.pem").into(), &Default::default())?;
        let journal = Journal::open(dir, seed)?;
        let id = DeviceId(key.public_key().thumbprint().0);
        let name = dir.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let running = read_flash(dir)?;
        Ok(Self {
            name,
            id,
            serial: serial.to_owned(),
            dir: dir.to_owned(),
            key,
            issuer: issuer.to_owned(),
            model: model.to_owned(),
            journal,
            running,
            secrets: Vec::new(),
        })
    }

    /// Whether power went away between `install_started` and its outcome.
    pub(crate) fn was_interrupted(&self) -> bool {
        let last = self.journal.last().and_then(|entry| Parsed::parse(entry).ok());
        let update = last.and_then(|parsed| parsed.update().ok());
        update.is_some_and(|update| {
            update.events.last().is_some_and(|event| event.kind == EventType::InstallStarted)
        })
    }

    /// Takes over the first statement of the board this one was copied from, as already sent.
    pub(crate) fn adopt_first(&mut self, original: &Self) -> Result<()> {
        if let Some(first) = original.journal.first() {
            self.journal.append(first)?;
        }
        self.journal.all_sent()
    }

    /// Writes flash: afterwards another image runs.
    pub(crate) fn write_flash(&mut self, running: Running) -> Result<()> {
        self.running = running;
        write_flash(&self.dir, &running)
    }

    /// Says something, durably.
    pub(crate) fn say(&mut self, offer: Option<&Offer>, said: &Said<'_>) -> Result<()> {
        let first = self.journal.next_seq() == 0;
        let secret = Secret::new(FieldId::Serial, &self.serial);
        let commitments = match first {
            true => submit::commit(std::slice::from_ref(&secret))?,
            false => Commitments::default(),
        };
        let update = self.update(offer, said, commitments)?;
        let mut buffer = [0; BUFFER];
        let subject = format!("{}/app", self.model);
        let len = seal(&update, &self.issuer, &subject, &self.key, &mut buffer)
            .map_err(|e| Error::new("E-SIGN", format!("{}: {e}", self.name)))?;
        if first {
            self.secrets.push((0, secret));
        }
        self.journal.append(&buffer[..len])
    }

    fn update(
        &self,
        offer: Option<&Offer>,
        said: &Said<'_>,
        commitments: Commitments,
    ) -> Result<Update> {
        let form = |e| Error::form("update", e);
        let steps = said.events.len() as u64;
        let events: Vec<Event> =
            (1..).zip(said.events).map(|(i, kind)| Event::new(*kind, steps - i)).collect();
        let of = |running: Running| Firmware {
            image: Some(Digest(running.image)),
            version: Some(VersionCode(running.version)),
            counter: Some(SecurityCounter(running.counter)),
            ..Firmware::UNKNOWN
        };
        Ok(Update {
            device: self.id,
            image: Digest(said.image.image),
            version: VersionCode(said.image.version),
            counter: SecurityCounter(said.image.counter),
            outcome: said.outcome,
            seq: Seq(self.journal.next_seq()),
            prev: Digest(self.journal.prev()),
            events: firmlog_statement::Events::new(&events).map_err(form)?,
            time: Self::time(),
            from: (!said.booted && offer.is_some()).then(|| of(self.running)),
            to: None,
            release: offer.map(|offer| Digest(offer.release)),
            authorisation: None,
            initiator: Some(Initiator {
                kind: InitiatorKind::System,
                subject: None,
                role: None,
                organisation: None,
            }),
            reason: Some(Reason {
                code: ReasonCode::Periodic,
                clinical: Some(firmlog_statement::ClinicalContext::Idle),
                campaign: None,
                policy: None,
            }),
            transport: None,
            result: Some(UpdateResult {
                phase: said.phase,
                error: None,
                attempts: (said.attempts > 1).then_some(said.attempts),
                duration_ms: None,
                power: Some(said.power),
                test: None,
            }),
            boot: said.booted.then(|| self.measured()).transpose()?,
            checkpoint: offer.map(|offer| CheckpointSeen {
                size: offer.checkpoint.0,
                root: Digest(offer.checkpoint.1),
            }),
            unit: self.unit_of()?,
            commitments,
            extra: Extra::default(),
        })
    }

    fn time() -> DeviceTime {
        DeviceTime {
            utc_ms: Some(submit::now_ms()),
            zone_min: Some(ZoneOffset::UTC),
            source: Source::Ntp,
            sync: SyncState::Synchronised,
            uncertainty_ms: Some(50),
            last_sync_ms: None,
            boot_id: None,
            uptime_ms: None,
            counter: None,
            evidence: None,
        }
    }

    fn measured(&self) -> Result<Boot> {
        let app = Text::new("app").map_err(|e| Error::form("measurement", e))?;
        let measurement =
            Measurement { index: 0, digest: Digest(self.running.image), name: Some(app) };
        let measurements =
            List::from_slice(&[measurement]).map_err(|e| Error::form("measurement", e))?;
        Ok(Boot {
            secure_boot: SecureBoot::Enforced,
            rollback_counter: Some(u64::from(self.running.counter)),
            lifecycle: None,
            measurements,
            evidence: None,
        })
    }

    /// Said once, in the first statement; the enrolment knows it too.
    fn unit_of(&self) -> Result<Option<UnitOf>> {
        if self.journal.next_seq() > 0 {
            return Ok(None);
        }
        let model = Text::new(&self.model).map_err(|e| Error::form("model", e))?;
        Ok(Some(UnitOf {
            manufacturer: None,
            model: Some(model),
            hw_rev: None,
            udi_di: None,
            journal: None,
            dropped: None,
            dropped_root: None,
        }))
    }
}

fn read_flash(dir: &Path) -> Result<Running> {
    let path = dir.join("flash");
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
    let parts: Vec<&str> = text.split_whitespace().collect();
    let read = || {
        let [image, version, counter] = parts[..] else { return None };
        let image = crate::answer::unhex(image)?.try_into().ok()?;
        Some(Running { image, version: version.parse().ok()?, counter: counter.parse().ok()? })
    };
    read().ok_or_else(|| Error::form(&path.display().to_string(), "not digest, version, counter"))
}

/// Writes what runs.
pub(crate) fn write_flash(dir: &Path, running: &Running) -> Result<()> {
    let path = dir.join("flash");
    let text =
        format!("{} {} {}\n", crate::answer::hex(&running.image), running.version, running.counter);
    std::fs::write(&path, text).map_err(|e| Error::io("write", &path, e))
}
