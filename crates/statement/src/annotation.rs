//! `Annotation`: a later word on an entry. It never overwrites; it supersedes.
//!
//! ```text
//! {0: 5, 10: time, 32: subject, 33: 0, 34: [{1: "version_name", 2: old, 3: new}]}
//! ```

use crate::disclosure::Commitments;
#[cfg(not(feature = "alloc"))]
use crate::field::shape::{String, Vec};
use crate::time::DeviceTime;
use crate::{Digest, ESignature, Reason};
#[cfg(feature = "alloc")]
use alloc::{string::String, vec::Vec};

statement! {
    /// A correction, a remark or a link.
    pub struct Annotation {
        /// When it was made.
        10 time: [DeviceTime],
        /// Why.
        16 reason: [Option<Reason>],
        /// Salted commitments (free text).
        22 commitments: [Commitments],
        /// Leaf hash of an annotation this one replaces.
        27 supersedes: [Option<Digest>],
        /// Leaf hash of the entry it is about.
        32 subject: [Digest],
        /// How it bears on it.
        33 relation: [Relation],
        /// Values before and after.
        34 changes: [Vec<Change>],
        /// E-signature of the person.
        35 esig: [Option<ESignature>],
        /// References (complaint, CAPA, ticket).
        36 refs: [Vec<String>],
    }
}
codes! {
    /// How an annotation bears on its subject.
    pub enum Relation {
        0 Correction "correction" "A value was wrong.",
        1 Comment "comment" "A remark.",
        2 Review "review" "Somebody looked at it.",
        3 Complaint "complaint" "A complaint concerns it.",
        4 Investigation "investigation" "It is being looked into.",
        5 Closure "closure" "It is settled.",
    }
}
record! {
    /// One value before and after (Annex 11 draft 12.2).
    pub struct Change {
        /// Name of the field in the JSON projection.
        1 field: [String],
        /// Before; a private value is a commitment of the statement instead.
        2 old: [Option<String>],
        /// After.
        3 new: [Option<String>],
    }
}
