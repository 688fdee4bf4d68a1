//! Shapes of the JSON interface. Integers that may pass 2^53 are strings.

use firmlog_index::{DeviceRow, EntryRow, Finding, FleetCount, ReleaseRow};
use firmlog_statement::event::EventType;
use firmlog_statement::{InitiatorKind, Kind, Meaning, Outcome};
use firmlog_verify::report::Released;
use serde::Serialize;
use utoipa::ToSchema;

use crate::show;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listed<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Pass it as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// How far the view behind this list is.
    pub index: Lag,
}

/// How far the queryable view is behind the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Lag {
    /// Entries the view covers.
    #[schema(example = "48211")]
    pub covered: String,
    /// Entries in the log that it does not cover yet.
    #[schema(example = "0")]
    pub lag: String,
}

/// A line of a list of entries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryLine {
    /// Position in the log.
    #[schema(example = "48211")]
    pub index: String,
    /// RFC 6962 leaf hash, hex: the entry's id.
    pub leaf_hash: String,
    /// Kind of statement.
    #[schema(example = "update")]
    pub kind: String,
    /// Issuer.
    pub issuer: String,
    /// Subject.
    pub subject: String,
    /// Last lifecycle event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Outcome of an update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Who set it in motion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    /// Device id, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Place in the device's chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<String>,
    /// Model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Version as people write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Version as an ordered number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_code: Option<String>,
    /// SHA-256 of the firmware, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// Leaf hash of the entry this one is about, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// What an approval means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// The signer's own time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated_at: Option<String>,
    /// When this server received it, by its own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<String>,
}

impl From<&EntryRow> for EntryLine {
    fn from(row: &EntryRow) -> Self {
        let record = &row.record;
        Self {
            index: row.index.to_string(),
            leaf_hash: show::hex(&record.leaf),
            kind: kind(record.kind).to_owned(),
            issuer: record.issuer.clone(),
            subject: record.subject.clone(),
            event: record.event.map(event),
            outcome: record.outcome.map(outcome),
            initiator: record.initiator.map(initiator),
            device: record.device.map(|device| show::hex(&device)),
            seq: record.seq.map(|seq| seq.to_string()),
            model: record.model.clone(),
            version: record.version.clone(),
            version_code: record.version_code.map(|code| code.to_string()),
            firmware: record.image.map(|image| show::hex(&image)),
            about: record.target.map(|target| show::hex(&target)),
            meaning: record.meaning.map(meaning),
            stated_at: record.stated_ms.map(show::utc),
            seen_at: row.seen_ms.map(show::utc),
        }
    }
}

/// What is known of a device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceState {
    /// Device id, hex.
    pub device: String,
    /// Issuer name its key was enrolled under.
    pub issuer: String,
    /// Model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Version it last said it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The same as an ordered number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_code: Option<String>,
    /// SHA-256 of the image it last said it runs, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// Last lifecycle event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Last outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Number of its statements.
    pub entries: String,
    /// Newest place in its chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<String>,
    /// Index of the entry that first named it.
    pub first_index: String,
    /// Index of its newest entry.
    pub last_index: String,
    /// Statements that contradict an earlier one of the same device.
    pub forks: String,
}

impl From<&DeviceRow> for DeviceState {
    fn from(row: &DeviceRow) -> Self {
        Self {
            device: show::hex(&row.device),
            issuer: row.issuer.clone(),
            model: row.model.clone(),
            version: row.version.clone(),
            version_code: row.version_code.map(|code| code.to_string()),
            firmware: row.image.map(|image| show::hex(&image)),
            event: row.event.map(event),
            outcome: row.outcome.map(outcome),
            entries: row.entries.to_string(),
            seq: row.seq.map(|seq| seq.to_string()),
            first_index: row.first_index.to_string(),
            last_index: row.last_index.to_string(),
            forks: row.forks.to_string(),
        }
    }
}

/// A release and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReleaseState {
    /// Its entry.
    pub entry: EntryLine,
    /// Where it stands: `proposed`, `approved`, `published`, `rejected`, `suspended`, `recalled` or
    /// `ended`.
    #[schema(example = "published")]
    pub standing: String,
    /// Entry that made it so.
    pub since: String,
    /// Whether the log's rules let it be used.
    pub usable: bool,
    /// Why not, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// Issuers that approve it and whose word counts, its own aside; two keys of one issuer count
    /// once.
    pub approvals: String,
    /// Approvals that the log's policy asks for.
    pub approvals_required: String,
    /// Devices that last said they run its image.
    pub devices: String,
}

impl ReleaseState {
    /// A release of the index, as the judge has it.
    pub(crate) fn new(row: &ReleaseRow, judged: &Released) -> Self {
        let standing = &judged.standing;
        Self {
            entry: EntryLine::from(&row.entry),
            standing: standing.standing.word().to_owned(),
            since: standing.since.to_string(),
            usable: standing.is_usable(),
            headline: judged.headline(),
            approvals: standing.approvals.to_string(),
            approvals_required: standing.required.to_string(),
            devices: row.devices.to_string(),
        }
    }
}

/// What reading every entry showed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FindingLine {
    /// Position among findings.
    pub id: String,
    /// The kind's word, such as `chain_fork`; docs/spec/standing.md has all of them.
    #[schema(example = "chain_fork")]
    pub kind: String,
    /// `P1` to `P4`, or `info`.
    #[schema(example = "P1")]
    pub severity: String,
    /// Entry that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// The entry it contradicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_index: Option<String>,
    /// Device id, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// One sentence.
    pub detail: String,
}

impl From<&Finding> for FindingLine {
    fn from(finding: &Finding) -> Self {
        Self {
            id: finding.id.to_string(),
            kind: finding.kind.clone(),
            severity: finding.severity.clone(),
            index: finding.index.map(|index| index.to_string()),
            other_index: finding.other_index.map(|index| index.to_string()),
            device: finding.device.map(|device| show::hex(&device)),
            detail: finding.detail.clone(),
        }
    }
}

/// How many devices of a model run a version, by their own word.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FleetLine {
    /// Model.
    pub model: String,
    /// Version; empty when none was ever stated.
    pub version: String,
    /// Number of devices.
    pub devices: String,
}

impl From<&FleetCount> for FleetLine {
    fn from(count: &FleetCount) -> Self {
        Self {
            model: count.model.clone(),
            version: count.version.clone(),
            devices: count.devices.to_string(),
        }
    }
}

/// Name of a kind.
pub(crate) fn kind(code: u8) -> &'static str {
    Kind::from_code(u64::from(code)).map_or("unknown", Kind::name)
}

/// Name of an event; the number, if a newer program wrote it.
pub(crate) fn event(code: u64) -> String {
    EventType::from_code(code).map_or_else(|| code.to_string(), |event| event.name().to_owned())
}

/// Name of an outcome.
pub(crate) fn outcome(code: u64) -> String {
    Outcome::from_code(code).map_or_else(|| code.to_string(), |outcome| outcome.name().to_owned())
}

fn initiator(code: u64) -> String {
    InitiatorKind::from_code(code).map_or_else(|| code.to_string(), |kind| kind.name().to_owned())
}

fn meaning(code: u64) -> String {
    Meaning::from_code(code).map_or_else(|| code.to_string(), |it| it.name().to_owned())
}
