//! The device's question asked with everything at hand: the whole report of a bundle first.
//!
//! ```text
//! bundle + trust root ─▶ report, registry ─▶ the rules of `install` ─▶ Verified<Installable>
//! ```
//!
//! In scope: what [`crate::install`] decides, after the full verification of [`crate::report`]:
//! every kind of statement, consistency, anchors, witness groups. Out of scope: as there.

use firmlog_statement::ReleaseHead;
use firmlog_tlog::merkle::Hash;

use crate::bundle::Bundle;
use crate::install::rules::decide_as;
use crate::install::{Installable, Known, Reason, Running};
use crate::report::{EntryState, Ledger, Question, Verdict, verify_bundle};
use crate::{Crypto, TrustRoot, Verified};

/// Decides whether the image with this SHA-256 may be installed.
///
/// # Errors
/// The first [`Reason`] that speaks against it.
pub fn verify_release<C: Crypto + ?Sized>(
    bundle: &Bundle,
    root: &TrustRoot,
    crypto: &C,
    image: &[u8; 32],
    running: &Running<'_>,
    known: &Known<'_>,
) -> Result<Verified<Installable>, Reason> {
    verify_release_as(bundle, root, crypto, image, running, known, |_, _| true)
}

/// The same of an image that says which release it is of: others of its bytes are no answer
/// (STA-051). If it is of none of them all are judged; who asks compares what is found.
///
/// # Errors
/// As [`verify_release`].
pub fn verify_release_as<C: Crypto + ?Sized>(
    bundle: &Bundle,
    root: &TrustRoot,
    crypto: &C,
    image: &[u8; 32],
    running: &Running<'_>,
    known: &Known<'_>,
    is_of: impl Fn(&Hash, &ReleaseHead) -> bool,
) -> Result<Verified<Installable>, Reason> {
    let report = verify_bundle(bundle, root, crypto, &Question::Whole);
    match report.verdict {
        Verdict::Altered => return Err(Reason::EvidenceAltered),
        Verdict::CannotCheck => return Err(Reason::EvidenceIncomplete),
        Verdict::Verified | Verdict::VerifiedSoFar | Verdict::NotFound => {}
    }
    // A device takes no bundle that holds an entry twice, or one of a stranger (INS-005, INS-006).
    for entry in &report.entries {
        match entry.state {
            EntryState::Repeated(_) => return Err(Reason::EvidenceAltered),
            EntryState::KeyUnknown => return Err(Reason::EvidenceIncomplete),
            _ => {}
        }
    }
    let head = report.head.as_ref().ok_or(Reason::EvidenceIncomplete)?;
    if !head.quorum {
        return Err(Reason::NotWitnessed);
    }
    let ledger = Ledger::new(bundle, &report.entries, head.head);
    let mut marks = ledger.marks();
    decide_as(&ledger, image, running, known, &mut marks, is_of).map(Verified::proven)
}
