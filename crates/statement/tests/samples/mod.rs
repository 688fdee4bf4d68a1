//! One full-field statement of each kind, and the keys that sign them: made anew from
//! constants, so that vectors never depend on when or where they are made.

use firmlog_statement::disclosure::{Commitment, Commitments, FieldId};
use firmlog_statement::event::EventType;
use firmlog_statement::time::{DeviceTime, Source, SyncState, ZoneOffset};
use firmlog_statement::*;
use p256::ecdsa::signature::Signer as _;

/// A P-256 key that signs as RFC 6979 says.
pub(crate) struct P256Key(p256::ecdsa::SigningKey);
/// An Ed25519 key.
pub(crate) struct Ed25519Key(ed25519_dalek::SigningKey);

pub(crate) fn p256_key() -> P256Key {
    P256Key(p256::ecdsa::SigningKey::from_slice(&[0x11; 32]).unwrap())
}

pub(crate) fn ed25519_key() -> Ed25519Key {
    Ed25519Key(ed25519_dalek::SigningKey::from_bytes(&[0x22; 32]))
}

impl Signer for P256Key {
    fn public_key(&self) -> PublicKey {
        let point = self.0.verifying_key().to_sec1_point(false);
        PublicKey::P256(point.as_bytes()[1..].try_into().unwrap())
    }
    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        let signature: p256::ecdsa::Signature = self.0.sign(tbs);
        Ok(signature.to_bytes().into())
    }
}

impl Signer for Ed25519Key {
    fn public_key(&self) -> PublicKey {
        PublicKey::Ed25519(self.0.verifying_key().to_bytes())
    }
    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        use ed25519_dalek::Signer as _;
        Ok(self.0.sign(tbs).to_bytes())
    }
}

pub(crate) const ISSUER: &str = "acme.example/devices";
pub(crate) const SUBJECT: &str = "ip-200/app";

pub(crate) fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

pub(crate) fn text<const N: usize>(text: &str) -> Option<Text<N>> {
    Some(Text::new(text).unwrap())
}

pub(crate) fn commitments(fields: &[FieldId]) -> Commitments {
    let all: Vec<_> =
        fields.iter().map(|f| Commitment::new(*f, &[f.code() as u8; 16], f.name())).collect();
    Commitments::new(&all).unwrap()
}

pub(crate) fn extra() -> Extra {
    let mut extra = Extra::default();
    extra.push(64, &[0x83, 0x01, 0x20, 0xf6]).unwrap();
    extra.push(1000, &[0xa1, 0x61, 0x61, 0x42, 0x01, 0x02]).unwrap();
    extra
}

pub(crate) fn plain_time() -> DeviceTime {
    DeviceTime {
        utc_ms: Some(1_781_870_400_000),
        zone_min: None,
        source: Source::Ntp,
        sync: SyncState::Synchronised,
        uncertainty_ms: None,
        last_sync_ms: None,
        boot_id: None,
        uptime_ms: Some(912_004),
        counter: None,
        evidence: None,
    }
}

pub(crate) fn full_time() -> DeviceTime {
    DeviceTime {
        zone_min: Some(ZoneOffset::new(-570).unwrap()),
        uncertainty_ms: Some(250),
        last_sync_ms: Some(1_781_866_800_000),
        boot_id: Some(Bytes::new(&[0xb0; 16]).unwrap()),
        counter: Some(u64::MAX),
        evidence: Some(digest(0xe7)),
        ..plain_time()
    }
}

fn events(list: &[(EventType, u64)]) -> Events {
    let all: Vec<_> = list.iter().map(|(kind, ago)| Event::new(*kind, *ago)).collect();
    Events::new(&all).unwrap()
}

