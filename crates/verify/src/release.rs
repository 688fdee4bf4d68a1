//! May this device install this image? The question a device asks offline, before it touches flash.
//!
//! ```text
//! bundle + trust root + SHA-256 of the image + what runs now
//!   ─▶ Verified<Installable>     or     one Reason, which names the event to record
//! ```
//!
//! In scope: release signature, inclusion, witness quorum, approvals, model and hardware revision,
//! anti-rollback, withdrawal and revocation as far as the bundle's checkpoint shows them.
//! Out of scope: whether the image has this digest (the updater hashed it), local policy, clinical
//! use.
//!
//! Invariants:
//! - The security counter never goes back, whoever authorised it.
//! - A bundle from which one statement is missing or altered never opens the way.

use alloc::vec::Vec;

use firmlog_statement::event::EventType;
use firmlog_statement::{
    Approval, Authorisation, DeviceId, Meaning, Parsed, Release, Statement, Thumbprint,
};
use firmlog_tlog::merkle::{Hash, LeafIndex};

use crate::bundle::Bundle;
use crate::refusal::refusals;
use crate::registry::Registry;
use crate::report::{EntryReport, EntryState, Question, Verdict, verify_bundle_state};
use crate::{Crypto, TrustRoot, Verified};

/// What the device is, and what it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running<'a> {
    /// Its id, for authorisations that name devices.
    pub device: DeviceId,
    /// Its model.
    pub model: &'a str,
    /// Its hardware revision, if releases may be limited to some.
    pub hw_rev: Option<&'a str>,
    /// Version code of what runs.
    pub version: u64,
    /// Its anti-rollback counter.
    pub counter: u32,
}

/// A release that may be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installable {
    /// Leaf hash of the release: what the device's statements name.
    pub release: Hash,
    /// Where it is in the log.
    pub index: LeafIndex,
    /// SHA-256 of the image.
    pub image: [u8; 32],
    /// Its version code.
    pub version: u64,
    /// Its anti-rollback counter.
    pub counter: u32,
    /// Length of the image in bytes.
    pub size_bytes: u64,
    /// Who approved.
    pub approvers: Vec<Thumbprint>,
    /// The authorisation that names this release and device, if there is one.
    pub authorisation: Option<Hash>,
    /// The checkpoint it was verified under.
    pub head: firmlog_tlog::merkle::TreeHead,
}

refusals! {
    /// Why a device does not install.
    Reason {
        EvidenceAltered = 1: "the bundle was altered",
        EvidenceIncomplete = 2: "the bundle lacks what is needed, or is of another log",
        ReleaseNotFound = 3: "the log has no release of this image",
        NotWitnessed = 4: "the checkpoint lacks the quorum of witnesses",
        SignerRevoked = 5: "the key that signed the release was revoked",
        ApprovalsMissing = 6: "the release has fewer approvals than the log's policy asks for",
        Rejected = 7: "somebody rejected the release",
        Withdrawn = 8: "the release was suspended, recalled or ended",
        WrongModel = 9: "the release is not for this model",
        WrongHardware = 10: "the release is not for this hardware revision",
        Downgrade = 11: "the release is not newer and nobody authorised a downgrade",
        CounterWentBack = 12: "the release has a lower security counter",
        NotPublished = 13: "the release was proposed and is not published",
    }
}

impl Reason {
    /// The event a device records for this refusal.
    #[must_use]
    pub const fn event(self) -> EventType {
        match self {
            Self::EvidenceAltered => EventType::RefusedBadSignature,
            Self::EvidenceIncomplete | Self::NotWitnessed => EventType::VerificationFailed,
            Self::ReleaseNotFound => EventType::RefusedUnsigned,
            Self::SignerRevoked => EventType::RefusedRevokedSigner,
            Self::ApprovalsMissing | Self::Rejected | Self::Withdrawn | Self::NotPublished => {
                EventType::RefusedNotAuthorised
            }
            Self::WrongModel | Self::WrongHardware => EventType::RefusedWrongModel,
            Self::Downgrade | Self::CounterWentBack => EventType::RefusedDowngrade,
        }
    }
}

/// Decides whether the image with this SHA-256 may be installed.
///
/// # Errors
/// The first [`Reason`] that speaks against it.
pub fn verify_release<C: Crypto + ?Sized>(
    bundle: &Bundle,
    root: &TrustRoot,
    crypto: &C,
    image: &[u8; 32],
    running: &Running,
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
    let book = Book::new(bundle, &report.entries);
    let (found, release) = book.release(image).ok_or(Reason::ReleaseNotFound)?;
    check_signer(found.kid, &registry)?;
    book.check_life(&found)?;
    let approvers = book.approvers(&found, &registry)?;
    if approvers.len() < usize::from(registry.rules.approvals) {
        return Err(Reason::ApprovalsMissing);
    }
    check_target(release, running)?;
    let authorisation = book.authorisation(&found, running, &registry);
    check_version(release, running, authorisation.as_ref().map(|(_, statement)| *statement))?;
    Ok(Verified::proven(Installable {
        release: found.leaf,
        index: found.index,
        image: release.image.0,
        version: release.version.0,
        counter: release.counter.0,
        size_bytes: release.size_bytes,
        approvers,
        authorisation: authorisation.map(|(leaf, _)| leaf),
        head: head.head,
    }))
}

/// One proven statement.
#[derive(Clone, Copy)]
struct Proven {
    index: LeafIndex,
    leaf: Hash,
    kid: Thumbprint,
}

/// The statements of a bundle that are signed and in the log.
struct Book {
    statements: Vec<(Proven, Statement)>,
}

