//! Findings: what sound evidence shows of devices, people and the log.

use alloc::vec::Vec;

use firmlog_statement::disclosure::FieldId;
use firmlog_statement::event::EventType;
use firmlog_statement::{DeviceId, Severity};
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead};

use crate::registry::Refusal;

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

/// The kinds of finding.
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
}

impl Evidence {
    /// Whether this proves that a device or the log signed what it may not: no damage explains it.
    #[must_use]
    pub const fn is_misbehaviour(&self) -> bool {
        matches!(
            self,
            Self::ChainFork { .. }
                | Self::AgainstRules(_)
                | Self::AnchoredOther { .. }
                | Self::SplitView { .. }
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
