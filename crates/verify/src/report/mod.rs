//! Verdicts: what a bundle proves, in one word, five rungs and a list of what was not checked.
//!
//! ```text
//! signed         7 of 7 statements
//! in log         log.example.org/pumps, 48930 entries
//! witnessed      hospital, regulator (quorum reached)
//! time-stamped   not checked
//! anchored       size 48930 by 2027-01-15T08:01:00Z, block 23000000 of chain 1: event proven, …
//! verdict        verified
//! ```
//!
//! In scope: deciding. Out of scope: the bytes (`bundle`), showing the result (`cli`, `server`).
//!
//! | verdict | means |
//! |---|---|
//! | verified | what was asked for is signed and in the log, every entry of the log was read, the quorum witnessed it, nothing forbids, and it is anchored if the trust root names a contract |
//! | verified so far | the same, but it is not shown that nothing was left out, or a higher rung is missing |
//! | not found | the evidence is sound, and what was asked for is not in it |
//! | altered | something is not what was signed or logged; the object is named |
//! | cannot check | the trust root is of another log, or keys are missing |
//!
//! Invariants:
//! - Altered outranks cannot check, that outranks not found, that verified so far, that verified.
//! - The verdict is about the evidence. What the evidence shows (a recall, a forked chain) is a
//!   standing or a [`Finding`], with the entries that prove it; where either forbids, the verdict
//!   is never `verified`. The table of all of it is `docs/spec/standing.md`.
//! - No bundle is `verified`: a recall may have been left out of it.
//! - Nothing in a [`Report`] comes from an entry that is not both signed and in the log, except
//!   where it says so.

mod anchors;
mod judged;
mod ledger;
mod left_out;
mod released;
mod replay;
mod run;
mod rungs;
mod standing;
mod times;
mod words;

use alloc::string::String;
use alloc::vec::Vec;

use firmlog_statement::event::EventType;
use firmlog_statement::{DeviceId, Kind, Meaning, Release};
use firmlog_tlog::merkle::{Hash, LeafIndex};

use crate::bundle::Object;
use crate::checkpoint::SignedHead;
use crate::evm::{EvmAnchor, NoteCheck};
use crate::finding::{Evidence, Finding, FindingKind};
use crate::registry::Refusal;
use crate::standing::ReleaseStanding;

pub(crate) use ledger::Ledger;
pub use left_out::NotChecked;
pub use run::{verify_bundle, verify_file, verify_gathered};
pub use standing::{is_by_good_key, standing_of};

/// What somebody wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Is all of this sound? Never `verified`: it asks nothing that could be complete.
    Whole,
    /// What happened to this device?
    Device(DeviceId),
    /// May this release, by the leaf hash of the statement that begins it, be used?
    Release(Hash),
    /// Is the image with this SHA-256 a release that may be used?
    Image([u8; 32]),
    /// Did somebody say this, by leaf hash?
    Statement(Hash),
}

/// What the evidence was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A file: what it leaves out is not known.
    Part,
    /// Every entry under the last checkpoint was read, and all that the question depends on taken.
    EveryEntry,
}

/// What a report comes to, the exit code of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// The whole claim is proven.
    Proven = 0,
    /// Evidence speaks against it.
    Against = 1,
    /// It could not be checked.
    CannotRun = 2,
    /// It is not complete, or not there.
    Incomplete = 3,
}

/// Where a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceStanding {
    /// It reports.
    InService,
    /// Its chain has more than one branch.
    Forked,
    /// A key that it signed with is compromised at a statement of the evidence.
    Compromised,
    /// It was taken out of use.
    Decommissioned,
}

impl DeviceStanding {
    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::InService => "in service",
            Self::Forked => "forked",
            Self::Compromised => "compromised",
            Self::Decommissioned => "decommissioned",
        }
    }
}

/// A release that was asked for, and what the log says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Where it begins.
    pub index: LeafIndex,
    /// Leaf hash of the statement that begins it.
    pub leaf: Hash,
    /// Who releases.
    pub issuer: String,
    /// What it is about, such as `ip-200/app`.
    pub subject: String,
    /// What was said.
    pub statement: Release,
    /// Where it stands.
    pub standing: ReleaseStanding,
    /// What was said of it later by keys that may speak about it, in the order of the log.
    pub words: Vec<Word>,
}

