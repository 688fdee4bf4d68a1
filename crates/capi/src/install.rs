//! May this device install this image? Decided offline, from the evidence bundle beside it.

use crate::pointer::{answer, borrow, buffer, check, list, name};
use crate::status::told;
use crate::{Status, Target};
use core::ffi::{CStr, c_char, c_void};
use firmlog_statement::event::EventType;
use firmlog_statement::{DeviceId, ReleaseHead};
use firmlog_tlog::merkle::{Hash, LeafIndex};
use firmlog_tlog::note::VerifierKey;
use firmlog_verify::RustCrypto;
use firmlog_verify::install::{self, Evidence};

/// The most witnesses that may be pinned.
pub const FIRMLOG_WITNESSES_MAX: usize = 8;

/// The most issuers whose releases a device takes.
pub const FIRMLOG_ISSUERS_MAX: usize = 8;

/// A revocation of a key.
pub const FIRMLOG_REVOCATION_KEY: u8 = 1;

/// A revocation of a release.
pub const FIRMLOG_REVOCATION_RELEASE: u8 = 2;

/// A refusal of an image: it takes a larger tree to open the way.
pub const FIRMLOG_REVOCATION_REFUSED: u8 = 3;

/// What the device pins: one log, by its key and its first entry, and its witnesses.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Root {
    /// The log's key, as a verifier key: `log.example/pumps+3f5a…+A…`.
    pub log: *const c_char,
    /// The witnesses' keys, in the same form, at most `FIRMLOG_WITNESSES_MAX`.
    pub witnesses: *const *const c_char,
    /// How many.
    pub witnesses_len: usize,
    /// Leaf hash of entry 0.
    pub genesis: [u8; 32],
    /// How many witnesses must have cosigned.
    pub quorum: u8,
}

/// What the device is, and what it runs.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Running {
    /// Its version code.
    pub version: u64,
    /// Its model.
    pub model: *const c_char,
    /// Its hardware revision; null if releases are not limited to some.
    pub hw_rev: *const c_char,
    /// The component that the image is for, as releases name it: `app`, `boot`, `drug-library`.
    pub component: *const c_char,
    /// Issuers whose releases the device takes, at most `FIRMLOG_ISSUERS_MAX`; it takes none of
    /// others.
    pub issuers: *const *const c_char,
    /// How many.
    pub issuers_len: usize,
    /// Its id.
    pub device: [u8; 32],
    /// Its anti-rollback counter.
    pub counter: u32,
}

/// What else the device knows; all zero is nothing.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Known {
    /// It is not earlier than this, milliseconds since 1970 UTC.
    pub earliest_ms: u64,
    /// It is not later than this.
    pub latest_ms: u64,
    /// The smallest tree whose evidence is still taken.
    pub size: u64,
    /// What `remember` was told of, by this bundle or others.
    pub revocations: *const Revocation,
    /// How many.
    pub revocations_len: usize,
    /// Handed to `remember`.
    pub context: *mut c_void,
    /// Told of every key and every release that the bundle shows revoked or withdrawn, and of an
    /// image that is refused for what other evidence would hide, for the device to keep as it is.
    /// May be null.
    pub remember: Option<unsafe extern "C" fn(context: *mut c_void, what: *const Revocation)>,
    /// Whether `latest_ms` is known.
    pub has_latest: u8,
}

/// A key that is compromised, or a release that was withdrawn: what a device remembers of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Revocation {
    /// `FIRMLOG_REVOCATION_KEY`, `FIRMLOG_REVOCATION_RELEASE` or `FIRMLOG_REVOCATION_REFUSED`.
    pub kind: u8,
    /// Of a release: 5 suspended, 6 recalled, 7 no longer supported. Else 0.
    pub event: u16,
    /// Of a release: where that step stands in the log; what stands after it may lift a suspension.
    /// Of a key: what it permitted from this index in the log on counts no more.
    /// Of a refused image: size of the tree that spoke against it.
    pub index: u64,
    /// Of a release: leaf hash of the statement that begins it. Of a key: its thumbprint. Of a
    /// refused image: its SHA-256.
    pub name: [u8; 32],
    /// SHA-256 of the release's image. Else zeros.
    pub image: [u8; 32],
}

