//! A statement of every kind, each by somebody who may sign it.

use firmlog_statement::disclosure::Commitments;
use firmlog_statement::event::EventType;
use firmlog_statement::time::ZoneOffset;
use firmlog_statement::{
    Annotation, Approval, Audit, AuditAction, Authorisation, Digest, ESignature, Extra, Factors,
    Meaning, PolicyChange, ReasonCode, Relation, Release, Revoke, RevokeReason, Role, Rotate,
    SecurityCounter, Signer as _, Statement, TrustAction, VersionCode, leaf_hash, sign_statement,
};

use super::people::{Person, enrol, time, trust};

const MAKER: &str = "acme.example/fw";
const APPROVER: &str = "hospital.example/quality";
const AUTHORISER: &str = "hospital.example/field";
const AUDITOR: &str = "auditor.example/people";

/// One of every kind and action but a genesis and a device's, in an order in which a log takes
/// them.
pub(crate) fn every_kind() -> Vec<(&'static str, Vec<u8>)> {
    let [maker, approver, authoriser, auditor, leaver] = [2, 3, 4, 5, 6].map(Person::new);
    let kid = |key: &Person| key.public_key().thumbprint();
    let enrolled = |key: &Person, issuer: &str, role| {
        trust(TrustAction::Enrol(enrol(key, issuer, role, None)))
    };
    let published = release(&maker, EventType::ReleasePublished, None);
    let named = Digest(leaf_hash(&published));
    let revoke = Revoke {
        kid: kid(&Person::new(7)),
        reason: RevokeReason::Retired,
        from_ms: None,
        from_seq: None,
        from_entry: None,
    };
    let rotate = Rotate { old: kid(&leaver), new: Person::new(7).public_key(), device: None };
    let policy =
        PolicyChange { registration: None, approvals: Some(1), log_keys: vec![], policy: None };
    vec![
        ("enrol", enrolled(&maker, MAKER, Role::Manufacturer)),
        ("enrol", enrolled(&approver, APPROVER, Role::Approver)),
        ("enrol", enrolled(&authoriser, AUTHORISER, Role::Authoriser)),
        ("enrol", enrolled(&auditor, AUDITOR, Role::Auditor)),
        ("enrol", enrolled(&leaver, AUDITOR, Role::Auditor)),
        ("rotate", trust(TrustAction::Rotate(rotate))),
        ("revoke", trust(TrustAction::Revoke(revoke))),
        ("policy", trust(TrustAction::Policy(policy))),
        ("release", published),
        ("recall", release(&maker, EventType::ReleaseRecalled, Some(named))),
        ("approval", approval(&approver, named)),
        ("authorisation", authorisation(&authoriser, named)),
        ("annotation", annotation(&auditor, named)),
        ("audit", audit(&auditor)),
    ]
}

fn release(maker: &Person, event: EventType, release: Option<Digest>) -> Vec<u8> {
    let statement = Statement::Release(Release {
        image: Digest([3; 32]),
        version: VersionCode(1),
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
    sign_statement(&statement, MAKER, "ip-200/app", maker).unwrap()
}

fn approval(approver: &Person, release: Digest) -> Vec<u8> {
    let statement = Statement::Approval(Approval {
        image: None,
        event: EventType::ReleaseApproved,
        time: time(),
        release,
        commitments: Commitments::default(),
        supersedes: None,
        esig: esig(approver),
        evidence: vec![],
        extra: Extra::default(),
    });
    sign_statement(&statement, APPROVER, "ip-200/app", approver).unwrap()
}

fn authorisation(authoriser: &Person, release: Digest) -> Vec<u8> {
    let statement = Statement::Authorisation(Authorisation {
        image: None,
        event: EventType::UpdateAuthorised,
        time: time(),
        release,
        authorisation: None,
        reason: None,
        commitments: Commitments::default(),
        esig: esig(authoriser),
        devices: vec![],
        models: vec!["IP-200".into()],
        from_ms: None,
        until_ms: None,
        downgrade: None,
        log_before_install: None,
        over_version: None,
        extra: Extra::default(),
    });
    sign_statement(&statement, AUTHORISER, "ip-200/app", authoriser).unwrap()
}

fn annotation(auditor: &Person, subject: Digest) -> Vec<u8> {
    let statement = Statement::Annotation(Annotation {
        time: time(),
        reason: None,
        commitments: Commitments::default(),
        supersedes: None,
        subject,
        relation: Relation::Review,
        changes: vec![],
        esig: None,
        refs: vec![],
        extra: Extra::default(),
    });
    sign_statement(&statement, AUDITOR, "ip-200/app", auditor).unwrap()
}

fn audit(auditor: &Person) -> Vec<u8> {
    let statement = Statement::Audit(Audit {
        time: time(),
        initiator: None,
        commitments: Commitments::default(),
        action: AuditAction::TrailReviewed,
        subjects: vec![],
        devices: vec![],
        old: None,
        new: None,
        window_from_ms: None,
        window_until_ms: None,
        count: None,
        severity: None,
        detail: None,
        esig: None,
        extra: Extra::default(),
    });
    sign_statement(&statement, AUDITOR, "trail", auditor).unwrap()
}

fn esig(key: &Person) -> ESignature {
    ESignature {
        signer: key.public_key().thumbprint(),
        meaning: Meaning::Approval,
        reason: ReasonCode::Feature,
        time_ms: 1_790_000_000_000,
        zone_min: ZoneOffset::UTC,
        factors: Factors(Factors::ID | Factors::SECRET),
        certificate: None,
    }
}