/// A later word on a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it is.
    pub index: LeafIndex,
    /// Release, approval or authorisation.
    pub kind: Kind,
    /// Who says it.
    pub issuer: String,
    /// The step.
    pub event: EventType,
    /// What a person's signature means.
    pub meaning: Option<Meaning>,
}

/// The five words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// The whole claim is proven.
    Verified = 0,
    /// Proven as far as the evidence reaches; nothing speaks against it.
    VerifiedSoFar = 1,
    /// The evidence is sound and says nothing of what was asked.
    NotFound = 2,
    /// What decides is not there, or not trusted.
    CannotCheck = 3,
    /// Something is not what was signed or logged.
    Altered = 4,
}

impl Verdict {
    /// The word, the same in CLI, JSON, pages and PDF.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::VerifiedSoFar => "verified so far",
            Self::NotFound => "not found",
            Self::CannotCheck => "cannot check",
            Self::Altered => "altered",
        }
    }
}

impl core::fmt::Display for Verdict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.word())
    }
}

/// The rungs of the evidence ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// By an enrolled key whose role allows it.
    Signed = 1,
    /// Under a checkpoint that the log signed.
    InLog = 2,
    /// By the quorum of the trust root.
    Witnessed = 3,
    /// By a time-stamp authority (RFC 3161).
    TimeStamped = 4,
    /// Outside the operator's reach.
    Anchored = 5,
}

impl Level {
    /// All five, lowest first.
    pub const ALL: [Self; 5] =
        [Self::Signed, Self::InLog, Self::Witnessed, Self::TimeStamped, Self::Anchored];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::InLog => "in log",
            Self::Witnessed => "witnessed",
            Self::TimeStamped => "time-stamped",
            Self::Anchored => "anchored",
        }
    }
}

/// Whether a rung is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RungState {
    /// Proven.
    Reached,
    /// Not there yet; never shown in red.
    Missing,
    /// Evidence against.
    Failed,
    /// Nobody looked.
    NotChecked,
}

/// One rung of the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Which.
    pub level: Level,
    /// Whether it is reached.
    pub state: RungState,
    /// In words: by whom, how many.
    pub detail: String,
}

/// What became of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// Signed by a key that may, and in the log.
    Good,
    /// In the log; its signer's enrolment is not in the bundle.
    KeyUnknown,
    /// In the log, and no statement of ours: logs that take any bytes have such.
    NotAStatement,
    /// In the log although the rules say it should not be.
    AgainstRules(Refusal),
    /// In the log before, at the other index: its first place counts.
    Repeated(LeafIndex),
    /// Its signature does not verify.
    SignatureWrong,
    /// Its path does not lead to the checkpoint.
    NotInLog,
}

impl EntryState {
    /// Whether the judge hears it: what forbids counts although it names no release as the rules
    /// ask for.
    pub(crate) const fn is_heard(self) -> bool {
        use Refusal::{NotARelease, StepNamesNone};
        matches!(self, Self::Good | Self::AgainstRules(NotARelease | StepNamesNone))
    }

    /// Whether it says something of a release that does not count, but may be named.
    pub(crate) const fn is_ignored(self) -> bool {
        matches!(self, Self::AgainstRules(refusal) if refusal.is_of_release()) && !self.is_heard()
    }
}

/// One entry of the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryReport {
    /// Its place in the log.
    pub index: LeafIndex,
    /// Its leaf hash.
    pub leaf: Hash,
    /// What kind of statement it is, if it is one.
    pub kind: Option<Kind>,
    /// What became of it.
    pub state: EntryState,
    /// Whether the question asks for it.
    pub asked: bool,
}

/// What became of one anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorReport {
    /// Which of the bundle's checkpoints it is about, from 0.
    pub checkpoint: u64,
    /// What became of it.
    pub state: AnchorState,
}

/// What became of an anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a bundle has few anchors")]
pub enum AnchorState {
    /// Of a kind, by its number, that this version does not read.
    KindUnknown(u64),
    /// Its evidence is borne out; its checkpoint is not believed.
    CheckpointNotBelieved,
    /// Not what it says, or of another tree than its checkpoint.
    Refused,
    /// Borne out, and of its checkpoint's tree; how far is in it.
    Evm(EvmAnchor, NoteCheck),
}

