//! May this device install this image? The question a device asks offline, before it touches flash.
//!
//! ```text
//! bundle, in place ─▶ Evidence::verify: the log's signature, k of n witnesses, every key, every
//!                     statement, every inclusion proof
//!                  ─▶ installable: Verified<Installable>   or   one Reason, which names the event
//! ```
//!
//! In scope: release signature, inclusion, witness quorum, approvals, model and hardware revision,
//! anti-rollback, authorised downgrades, withdrawal and revocation as far as the bundle or the
//! device's memory shows them. Out of scope: whether the image has this digest (the updater hashed
//! it), consistency with other checkpoints, anchors, clinical use.
//!
//! Invariants:
//! - No allocation; the bundle is read in place, and `scratch` holds one message at a time.
//! - The security counter never goes back, whoever authorised it.
//! - The steps are not inlined, so that their frames share a small stack one after the other.
//! - A bundle from which one statement is missing or altered never opens the way.
//!
//! Normative text: `docs/spec/install.md`, rules `INS-…`.

mod file;
pub(crate) mod rules;

use firmlog_statement::codec::Slice;
use firmlog_statement::event::EventType;
use firmlog_statement::{DeviceId, Kind, Parsed, PublicKey, ReleaseHead, Thumbprint};
use firmlog_tlog::checkpoint::{CheckpointError, Unverified};
use firmlog_tlog::cosignature::{self, CosignatureError};
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead, TreeSize, verify_inclusion_path};
use firmlog_tlog::note::VerifierKey;

#[cfg(feature = "alloc")]
pub(crate) use file::MAGIC;

use crate::crypto::check_bytes;
use crate::refusal::refusals;
use crate::role::may_sign;
use crate::standing::{Action, Book, Enrolled, Judge, Keys, MARKS, Proven, withdraws};
use crate::{Crypto, Verified};
use file::{Entry, File};

/// What a device pins: one log by key and first entry, and its witnesses.
#[derive(Clone, Copy, Debug)]
pub struct Root<'a> {
    /// Leaf hash of entry 0, and with it every key the log ever enrolled.
    pub genesis: Hash,
    /// The log's checkpoint key; its name is the log's.
    pub log: &'a VerifierKey,
    /// Cosignature keys of the witnesses.
    pub witnesses: &'a [VerifierKey],
    /// How many of them must have cosigned.
    pub quorum: u8,
}

/// What the device is, and what it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running<'a> {
    /// Its id, for authorisations that name devices.
    pub device: DeviceId,
    /// Its model.
    pub model: &'a str,
    /// Its hardware revision, if releases may be limited to some.
    pub hw_rev: Option<&'a str>,
    /// The component that the image is for, as releases name it: `app`, `boot`, `drug-library`.
    pub component: &'a str,
    /// Issuers whose releases it takes; it takes none of others.
    pub issuers: &'a [&'a str],
    /// Version code of what runs.
    pub version: u64,
    /// Its anti-rollback counter.
    pub counter: u32,
}

/// What else the device knows, from other evidence. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known<'a> {
    /// It is not earlier than this, milliseconds since 1970 UTC.
    pub earliest_ms: u64,
    /// It is not later than this; none if the device cannot tell.
    pub latest_ms: Option<u64>,
    /// The smallest tree whose evidence is still taken.
    pub size: u64,
    /// What other evidence showed to be compromised or withdrawn.
    pub revocations: &'a [Revocation],
}

/// A release that may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// How many issuers approved.
    pub approvers: u8,
    /// The authorisation that names this release and device, if there is one.
    pub authorisation: Option<Hash>,
    /// The tree it is in.
    pub head: TreeHead,
}