impl Book {
    fn new(bundle: &Bundle, reports: &[EntryReport]) -> Self {
        let good = bundle.entries.iter().zip(reports);
        let statements = good.filter(|(_, report)| report.state == EntryState::Good);
        let statements = statements.filter_map(|(entry, report)| {
            let parsed = Parsed::parse(&entry.bytes).ok()?;
            let proven = Proven { index: report.index, leaf: report.leaf, kid: *parsed.kid() };
            Some((proven, parsed.decode().ok()?))
        });
        Self { statements: statements.collect() }
    }

    /// The newest release of this image that begins one: later steps of its life name it.
    fn release(&self, image: &[u8; 32]) -> Option<(Proven, &Release)> {
        self.releases()
            .filter(|(_, release)| release.image.0 == *image && release.release.is_none())
            .last()
    }

    fn releases(&self) -> impl Iterator<Item = (Proven, &Release)> {
        self.statements.iter().filter_map(|(proven, statement)| match statement {
            Statement::Release(release) => Some((*proven, release)),
            _ => None,
        })
    }

    /// The last word of the release's life must be one that offers it to the field.
    fn check_life(&self, found: &Proven) -> Result<(), Reason> {
        let words = self.releases().filter(|(proven, release)| {
            proven.leaf == found.leaf || release.release.is_some_and(|of| of.0 == found.leaf.0)
        });
        match words.last().map(|(_, release)| release.event) {
            Some(
                EventType::ReleaseSuspended
                | EventType::ReleaseRecalled
                | EventType::ReleaseEndOfSupport,
            ) => Err(Reason::Withdrawn),
            Some(EventType::ReleasePublished) => Ok(()),
            _ => Err(Reason::NotPublished),
        }
    }

    fn approvals(&self) -> impl Iterator<Item = (Proven, &Approval)> {
        self.statements.iter().filter_map(|(proven, statement)| match statement {
            Statement::Approval(approval) => Some((*proven, approval)),
            _ => None,
        })
    }

    /// Whether who said this took it back later, with this key or another.
    fn is_taken_back(&self, word: &Proven, registry: &Registry) -> bool {
        self.approvals().any(|(proven, later)| {
            later.supersedes.is_some_and(|of| of.0 == word.leaf.0)
                && issuer(proven.kid, registry) == issuer(word.kid, registry)
        })
    }

    /// One key of each issuer that approves, is not the author and not revoked since; nobody may
    /// reject.
    fn approvers(&self, found: &Proven, registry: &Registry) -> Result<Vec<Thumbprint>, Reason> {
        let mut out: Vec<Thumbprint> = Vec::new();
        for (proven, approval) in self.approvals() {
            if approval.release.0 != found.leaf.0 || self.is_taken_back(&proven, registry) {
                continue;
            }
            let who = issuer(proven.kid, registry);
            let counted = |kid: &Thumbprint| issuer(*kid, registry) == who;
            match approval.esig.meaning {
                Meaning::Rejection => return Err(Reason::Rejected),
                Meaning::Approval
                    if !counted(&found.kid)
                        && !out.iter().any(counted)
                        && check_signer(proven.kid, registry).is_ok() =>
                {
                    out.push(proven.kid);
                }
                _ => {}
            }
        }
        Ok(out)
    }

    /// The newest authorisation for this release that names this device, or its model, or nobody in
    /// particular, unless a later one takes it back.
    fn authorisation(
        &self,
        found: &Proven,
        running: &Running,
        registry: &Registry,
    ) -> Option<(Hash, &Authorisation)> {
        let mut for_us = self.statements.iter().filter_map(|(proven, statement)| match statement {
            Statement::Authorisation(it)
                if it.release.0 == found.leaf.0
                    && names(it, running)
                    && check_signer(proven.kid, registry).is_ok() =>
            {
                Some((proven.leaf, it))
            }
            _ => None,
        });
        for_us.next_back().filter(|(_, it)| it.event != EventType::AuthorisationRevoked)
    }
}

fn names(authorisation: &Authorisation, running: &Running) -> bool {
    let devices = &authorisation.devices;
    let models = &authorisation.models;
    (devices.is_empty() || devices.contains(&running.device))
        && (models.is_empty() || models.iter().any(|model| model == running.model))
}

/// The name that a key was enrolled under.
fn issuer(kid: Thumbprint, registry: &Registry) -> Option<&str> {
    registry.keys.find(&kid).map(|view| view.issuer)
}

/// A key that was rotated out was good when it signed; a revoked one is not believed any more.
fn check_signer(kid: Thumbprint, registry: &Registry) -> Result<(), Reason> {
    use crate::registry::Ended;
    match registry.keys.find(&kid).and_then(|view| view.until) {
        Some((_, Ended::Revoked)) => Err(Reason::SignerRevoked),
        _ => Ok(()),
    }
}

fn check_target(release: &Release, running: &Running) -> Result<(), Reason> {
    if !release.models.is_empty() && !release.models.iter().any(|model| model == running.model) {
        return Err(Reason::WrongModel);
    }
    let ours = |rev: &str| release.hw_revs.iter().any(|other| other == rev);
    if !release.hw_revs.is_empty() && !running.hw_rev.is_some_and(ours) {
        return Err(Reason::WrongHardware);
    }
    Ok(())
}

fn check_version(
    release: &Release,
    running: &Running,
    authorisation: Option<&Authorisation>,
) -> Result<(), Reason> {
    if release.counter.0 < running.counter {
        return Err(Reason::CounterWentBack);
    }
    let downgrade = authorisation.is_some_and(|it| it.downgrade == Some(true));
    if release.version.0 <= running.version && !downgrade {
        return Err(Reason::Downgrade);
    }
    Ok(())
}