/// Something that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The object.
    pub object: Object,
    /// What should be there.
    pub expected: String,
    /// What is.
    pub got: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was asked.
    pub question: Question,
    /// In one word.
    pub verdict: Verdict,
    /// The releases that the answer is about, in the order of the log.
    pub releases: Vec<Released>,
    /// Where the device stands that was asked for.
    pub device: Option<DeviceStanding>,
    /// What was altered or cannot be checked, first thing first.
    pub mismatches: Vec<Mismatch>,
    /// The ladder, lowest rung first.
    pub rungs: [Rung; 5],
    /// The newest checkpoint, if it is the log's.
    pub head: Option<SignedHead>,
    /// Every entry of the bundle.
    pub entries: Vec<EntryReport>,
    /// Every anchor of the bundle.
    pub anchors: Vec<AnchorReport>,
    /// What the evidence shows.
    pub findings: Vec<Finding>,
    /// What was not looked at.
    pub not_checked: Vec<NotChecked>,
}

impl Report {
    /// Whether the evidence proves that the log or the device signed what it may not.
    #[must_use]
    pub fn proves_misbehaviour(&self) -> bool {
        self.findings.iter().any(|finding| finding.evidence.is_misbehaviour())
    }

    /// The release that answers a question about a release or a file: the newest that may be used,
    /// else the newest.
    #[must_use]
    pub fn release(&self) -> Option<&Released> {
        if !matches!(self.question, Question::Release(_) | Question::Image(_)) {
            return None;
        }
        let usable = self.releases.iter().rfind(|it| it.standing.is_usable());
        usable.or(self.releases.last())
    }

    /// Whether the log's rules let the release or file be used, as far as the evidence reaches;
    /// none where that was not asked.
    #[must_use]
    pub fn is_usable(&self) -> Option<bool> {
        let asked = matches!(self.question, Question::Release(_) | Question::Image(_));
        let sound = matches!(self.verdict, Verdict::Verified | Verdict::VerifiedSoFar);
        let usable = self.release().is_some_and(|it| it.standing.is_usable());
        asked.then_some(sound && usable)
    }

    /// The standing of what was asked for, in a word.
    #[must_use]
    pub fn standing(&self) -> Option<&'static str> {
        let release = self.release().map(|it| it.standing.standing.word());
        release.or(self.device.map(DeviceStanding::word))
    }

    /// Whether the standing speaks against what was asked for.
    #[must_use]
    pub fn forbids(&self) -> bool {
        let device =
            matches!(self.device, Some(DeviceStanding::Forked | DeviceStanding::Compromised));
        device
            || self.release().is_some_and(|it| it.standing.forbids())
            || self.forbids_some()
            || self.holds_compromised()
    }

    /// Whether a statement of a device that was asked for, alone or with all others, is by a key
    /// that is compromised.
    fn holds_compromised(&self) -> bool {
        let asked = matches!(self.question, Question::Whole | Question::Statement(_));
        let by_it = |finding: &&Finding| {
            let asked = self.entries.iter().filter(|it| it.asked);
            let kind = finding.evidence.kind() == FindingKind::DeviceKeyCompromised;
            kind && asked.into_iter().any(|it| finding.entries.contains(&it.index))
        };
        asked && self.findings.iter().find(by_it).is_some()
    }

    /// Whether a whole bundle holds a release that may not be used.
    fn forbids_some(&self) -> bool {
        self.question == Question::Whole && self.forbidden().next().is_some()
    }

    /// The releases that more evidence of the same does not make usable.
    fn forbidden(&self) -> impl Iterator<Item = &Released> {
        self.releases.iter().filter(|it| it.standing.forbids())
    }

    /// What it comes to: the exit code, one row of the table in `docs/spec/standing.md`.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.verdict {
            Verdict::Altered => Outcome::Against,
            Verdict::CannotCheck => Outcome::CannotRun,
            _ if self.proves_misbehaviour() || self.forbids() => Outcome::Against,
            Verdict::Verified => Outcome::Proven,
            Verdict::VerifiedSoFar | Verdict::NotFound => Outcome::Incomplete,
        }
    }
}