/// What a device sends after an ordinary update.
pub(crate) fn typical_update() -> Update {
    use EventType::*;
    Update {
        device: p256_key().public_key().thumbprint().into(),
        image: digest(0xa1),
        version: VersionCode(0x0002_0004_0001),
        counter: SecurityCounter(9),
        outcome: Outcome::Succeeded,
        seq: Seq(7),
        prev: digest(0xa2),
        events: events(&[(Installed, 8120), (Reboot, 8010), (BootOk, 600), (Committed, 0)]),
        time: plain_time(),
        from: Some(Firmware { version: Some(VersionCode(0x0002_0004_0000)), ..Firmware::UNKNOWN }),
        to: None,
        release: Some(digest(0xa3)),
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
    }
}

fn full_firmware(byte: u8) -> Firmware {
    Firmware {
        name: text("2.4.1-rc.1"),
        image: Some(digest(byte)),
        version: Some(VersionCode(0x0002_0004_0001)),
        counter: Some(SecurityCounter(9)),
        slot: Some(1),
        size_bytes: Some(524_288),
        manifest: Some(digest(0xb1)),
        signer: Some(digest(0xb2)),
        signature: Some(Verdict::Good),
        component: text("app"),
        keccak: Some(digest(0xb3)),
    }
}

/// Every field an update can have.
pub(crate) fn full_update() -> Update {
    let mut told = Event::new(EventType::RefusedDowngrade, 90_000);
    (told.code, told.count, told.image) = (Some(17), Some(40), Some(digest(0xc0)));
    Update {
        outcome: Outcome::Refused,
        events: Events::new(&[told, Event::new(EventType::InstalledState, 0)]).unwrap(),
        time: full_time(),
        from: Some(full_firmware(0xc1)),
        to: Some(full_firmware(0xc2)),
        authorisation: Some(digest(0xc3)),
        initiator: Some(Initiator {
            kind: InitiatorKind::Person,
            subject: Some(digest(0xc4)),
            role: text("biomed technician"),
            organisation: text("hospital.example"),
        }),
        reason: Some(Reason {
            code: ReasonCode::SecurityFix,
            clinical: Some(ClinicalContext::Standby),
            campaign: Some([0xc5; 16]),
            policy: Some(digest(0xc6)),
        }),
        transport: Some(Transport {
            channel: Channel::ServiceTool,
            source: Some(digest(0xc7)),
            agent: text("rauc"),
            agent_version: text("1.11"),
            transaction: Some(Bytes::new(&[0xc8; 16]).unwrap()),
        }),
        result: Some(UpdateResult {
            phase: Phase::Verify,
            error: Some(4),
            attempts: Some(2),
            duration_ms: Some(61_000),
            power: Some(PowerState::Battery),
            test: Some(Test {
                id: Text::new("post").unwrap(),
                passed: true,
                data: Some(digest(0xc9)),
            }),
        }),
        boot: Some(Boot {
            secure_boot: SecureBoot::Enforced,
            rollback_counter: Some(9),
            lifecycle: Some(0x3000),
            measurements: List::from_slice(&[
                Measurement { index: 0, digest: digest(0xca), name: text("boot") },
                Measurement { index: 1, digest: digest(0xcb), name: None },
            ])
            .unwrap(),
            evidence: Some(Evidence { format: EvidenceFormat::TpmQuote, digest: digest(0xcc) }),
        }),
        checkpoint: Some(CheckpointSeen { size: 20_852_163, root: digest(0xcd) }),
        unit: Some(Unit {
            manufacturer: text("Acme Pumps"),
            model: text("IP-200"),
            hw_rev: text("C"),
            udi_di: text("51022222233336"),
            journal: Some(Bytes::new(&[0xce; 8]).unwrap()),
            dropped: Some(3),
            dropped_root: Some(digest(0xcf)),
            lost_from: Some(300),
        }),
        commitments: commitments(&[FieldId::Serial, FieldId::Technician, FieldId::Site]),
        ..typical_update()
    }
}

pub(crate) fn esig() -> ESignature {
    ESignature {
        signer: ed25519_key().public_key().thumbprint(),
        meaning: Meaning::Approval,
        reason: ReasonCode::SecurityFix,
        time_ms: 1_781_870_399_000,
        zone_min: ZoneOffset::new(120).unwrap(),
        factors: Factors(Factors::ID | Factors::SECRET),
        certificate: Some(digest(0xd0)),
    }
}

