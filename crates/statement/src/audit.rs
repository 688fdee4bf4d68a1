//! `Audit`: what the system itself did, or saw.
//!
//! ```text
//! {0: 6, 10: time, 32: 4, 37: 1781870400000, 38: 1781874000000, 39: 118}
//! ```

use crate::disclosure::Commitments;
#[cfg(not(feature = "alloc"))]
use crate::field::shape::{String, Vec};
use crate::time::DeviceTime;
use crate::{DeviceId, Digest, ESignature, Initiator};
#[cfg(feature = "alloc")]
use alloc::{string::String, vec::Vec};

statement! {
    /// A deed or finding of the system.
    pub struct Audit {
        /// When it was made.
        10 time: [DeviceTime],
        /// Who made the system do it.
        15 initiator: [Option<Initiator>],
        /// Salted commitments.
        22 commitments: [Commitments],
        /// What.
        32 action: [AuditAction],
        /// Leaf hashes of the entries it is about.
        33 subjects: [Vec<Digest>],
        /// Devices it is about.
        34 devices: [Vec<DeviceId>],
        /// Digest of what was before (configuration, policy).
        35 old: [Option<Digest>],
        /// Digest of what is now, or of the report or evidence made.
        36 new: [Option<Digest>],
        /// Beginning of the window summed up, milliseconds since 1970 UTC.
        37 window_from_ms: [Option<u64>],
        /// End of the window, milliseconds since 1970 UTC.
        38 window_until_ms: [Option<u64>],
        /// How many.
        39 count: [Option<u64>],
        /// How grave.
        40 severity: [Option<Severity>],
        /// In the system's words; nothing personal.
        41 detail: [Option<String>],
        /// E-signature, where a person reviewed or acknowledged.
        42 esig: [Option<ESignature>],
    }
    rule crate::time::check_window {
        37 window_from_ms: [Option<u64>], 38 window_until_ms: [Option<u64>]
    }
}
codes! {
    /// What the system did or saw.
    pub enum AuditAction {
        0 LogStarted "log_started" "The log began to take entries.",
        1 LogStopped "log_stopped" "It ceased to.",
        2 ConfigChanged "config_changed" "Configuration changed.",
        3 ReportMade "report_made" "A report was made.",
        4 SubmissionsRefused "submissions_refused" "Submissions refused in a window.",
        5 ChainFork "chain_fork" "Two histories of one device.",
        6 SplitView "split_view" "Two checkpoints, neither extends the other.",
        7 AlertRaised "alert_raised" "People were alerted.",
        8 AlertAcknowledged "alert_acknowledged" "Somebody took note.",
        9 AlertClosed "alert_closed" "It is settled.",
        10 AnchorConfirmed "anchor_confirmed" "A checkpoint is anchored.",
        11 AnchorMissing "anchor_missing" "One is not.",
        12 TrailReviewed "trail_reviewed" "The audit trail was reviewed.",
        13 AccessGranted "access_granted" "Somebody was given access.",
        14 AccessRevoked "access_revoked" "Somebody lost access.",
        15 Disclosed "disclosed" "Private values were given out.",
        16 Erased "erased" "A disclosure was erased.",
        17 BackupMade "backup_made" "A backup was made.",
        18 Restored "restored" "A backup was restored.",
        19 Pruned "pruned" "Old bundles were removed.",
        20 WitnessLost "witness_lost" "The quorum of witnesses was not met.",
        21 SequenceViolation "sequence_violation" "Events out of legal order.",
        22 ExportMade "export_made" "Entries were exported.",
    }
}
codes! {
    /// How grave a finding is.
    pub enum Severity {
        0 Info "info" "For the record.",
        1 P1 "P1" "Integrity or safety: at once.",
        2 P2 "P2" "Within the hour.",
        3 P3 "P3" "The same day.",
        4 P4 "P4" "In the next report.",
    }
}
