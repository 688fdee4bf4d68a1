//! A small world: a genesis, two more keys' worth of enrolments, three devices.

#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses its own part")]

pub(crate) mod log;

use ed25519_dalek::Signer as _;
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::event::EventType;
use firmlog_statement::time::{DeviceTime, Source, SyncState, ZoneOffset};
use firmlog_statement::{
    Approval, DeviceId, Digest, ESignature, Enrol, Event, Extra, Factors, Genesis, Meaning,
    Outcome, PublicKey, ReasonCode, Registration, Release, Revoke, RevokeReason, Role, Rotate,
    SecurityCounter, Seq, SignError, Signer, Statement, Thumbprint, Trust, TrustAction, Update,
    VersionCode, sign_statement,
};

pub(crate) const ORIGIN: &str = "log.example/pumps";
pub(crate) const DEVICES: &str = "acme.example/devices";

/// A key made of one number.
#[derive(Clone)]
pub(crate) enum Key {
    P256(Box<p256::ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl Key {
    pub(crate) fn p256(n: u8) -> Self {
        Self::P256(Box::new(p256::ecdsa::SigningKey::from_slice(&[n; 32]).unwrap()))
    }

    pub(crate) fn ed25519(n: u8) -> Self {
        Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&[n; 32])))
    }

    pub(crate) fn kid(&self) -> Thumbprint {
        self.public_key().thumbprint()
    }
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        match self {
            Self::P256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                PublicKey::P256(point.as_bytes()[1..].try_into().unwrap())
            }
            Self::Ed25519(key) => PublicKey::Ed25519(key.verifying_key().to_bytes()),
        }
    }

    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature =
                    p256::ecdsa::signature::Signer::sign(key.as_ref(), tbs);
                signature.to_bytes().as_slice().try_into().unwrap()
            }
            Self::Ed25519(key) => key.sign(tbs).to_bytes(),
        })
    }
}

pub(crate) struct Device {
    pub(crate) key: Key,
    pub(crate) seed: [u8; 32],
}

impl Device {
    pub(crate) fn id(&self) -> DeviceId {
        self.key.kid().into()
    }
}

pub(crate) struct World {
    pub(crate) admin: Key,
    pub(crate) release: Key,
    pub(crate) approvers: Vec<Key>,
    pub(crate) devices: Vec<Device>,
    /// Genesis, then one enrolment a device.
    pub(crate) entries: Vec<Vec<u8>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let devices = [Key::p256(20), Key::ed25519(21), Key::p256(22)];
        let devices = devices.into_iter().zip(1..).map(|(key, n)| Device { key, seed: [n; 32] });
        let mut world = Self {
            admin: Key::p256(1),
            release: Key::p256(2),
            approvers: vec![Key::p256(3), Key::ed25519(4)],
            devices: devices.collect(),
            entries: Vec::new(),
        };
        world.entries.push(world.genesis_signed_by(&world.admin));
        for device in &world.devices {
            let enrol = enrol(&device.key, DEVICES, Role::Device, Some(device.seed));
            world.entries.push(world.trust(TrustAction::Enrol(enrol)));
        }
        world
    }

    pub(crate) fn genesis_signed_by(&self, signer: &Key) -> Vec<u8> {
        let mut keys = vec![
            enrol(&self.admin, "acme.example/admin", Role::Admin, None),
            enrol(&self.release, "acme.example", Role::Manufacturer, None),
        ];
        for (n, approver) in self.approvers.iter().enumerate() {
            keys.push(enrol(approver, &person(n), Role::Approver, None));
        }
        let action = TrustAction::Genesis(Genesis {
            origin: ORIGIN.into(),
            log_keys: vec![],
            registration: Registration::Signed,
            approvals: 2,
            keys,
            policy: None,
        });
        sign(trust(action), "acme.example/admin", "log", signer)
    }

    pub(crate) fn trust(&self, action: TrustAction) -> Vec<u8> {
        sign(trust(action), "acme.example/admin", "keys", &self.admin)
    }

    pub(crate) fn rotate(&self, old: &Key, new: &Key) -> Vec<u8> {
        let (old, new) = (old.kid(), new.public_key());
        self.trust(TrustAction::Rotate(Rotate { old, new, device: None }))
    }

    /// A key that somebody else has, so that nothing it permitted counts.
    pub(crate) fn revoke(&self, key: &Key) -> Vec<u8> {
        self.revoke_as(key, RevokeReason::Compromised, None)
    }

    pub(crate) fn revoke_as(
        &self,
        key: &Key,
        reason: RevokeReason,
        from_entry: Option<u64>,
    ) -> Vec<u8> {
        let (from_ms, from_seq) = (None, None);
        let revoke = Revoke { kid: key.kid(), reason, from_ms, from_seq, from_entry };
        self.trust(TrustAction::Revoke(revoke))
    }

    pub(crate) fn release_as(&self, issuer: &str, version: u64) -> Vec<u8> {
        release(&self.release, issuer, version)
    }

    pub(crate) fn approval(&self, approver: usize, release: [u8; 32]) -> Vec<u8> {
        self.opinion(approver, release, Meaning::Approval)
    }

    pub(crate) fn opinion(&self, approver: usize, release: [u8; 32], meaning: Meaning) -> Vec<u8> {
        self.opinion_by(&self.approvers[approver], approver, release, meaning)
    }

    /// What an approver says with another key than the first.
    pub(crate) fn opinion_by(
        &self,
        key: &Key,
        approver: usize,
        release: [u8; 32],
        meaning: Meaning,
    ) -> Vec<u8> {
        let statement = Statement::Approval(Approval {
            image: None,
            event: EventType::ReleaseApproved,
            time: time(),
            release: Digest(release),
            commitments: Commitments::default(),
            supersedes: None,
            esig: ESignature { meaning, ..esig(key) },
            evidence: vec![],
            extra: Extra::default(),
        });
        sign(statement, &person(approver), "ip-200/app", key)
    }

    pub(crate) fn update(&self, device: usize, seq: u64, prev: [u8; 32]) -> Vec<u8> {
        self.update_with(device, seq, prev, 1)
    }

    pub(crate) fn update_with(
        &self,
        device: usize,
        seq: u64,
        prev: [u8; 32],
        version: u64,
    ) -> Vec<u8> {
        self.build_update(&self.devices[device].key, device, seq, prev, version)
    }

    pub(crate) fn update_by(&self, key: &Key, device: usize, seq: u64, prev: [u8; 32]) -> Vec<u8> {
        self.build_update(key, device, seq, prev, 1)
    }

    fn build_update(
        &self,
        key: &Key,
        device: usize,
        seq: u64,
        prev: [u8; 32],
        version: u64,
    ) -> Vec<u8> {
        self.step(key, (device, seq, prev), EventType::InstalledState, version)
    }

    /// What a device says of a step, at this place in its chain.
    pub(crate) fn step(
        &self,
        key: &Key,
        (device, seq, prev): (usize, u64, [u8; 32]),
        event: EventType,
        version: u64,
    ) -> Vec<u8> {
        let events = [Event::new(event, 0)];
        let statement = Statement::Update(Update {
            device: self.devices[device].id(),
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
        });
        sign(statement, DEVICES, "ip-200/app", key)
    }
}

