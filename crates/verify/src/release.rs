//! The device's question asked with everything at hand: the whole report of a bundle first.
//!
//! ```text
//! bundle + trust root ─▶ report, registry ─▶ the rules of `install` ─▶ Verified<Installable>
//! ```
//!
//! In scope: what [`crate::install`] decides, after the full verification of [`crate::report`]:
//! every kind of statement, consistency, anchors, witness groups. Out of scope: as there.

use alloc::vec::Vec;

use firmlog_statement::{Parsed, Thumbprint};
use firmlog_tlog::merkle::TreeHead;

use crate::bundle::Bundle;
use crate::install::rules::{Book, Proven, decide};
use crate::install::{Installable, Known, Reason, Running};
use crate::registry::{Ended, Registry};
use crate::report::{EntryReport, EntryState, Question, Verdict, verify_bundle_state};
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
    let (report, registry) = verify_bundle_state(bundle, root, crypto, &Question::Image(*image));
    match report.verdict {
        Verdict::Altered => return Err(Reason::EvidenceAltered),
        Verdict::CannotCheck => return Err(Reason::EvidenceIncomplete),
        Verdict::NotFound => return Err(Reason::ReleaseNotFound),
        Verdict::Verified | Verdict::VerifiedSoFar => {}
    }
    let head = report.head.as_ref().ok_or(Reason::EvidenceIncomplete)?;
    if !head.quorum {
        return Err(Reason::NotWitnessed);
    }
    let ledger = Ledger::new(bundle, &report.entries, &registry, head.head);
    decide(&ledger, image, running, known).map(Verified::proven)
}

/// The statements of a bundle that are signed and in the log.
struct Ledger<'a> {
    statements: Vec<Proven<'a>>,
    registry: &'a Registry,
    head: TreeHead,
}

impl<'a> Ledger<'a> {
    fn new(
        bundle: &'a Bundle,
        reports: &[EntryReport],
        registry: &'a Registry,
        head: TreeHead,
    ) -> Self {
        let good = bundle.entries.iter().zip(reports);
        let statements = good.filter(|(_, report)| report.state == EntryState::Good);
        let statements = statements.filter_map(|(entry, report)| {
            let parsed = Parsed::parse(&entry.bytes).ok()?;
            Some(Proven { index: report.index, leaf: report.leaf, parsed })
        });
        Self { statements: statements.collect(), registry, head }
    }
}

impl Book for Ledger<'_> {
    fn statements(&self) -> impl Iterator<Item = Proven<'_>> {
        self.statements.iter().copied()
    }

    fn issuer(&self, kid: &Thumbprint) -> Option<&str> {
        self.registry.keys.find(kid).map(|view| view.issuer)
    }

    fn is_revoked(&self, kid: &Thumbprint) -> bool {
        let view = self.registry.keys.find(kid);
        view.and_then(|view| view.until).is_some_and(|(_, ended)| ended == Ended::Revoked)
    }

    fn approvals(&self) -> u8 {
        self.registry.rules.approvals
    }

    fn head(&self) -> TreeHead {
        self.head
    }
}