fn enrol(key: PublicKey, role: Role) -> Enrol {
    let device = role == Role::Device;
    let told = |text: &str| device.then(|| text.to_owned());
    Enrol {
        key,
        issuer: ISSUER.into(),
        role,
        chain_seed: device.then(|| digest(0xd1)),
        model: told("IP-200"),
        manufacturer: told("Acme Pumps"),
        hw_rev: told("C"),
        udi_di: told("51022222233336"),
        attestation: Some(digest(0xd2)),
        training: (!device).then(|| "TR-118".to_owned()),
        issuers: if role == Role::Approver { vec![ISSUER.into()] } else { vec![] },
    }
}

fn trust(action: TrustAction) -> Trust {
    Trust {
        time: Some(full_time()),
        commitments: commitments(&[FieldId::Serial, FieldId::UdiPi]),
        action,
        extra: extra(),
    }
}

fn release() -> Release {
    let some = |text: &str| Some(text.to_owned());
    Release {
        image: digest(0xa1),
        version: VersionCode(0x0002_0004_0001),
        counter: SecurityCounter(9),
        event: EventType::ReleasePublished,
        time: full_time(),
        release: Some(digest(0xe0)),
        commitments: commitments(&[FieldId::Note]),
        supersedes: Some(digest(0xe1)),
        component: "app".into(),
        manufacturer: some("Acme Pumps"),
        keccak: Some(digest(0xe2)),
        version_name: "2.4.1".into(),
        models: vec!["IP-200".into(), "IP-210".into()],
        hw_revs: vec!["C".into()],
        size_bytes: 524_288,
        manifest: Some(digest(0xe3)),
        image_signer: Some(digest(0xe4)),
        sbom: Some(Sbom {
            digest: digest(0xe5),
            format: "cyclonedx".into(),
            version: "1.6".into(),
        }),
        vex: Some(digest(0xe6)),
        provenance: Some(digest(0xe7)),
        change_requests: vec!["CR-7".into()],
        problem_reports: vec!["PR-31".into()],
        quality_refs: vec!["CAPA-3".into()],
        risk_ref: some("RMF-200 rev 8"),
        anomalies: Some(digest(0xe8)),
        udi_change: Some(UdiChange::Pi),
        udi_di_old: some("51022222233336"),
        udi_di_new: some("51022222233336"),
        regulatory: Some(Regulatory {
            action: RegulatoryAction::NotReported806,
            justification: Some(digest(0xe9)),
            designated: Some(ed25519_key().public_key().thumbprint()),
            reference: some("806-2026-4"),
        }),
        support: Some(SupportState::Supported),
        certificates: Some(digest(0xea)),
        extra: extra(),
    }
}

fn approval() -> Approval {
    Approval {
        image: Some(digest(0xa1)),
        event: EventType::ReleaseApproved,
        time: full_time(),
        release: digest(0xa3),
        commitments: commitments(&[FieldId::PrintedName, FieldId::ReasonText]),
        supersedes: Some(digest(0xf0)),
        esig: esig(),
        evidence: vec![digest(0xf1), digest(0xf2)],
        extra: extra(),
    }
}

fn authorisation() -> Authorisation {
    Authorisation {
        image: Some(digest(0xa1)),
        event: EventType::DowngradeAuthorised,
        time: full_time(),
        release: digest(0xa3),
        authorisation: Some(digest(0xf3)),
        reason: full_update().reason,
        commitments: commitments(&[FieldId::PrintedName, FieldId::Site]),
        esig: esig(),
        devices: vec![p256_key().public_key().thumbprint().into()],
        models: vec!["IP-200".into()],
        from_ms: Some(1_781_870_400_000),
        until_ms: Some(1_784_462_400_000),
        downgrade: Some(true),
        log_before_install: Some(Gate::Required),
        over_version: Some(VersionCode(0x0002_0000_0000)),
        extra: extra(),
    }
}

