//! Simulated devices whose statements are made and signed before anything is timed.
//!
//! ```text
//! enrolment (by an administrator) → update 0 → update 1 → …   each naming the one before
//! ```
//!
//! The statements are what a device sends after a sound update: four events, the
//! versions, the release and the way it came; about 430 bytes.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use firmlog_keys::{Algorithm, FileKey};
use firmlog_statement::event::EventType;
use firmlog_statement::time::{DeviceTime, Source, SyncState};
use firmlog_statement::{
    Channel, DeviceId, Digest, Enrol, Event, Extra, Firmware, Outcome, Role, SecurityCounter, Seq,
    Signer, Statement, Text, Transport, Trust, TrustAction, Update, VersionCode, entry_hash, seal,
    sign_statement,
};

use crate::crash::client::Client;
use crate::load::answers::{Answer, read_answers};
use crate::load::work::{BATCH_TYPE, SplitMix};
use crate::rig::log::ADMIN;

/// Enrolments of one batch.
const ENROL_BATCH: usize = 1000;
/// Issuer name the devices are enrolled under.
pub const ISSUER: &str = "acme.example/devices";
/// What their updates are about.
pub const SUBJECT: &str = "ip-200/app";
/// Events of one update: what is left to tell once `install_started` was signed at once.
const EVENTS: [EventType; 4] =
    [EventType::Installed, EventType::Reboot, EventType::BootOk, EventType::Committed];

/// One simulated device.
#[derive(Debug, Clone)]
pub struct Device {
    key: FileKey,
    id: DeviceId,
    seed: Digest,
    seq: u64,
    prev: Digest,
}

impl Device {
    /// A device with a fresh key, not enrolled yet.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn new(algorithm: Algorithm, random: &mut SplitMix) -> anyhow::Result<Self> {
        let key = FileKey::generate(algorithm).context("failed to make a device key")?;
        let id = DeviceId(*key.public_key().thumbprint().as_bytes());
        let mut seed = [0; 32];
        for word in seed.chunks_exact_mut(8) {
            word.copy_from_slice(&random.next_u64().to_be_bytes());
        }
        Ok(Self { key, id, seed: Digest(seed), seq: 0, prev: Digest(seed) })
    }

    /// The `Trust` entry that enrols this device, signed by an administrator.
    ///
    /// # Errors
    /// If the statement cannot be signed.
    pub fn enrolment(&self, admin: &dyn Signer, issuer: &str) -> anyhow::Result<Vec<u8>> {
        let enrol = Enrol {
            key: self.key.public_key(),
            issuer: ISSUER.into(),
            role: Role::Device,
            chain_seed: Some(self.seed),
            model: Some("IP-200".into()),
            manufacturer: None,
            hw_rev: None,
            udi_di: None,
            attestation: None,
            training: None,
            issuers: vec![],
        };
        let trust = Trust {
            time: None,
            commitments: Default::default(),
            action: TrustAction::Enrol(enrol),
            extra: Extra::default(),
        };
        sign_statement(&Statement::Trust(trust), issuer, SUBJECT, admin)
            .context("failed to sign an enrolment")
    }

    /// The device's next `Update` entry.
    ///
    /// # Errors
    /// If the statement cannot be signed.
    pub fn next_update(&mut self) -> anyhow::Result<Vec<u8>> {
        let update = self.update()?;
        let mut buffer = [0; 1024];
        let length = seal(&update, ISSUER, SUBJECT, &self.key, &mut buffer)
            .context("failed to sign an update")?;
        let entry = buffer[..length].to_vec();
        self.seq += 1;
        self.prev = Digest(entry_hash(&entry));
        Ok(entry)
    }

    fn update(&self) -> anyhow::Result<Update> {
        let version = 0x0002_0400 + self.seq;
        let events: Vec<Event> = EVENTS
            .iter()
            .zip((0..EVENTS.len() as u64).rev())
            .map(|(&kind, before)| Event::new(kind, before * 10_000))
            .collect();
        Ok(Update {
            device: self.id,
            image: image_digest(version),
            version: VersionCode(version),
            counter: SecurityCounter(7),
            outcome: Outcome::Succeeded,
            seq: Seq(self.seq),
            prev: self.prev,
            events: events.as_slice().try_into()?,
            time: device_time(self.seq),
            from: Some(firmware(version - 1)),
            to: None,
            release: Some(image_digest(version ^ 1 << 40)),
            authorisation: None,
            initiator: None,
            reason: None,
            transport: Some(Transport {
                channel: Channel::Ota,
                source: None,
                agent: Some(Text::new("swupdate")?),
                agent_version: None,
                transaction: None,
            }),
            result: None,
            boot: None,
            checkpoint: None,
            unit: None,
            commitments: Default::default(),
            extra: Extra::default(),
        })
    }
}

/// Enrols devices through the batch endpoint.
///
/// # Errors
/// If the log does not take every enrolment.
pub fn enrol_all(address: SocketAddr, admin: &FileKey, devices: &[Device]) -> anyhow::Result<()> {
    let mut client = Client::connect(address)?;
    for some in devices.chunks(ENROL_BATCH) {
        let mut body = Vec::new();
        for device in some {
            body.extend_from_slice(&device.enrolment(admin, ADMIN)?);
        }
        let (head, answer) = client.post("/batch", BATCH_TYPE, &body)?;
        ensure!(head.is_success(), "enrolment was answered {}", head.status);
        let taken = read_answers(&answer)
            .context("unreadable answer")?
            .filter(|answer| matches!(answer, Some(Answer::At(_))))
            .count();
        ensure!(taken == some.len(), "{taken} of {} enrolments were taken", some.len());
    }
    Ok(())
}

/// A plausible digest that is the same for all devices.
fn image_digest(version: u64) -> Digest {
    let mut bytes = [0; 32];
    let mut words = SplitMix(version);
    for word in bytes.chunks_exact_mut(8) {
        word.copy_from_slice(&words.next_u64().to_be_bytes());
    }
    Digest(bytes)
}

fn firmware(version: u64) -> Firmware {
    Firmware { version: Some(VersionCode(version)), ..Firmware::UNKNOWN }
}

fn device_time(seq: u64) -> DeviceTime {
    DeviceTime {
        utc_ms: Some(1_781_870_400_000 + seq * 86_400_000),
        zone_min: None,
        source: Source::Ntp,
        sync: SyncState::Synchronised,
        uncertainty_ms: Some(250),
        last_sync_ms: None,
        boot_id: None,
        uptime_ms: None,
        counter: None,
        evidence: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firmlog_statement::Parsed;

    #[test]
    fn updates_are_sound_typical_and_chained() {
        let mut device = Device::new(Algorithm::P256, &mut SplitMix(1)).unwrap();
        let admin = FileKey::generate(Algorithm::P256).unwrap();
        let enrolment = device.enrolment(&admin, "acme.example/admins").unwrap();
        assert!(Parsed::parse(&enrolment).is_ok());
        let first = device.next_update().unwrap();
        let second = device.next_update().unwrap();
        assert!((350..=450).contains(&first.len()), "{} bytes", first.len());
        let head = Parsed::parse(&second).unwrap().update_head().unwrap();
        assert_eq!(&head.prev, &entry_hash(&first));
    }
}
