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
//! | verified | every statement asked for is signed, in the log, the log is witnessed by the quorum, and anchored if the trust root names a contract |
//! | verified so far | the same but a higher rung, or part of a history, is missing |
//! | not found | the bundle is sound, and what was asked for is not in it |
//! | altered | something is not what was signed or logged; the object is named |
//! | cannot check | the trust root is of another log, or keys are missing |
//!
//! Invariants:
//! - Altered outranks cannot check, that outranks not found, that verified so far, that verified.
//! - The verdict is about the evidence. What the evidence shows (a forked chain, a revoked signer)
//!   is a [`Finding`], with the entries that prove it.
//! - Nothing in a [`Report`] comes from an entry that is not both signed and in the log, except
//!   where it says so.

mod anchors;
mod finding;
mod replay;
mod run;

use alloc::string::String;
use alloc::vec::Vec;

use firmlog_statement::{DeviceId, Kind};
use firmlog_tlog::merkle::{Hash, LeafIndex};

use crate::bundle::Object;
use crate::checkpoint::SignedHead;
use crate::evm::{EvmAnchor, NoteCheck};
use crate::registry::Refusal;

pub use finding::{Evidence, Finding};
pub(crate) use run::verify_bundle_state;
pub use run::{verify_bundle, verify_file};

/// What somebody wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Is all of this sound?
    Whole,
    /// What happened to this device?
    Device(DeviceId),
    /// Is this release, by leaf hash, in the log and approved?
    Release(Hash),
    /// Which statements speak of the image with this SHA-256?
    Image([u8; 32]),
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
    /// Its signature does not verify.
    SignatureWrong,
    /// Its path does not lead to the checkpoint.
    NotInLog,
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

/// What was left out of the check, so that nobody believes more than was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotChecked {
    /// Whether the log has entries after the checkpoint, or others that the bundle leaves out.
    OtherEntries,
    /// Whether what people and devices say is true: only that they said it.
    TruthOfStatements,
    /// Device clocks: times are the device's own.
    DeviceClocks,
    /// So many anchors, of kinds that are not known or of checkpoints that are not believed.
    Anchors(u64),
    /// Whether the blocks of so many anchors are their chains': nobody vouched for them.
    AnchorBlocks(u64),
    /// Whether the contracts of so many anchors are ours: the trust root does not name them.
    AnchorContracts(u64),
    /// The code of the contracts of so many anchors.
    AnchorCode(u64),
    /// What the contracts of so many anchors store.
    AnchorStorage(u64),
    /// So many certificates and pieces of revocation data.
    Certificates(u64),
    /// So many private values that are committed to and not disclosed.
    Undisclosed(u64),
    /// So many entries that are no statements of ours.
    ForeignEntries(u64),
    /// The firmware image itself: compare its SHA-256 with the release.
    Image,
    /// Whether the log showed everybody the same tree: the trust root asks for no witness.
    SplitView,
}

impl NotChecked {
    /// How many things were left out, where they are counted.
    pub(crate) const fn count(self) -> u64 {
        match self {
            Self::Anchors(n)
            | Self::AnchorBlocks(n)
            | Self::AnchorContracts(n)
            | Self::AnchorCode(n)
            | Self::AnchorStorage(n)
            | Self::Certificates(n)
            | Self::Undisclosed(n)
            | Self::ForeignEntries(n) => n,
            _ => 1,
        }
    }
}

impl core::fmt::Display for NotChecked {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::OtherEntries => f.write_str("entries of the log that are not in the bundle"),
            Self::TruthOfStatements => {
                f.write_str("whether statements are true, only that they were made and logged")
            }
            Self::DeviceClocks => f.write_str("the clocks of devices"),
            Self::Anchors(n) => write!(f, "{n} anchor{}", plural(*n)),
            Self::AnchorBlocks(n) => {
                write!(f, "the blocks of {n} anchor{}: nobody vouched for them", plural(*n))
            }
            Self::AnchorContracts(n) => {
                let anchors = plural(*n);
                write!(f, "the contracts of {n} anchor{anchors}: the trust root does not name them")
            }
            Self::AnchorCode(n) => {
                write!(f, "the code of the contracts of {n} anchor{}", plural(*n))
            }
            Self::AnchorStorage(n) => {
                write!(f, "what the contracts of {n} anchor{} store", plural(*n))
            }
            Self::Certificates(n) => write!(f, "{n} certificate{}", plural(*n)),
            Self::Undisclosed(n) => write!(f, "private values that are not disclosed: {n}"),
            Self::ForeignEntries(n) => write!(f, "entries that are not firmlog statements: {n}"),
            Self::Image => f.write_str("the firmware image itself"),
            Self::SplitView => f.write_str(
                "whether the log shows everybody the same tree (no witness is asked for)",
            ),
        }
    }
}

const fn entries(n: u64) -> &'static str {
    if n == 1 { "entry" } else { "entries" }
}

const fn plural(n: u64) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In one word.
    pub verdict: Verdict,
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
