//! A server on loopback with a fresh log, the people who speak to it, and a bare HTTP client.
#![allow(dead_code, clippy::allow_attributes, reason = "each test uses its part")]

mod client;

use std::net::SocketAddr;

use firmlog_keys::{Algorithm, AwsLc, FileKey};
use firmlog_server::Server;
use firmlog_server::config::Config;
use firmlog_statement::disclosure::{Commitment, Commitments, Disclosure, DisclosureSet, FieldId};
use firmlog_statement::event::EventType;
use firmlog_statement::time::{DeviceTime, Source, SyncState, ZoneOffset};
use firmlog_statement::{
    Approval, CheckpointSeen, Digest, ESignature, Enrol, Event, Extra, Factors, Genesis, Meaning,
    Outcome, ReasonCode, Registration, Release, Role, SecurityCounter, Seq, Signer, Statement,
    Trust, TrustAction, Update, VersionCode, entry_hash, leaf_hash, sign_statement,
};

#[allow(unused_imports, reason = "each test uses its part")]
pub(crate) use client::{Answer, exchange, exchange_all, get, request};

pub(crate) const ORIGIN: &str = "log.example/test";
/// Issuers of the two approvers: a person each.
pub(crate) const APPROVERS: [&str; 2] = ["acme.example/ann", "acme.example/bob"];
pub(crate) const IMAGE: [u8; 32] = [3; 32];
pub(crate) const SALT: [u8; 16] = [9; 16];

/// A running server and everybody's keys.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) admin: FileKey,
    pub(crate) maker: FileKey,
    pub(crate) approvers: [FileKey; 2],
    pub(crate) log_key: FileKey,
    config: Config,
    dir: tempfile::TempDir,
}

/// A device and where its chain stands.
pub(crate) struct Device {
    pub(crate) key: FileKey,
    pub(crate) seq: u64,
    pub(crate) prev: [u8; 32],
    /// The checkpoint its statements name.
    pub(crate) seen: Option<CheckpointSeen>,
}

impl World {
    pub(crate) async fn signed() -> Self {
        Self::start(false, |_| {}).await
    }

    pub(crate) async fn any() -> Self {
        Self::start(true, |_| {}).await
    }

    pub(crate) async fn start(any: bool, change: impl FnOnce(&mut Config)) -> Self {
        let log_key = FileKey::generate(Algorithm::Ed25519).unwrap();
        Self::start_with_key(any, log_key, change).await
    }

    pub(crate) async fn start_with_key(
        any: bool,
        log_key: FileKey,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = |algorithm| FileKey::generate(algorithm).unwrap();
        let (admin, maker) = (key(Algorithm::P256), key(Algorithm::P256));
        let approvers = [key(Algorithm::P256), key(Algorithm::Ed25519)];
        let mut config = Config::default();
        config.log.dir = dir.path().join("data");
        config.log.origin.0 = Some(ORIGIN.to_owned());
        config.log.any = any;
        config.log.key = dir.path().join("log-key.pem").into();
        config.log.record.0 = Some(dir.path().join("record"));
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http.metrics_listen.0 = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.http.shutdown_ms = 1000;
        config.limits.body_timeout_ms = 300;
        config.limits.header_timeout_ms = 300;
        config.refusals.window_s = 3600;
        change(&mut config);
        log_key.save(config.log.key.file().unwrap(), None).unwrap();
        let mut keys = vec![
            enrol(&admin, "acme.example/admin", Role::Admin, None),
            enrol(&maker, "acme.example/fw", Role::Manufacturer, None),
            enrol(&log_key, ORIGIN, Role::Log, None),
        ];
        for (approver, issuer) in approvers.iter().zip(APPROVERS) {
            keys.push(enrol(approver, issuer, Role::Approver, None));
        }
        let genesis = TrustAction::Genesis(Genesis {
            origin: ORIGIN.to_owned(),
            log_keys: vec![],
            registration: if any { Registration::Any } else { Registration::Signed },
            approvals: 2,
            keys,
            policy: None,
        });
        let genesis = trust(&admin, genesis);
        let registration = match any {
            true => firmlog_log::Registration::Any,
            false => firmlog_log::Registration::Signed,
        };
        let record = config.log.record.0.clone().unwrap();
        let log = firmlog_log::Config::new(&config.log.dir, record, ORIGIN, registration);
        firmlog_log::Log::create(&log, &genesis, &AwsLc).unwrap();
        let server = Server::start(config.clone()).await.unwrap();
        let address = server.address();
        Self { server, address, admin, maker, approvers, log_key, config, dir }
    }

    /// Stops the server and starts another over the same files.
    pub(crate) async fn restart(mut self) -> Self {
        self.server.stop().await.unwrap();
        self.server = Server::start(self.config.clone()).await.unwrap();
        self.address = self.server.address();
        self
    }

    /// Enrols a new device; its key is P-256.
    pub(crate) async fn device(&self) -> Device {
        let key = FileKey::generate(Algorithm::P256).unwrap();
        let seed = [7; 32];
        let enrolment = enrol(&key, "acme.example/devices", Role::Device, Some(seed));
        let entry = trust(&self.admin, TrustAction::Enrol(enrolment));
        assert_eq!(self.post_cose(&entry).await.status, 201);
        Device { key, seq: 0, prev: seed, seen: None }
    }

    pub(crate) async fn post_cose(&self, entry: &[u8]) -> Answer {
        request(self.address, "POST", "/entries", &[("content-type", "application/cose")], entry)
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(self.address, path).await
    }

