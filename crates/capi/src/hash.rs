//! SHA-256, of an image piece by piece or of bytes at once.

use crate::Status;
use crate::pointer::{answer, check, list};
use crate::slot::{Memory, close, put, with};
use crate::status::told;
use sha2::{Digest as _, Sha256};

/// Words of a hash under way.
pub const FIRMLOG_HASH_WORDS: usize = 16;

/// Memory of a hash under way; what is in it is the library's.
#[derive(Debug)]
#[repr(C)]
pub struct Hash {
    opaque: [u64; FIRMLOG_HASH_WORDS],
}

impl Memory for Hash {
    type Inner = Sha256;
    const MAGIC: usize = 0x464c_6831;
}

const _: () = Hash::FITS;

/// Starts a hash, whatever was in the memory before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_hash_start(hash: *mut Hash) -> Status {
    // SAFETY: the crate's contract.
    told(unsafe { put(hash, Sha256::new()) })
}

/// Takes the next piece.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_hash_add(hash: *mut Hash, piece: *const u8, len: usize) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(hash, |sha256| {
            sha256.update(list(piece, len)?);
            Ok(())
        })
    }
}

/// Ends it: 32 bytes go to `digest`. The next one must be started.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_hash_finish(hash: *mut Hash, digest: *mut u8) -> Status {
    // SAFETY: the crate's contract.
    let done = unsafe {
        with(hash, |sha256| {
            check(digest)?;
            let value: [u8; 32] = core::mem::take(sha256).finalize().into();
            answer(digest.cast(), value)
        })
    };
    if done == Status::Ok {
        // SAFETY: the crate's contract.
        return told(unsafe { close(hash) });
    }
    done
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