/// The decision.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Decision {
    /// What may be installed, for `firmlog_verified`; of no use without `FIRMLOG_STATUS_OK`.
    pub target: Target,
    /// What may not, for `firmlog_refuse`; zeros with `FIRMLOG_STATUS_OK`.
    pub refused: crate::Image,
    /// Size of the tree that the release is in, for `firmlog_saw_checkpoint`; or of the one that
    /// speaks against it where an older one would not. The largest of both is `size` of what is
    /// known from then on; 0 is none.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
    /// Length of the image in bytes.
    pub size_bytes: u64,
    /// Where the log has the release.
    pub index: u64,
    /// Why not, as docs/spec/install.md numbers it; 0 if it may be installed.
    pub reason: u16,
    /// The event to record then, `FIRMLOG_EVENT_…`, for `firmlog_refuse`.
    pub event: u16,
}

/// Decides whether the image with this SHA-256, 32 bytes, may be installed, from the evidence
/// bundle of `bundle_len` bytes that came with it. `scratch` holds one message at a time: as long
/// as the longest statement in the bundle, and as its checkpoint and 40 bytes more.
///
/// `FIRMLOG_STATUS_NOT_INSTALLABLE` is a decision, and `decision` tells why; any other status but
/// OK is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_check_install(
    root: *const Root,
    running: *const Running,
    known: *const Known,
    image: *const u8,
    bundle: *const u8,
    bundle_len: usize,
    scratch: *mut u8,
    scratch_len: usize,
    decision: *mut Decision,
) -> Status {
    let decide = || {
        check(decision)?;
        // SAFETY: the crate's contract.
        let decided = unsafe {
            let (root, running, known) = (borrow(root)?, borrow(running)?, borrow(known)?);
            let image = borrow::<[u8; 32]>(image.cast())?;
            let bundle = list(bundle, bundle_len)?;
            let scratch = buffer(scratch, scratch_len)?;
            decide(root, running, known, image, bundle, scratch, |_, _| true)?
        };
        let (value, status) = match decided {
            Ok(installable) => (Decision::yes(&installable), Ok(())),
            Err(refused) => (refused, Err(Status::NotInstallable)),
        };
        // SAFETY: the crate's contract.
        unsafe { answer(decision, value) }.and(status)
    };
    told(decide())
}

/// Why an image may not be installed, in English; never null. Static memory.
#[unsafe(no_mangle)]
pub extern "C" fn firmlog_reason_text(reason: u16) -> *const c_char {
    let (texts, at) = match reason.checked_sub(IMAGE_REASONS) {
        None => (RELEASE_TEXTS, reason),
        Some(at) => (IMAGE_TEXTS, at),
    };
    texts.get(usize::from(at)).unwrap_or(&c"a number that is no reason").as_ptr()
}

/// Reasons of an image begin here.
const IMAGE_REASONS: u16 = 256;

const RELEASE_TEXTS: &[&CStr] = &[
    c"it may be installed",
    c"the bundle was altered",
    c"the bundle lacks what is needed, or is of another log",
    c"the log has no release of this image",
    c"the checkpoint lacks the quorum of witnesses",
    c"the key that signed the release is compromised",
    c"the release has fewer approvals than the log's policy asks for",
    c"somebody rejected the release",
    c"the release was suspended, recalled or ended",
    c"the release is not for this model",
    c"the release is not for this hardware revision",
    c"the release is not newer and nobody authorised a downgrade",
    c"the release has a lower security counter",
    c"the release was proposed and is not published",
    c"it takes a bundle of a larger tree: this one is older than what spoke before",
    c"a statement or the checkpoint is longer than the device's buffer",
    c"the release is for another component",
    c"the device takes no releases of this issuer",
    c"a release of the same bytes was recalled",
    c"a witness is pinned twice",
    c"a downgrade is authorised, but not at this time or not from what runs",
];

