//! What the view keeps of one entry.

use firmlog_statement::TrustAction;
use firmlog_statement::event::EventType;
use firmlog_verify::finding::FindingKind;

/// The indexed part of one entry. Fields a kind does not have are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// RFC 6962 leaf hash of the entry bytes.
    pub leaf: [u8; 32],
    /// Statement kind, 0 to 6.
    pub kind: u8,
    /// Issuer (CWT claim 1).
    pub issuer: String,
    /// Subject (CWT claim 2).
    pub subject: String,
    /// The signer's own time, Unix milliseconds.
    pub stated_ms: Option<u64>,
    /// The last lifecycle event the entry carries.
    pub event: Option<u64>,
    /// Every event of an update, in order.
    pub events: Vec<EventType>,
    /// Outcome of an update.
    pub outcome: Option<u64>,
    /// Kind of who started it (person, system, device).
    pub initiator: Option<u64>,
    /// Device the entry is about or by.
    pub device: Option<[u8; 32]>,
    /// Place in the device's chain.
    pub seq: Option<u64>,
    /// Where a device's chain stands before and after this, by the first eight bytes of each hash;
    /// of an enrolment, where it begins.
    pub chain: Option<Chain>,
    /// From where on a device could not read its own statements, where it tells that.
    pub lost_from: Option<u64>,
    /// Firmware version as people write it; where a device leaves it out, the view has what the
    /// release calls the image.
    pub version: Option<String>,
    /// Firmware version as an ordered number.
    pub version_code: Option<u64>,
    /// Anti-rollback counter.
    pub counter: Option<u32>,
    /// SHA-256 of the firmware image.
    pub image: Option<[u8; 32]>,
    /// Leaf hash of the entry this one is about (a release approved, a statement corrected).
    pub target: Option<[u8; 32]>,
    /// The signature that this one takes the place of; of a withdrawal, the image.
    pub also: Option<[u8; 32]>,
    /// Device model.
    pub model: Option<String>,
    /// What an approval means.
    pub meaning: Option<u64>,
    /// What a `Trust` statement does.
    pub trust: Option<TrustAction>,
    /// A finding the entry itself states (an `Audit` of refusals or anchors): its sentence.
    pub reports: Option<(FindingKind, String)>,
    /// If this entry enrols `device`: the issuer that the device then speaks for.
    pub enrols: Option<String>,
    /// Thumbprints of the keys that a `Trust` statement enrols, replaces or revokes.
    pub keys: Vec<[u8; 32]>,
    /// What the device runs after this statement, where the statement says so.
    pub runs: Option<Runs>,
}

/// A link of a device's chain, as the view compares it: the log and its readers compare all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// What the statement says came before; none of an enrolment.
    pub prev: Option<u64>,
    /// What the next one names.
    pub last: u64,
}

impl Chain {
    /// The first eight bytes of a hash.
    #[must_use]
    pub fn tag(hash: &[u8; 32]) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = *hash;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Firmware that a device says it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Version as people write it.
    pub version: Option<String>,
    /// Version as an ordered number.
    pub version_code: Option<u64>,
    /// Anti-rollback counter.
    pub counter: Option<u32>,
    /// SHA-256 of the image.
    pub image: Option<[u8; 32]>,
}

impl Record {
    pub(crate) const RELEASE: u8 = 1;
    pub(crate) const APPROVAL: u8 = 2;
    pub(crate) const UPDATE: u8 = 4;
}
