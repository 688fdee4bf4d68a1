//! Trust before install for images of MCUboot: read in their slot, with the release in them.

use crate::install::{Decision, Known, Root, Running, decide};
use crate::pointer::{answer, borrow, buffer, check, filled, list};
use crate::status::told;
use crate::{Status, Target};
use core::ffi::{c_int, c_void};
use firmlog_agent::FlashError;
use firmlog_agent::mcuboot::{self, Signed};
use firmlog_statement::ReleaseHead;
use firmlog_tlog::merkle::Hash;
use firmlog_verify::RustCrypto;
use sha2::{Digest as _, Sha256};

/// An image of MCUboot in its slot, and whom to believe.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Mcuboot {
    /// Handed to the callback.
    pub context: *mut c_void,
    /// Copies `len` bytes from `at` bytes behind the image's first to `out`; 0 when done.
    pub read: Option<
        unsafe extern "C" fn(context: *mut c_void, at: u32, out: *mut u8, len: usize) -> c_int,
    >,
    /// Public keys that may sign images, x ‖ y, 64 bytes each.
    pub keys: *const u8,
    /// How many.
    pub keys_len: usize,
    /// Room for the evidence bundle that travels in the image, or one that came beside it.
    pub bundle: *mut u8,
    /// How much room there is.
    pub bundle_size: usize,
    /// How long a bundle is that came beside the image and is there already; 0 takes the one in it.
    pub bundle_len: usize,
    /// How long the slot is.
    pub slot_len: u32,
}

/// As [`firmlog_check_install`](crate::firmlog_check_install) for an image of MCUboot: that it is
/// whole, that one of the keys signed it, and that the release in its evidence is of this very
/// image, in version and security counter too. The image of a release is the body, what
/// `imgtool sign` is given. Reasons from 256 on are of the image (docs/spec/mcuboot.md). What is
/// refused is named by its body if it is whole, else by all `slot_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_check_mcuboot(
    image: *const Mcuboot,
    root: *const Root,
    running: *const Running,
    known: *const Known,
    scratch: *mut u8,
    scratch_len: usize,
    decision: *mut Decision,
) -> Status {
    let consider = || {
        check(decision)?;
        // SAFETY: the crate's contract.
        let decided = unsafe {
            let image = borrow(image)?;
            let (root, running, known) = (borrow(root)?, borrow(running)?, borrow(known)?);
            consider(image, root, running, known, buffer(scratch, scratch_len)?)?
        };
        // SAFETY: the crate's contract.
        unsafe { tell(decided, decision) }
    };
    told(consider())
}

/// Reads an image of MCUboot as its bootloader does: that it is whole, and that one of the keys
/// signed it. `target` in the decision is then what the slot holds, for `firmlog_start` if it runs,
/// and the release that it names, zeros if it names none; of that release nothing is decided.
/// `bundle` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_measure_mcuboot(
    image: *const Mcuboot,
    decision: *mut Decision,
) -> Status {
    let measure = || {
        check(decision)?;
        // SAFETY: the crate's contract.
        let measured = unsafe { signed(borrow(image)?) }?;
        // SAFETY: as above.
        unsafe { tell(measured.map(|signed| of_slot(&signed)), decision) }
    };
    told(measure())
}

/// # Safety
/// The contract in the crate's head.
unsafe fn tell(decided: Result<Decision, Decision>, decision: *mut Decision) -> Result<(), Status> {
    let (value, status) = match decided {
        Ok(yes) => (yes, Ok(())),
        Err(no) => (no, Err(Status::NotInstallable)),
    };
    // SAFETY: the caller's promise is handed on.
    unsafe { answer(decision, value) }.and(status)
}

/// The slot behind C's callback.
struct Slot<'a>(&'a Mcuboot);

impl mcuboot::Slot for Slot<'_> {
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError> {
        let read = self.0.read.ok_or(FlashError::Driver)?;
        // SAFETY: the buffer is ours and as long as said; the caller keeps to its prototype.
        match unsafe { read(self.0.context, at, out.as_mut_ptr(), out.len()) } {
            0 => Ok(()),
            _ => Err(FlashError::Driver),
        }
    }
}