/// What a device must remember of a bundle that it verified: older evidence does not show it.
///
/// Its layout is fixed, so that a list in C's memory is read where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Revocation {
    /// This key is compromised: what it permitted from this index in the log on counts no more.
    Key {
        /// From this index on.
        from: LeafIndex,
        /// Its thumbprint.
        kid: Thumbprint,
    } = 1,
    /// A release was suspended, recalled, or is no longer supported.
    Release {
        /// The step: suspended, recalled or end of support.
        event: EventType,
        /// Where it stands in the log. A suspension is lifted by what stands after it.
        index: LeafIndex,
        /// Leaf hash of the statement that begins it.
        release: Hash,
        /// SHA-256 of its image: a recall forbids the same bytes under another name too.
        image: [u8; 32],
    } = 2,
    /// An image was refused for what an older or a shorter bundle would hide
    /// ([`Reason::is_hidden`]): it takes a larger tree to open the way.
    Refused {
        /// Size of the tree that spoke against it.
        tree: TreeSize,
        /// SHA-256 of the image.
        image: [u8; 32],
    } = 3,
}

impl Revocation {
    /// A release that was withdrawn by this step at this index; none if the step withdraws nothing.
    #[must_use]
    pub const fn withdrawn(
        release: Hash,
        image: [u8; 32],
        event: EventType,
        index: LeafIndex,
    ) -> Option<Self> {
        if withdraws(event) { Some(Self::Release { event, index, release, image }) } else { None }
    }
}

refusals! {
    /// Why a device does not install.
    Reason {
        EvidenceAltered = 1: "the bundle was altered",
        EvidenceIncomplete = 2: "the bundle lacks what is needed, or is of another log",
        ReleaseNotFound = 3: "the log has no release of this image",
        NotWitnessed = 4: "the checkpoint lacks the quorum of witnesses",
        SignerRevoked = 5: "the key that signed the release is compromised",
        ApprovalsMissing = 6: "the release has fewer approvals than the log's policy asks for",
        Rejected = 7: "somebody rejected the release",
        Withdrawn = 8: "the release was suspended, recalled or ended",
        WrongModel = 9: "the release is not for this model",
        WrongHardware = 10: "the release is not for this hardware revision",
        Downgrade = 11: "the release is not newer and nobody authorised a downgrade",
        CounterWentBack = 12: "the release has a lower security counter",
        NotPublished = 13: "the release was proposed and is not published",
        EvidenceStale = 14: "it takes a bundle of a larger tree: this one is older than what spoke before",
        ScratchTooSmall = 15: "a statement or the checkpoint is longer than the device's buffer",
        WrongComponent = 16: "the release is for another component",
        WrongIssuer = 17: "the device takes no releases of this issuer",
        BytesRecalled = 18: "a release of the same bytes was recalled",
        WitnessTwice = 19: "a witness is pinned twice",
        DowngradeNotNow = 20: "a downgrade is authorised, but not at this time or not from what runs",
    }
}

impl Reason {
    /// Whether an older bundle would hide it (INS-022), or one of the same tree that leaves
    /// something out (INS-023): what is withdrawn or compromised is remembered by itself.
    #[must_use]
    pub const fn is_hidden(&self) -> bool {
        matches!(
            self,
            Self::NotPublished | Self::Rejected | Self::ApprovalsMissing | Self::Downgrade
        )
    }

    /// The event a device records for this refusal.
    #[must_use]
    pub const fn event(self) -> EventType {
        match self {
            Self::EvidenceAltered => EventType::RefusedBadSignature,
            Self::EvidenceIncomplete
            | Self::NotWitnessed
            | Self::EvidenceStale
            | Self::WitnessTwice
            | Self::ScratchTooSmall => EventType::VerificationFailed,
            Self::WrongIssuer => EventType::RefusedUnknownSigner,
            Self::ReleaseNotFound => EventType::RefusedUnsigned,
            Self::SignerRevoked => EventType::RefusedRevokedSigner,
            Self::ApprovalsMissing
            | Self::Rejected
            | Self::Withdrawn
            | Self::BytesRecalled
            | Self::NotPublished => EventType::RefusedNotAuthorised,
            Self::WrongModel | Self::WrongHardware | Self::WrongComponent => {
                EventType::RefusedWrongModel
            }
            Self::Downgrade | Self::DowngradeNotNow | Self::CounterWentBack => {
                EventType::RefusedDowngrade
            }
        }
    }
}

/// A bundle whose checkpoint, keys, statements and proofs were verified.
///
/// `Update`, `Annotation` and `Audit` statements in it are not looked at: nothing that a device
/// decides rests on them.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    file: File<'a>,
    head: TreeHead,
}