const IMAGE_TEXTS: &[&CStr] = &[
    c"the image could not be read",
    c"the slot ends within the image",
    c"it does not begin as an MCUboot image does",
    c"the header is shorter than 32 bytes",
    c"the image is encrypted",
    c"the image is compressed",
    c"the image is not for booting",
    c"the header has a flag of unknown meaning",
    c"the protected area does not begin as one does",
    c"header and protected area differ in its length",
    c"the signature area does not begin as one does",
    c"a value is longer than its area, or than it may be",
    c"a value is in the area that it may not be in",
    c"a value is there twice",
    c"the image has no SHA-256",
    c"the image is hashed by another function than SHA-256",
    c"the image does not have the SHA-256 it says",
    c"the image is not signed",
    c"the image is signed by another scheme than P-256",
    c"the signature is not in its one DER spelling",
    c"the image does not say which key signed",
    c"the image is signed by a key the device does not have",
    c"the signature does not hold",
    c"the boot record cannot be read",
    c"boot record and header differ in the version",
    c"the boot record names another key than signed",
    c"the image depends on more than four others",
    c"release and image differ in the version",
    c"release and image differ in the security counter",
    c"the image names another release than was found",
    c"the release is of another image",
];

/// # Safety
/// The contract in the crate's head.
pub(crate) unsafe fn decide(
    root: &Root,
    running: &Running,
    known: &Known,
    image: &[u8; 32],
    bundle: &[u8],
    scratch: &mut [u8],
    is_of: impl Fn(&Hash, &ReleaseHead) -> bool,
) -> Result<Result<install::Installable, Decision>, Status> {
    let mut issuers = [""; FIRMLOG_ISSUERS_MAX];
    // SAFETY: as above; the names are read in this call alone.
    let running = unsafe { running.read(&mut issuers) }?;
    // SAFETY: as above.
    let revocations = Revocation::all(unsafe { list(known.revocations, known.revocations_len) }?)?;
    let latest_ms = (known.has_latest != 0).then_some(known.latest_ms);
    let Known { earliest_ms, size, .. } = *known;
    let heard = install::Known { earliest_ms, latest_ms, size, revocations };
    // SAFETY: as above.
    let evidence =
        unsafe { root.with(|pinned| Evidence::verify(bundle, pinned, &RustCrypto, scratch)) };
    let evidence = match evidence? {
        Ok(evidence) => evidence,
        Err(reason) => return Ok(Err(Decision::no(image, reason.code(), reason.event()))),
    };
    evidence.revocations(|revocation| known.tell(&revocation.into()));
    let decided = evidence.installable_as(image, &running, &heard, is_of);
    Ok(decided.map(|installable| *installable).map_err(|reason| {
        let tree = evidence.head().size;
        if reason.is_hidden() {
            known.tell(&install::Revocation::Refused { tree, image: *image }.into());
        }
        let size = if reason.is_hidden() { tree.0 } else { 0 };
        Decision { size, ..Decision::no(image, reason.code(), reason.event()) }
    }))
}

