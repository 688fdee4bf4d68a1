//! Who speaks in the cases, and the statements for which the program has no command.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use firmlog_keys::{Algorithm, FileKey};
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::event::EventType;
use firmlog_statement::time::{DeviceTime, Source, SyncState, ZoneOffset};
use firmlog_statement::{
    Approval, Authorisation, DeviceId, Digest, ESignature, Enrol, Event, Events, Extra, Factors,
    Meaning, Outcome, PolicyChange, ReasonCode, Role, SecurityCounter, Seq, Signer, Statement,
    Trust, TrustAction, Update, VersionCode, sign_statement,
};
use sha2::{Digest as _, Sha256};

/// A key file and the name that its statements carry.
pub(crate) type Who = (&'static str, &'static str);

pub(crate) const ADMIN: Who = ("log/admin.pem", "log.example/admin");
pub(crate) const ADMIN_2: Who = ("admin-2.pem", "log.example/admin");
pub(crate) const BUILD: Who = ("build.pem", "acme.example/build");
pub(crate) const BUILD_2: Who = ("build-2.pem", "acme.example/build");
pub(crate) const QUALITY: Who = ("quality.pem", "acme.example/quality");
pub(crate) const SAFETY: Who = ("safety.pem", "acme.example/safety");
pub(crate) const FIELD: Who = ("field.pem", "acme.example/field");
pub(crate) const FIELD_2: Who = ("field-2.pem", "acme.example/field-2");
pub(crate) const PUMP: Who = ("pump.pem", "acme.example/devices");
pub(crate) const PUMP_2: Who = ("pump-2.pem", "acme.example/devices");
pub(crate) const ZETA: Who = ("zeta.pem", "zeta.example/build");
pub(crate) const ZETA_QUALITY: Who = ("zeta-quality.pem", "zeta.example/quality");

pub(crate) const SEED: [u8; 32] = [0x5a; 32];

/// The key of a person, made where there is none.
pub(crate) fn key(dir: &Path, who: Who) -> FileKey {
    let path = dir.join(who.0);
    if !path.exists() {
        let key = FileKey::generate(Algorithm::P256).expect("a key");
        key.save(&path, None).expect("saves");
    }
    FileKey::open(&path, None).expect("opens")
}

pub(crate) fn sign(dir: &Path, who: Who, statement: impl Into<Statement>) -> Vec<u8> {
    sign_statement(&statement.into(), who.1, "ip-200/app", &key(dir, who)).expect("signs")
}

fn trust(action: TrustAction) -> Trust {
    Trust { time: None, commitments: Commitments::default(), action, extra: Extra::default() }
}

pub(crate) fn enrolment(dir: &Path, whom: Who, role: Role, issuers: &[&str]) -> Trust {
    trust(TrustAction::Enrol(Enrol {
        key: key(dir, whom).public_key(),
        issuer: whom.1.into(),
        role,
        chain_seed: (role == Role::Device).then_some(Digest(SEED)),
        model: None,
        manufacturer: None,
        hw_rev: None,
        udi_di: None,
        attestation: None,
        training: None,
        issuers: issuers.iter().map(|it| (*it).to_owned()).collect(),
    }))
}

pub(crate) fn policy(approvals: u8) -> Trust {
    let approvals = Some(approvals);
    trust(TrustAction::Policy(PolicyChange {
        registration: None,
        approvals,
        log_keys: vec![],
        policy: None,
    }))
}

fn esignature(dir: &Path, who: Who, meaning: Meaning) -> ESignature {
    ESignature {
        signer: key(dir, who).public_key().thumbprint(),
        meaning,
        reason: ReasonCode::Feature,
        time_ms: now_ms(),
        zone_min: ZoneOffset::UTC,
        factors: Factors(Factors::KEY),
        certificate: None,
    }
}

/// What is said names what was said before, so it is not older.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    u64::try_from(now.as_millis()).expect("a time")
}

/// A time that is not before what was said so far.
pub(crate) fn now() -> DeviceTime {
    time(now_ms())
}

fn time(utc_ms: u64) -> DeviceTime {
    DeviceTime {
        utc_ms: Some(utc_ms),
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

/// A person's opinion that takes another one back; `n` tells otherwise equal ones apart.
pub(crate) fn opinion(
    dir: &Path,
    who: Who,
    release: Digest,
    meaning: Meaning,
    takes_back: Option<Digest>,
    n: u64,
) -> Vec<u8> {
    let it = Approval {
        image: None,
        event: EventType::ReleaseApproved,
        time: time(now_ms() + n),
        release,
        commitments: Commitments::default(),
        supersedes: takes_back,
        esig: esignature(dir, who, meaning),
        evidence: vec![],
        extra: Extra::default(),
    };
    sign(dir, who, Statement::Approval(it))
}

/// That an older version may be installed, or that this is no longer so.
pub(crate) fn downgrade(dir: &Path, who: Who, release: Digest, event: EventType) -> Vec<u8> {
    let it = Authorisation {
        image: None,
        event,
        time: time(now_ms()),
        release,
        authorisation: None,
        reason: None,
        commitments: Commitments::default(),
        esig: esignature(dir, who, Meaning::Approval),
        devices: vec![],
        models: vec![],
        from_ms: None,
        until_ms: None,
        downgrade: Some(true),
        log_before_install: None,
        over_version: None,
        extra: Extra::default(),
    };
    sign(dir, who, Statement::Authorisation(it))
}

/// What the pump says with this number, after that entry of its own.
pub(crate) fn update(dir: &Path, event: EventType, seq: u64, last: Option<&[u8]>) -> Vec<u8> {
    update_by(dir, PUMP, event, seq, last)
}

/// The same with another key of the pump's.
pub(crate) fn update_by(
    dir: &Path,
    who: Who,
    event: EventType,
    seq: u64,
    last: Option<&[u8]>,
) -> Vec<u8> {
    let prev = last.map_or(SEED, |entry| Sha256::digest(entry).into());
    let device = DeviceId(key(dir, PUMP).public_key().thumbprint().0);
    let it = Update {
        device,
        image: Digest([1; 32]),
        version: VersionCode(40_200),
        counter: SecurityCounter(1),
        outcome: Outcome::Succeeded,
        seq: Seq(seq),
        prev: Digest(prev),
        events: Events::new(&[Event::new(event, 0)]).expect("one"),
        time: time(now_ms()),
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
    sign(dir, who, Statement::Update(it))
}

/// The device id, or thumbprint, of a key.
pub(crate) fn id(dir: &Path, who: Who) -> String {
    key(dir, who).public_key().thumbprint().to_string()
}