/// Whether these bytes are a bundle at all, whole and in its one spelling. Nothing is verified.
#[must_use]
pub fn is_well_formed(bundle: &[u8]) -> bool {
    File::parse(bundle).is_some()
}

impl<'a> Evidence<'a> {
    /// Verifies a bundle. `scratch` needs as many bytes as its longest statement, and as its last
    /// checkpoint and 40 more.
    ///
    /// # Errors
    /// The first [`Reason`] that speaks against it.
    #[inline(never)]
    pub fn verify<C: Crypto + ?Sized>(
        bundle: &'a [u8],
        root: &Root<'_>,
        crypto: &C,
        scratch: &mut [u8],
    ) -> Result<Verified<Self>, Reason> {
        let file = File::parse(bundle).ok_or(Reason::EvidenceAltered)?;
        if file.origin != root.log.name.as_str() {
            return Err(Reason::EvidenceIncomplete);
        }
        let head = verify_checkpoint(file.checkpoint, root, crypto, scratch)?;
        let evidence = Self { file, head };
        let mut trusts = 0;
        for (place, entry) in file.entries().enumerate() {
            let keys = Keys::before(&evidence, trusts);
            let first = place == 0;
            if evidence.stands_before(place, &entry) {
                return Err(Reason::EvidenceAltered);
            }
            let trust = verify_entry(&entry, &head, (root, &keys, first), crypto, scratch)?;
            trusts = trusts.saturating_add(usize::from(trust));
        }
        Ok(Verified::proven(evidence))
    }

    /// The tree that all of it is in.
    #[must_use]
    pub const fn head(&self) -> TreeHead {
        self.head
    }

    /// Whether the same bytes stand at an earlier place: a word counts where it stands first.
    fn stands_before(&self, place: usize, entry: &Entry<'_>) -> bool {
        self.file.entries().take(place).any(|it| it.bytes == entry.bytes)
    }

    fn proven(&self, kinds: fn(Kind) -> bool) -> impl Iterator<Item = Proven<'a>> + use<'a> {
        let all = self.file.entries().filter_map(|entry| {
            let parsed = Parsed::parse(entry.bytes).ok()?;
            Some(Proven { index: entry.index, parsed })
        });
        all.filter(move |it| kinds(it.parsed.kind()))
    }
}

impl Verified<Evidence<'_>> {
    /// Decides whether the image with this SHA-256 may be installed.
    ///
    /// # Errors
    /// The first [`Reason`] that speaks against it.
    pub fn installable(
        &self,
        image: &[u8; 32],
        running: &Running<'_>,
        known: &Known<'_>,
    ) -> Result<Verified<Installable>, Reason> {
        let mut marks = [0; MARKS];
        rules::decide(&**self, image, running, known, &mut marks, |_| true).map(Verified::proven)
    }

    /// The same of an image that says which release it is of: others of its bytes are no answer
    /// (STA-051). If it is of none of them all are judged; who asks compares what is found.
    ///
    /// # Errors
    /// The first [`Reason`] that speaks against it.
    pub fn installable_as(
        &self,
        image: &[u8; 32],
        running: &Running<'_>,
        known: &Known<'_>,
        is_of: impl Fn(&Hash, &ReleaseHead) -> bool,
    ) -> Result<Verified<Installable>, Reason> {
        let mut marks = [0; MARKS];
        rules::decide_as(&**self, image, running, known, &mut marks, is_of).map(Verified::proven)
    }

    /// What to remember of it: evidence that is older does not show it.
    pub fn revocations(&self, each: impl FnMut(Revocation)) {
        let mut marks = [0; MARKS];
        rules::revocations(&Judge::new(&**self, &[], &mut marks), each);
    }
}

impl Book for Evidence<'_> {
    fn trusts(&self) -> impl Iterator<Item = Proven<'_>> {
        self.proven(|kind| kind == Kind::Trust)
    }

    fn words(&self) -> impl Iterator<Item = Proven<'_>> {
        self.proven(|kind| matches!(kind, Kind::Release | Kind::Approval | Kind::Authorisation))
    }

    fn head(&self) -> TreeHead {
        self.head
    }
}