/// An e-signature with this key.
pub(crate) fn esig(key: &Key) -> ESignature {
    ESignature {
        signer: key.kid(),
        meaning: Meaning::Approval,
        reason: ReasonCode::Feature,
        time_ms: 1_790_000_000_000,
        zone_min: ZoneOffset::UTC,
        factors: Factors(Factors::ID | Factors::SECRET),
        certificate: None,
    }
}

/// The issuer name of an approver: one for each.
pub(crate) fn person(approver: usize) -> String {
    format!("acme.example/person-{approver}")
}

pub(crate) fn release(key: &Key, issuer: &str, version: u64) -> Vec<u8> {
    sign(Statement::Release(release_body(version)), issuer, "ip-200/app", key)
}

pub(crate) fn release_body(version: u64) -> Release {
    Release {
        image: Digest([3; 32]),
        version: VersionCode(version),
        counter: SecurityCounter(1),
        event: EventType::ReleasePublished,
        time: time(),
        release: None,
        commitments: Commitments::default(),
        supersedes: None,
        component: "app".into(),
        manufacturer: None,
        keccak: None,
        version_name: "1.0".into(),
        models: vec!["ip-200".into()],
        hw_revs: vec![],
        size_bytes: 4096,
        manifest: None,
        image_signer: None,
        sbom: None,
        vex: None,
        provenance: None,
        change_requests: vec![],
        problem_reports: vec![],
        quality_refs: vec![],
        risk_ref: None,
        anomalies: None,
        udi_change: None,
        udi_di_old: None,
        udi_di_new: None,
        regulatory: None,
        support: None,
        certificates: None,
        extra: Extra::default(),
    }
}

pub(crate) fn sign(
    statement: impl Into<Statement>,
    issuer: &str,
    subject: &str,
    key: &Key,
) -> Vec<u8> {
    sign_statement(&statement.into(), issuer, subject, key).unwrap()
}

pub(crate) fn trust(action: TrustAction) -> Trust {
    Trust { time: None, commitments: Commitments::default(), action, extra: Extra::default() }
}

pub(crate) fn enrol(key: &Key, issuer: &str, role: Role, seed: Option<[u8; 32]>) -> Enrol {
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
