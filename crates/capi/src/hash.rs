//! SHA-256, of an image piece by piece or of bytes at once.

use crate::Status;
use crate::pointer::{answer, borrow, check, list};
use crate::status::told;
use core::mem::MaybeUninit;
use sha2::{Digest as _, Sha256};

/// Words of a hash under way.
pub const FIRMLOG_HASH_WORDS: usize = 16;

/// Memory of a hash under way; what is in it is the library's.
#[derive(Debug)]
#[repr(C)]
pub struct Hash {
    opaque: [u64; FIRMLOG_HASH_WORDS],
}

/// What stands in a [`Hash`].
struct Inner {
    magic: usize,
    sha256: MaybeUninit<Sha256>,
}

const _: () = assert!(size_of::<Inner>() <= size_of::<Hash>());
const _: () = assert!(align_of::<Inner>() <= align_of::<Hash>());

const MAGIC: usize = 0x464c_6831;

/// Starts a hash.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_hash_start(hash: *mut Hash) -> Status {
    let inner = hash.cast::<Inner>();
    let fresh = Inner { magic: MAGIC ^ inner.addr(), sha256: MaybeUninit::new(Sha256::new()) };
    // SAFETY: the crate's contract; an `Inner` has room in a `Hash`.
    told(check(hash).and_then(|()| unsafe { answer(inner, fresh) }))
}

/// Takes the next piece.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_hash_add(hash: *mut Hash, piece: *const u8, len: usize) -> Status {
    // SAFETY: the crate's contract.
    told(unsafe { started(hash) }.and_then(|sha256| {
        // SAFETY: the crate's contract.
        sha256.update(unsafe { list(piece, len) }?);
        Ok(())
    }))
}

/// Ends it: 32 bytes go to `digest`. The next one must be started.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_hash_finish(hash: *mut Hash, digest: *mut u8) -> Status {
    // SAFETY: the crate's contract.
    told(unsafe { started(hash) }.and_then(|sha256| {
        check(digest)?;
        let value: [u8; 32] = core::mem::take(sha256).finalize().into();
        // SAFETY: the crate's contract; the field is the context's own.
        unsafe { (&raw mut (*hash.cast::<Inner>()).magic).write(0) };
        // SAFETY: the crate's contract.
        unsafe { answer(digest.cast(), value) }
    }))
}

/// SHA-256 of bytes at once: 32 bytes go to `digest`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_sha256(bytes: *const u8, len: usize, digest: *mut u8) -> Status {
    // SAFETY: the crate's contract.
    told(unsafe { list(bytes, len) }.and_then(|bytes| {
        // SAFETY: the crate's contract.
        unsafe { answer::<[u8; 32]>(digest.cast(), Sha256::digest(bytes).into()) }
    }))
}

/// The hash under way, if this is one.
unsafe fn started<'a>(hash: *mut Hash) -> Result<&'a mut Sha256, Status> {
    let inner = hash.cast::<Inner>();
    // SAFETY: the crate's contract: zeroed or started, so that the number may be read.
    let magic = unsafe { borrow(hash.cast_const().cast::<Inner>()) }?.magic;
    if magic != MAGIC ^ inner.addr() {
        return Err(Status::NotOpen);
    }
    // SAFETY: only `firmlog_hash_start` writes this number, for this address, together with the
    // hash.
    Ok(unsafe { (*inner).sha256.assume_init_mut() })
}
