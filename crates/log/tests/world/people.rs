//! Who speaks in these tests: an administrator, a manufacturer, an approver, devices.

use ed25519_dalek::{Signer as _, SigningKey};
use firmlog_log::Registration;
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::event::EventType;
use firmlog_statement::time::{DeviceTime, Source, SyncState};
use firmlog_statement::{
    Digest, Enrol, Event, Extra, Genesis, Outcome, PublicKey, Revoke, RevokeReason, Role,
    SecurityCounter, Seq, SignError, Signer, Statement, Trust, TrustAction, Update, VersionCode,
    entry_hash, sign_statement,
};

use super::ORIGIN;

const DEVICES: &str = "acme.example/devices";

/// A statement key made of one number.
pub(crate) struct Person(SigningKey);

/// A device and where its chain stands.
pub(crate) struct Device {
    key: Person,
    seed: [u8; 32],
    pub(crate) seq: u64,
    pub(crate) prev: [u8; 32],
}

impl Person {
    pub(crate) fn new(n: u8) -> Self {
        Self(SigningKey::from_bytes(&[n; 32]))
    }
}

impl Signer for Person {
    fn public_key(&self) -> PublicKey {
        PublicKey::Ed25519(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(tbs).to_bytes())
    }
}

impl Device {
    pub(crate) fn new(n: u8) -> Self {
        Self { key: Person::new(100 + n), seed: [n; 32], seq: 0, prev: [n; 32] }
    }

    pub(crate) fn enrolment(&self) -> Vec<u8> {
        trust(TrustAction::Enrol(enrol(&self.key, DEVICES, Role::Device, Some(self.seed))))
    }

    pub(crate) fn revocation(&self) -> Vec<u8> {
        let kid = self.key.public_key().thumbprint();
        let reason = RevokeReason::Lost;
        trust(TrustAction::Revoke(Revoke {
            kid,
            reason,
            from_ms: None,
            from_seq: None,
            from_entry: None,
        }))
    }

    /// The next statement of its chain.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let entry = self.statement(self.seq, self.prev, 1);
        (self.seq, self.prev) = (self.seq + 1, entry_hash(&entry));
        entry
    }

    /// Any statement.
    pub(crate) fn statement(&self, seq: u64, prev: [u8; 32], version: u64) -> Vec<u8> {
        let events = [Event::new(EventType::InstalledState, 0)];
        let update = Update {
            device: self.key.public_key().thumbprint().into(),
            image: Digest([3; 32]),
            version: VersionCode(version),
            counter: SecurityCounter(1),
            outcome: Outcome::State,
            seq: Seq(seq),
            prev: Digest(prev),
            events: events.as_slice().try_into().unwrap(),
            time: time(),
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
            unit: None,
            commitments: Commitments::default(),
            extra: Extra::default(),
        };
        sign_statement(&Statement::Update(update), DEVICES, "ip-200/app", &self.key).unwrap()
    }
}

/// The first entry of a log.
pub(crate) fn genesis(registration: Registration) -> Vec<u8> {
    let registration = match registration {
        Registration::Signed => firmlog_statement::Registration::Signed,
        Registration::Any => firmlog_statement::Registration::Any,
    };
    trust(TrustAction::Genesis(Genesis {
        origin: ORIGIN.into(),
        log_keys: vec![],
        registration,
        approvals: 2,
        keys: vec![enrol(&Person::new(1), "acme.example/admin", Role::Admin, None)],
        policy: None,
    }))
}

pub(crate) fn trust(action: TrustAction) -> Vec<u8> {
    let extra = Extra::default();
    let statement = Trust { time: None, commitments: Commitments::default(), action, extra };
    let statement = Statement::Trust(statement);
    sign_statement(&statement, "acme.example/admin", "keys", &Person::new(1)).unwrap()
}

pub(crate) fn enrol(key: &Person, issuer: &str, role: Role, seed: Option<[u8; 32]>) -> Enrol {
    Enrol {
        key: key.public_key(),
        issuer: issuer.into(),
        role,
        chain_seed: seed.map(Digest),
        model: None,
        manufacturer: None,
        hw_rev: None,
        udi_di: None,
        attestation: None,
        training: None,
        issuers: vec![],
    }
}

pub(crate) fn time() -> DeviceTime {
    DeviceTime {
        utc_ms: Some(1_790_000_000_000),
        zone_min: None,
        source: Source::Ntp,
        sync: SyncState::Synchronised,
        uncertainty_ms: None,
        last_sync_ms: None,
        boot_id: None,
        uptime_ms: None,
        counter: None,
        evidence: None,
    }
}