impl Root {
    /// Reads the keys, and asks something of what is pinned.
    ///
    /// # Safety
    /// The contract in the crate's head.
    pub(crate) unsafe fn with<T>(
        &self,
        ask: impl FnOnce(&install::Root<'_>) -> T,
    ) -> Result<T, Status> {
        // SAFETY: the caller's promise is handed on.
        let log = unsafe { key(self.log) }?;
        let (count, quorum) = (self.witnesses_len, self.quorum);
        if count > FIRMLOG_WITNESSES_MAX || usize::from(quorum) > count {
            return Err(Status::Range);
        }
        // SAFETY: as above.
        let names = unsafe { list(self.witnesses, count) }?;
        let mut witnesses = [log; FIRMLOG_WITNESSES_MAX];
        for (place, witness) in witnesses.iter_mut().zip(names) {
            // SAFETY: as above.
            *place = unsafe { key(*witness) }?;
        }
        let witnesses = witnesses.get(..names.len()).ok_or(Status::Bug)?;
        Ok(ask(&install::Root { genesis: Hash(self.genesis), log: &log, witnesses, quorum }))
    }
}

unsafe fn key(text: *const c_char) -> Result<VerifierKey, Status> {
    // SAFETY: the caller's promise is handed on.
    VerifierKey::parse(unsafe { name(text) }?).map_err(|_| Status::Key)
}

impl Running {
    /// # Safety
    /// The contract in the crate's head.
    unsafe fn read<'a>(
        &self,
        issuers: &'a mut [&'static str; FIRMLOG_ISSUERS_MAX],
    ) -> Result<install::Running<'a>, Status> {
        let hw_rev = match self.hw_rev.is_null() {
            true => None,
            // SAFETY: the caller's promise is handed on.
            false => Some(unsafe { name(self.hw_rev) }?),
        };
        let room = issuers.get_mut(..self.issuers_len).ok_or(Status::Range)?;
        // SAFETY: as above.
        let names = unsafe { list(self.issuers, self.issuers_len) }?;
        for (place, issuer) in room.iter_mut().zip(names) {
            // SAFETY: as above.
            *place = unsafe { name(*issuer) }?;
        }
        Ok(install::Running {
            device: DeviceId(self.device),
            // SAFETY: as above.
            model: unsafe { name(self.model) }?,
            hw_rev,
            // SAFETY: as above.
            component: unsafe { name(self.component) }?,
            issuers: room,
            version: self.version,
            counter: self.counter,
        })
    }
}

impl Known {
    fn tell(&self, revocation: &Revocation) {
        if let Some(remember) = self.remember {
            // SAFETY: one of ours is lent; the caller keeps to its prototype.
            unsafe { remember(self.context, revocation) };
        }
    }
}

impl Revocation {
    /// C's list as the library's, where it lies: a device may remember any number.
    fn all(list: &[Self]) -> Result<&[install::Revocation], Status> {
        const { assert!(size_of::<Self>() == size_of::<install::Revocation>()) };
        const { assert!(align_of::<Self>() == align_of::<install::Revocation>()) };
        if !list.iter().all(Self::is_one) {
            return Err(Status::Range);
        }
        // SAFETY: the enum is `repr(u8)`, so a struct of its number and its fields in their order,
        // each `repr(transparent)` over the type here. The numbers were checked just now.
        Ok(unsafe { core::slice::from_raw_parts(list.as_ptr().cast(), list.len()) })
    }

    /// Whether its numbers are those of a revocation.
    fn is_one(&self) -> bool {
        let Self { kind, event, index, name, image } = *self;
        match kind {
            FIRMLOG_REVOCATION_KEY | FIRMLOG_REVOCATION_REFUSED => event == 0,
            FIRMLOG_REVOCATION_RELEASE => EventType::from_code(event.into())
                .and_then(|it| {
                    install::Revocation::withdrawn(Hash(name), image, it, LeafIndex(index))
                })
                .is_some(),
            _ => false,
        }
    }
}

impl From<install::Revocation> for Revocation {
    fn from(revocation: install::Revocation) -> Self {
        match revocation {
            install::Revocation::Key { kid, from } => Self {
                kind: FIRMLOG_REVOCATION_KEY,
                event: 0,
                index: from.0,
                name: kid.0,
                image: [0; 32],
            },
            install::Revocation::Release { release, image, event, index } => Self {
                kind: FIRMLOG_REVOCATION_RELEASE,
                event: event.code(),
                index: index.0,
                name: release.0,
                image,
            },
            install::Revocation::Refused { tree, image } => Self {
                kind: FIRMLOG_REVOCATION_REFUSED,
                event: 0,
                index: tree.0,
                name: image,
                image: [0; 32],
            },
        }
    }
}

