//! The device's key behind C's callback, and one in software.

use crate::Status;
use crate::codes::known;
use crate::pointer::{answer, borrow};
use crate::status::told;
use core::ffi::{c_int, c_void};
use firmlog_statement::{PublicKey, SignError, Signer, StatementError};
use sha2::{Digest as _, Sha256};

/// How statements are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256 = 1,
    /// Ed25519.
    Ed25519 = 2,
}

/// The device's attestation key, wherever it is held.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Key {
    /// Handed to the callback.
    pub context: *mut c_void,
    /// Signs `len` bytes of `message`: 64 bytes go to `signature`, r ‖ s for ES256 (either s),
    /// R ‖ S for Ed25519. `digest` is the 32 bytes of SHA-256 of the message, for a part that signs
    /// digests. Returns 0 when done, 2 when the key's holder is out of reach, anything else when it
    /// refuses. Null only for `firmlog_open`.
    pub sign: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            message: *const u8,
            len: usize,
            digest: *const u8,
            signature: *mut u8,
        ) -> c_int,
    >,
    /// The public half: x ‖ y big endian for ES256, 32 bytes and 32 zeros for Ed25519.
    pub public_key: [u8; 64],
    /// `FIRMLOG_ALGORITHM_…`.
    pub algorithm: u8,
}

impl Key {
    /// The public half; refuses what is none at first sight. Whether a point is on its curve is for
    /// those who check signatures.
    pub(crate) fn public(&self) -> Result<PublicKey, Status> {
        let (first, second) = self.public_key.split_first_chunk::<32>().ok_or(Status::Bug)?;
        if self.public_key == [0; 64] {
            return Err(Status::Key);
        }
        match self.algorithm {
            1 => Ok(PublicKey::P256(self.public_key)),
            2 if second == [0; 32] => Ok(PublicKey::Ed25519(*first)),
            2 => Err(Status::Key),
            _ => known(None),
        }
    }
}

/// A key that was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder {
    key: Key,
    public: PublicKey,
}

impl Holder {
    pub(crate) fn new(key: &Key) -> Result<Self, Status> {
        Ok(Self { key: *key, public: key.public()? })
    }
}

/// What a signature is written into, and behind it bytes that stay: one in DER is longer.
const GUARDED: [u8; 64 + 16] = [0xc5; 64 + 16];

impl Holder {
    /// A signature that came back from whoever holds the key, if it may be one of this key's.
    fn checked(&self, digest: &[u8; 32], room: &[u8; 80]) -> Result<[u8; 64], SignError> {
        let (signature, guard) = room.split_first_chunk::<64>().ok_or(SignError::Refused)?;
        let stays = GUARDED.iter().skip(64).eq(guard);
        if stays && self.may_be_of(digest, signature) { Ok(*signature) } else { Err(NOT_OURS) }
    }

    /// Whether this key made a signature of a message with this SHA-256; without the code for it,
    /// and for Ed25519, nobody can tell here.
    pub(crate) fn may_be_of(&self, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        match &self.public {
            #[cfg(feature = "p256")]
            PublicKey::P256(xy) => software::verifies(xy, digest, signature),
            _ => {
                let _ = (digest, signature);
                true
            }
        }
    }
}

/// Says of a signature that it is none of this key.
const NOT_OURS: SignError = SignError::Statement(StatementError::SignatureScalarRange);

impl Signer for Holder {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        let sign = self.key.sign.ok_or(SignError::Refused)?;
        let digest: [u8; 32] = Sha256::digest(tbs).into();
        let mut room = GUARDED;
        let (message, len) = (tbs.as_ptr(), tbs.len());
        // SAFETY: message, digest and signature are ours and as long as said; the caller keeps to
        // its prototype.
        match unsafe { sign(self.key.context, message, len, digest.as_ptr(), room.as_mut_ptr()) } {
            0 => self.checked(&digest, &room),
            2 => Err(SignError::Unavailable),
            _ => Err(SignError::Refused),
        }
    }
}

