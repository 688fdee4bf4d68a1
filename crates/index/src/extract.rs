//! From entry bytes to what the view keeps of them.

use firmlog_statement::{
    Approval, Audit, AuditAction, Authorisation, Outcome, Parsed, Release, Role, Severity,
    Statement, Trust, TrustAction, Update,
};
use firmlog_verify::finding::FindingKind;
use firmlog_verify::gather::{keys_of, withdraws};

use crate::Record;
use crate::record::{Chain, Runs};

/// Reads an entry; `None` for bytes that are no statement (a log that takes anything).
#[must_use]
pub fn extract(entry: &[u8]) -> Option<Record> {
    let parsed = Parsed::parse(entry).ok()?;
    let statement = parsed.decode().ok()?;
    let mut record = Record {
        leaf: parsed.leaf_hash(),
        kind: parsed.kind() as u8,
        issuer: parsed.issuer().to_owned(),
        subject: parsed.subject().to_owned(),
        ..Record::default()
    };
    match &statement {
        Statement::Trust(it) => trust(&mut record, it),
        Statement::Release(it) => release(&mut record, it),
        Statement::Approval(it) => approval(&mut record, it),
        Statement::Authorisation(it) => authorisation(&mut record, it),
        Statement::Update(it) => {
            let (prev, last) = (Some(Chain::tag(&it.prev.0)), Chain::tag(&parsed.entry_hash()));
            record.chain = Some(Chain { prev, last });
            update(&mut record, it);
        }
        Statement::Annotation(it) => {
            record.stated_ms = it.time.utc_ms;
            record.target = Some(it.subject.0);
        }
        Statement::Audit(it) => audit(&mut record, it),
    }
    Some(record)
}

fn trust(record: &mut Record, it: &Trust) {
    record.stated_ms = it.time.as_ref().and_then(|time| time.utc_ms);
    record.keys = keys_of(&it.action).iter().map(|kid| kid.0).collect();
    record.trust = Some(it.action.clone());
    match &it.action {
        TrustAction::Enrol(enrol) if enrol.role == Role::Device => {
            record.device = Some(enrol.key.thumbprint().0);
            record.model = enrol.model.clone();
            record.enrols = Some(enrol.issuer.clone());
            let seed = enrol.chain_seed.map(|seed| Chain::tag(&seed.0));
            record.chain = seed.map(|last| Chain { prev: None, last });
        }
        TrustAction::Rotate(rotate) => record.device = rotate.device.map(|device| device.0),
        _ => {}
    }
}

fn release(record: &mut Record, it: &Release) {
    record.stated_ms = it.time.utc_ms;
    record.event = Some(u64::from(it.event.code()));
    record.version = Some(it.version_name.clone());
    record.version_code = Some(it.version.0);
    record.counter = Some(it.counter.0);
    record.image = Some(it.image.0);
    record.target = it.release.map(|digest| digest.0);
    record.also = withdraws(it.event).then_some(it.image.0);
    record.model = (!it.models.is_empty()).then(|| it.models.join(", "));
}

fn approval(record: &mut Record, it: &Approval) {
    record.stated_ms = it.time.utc_ms;
    record.event = Some(u64::from(it.event.code()));
    record.image = it.image.map(|digest| digest.0);
    record.target = Some(it.release.0);
    record.also = it.supersedes.map(|digest| digest.0);
    record.meaning = Some(u64::from(it.esig.meaning.code()));
}

fn authorisation(record: &mut Record, it: &Authorisation) {
    record.stated_ms = it.time.utc_ms;
    record.also = it.authorisation.map(|digest| digest.0);
    record.event = Some(u64::from(it.event.code()));
    record.image = it.image.map(|digest| digest.0);
    record.target = Some(it.release.0);
}

fn update(record: &mut Record, it: &Update) {
    let name = it.to.as_ref().and_then(|to| to.name).map(|name| name.as_str().to_owned());
    record.stated_ms = it.time.utc_ms;
    record.event = it.events.last().map(|event| u64::from(event.kind.code()));
    record.events = it.events.iter().map(|event| event.kind).collect();
    record.outcome = Some(u64::from(it.outcome.code()));
    record.initiator = it.initiator.as_ref().map(|by| u64::from(by.kind.code()));
    record.device = Some(it.device.0);
    record.seq = Some(it.seq.0);
    record.image = (it.image.0 != [0; 32]).then_some(it.image.0);
    record.version = name;
    record.version_code = (it.version.0 != 0).then_some(it.version.0);
    record.counter = (it.counter.0 != 0).then_some(it.counter.0);
    record.target = it.release.map(|digest| digest.0);
    let unit = it.unit.as_ref();
    record.lost_from = unit.and_then(|unit| unit.lost_from);
    record.model = unit.and_then(|unit| unit.model).map(|model| model.as_str().to_owned());
    record.runs = runs(record, it);
}

/// What the device runs after the statement, where the statement says so.
fn runs(record: &Record, it: &Update) -> Option<Runs> {
    match it.outcome {
        Outcome::Succeeded | Outcome::State | Outcome::Unexpected => Some(Runs {
            version: record.version.clone(),
            version_code: record.version_code,
            counter: record.counter,
            image: record.image,
        }),
        Outcome::RolledBack => it.from.as_ref().map(|from| Runs {
            version: from.name.map(|name| name.as_str().to_owned()),
            version_code: from.version.map(|version| version.0),
            counter: from.counter.map(|counter| counter.0),
            image: from.image.map(|image| image.0),
        }),
        _ => None,
    }
}

fn audit(record: &mut Record, it: &Audit) {
    record.stated_ms = it.time.utc_ms;
    record.target = it.subjects.first().map(|digest| digest.0);
    let detail = it.detail.as_deref().unwrap_or("no detail");
    record.reports = match it.action {
        AuditAction::SubmissionsRefused => {
            let count = it.count.unwrap_or(0);
            let detail = format!("the log refused {count} submissions: {detail}");
            Some((FindingKind::Refusals, detail))
        }
        // The log says of itself which it is: late, or contradicted by a contract.
        AuditAction::AnchorMissing if it.severity == Some(Severity::P1) => {
            Some((FindingKind::ContractContradicts, detail.to_owned()))
        }
        AuditAction::AnchorMissing => Some((FindingKind::AnchorLate, detail.to_owned())),
        _ => None,
    };
}