impl Decision {
    pub(crate) fn yes(found: &install::Installable) -> Self {
        let image =
            crate::Image { version: found.version, counter: found.counter, sha256: found.image };
        Self {
            size: found.head.size.0,
            root: found.head.root.0,
            index: found.index.0,
            ..Self::of(image, found.release.0, found.size_bytes)
        }
    }

    pub(crate) fn no(sha256: &[u8; 32], reason: u16, event: EventType) -> Self {
        let refused = crate::Image { sha256: *sha256, ..crate::Image::default() };
        let nothing = Self::of(crate::Image::default(), [0; 32], 0);
        Self { refused, reason, event: event.code(), ..nothing }
    }

    /// An image, with nothing said of a log.
    pub(crate) fn of(image: crate::Image, release: [u8; 32], size_bytes: u64) -> Self {
        Self {
            target: Target { image, release },
            refused: crate::Image::default(),
            size: 0,
            root: [0; 32],
            size_bytes,
            index: 0,
            reason: 0,
            event: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firmlog_tlog::merkle::TreeSize;

    #[test]
    fn every_reason_has_its_text() {
        use firmlog_verify::install::Reason as R;
        let all = [R::EvidenceAltered, R::EvidenceIncomplete, R::ReleaseNotFound, R::NotWitnessed];
        let more =
            [R::SignerRevoked, R::ApprovalsMissing, R::Rejected, R::Withdrawn, R::WrongModel];
        let rest = [R::WrongHardware, R::Downgrade, R::CounterWentBack, R::NotPublished];
        let last = [R::EvidenceStale, R::ScratchTooSmall, R::WrongComponent, R::WrongIssuer];
        let newest = [R::BytesRecalled, R::WitnessTwice, R::DowngradeNotNow];
        let all = all.iter().chain(&more).chain(&rest).chain(&last).chain(&newest);
        assert_eq!(all.clone().count(), RELEASE_TEXTS.len() - 1);
        for reason in all {
            assert_eq!(text(reason.code()), std::format!("{reason}"));
        }
        use firmlog_agent::mcuboot::Error;
        for error in Error::ALL.iter().filter(|error| **error != Error::Bug) {
            assert_eq!(text(error.code()), std::format!("{error}"));
        }
        assert_eq!(text(u16::MAX), "a number that is no reason");
    }

    /// C's list is read where it lies: what stands there is what the library made of it.
    #[test]
    fn a_list_of_c_is_the_librarys() {
        let (release, image, event) = (Hash([5; 32]), [6; 32], EventType::ReleaseRecalled);
        let (kid, from) = (firmlog_statement::Thumbprint([7; 32]), LeafIndex(9));
        let all = [
            install::Revocation::Release { release, image, event, index: LeafIndex(1 << 40) },
            install::Revocation::Key { kid, from },
            install::Revocation::Refused { tree: TreeSize(11), image },
        ];
        let list = all.map(Revocation::from);
        assert_eq!(Revocation::all(&list), Ok(&all[..]));
        let event_of = |event| [list[1], Revocation { event, ..list[0] }];
        for code in 0..=u16::MAX {
            let known = (5..=7).contains(&code);
            assert_eq!(Revocation::all(&event_of(code)).is_ok(), known, "{code}");
        }
        for kind in (0..=u8::MAX).filter(|kind| *kind != FIRMLOG_REVOCATION_RELEASE) {
            let other = Revocation { kind, ..list[0] };
            assert_eq!(Revocation::all(&[other]), Err(Status::Range), "{kind}");
        }
        assert_eq!(Revocation::all(&[Revocation { kind: 4, ..list[1] }]), Err(Status::Range));
    }

    fn text(reason: u16) -> &'static str {
        // SAFETY: static texts that end in a zero byte.
        unsafe { CStr::from_ptr(firmlog_reason_text(reason)) }.to_str().unwrap()
    }
}
