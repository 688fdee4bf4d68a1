//! A device that makes real statements with a real key.

use ed25519_dalek::{Signer as _, SigningKey};
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::event::EventType;
use firmlog_statement::time::{DeviceTime, Source, SyncState};
use firmlog_statement::{
    DeviceId, Digest, Event, Events, Extra, Outcome, PublicKey, SecurityCounter, Seq, SignError,
    Signer, Unit, Update, VersionCode, seal,
};

/// An attestation key in memory.
#[derive(Clone)]
pub struct Key(SigningKey);

impl Key {
    /// The key of a number.
    #[must_use]
    pub fn new(number: u8) -> Self {
        Self(SigningKey::from_bytes(&[number; 32]))
    }
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        PublicKey::Ed25519(self.0.verifying_key().to_bytes())
    }
    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(tbs).to_bytes())
    }
}

/// A device.
#[derive(Clone)]
pub struct Device {
    /// Its id: the thumbprint of its first key.
    pub id: DeviceId,
    key: Key,
}

impl Device {
    /// The device of a number.
    #[must_use]
    pub fn new(number: u8) -> Self {
        let key = Key::new(number);
        Self { id: key.public_key().thumbprint().into(), key }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Takes another key; the id and the chain go on.
    pub fn rotate(&mut self, number: u8) {
        self.key = Key::new(number);
    }

    /// A signed statement about one event.
    ///
    /// # Panics
    /// If it cannot be encoded, which the caller's choice of events decides.
    #[must_use]
    pub fn say(&self, place: (u64, [u8; 32]), said: &Said) -> Vec<u8> {
        let unit = said.dropped.map(|(count, root)| Unit {
            manufacturer: None,
            model: None,
            hw_rev: None,
            udi_di: None,
            journal: None,
            dropped: Some(count),
            dropped_root: Some(Digest(root)),
            lost_from: None,
        });
        let update = Update {
            device: self.id,
            image: Digest(said.image),
            version: VersionCode(said.version),
            counter: SecurityCounter(1),
            outcome: said.outcome,
            seq: Seq(place.0),
            prev: Digest(place.1),
            events: Events::new(&[Event::new(said.event, 0)]).expect("a device's event"),
            time: time(said.uptime_ms),
            from: None,
            to: None,
            release: None,
            authorisation: None,
            initiator: None,
            reason: None,
            transport: None,
            result: None,
            boot: None,
            checkpoint: None,
            unit,
            commitments: Commitments::default(),
            extra: Extra::default(),
        };
        let mut buffer = vec![0; 1024];
        let len = seal(&update, "acme.example/devices", "ip-200/app", &self.key, &mut buffer)
            .expect("a statement that can be written");
        buffer.truncate(len);
        buffer
    }
}

/// What a statement says.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    /// The event.
    pub event: EventType,
    /// How it ended.
    pub outcome: Outcome,
    /// SHA-256 of the image.
    pub image: [u8; 32],
    /// Its version.
    pub version: u64,
    /// By the device's monotonic clock.
    pub uptime_ms: u64,
    /// What is told of the dropped: count and root.
    pub dropped: Option<(u32, [u8; 32])>,
}

fn time(uptime_ms: u64) -> DeviceTime {
    DeviceTime {
        utc_ms: None,
        zone_min: None,
        source: Source::None,
        sync: SyncState::Never,
        uncertainty_ms: None,
        last_sync_ms: None,
        boot_id: None,
        uptime_ms: Some(uptime_ms),
        counter: None,
        evidence: None,
    }
}