    /// Entries in the published tree.
    pub(crate) async fn size(&self) -> u64 {
        let checkpoint = self.get("/checkpoint").await.text();
        checkpoint.lines().nth(1).unwrap().parse().unwrap()
    }

    /// Waits until the view has caught up.
    pub(crate) async fn indexed(&self) {
        for _ in 0..200 {
            let log = self.get("/api/v1/log").await.json();
            if log["index"]["lag"] == "0" {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("the view does not catch up");
    }

    /// The directory of all it writes.
    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Stops the server and hands over the directory of all it wrote.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        self.server.stop().await.unwrap();
        self.dir
    }

    /// Stops the server and says how many entries the log then has.
    pub(crate) async fn stop_and_count(self) -> u64 {
        let dir = self.stop().await;
        let checkpoint = std::fs::read_to_string(dir.path().join("data/checkpoint")).unwrap();
        checkpoint.lines().nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn release(&self, version: u64) -> Vec<u8> {
        self.released(version, EventType::ReleasePublished, None)
    }

    /// A later step in the life of a release of version 7.
    pub(crate) fn step(&self, release: &[u8], event: EventType) -> Vec<u8> {
        self.released(7, event, Some(Digest(leaf_hash(release))))
    }

    fn released(&self, version: u64, event: EventType, release: Option<Digest>) -> Vec<u8> {
        let statement = Statement::Release(Release {
            image: Digest(IMAGE),
            version: VersionCode(version),
            counter: SecurityCounter(1),
            event,
            time: time(),
            release,
            commitments: Commitments::default(),
            supersedes: None,
            component: "app".into(),
            manufacturer: None,
            keccak: None,
            version_name: "4.2.1".into(),
            models: vec!["IP-200".into()],
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
        });
        sign_statement(&statement, "acme.example/fw", "ip-200/app", &self.maker).unwrap()
    }

    pub(crate) fn approval(&self, approver: usize, release: &[u8]) -> Vec<u8> {
        self.opinion(approver, release, Meaning::Approval, 0)
    }

    /// What a person signs; `n` tells otherwise equal signatures apart.
    pub(crate) fn opinion(
        &self,
        approver: usize,
        release: &[u8],
        meaning: Meaning,
        n: u64,
    ) -> Vec<u8> {
        let key = &self.approvers[approver];
        let statement = Statement::Approval(Approval {
            image: Some(Digest(IMAGE)),
            event: EventType::ReleaseApproved,
            time: time(),
            release: Digest(leaf_hash(release)),
            commitments: Commitments::default(),
            supersedes: None,
            esig: ESignature {
                signer: key.public_key().thumbprint(),
                meaning,
                reason: ReasonCode::Feature,
                time_ms: 1_790_000_000_000 + n,
                zone_min: ZoneOffset::UTC,
                factors: Factors(Factors::ID | Factors::SECRET),
                certificate: None,
            },
            evidence: vec![],
            extra: Extra::default(),
        });
        sign_statement(&statement, APPROVERS[approver], "ip-200/app", key).unwrap()
    }
}

impl Device {
    pub(crate) fn id(&self) -> String {
        self.key.public_key().thumbprint().0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The next statement of its chain.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let entry = self.statement(self.seq, self.prev, 1, None);
        (self.seq, self.prev) = (self.seq + 1, entry_hash(&entry));
        entry
    }

    /// Any statement; with a committed serial number if given.
    pub(crate) fn statement(
        &self,
        seq: u64,
        prev: [u8; 32],
        version: u64,
        serial: Option<&str>,
    ) -> Vec<u8> {
        let commitment = serial.map(|serial| Commitment::new(FieldId::Serial, &SALT, serial));
        let events = [Event::new(EventType::InstalledState, 0)];
        let statement = Statement::Update(Update {
            device: self.key.public_key().thumbprint().into(),
            image: Digest(IMAGE),
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
            checkpoint: self.seen.clone(),
            unit: None,
            commitments: Commitments::new(commitment.as_slice()).unwrap(),
            extra: Extra::default(),
        });
        sign_statement(&statement, "acme.example/devices", "ip-200/app", &self.key).unwrap()
    }
}

/// `[statement, disclosures]` with one serial number.
pub(crate) fn with_serial(entry: &[u8], serial: &str) -> Vec<u8> {
    let disclosure = Disclosure {
        entry: Digest(leaf_hash(entry)),
        field: FieldId::Serial,
        salt: SALT,
        value: serial.to_owned(),
    };
    let mut out = vec![0x82];
    firmlog_statement::codec::bytes(&mut out, entry).unwrap();
    out.extend(DisclosureSet::new(vec![disclosure]).unwrap().encode().unwrap());
    out
}

pub(crate) fn trust(admin: &FileKey, action: TrustAction) -> Vec<u8> {
    let extra = Extra::default();
    let statement =
        Statement::Trust(Trust { time: None, commitments: Commitments::default(), action, extra });
    sign_statement(&statement, "acme.example/admin", "keys", admin).unwrap()
}

pub(crate) fn enrol(key: &FileKey, issuer: &str, role: Role, seed: Option<[u8; 32]>) -> Enrol {
    Enrol {
        key: key.public_key(),
        issuer: issuer.into(),
        role,
        chain_seed: seed.map(Digest),
        model: (role == Role::Device).then(|| "IP-200".to_owned()),
        manufacturer: None,
        hw_rev: None,
        udi_di: None,
        attestation: None,
        training: None,
        issuers: vec![],
    }
}

fn time() -> DeviceTime {
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