/// The log's signature and the quorum. A wrong cosignature of a known witness is no missing one:
/// somebody altered it.
#[inline(never)]
pub(crate) fn verify_checkpoint<C: Crypto + ?Sized>(
    note: &str,
    root: &Root<'_>,
    crypto: &C,
    scratch: &mut [u8],
) -> Result<TreeHead, Reason> {
    let altered = Reason::EvidenceAltered;
    let unverified = Unverified::parse(note.as_bytes()).map_err(|_| altered)?;
    let checkpoint = unverified.verify(crypto, root.log).map_err(|error| match error {
        // Of a log of the same name: nobody altered it.
        CheckpointError::LogSignatureMissing => Reason::EvidenceIncomplete,
        _ => altered,
    })?;
    let mut witnessed: u8 = 0;
    for (place, witness) in root.witnesses.iter().enumerate() {
        if root.witnesses.iter().take(place).any(|it| it.public_key == witness.public_key) {
            return Err(Reason::WitnessTwice);
        }
        match cosignature::verify_in(crypto, unverified.note(), witness, scratch) {
            Ok(_) => witnessed = witnessed.saturating_add(1),
            Err(CosignatureError::Missing) => {}
            Err(CosignatureError::BufferTooSmall) => return Err(Reason::ScratchTooSmall),
            Err(_) => return Err(altered),
        }
    }
    if witnessed < root.quorum { Err(Reason::NotWitnessed) } else { Ok(checkpoint.head()) }
}

/// One entry: in the tree, signed by who may sign it then. Whether it is a `Trust` statement.
#[inline(never)]
fn verify_entry<C: Crypto + ?Sized>(
    entry: &Entry<'_>,
    head: &TreeHead,
    (root, keys, first): (&Root<'_>, &Keys<'_, Evidence<'_>>, bool),
    crypto: &C,
    scratch: &mut [u8],
) -> Result<bool, Reason> {
    let altered = Reason::EvidenceAltered;
    let parsed = Parsed::parse(entry.bytes).map_err(|_| altered)?;
    let leaf = Hash(parsed.leaf_hash());
    verify_inclusion_path(entry.index, &leaf, head, entry.path()).map_err(|_| altered)?;
    if matches!(parsed.kind(), Kind::Update | Kind::Annotation | Kind::Audit) {
        return Ok(false);
    }
    let action = Action::read(&parsed);
    let signer = if first {
        if entry.index != LeafIndex(0) || leaf != root.genesis {
            return Err(Reason::EvidenceIncomplete);
        }
        action.as_ref().and_then(Action::first).ok_or(altered)?
    } else {
        let signer = keys.find(parsed.kid()).ok_or(Reason::EvidenceIncomplete)?;
        let allowed = action.as_ref().is_none_or(|action| keys.allow(action));
        if !allowed || keys.is_ended(parsed.kid()) {
            return Err(altered);
        }
        signer
    };
    let key = signer.key.decode().ok_or(altered)?;
    if !may_say(&signer, &key, &parsed) || key.thumbprint() != *parsed.kid() {
        return Err(altered);
    }
    check_signature(&parsed, &key, crypto, scratch)?;
    Ok(action.is_some())
}

fn may_say(signer: &Enrolled<'_>, key: &PublicKey, parsed: &Parsed<'_>) -> bool {
    signer.issuer == parsed.issuer()
        && key.algorithm() == parsed.algorithm()
        && may_sign(signer.role, parsed)
}

#[inline(never)]
pub(crate) fn check_signature<C: Crypto + ?Sized>(
    parsed: &Parsed<'_>,
    key: &PublicKey,
    crypto: &C,
    scratch: &mut [u8],
) -> Result<(), Reason> {
    let mut out = Slice::new(scratch);
    parsed.signed_bytes(&mut out).map_err(|_| Reason::ScratchTooSmall)?;
    let len = out.len();
    let message = scratch.get(..len).ok_or(Reason::ScratchTooSmall)?;
    let good = check_bytes(crypto, key, message, parsed.signature());
    if good { Ok(()) } else { Err(Reason::EvidenceAltered) }
}