/// The image in the slot, whole and signed by a known key.
///
/// # Safety
/// The contract in the crate's head.
unsafe fn signed(image: &Mcuboot) -> Result<Result<Signed, Decision>, Status> {
    image.read.ok_or(Status::NoCallback)?;
    // SAFETY: the caller's promise is handed on; keys are 64 bytes each and nothing else.
    let keys = unsafe { list(image.keys.cast::<[u8; 64]>(), image.keys_len) }?;
    let slot = &mut Slot(image);
    let read = match mcuboot::Image::read(slot, image.slot_len) {
        Ok(read) => read,
        Err(error) => return Ok(Err(no(&offered(slot), error))),
    };
    let good = |key: &_, digest: &_, sig: &_| RustCrypto.p256_digest(key, digest, sig);
    Ok(read.verify(keys, good).map_err(|error| no(&read.body, error)))
}

/// SHA-256 of all that was offered, as far as it can be read.
fn offered(slot: &mut Slot<'_>) -> [u8; 32] {
    let (mut sha256, mut buffer, mut at) = (Sha256::new(), [0; 64], 0_u32);
    while let Some(left) = slot.0.slot_len.checked_sub(at).filter(|left| *left > 0) {
        let len = left.min(64);
        let piece = buffer.get_mut(..len as usize).unwrap_or_default();
        if mcuboot::Slot::read(slot, at, piece).is_err() {
            break;
        }
        sha256.update(&*piece);
        at = at.saturating_add(len);
    }
    sha256.finalize().into()
}

/// # Safety
/// The contract in the crate's head.
unsafe fn consider(
    image: &Mcuboot,
    root: &Root,
    running: &Running,
    known: &Known,
    scratch: &mut [u8],
) -> Result<Result<Decision, Decision>, Status> {
    // SAFETY: the caller's promise is handed on; a bundle that came beside is in the room for it.
    let (room, signed) = unsafe { (filled(image.bundle, image.bundle_size)?, signed(image)?) };
    let signed = match signed {
        Ok(signed) => signed,
        Err(no) => return Ok(Err(no)),
    };
    let bundle = match image.bundle_len {
        0 => {
            let span = signed.release.map_or(mcuboot::Span::default(), |release| release.bundle);
            let len = usize::try_from(span.len).map_err(|_| Status::BufferTooSmall)?;
            let room = room.get_mut(..len).ok_or(Status::BufferTooSmall)?;
            if mcuboot::Slot::read(&mut Slot(image), span.at, room).is_err() {
                return Ok(Err(no(&signed.body, mcuboot::Error::Flash)));
            }
            &*room
        }
        len => room.get(..len).ok_or(Status::Range)?,
    };
    let is_of = |leaf: &Hash, head: &ReleaseHead| signed.is_of(&leaf.0, head.version, head.counter);
    // SAFETY: as above.
    let decided = unsafe { decide(root, running, known, &signed.body, bundle, scratch, is_of) };
    let found = match decided? {
        Ok(found) => Decision::yes(&found),
        Err(refused) => return Ok(Err(refused)),
    };
    Ok(match signed.target(&target(&found.target)) {
        Ok(_) => Ok(found),
        Err(error) => Err(no(&signed.body, error)),
    })
}

fn target(target: &Target) -> firmlog_agent::update::Target {
    target.into()
}

fn no(sha256: &[u8; 32], error: mcuboot::Error) -> Decision {
    Decision::no(sha256, error.code(), error.event())
}

fn of_slot(signed: &Signed) -> Decision {
    let (version, counter) = (signed.header.version.code(), signed.counter);
    let image = crate::Image { version, counter, sha256: signed.body };
    let release = signed.release.map_or([0; 32], |release| release.leaf);
    Decision::of(image, release, signed.header.body_size.into())
}
