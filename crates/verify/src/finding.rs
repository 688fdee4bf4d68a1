//! Findings: what sound evidence shows of devices, people and the log, in one table of kinds.
//!
//! ```text
//! 1 chain_fork  P1  against a device: device 9f2c… signed two statements with seq 41
//! ```
//!
//! In scope: the kinds with number, word and severity, and against whom each speaks. Out of scope:
//! detecting them (`report` for a bundle, the index for a log), showing them.
//!
//! Invariants:
//! - Numbers and words are never used again. Nobody else says how grave a finding is.

use alloc::vec::Vec;

use firmlog_statement::disclosure::FieldId;
use firmlog_statement::event::EventType;
use firmlog_statement::{DeviceId, Severity};
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead};

use crate::registry::Refusal;
use crate::standing::Standing;
use crate::utc::Utc;

/// Against whom a finding speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The device: its key is in two places, or it rewrote its history.
    Device,
    /// The log, that is its operator: it signed what it may not.
    Log,
    /// Who signed a statement.
    Issuer,
    /// Nobody: something is missing, or was said.
    Nobody,
}

impl Against {
    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Log => "log",
            Self::Issuer => "issuer",
            Self::Nobody => "nobody",
        }
    }
}

macro_rules! kinds {
    ($($code:literal $name:ident $word:literal $severity:ident $against:ident $text:literal)+) => {
        /// The kinds of finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum FindingKind { $(#[doc = $text] $name = $code,)+ }

        impl FindingKind {
            /// All kinds, in order of number.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable number.
            #[must_use]
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The stable word, as JSON, API and pages have it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// How grave, as a rule.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// Against whom it speaks.
            #[must_use]
            pub const fn against(self) -> Against {
                match self { $(Self::$name => Against::$against,)+ }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

kinds! {
    1 ChainFork "chain_fork" P1 Device "A device signed two statements for one place in its chain."
    2 ChainGap "chain_gap" P3 Nobody "Statements of a device are missing from the evidence."
    3 JournalLost "journal_lost" P2 Nobody "A device lost the end of its journal and went on from the log's account."
    4 SequenceViolation "sequence_violation" P2 Nobody "A device reports a step that may not follow its last one."
    5 AgainstRules "against_rules" P1 Log "The log appended what its rules refuse."
    6 ApprovalsMissing "approvals_missing" P2 Nobody "A release has fewer approvals than the log's policy asks for."
    7 Rejected "rejected" P2 Nobody "Somebody who may judge a release rejected it."
    8 NotDisclosed "not_disclosed" Info Nobody "A private value is committed to and not disclosed."
    9 AnchoredOther "anchored_other" P1 Log "A contract holds another tree than the log signed."
    10 SplitView "split_view" P1 Log "The log signed two trees of which neither extends the other."
    11 Withdrawn "withdrawn" P2 Nobody "A release was suspended, recalled or ended."
    12 NotPublished "not_published" P3 Nobody "A release was proposed and is not published."
    13 SignerCompromised "signer_compromised" P1 Issuer "The key that signed a release, or one that it rests on, is compromised."
    14 ApproverCompromised "approver_compromised" P2 Issuer "The key that signed an approval, or one that it rests on, is compromised."
    15 DeviceKeyCompromised "device_key_compromised" P1 Device "The key that signed a device's statement, or one that it rests on, is compromised."
    16 BytesRecalled "bytes_recalled" P1 Issuer "A release has the bytes of one that was recalled."
    17 DuplicateEntry "duplicate_entry" P1 Log "The log holds the same entry twice; its first place counts."
    18 Contradiction "contradicting_releases" P2 Issuer "Two releases of one issuer name one image under two versions, or one version for two images."
    19 TimeOutOfBounds "time_out_of_bounds" P3 Issuer "A statement's own time is outside of what bounds it."
    20 Refusals "refusals" P3 Nobody "The log refused statements in a window."
    21 AnchorLate "anchor_late" P3 Nobody "A checkpoint is not anchored in time."
    22 ContractContradicts "contract_contradicts" P1 Log "A contract contradicts the log."
}

/// What was seen, with the entries that prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// What.
    pub evidence: Evidence,
    /// Entries that prove it, ascending.
    pub entries: Vec<LeafIndex>,
}

/// What a finding rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// A device signed two statements for one place in its chain: it was cloned, or its key was
    /// stolen, or its journal was rewound.
    ChainFork {
        /// The device.
        device: DeviceId,
        /// The place.
        seq: u64,
    },
    /// Statements of the device are missing from the bundle.
    ChainGap {
        /// The device.
        device: DeviceId,
        /// The first that is missing.
        from: u64,
        /// The first that is there again.
        to: u64,
    },
    /// A device lost the end of its journal and took its place in the chain from the log: what it
    /// had said after that and not sent is gone.
    JournalLost {
        /// The device.
        device: DeviceId,
        /// From here on it could not read its own statements.
        from: u64,
        /// Seq of the statement that tells; what the log has before it is not lost.
        to: u64,
        /// How many are gone, by the device's counter; none if it has no counter.
        gone: Option<u64>,
    },
    /// A device's events are out of their legal order.
    SequenceViolation {
        /// The device.
        device: DeviceId,
        /// After this,
        after: Option<EventType>,
        /// this may not come.
        found: EventType,
    },
    /// The log appended what its rules refuse.
    AgainstRules(Refusal),
    /// The release has fewer approvals than the log's policy asks for.
    ApprovalsMissing {
        /// The release.
        release: Hash,
        /// Asked for.
        expected: u8,
        /// There.
        got: u8,
    },
    /// Somebody rejected the release.
    Rejected {
        /// The release.
        release: Hash,
    },
    /// A private value is committed to, and its disclosure is not in the bundle.
    NotDisclosed {
        /// What the value is.
        field: FieldId,
    },
    /// The log signed one tree, and another of the same size is anchored.
    AnchoredOther {
        /// As the bundle's checkpoint has it.
        signed: TreeHead,
        /// As the contract has it.
        anchored: TreeHead,
    },
    /// The log signed two trees of which neither extends the other.
    SplitView {
        /// The older.
        older: TreeHead,
        /// The newer.
        newer: TreeHead,
    },
    /// The release stands withdrawn.
    Withdrawn {
        /// The release.
        release: Hash,
        /// Suspended, recalled or ended.
        standing: Standing,
    },
    /// No word that counts publishes the release.
    NotPublished {
        /// The release.
        release: Hash,
    },
    /// The release's own signature permits nothing any more.
    SignerCompromised {
        /// The release.
        release: Hash,
    },
    /// An approval of the release does not count any more.
    ApproverCompromised {
        /// The release.
        release: Hash,
    },
    /// A statement of the device proves nothing any more.
    DeviceKeyCompromised {
        /// The device.
        device: DeviceId,
    },
    /// The release has the bytes of another that was recalled.
    BytesRecalled {
        /// The release.
        release: Hash,
        /// The one that was recalled.
        recalled: Hash,
    },
    /// The same bytes stand twice.
    DuplicateEntry {
        /// Where they stand first.
        first: LeafIndex,
    },
    /// Two releases contradict each other.
    Contradiction {
        /// The one.
        release: Hash,
        /// The other.
        other: Hash,
    },
    /// A statement says that it was made after it was seen.
    TimeTooLate {
        /// The earliest that it states, milliseconds since 1970 UTC.
        stated_ms: u64,
        /// By when it was seen, seconds.
        seen_s: u64,
    },
    /// A statement says that it was made before one that it names.
    TimeTooEarly {
        /// The latest that it states, milliseconds since 1970 UTC.
        stated_ms: u64,
        /// The earliest that the other states.
        named_ms: u64,
    },
}

impl Evidence {
    /// The kind, with its number, word, severity, and against whom it speaks.
    #[must_use]
    pub const fn kind(&self) -> FindingKind {
        use FindingKind as K;
        match self {
            Self::ChainFork { .. } => K::ChainFork,
            Self::ChainGap { .. } => K::ChainGap,
            Self::JournalLost { .. } => K::JournalLost,
            Self::SequenceViolation { .. } => K::SequenceViolation,
            Self::AgainstRules(_) => K::AgainstRules,
            Self::ApprovalsMissing { .. } => K::ApprovalsMissing,
            Self::Rejected { .. } => K::Rejected,
            Self::NotDisclosed { .. } => K::NotDisclosed,
            Self::AnchoredOther { .. } => K::AnchoredOther,
            Self::SplitView { .. } => K::SplitView,
            Self::Withdrawn { .. } => K::Withdrawn,
            Self::NotPublished { .. } => K::NotPublished,
            Self::SignerCompromised { .. } => K::SignerCompromised,
            Self::ApproverCompromised { .. } => K::ApproverCompromised,
            Self::DeviceKeyCompromised { .. } => K::DeviceKeyCompromised,
            Self::BytesRecalled { .. } => K::BytesRecalled,
            Self::DuplicateEntry { .. } => K::DuplicateEntry,
            Self::Contradiction { .. } => K::Contradiction,
            Self::TimeTooLate { .. } | Self::TimeTooEarly { .. } => K::TimeOutOfBounds,
        }
    }

    /// Whether this proves that a device or the log signed what it may not: no damage explains it.
    #[must_use]
    pub const fn is_misbehaviour(&self) -> bool {
        matches!(
            self,
            Self::ChainFork { .. }
                | Self::AgainstRules(_)
                | Self::AnchoredOther { .. }
                | Self::SplitView { .. }
                | Self::DuplicateEntry { .. }
        )
    }
}

impl core::fmt::Display for Evidence {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::ChainFork { device, seq } => {
                write!(f, "device {device} signed two statements with seq {seq}")
            }
            Self::ChainGap { device, from, to } => {
                write!(f, "statements {from} to before {to} of device {device} are missing")
            }
            Self::JournalLost { device, from, to, gone } => {
                write!(
                    f,
                    "device {device} lost its journal from statement {from} on and went on "
                )?;
                write!(f, "from the log's account with {to}: ")?;
                match gone {
                    Some(gone) => write!(f, "by its counter {gone} never reached the log"),
                    None => f.write_str("how many never reached the log is not known"),
                }
            }
            Self::SequenceViolation { device, after: Some(after), found } => {
                write!(f, "device {device} reports {found} after {after}")
            }
            Self::SequenceViolation { device, after: None, found } => {
                write!(f, "device {device} begins with {found}")
            }
            Self::AgainstRules(refusal) => write!(f, "the log has an entry although {refusal}"),
            Self::ApprovalsMissing { release, expected, got } => {
                write!(f, "release {release} has {got} of {expected} approvals")
            }
            Self::Rejected { release } => write!(f, "somebody rejected release {release}"),
            Self::Withdrawn { release, standing } => write!(f, "release {release} is {standing}"),
            Self::NotPublished { release } => write!(f, "release {release} is not published"),
            Self::SignerCompromised { release } => {
                write!(f, "the key behind release {release} is compromised")
            }
            Self::ApproverCompromised { release } => {
                write!(f, "the key behind an approval of release {release} is compromised")
            }
            Self::DeviceKeyCompromised { device } => {
                write!(f, "the key behind a statement of device {device} is compromised")
            }
            Self::BytesRecalled { release, recalled } => {
                write!(f, "release {release} has the bytes of {recalled}, which was recalled")
            }
            Self::DuplicateEntry { first } => {
                write!(f, "the log holds entry {first} once more; its first place counts")
            }
            Self::Contradiction { release, other } => {
                write!(f, "releases {release} and {other} contradict each other")
            }
            Self::TimeTooLate { stated_ms, seen_s } => {
                let (stated, seen) = (Utc(stated_ms / 1000), Utc(*seen_s));
                write!(f, "a statement says that it is of {stated}, and was seen by {seen}")
            }
            Self::TimeTooEarly { stated_ms, named_ms } => {
                let (stated, named) = (Utc(stated_ms / 1000), Utc(named_ms / 1000));
                write!(f, "a statement says that it is of {stated}, and names one of {named}")
            }
            Self::NotDisclosed { field } => write!(f, "{field} is committed to but not disclosed"),
            Self::AnchoredOther { signed, anchored } => write!(
                f,
                "at size {} the log signed root {}, and root {} is anchored",
                signed.size, signed.root, anchored.root
            ),
            Self::SplitView { older, newer } => write!(
                f,
                "the log signed root {} at size {} and root {} at size {}, which does not extend it",
                older.root, older.size, newer.root, newer.size
            ),
        }
    }
}