fn annotation() -> Annotation {
    Annotation {
        time: full_time(),
        reason: full_update().reason,
        commitments: commitments(&[FieldId::Note]),
        supersedes: Some(digest(0xf4)),
        subject: digest(0xf5),
        relation: Relation::Correction,
        changes: vec![Change {
            field: "version_name".into(),
            old: Some("2.4.0".into()),
            new: Some("2.4.1".into()),
        }],
        esig: Some(esig()),
        refs: vec!["C-2026-19".into()],
        extra: extra(),
    }
}

fn audit() -> Audit {
    Audit {
        time: full_time(),
        initiator: full_update().initiator,
        commitments: commitments(&[FieldId::Note]),
        action: AuditAction::SubmissionsRefused,
        subjects: vec![digest(0xf6)],
        devices: vec![p256_key().public_key().thumbprint().into()],
        old: Some(digest(0xf7)),
        new: Some(digest(0xf8)),
        window_from_ms: Some(1_781_870_400_000),
        window_until_ms: Some(1_781_874_000_000),
        count: Some(118),
        severity: Some(Severity::P2),
        detail: Some("signature does not verify".into()),
        esig: Some(esig()),
        extra: extra(),
    }
}

/// Name and statement of every sample.
pub(crate) fn all() -> Vec<(&'static str, Statement)> {
    let genesis = Genesis {
        origin: "log.example.org/infusion-pumps".into(),
        log_keys: vec!["log.example.org/infusion-pumps+00000000+AQ==".into()],
        registration: Registration::Signed,
        approvals: 2,
        keys: vec![
            enrol(ed25519_key().public_key(), Role::Admin),
            enrol(p256_key().public_key(), Role::Manufacturer),
        ],
        policy: Some(digest(0xd3)),
    };
    let rotate = Rotate {
        old: ed25519_key().public_key().thumbprint(),
        new: p256_key().public_key(),
        device: Some(DeviceId([0xd4; 32])),
    };
    let revoke = Revoke {
        kid: ed25519_key().public_key().thumbprint(),
        reason: RevokeReason::Compromised,
        from_ms: Some(1_781_870_400_000),
        from_seq: Some(41),
        from_entry: Some(20_852_160),
    };
    let policy = PolicyChange {
        registration: Some(Registration::Signed),
        approvals: Some(3),
        log_keys: vec!["log.example.org/infusion-pumps+00000000+AQ==".into()],
        policy: Some(digest(0xd5)),
    };
    let device = enrol(p256_key().public_key(), Role::Device);
    let approver = enrol(p256_key().public_key(), Role::Approver);
    vec![
        ("trust_genesis", trust(TrustAction::Genesis(genesis)).into()),
        ("trust_enrol", trust(TrustAction::Enrol(device)).into()),
        ("trust_enrol_approver", trust(TrustAction::Enrol(approver)).into()),
        ("trust_rotate", trust(TrustAction::Rotate(rotate)).into()),
        ("trust_revoke", trust(TrustAction::Revoke(revoke)).into()),
        ("trust_policy", trust(TrustAction::Policy(policy)).into()),
        ("release", release().into()),
        ("approval", approval().into()),
        ("authorisation", authorisation().into()),
        ("update", typical_update().into()),
        ("update_full", full_update().into()),
        ("annotation", annotation().into()),
        ("audit", audit().into()),
    ]
}

/// Who signs a sample: updates the P-256 key, the rest the Ed25519 key.
pub(crate) fn signer_of(statement: &Statement) -> Box<dyn Signer> {
    match statement.kind() {
        Kind::Update => Box::new(p256_key()),
        _ => Box::new(ed25519_key()),
    }
}

/// The entry of a sample.
pub(crate) fn entry(statement: &Statement) -> Vec<u8> {
    sign_statement(statement, ISSUER, SUBJECT, &*signer_of(statement)).unwrap()
}