/// The name of a key: its RFC 9679 thumbprint, 32 bytes to `id`. That of its first key names a
/// device for life.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_key_id(key: *const Key, id: *mut u8) -> Status {
    // SAFETY: the crate's contract.
    told(unsafe { borrow(key) }.and_then(|key| {
        let public = key.public()?;
        // SAFETY: the crate's contract.
        unsafe { answer(id.cast(), public.thumbprint().0) }
    }))
}

#[cfg(feature = "p256")]
pub use software::{firmlog_p256_public, firmlog_p256_sign, firmlog_p256_verify};

#[cfg(feature = "p256")]
mod software {
    use super::{Status, answer, borrow, c_int, c_void, told};
    use p256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
    use p256::ecdsa::{Signature, SigningKey, VerifyingKey};

    /// Whether a key, x ‖ y, made a signature, r ‖ s, over a digest.
    pub(super) fn verifies(xy: &[u8; 64], digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        let mut point = [4; 65];
        if let Some((_, rest)) = point.split_first_mut() {
            rest.copy_from_slice(xy);
        }
        let key = VerifyingKey::from_sec1_bytes(&point);
        let signature = Signature::from_slice(signature);
        key.ok()
            .zip(signature.ok())
            .is_some_and(|(key, it)| key.verify_prehash(digest, &it).is_ok())
    }

    /// Whether the P-256 key of 64 bytes, x ‖ y, made a signature of 64 bytes, r ‖ s with either s,
    /// over the SHA-256 of a message: `FIRMLOG_STATUS_SIGNATURE` if not.
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn firmlog_p256_verify(
        public_key: *const u8,
        digest: *const u8,
        signature: *const u8,
    ) -> Status {
        // SAFETY: the crate's contract.
        let given =
            unsafe { (borrow(public_key.cast()), borrow(digest.cast()), borrow(signature.cast())) };
        let (Ok(key), Ok(digest), Ok(signature)) = given else { return Status::NullPointer };
        if verifies(key, digest, signature) { Status::Ok } else { Status::Signature }
    }

    /// The public half of a P-256 key in software, of 32 bytes: 64 bytes to `public_key`.
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn firmlog_p256_public(secret: *const u8, public_key: *mut u8) -> Status {
        // SAFETY: the crate's contract.
        told(unsafe { borrow::<[u8; 32]>(secret.cast()) }.and_then(|secret| {
            let key = SigningKey::from_slice(secret).map_err(|_| Status::Key)?;
            let point = key.verifying_key().to_sec1_point(false);
            let xy = point.as_bytes().split_first().map(|(_, xy)| xy);
            let xy: [u8; 64] = xy.and_then(|xy| xy.try_into().ok()).ok_or(Status::Bug)?;
            // SAFETY: the crate's contract.
            unsafe { answer(public_key.cast(), xy) }
        }))
    }

    /// Signs with a P-256 key in software: `firmlog_key.sign` for a `context` that points to its 32
    /// secret bytes. Deterministic (RFC 6979): no random numbers are needed.
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn firmlog_p256_sign(
        secret: *mut c_void,
        message: *const u8,
        len: usize,
        digest: *const u8,
        signature: *mut u8,
    ) -> c_int {
        let _ = (message, len);
        // SAFETY: the crate's contract.
        let secret = unsafe { borrow(secret.cast_const().cast::<[u8; 32]>()) };
        let signed = secret.and_then(|secret| {
            let key = SigningKey::from_slice(secret).map_err(|_| Status::Key)?;
            // SAFETY: the crate's contract.
            let digest = unsafe { borrow::<[u8; 32]>(digest.cast()) }?;
            let made: Signature = key.sign_prehash(digest).map_err(|_| Status::Key)?;
            // SAFETY: the crate's contract.
            unsafe { answer::<[u8; 64]>(signature.cast(), made.to_bytes().into()) }
        });
        signed.map_or(1, |()| 0)
    }
}
