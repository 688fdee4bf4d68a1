//! Cosignatures: a witness's timestamped signature under a checkpoint ([tlog-cosignature]).
//!
//! ```text
//! cosignature/v1
//! time 1679315147
//! example.com/behind-the-sofa
//! 20852163
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! ```
//!
//! That is the message; the signature line carries the time as eight bytes before the
//! Ed25519 signature. It says: at that time, this was the largest tree of this log that I had
//! seen, and it extends every smaller one I had seen.
//!
//! In scope: building the message, writing and verifying Ed25519 cosignatures (type 4).
//! Out of scope: ML-DSA cosignatures, whose word counts (`policy`, `verify`).
//!
//! Invariant: the whole body is signed, extension lines and final newline included.
//!
//! [tlog-cosignature]: https://c2sp.org/tlog-cosignature

use crate::decimal;
use crate::note::{Algorithm, Ed25519Check, Note, Signature, VerifierKey};
use crate::refusal::refusals;

/// Bytes that come before the checkpoint's body in the message, at most.
pub const MAX_HEADER: usize = 40;
/// The latest time a cosignature can carry, in seconds since 1970.
pub const MAX_TIME: u64 = i64::MAX as u64;

refusals! {
    /// Why a cosignature was refused.
    CosignatureError {
        Missing = 1: "the witness has not cosigned",
        SignatureWrong = 2: "the witness's cosignature does not verify",
        WrongLength = 3: "the cosignature is not 72 bytes",
        TimeIsZero = 4: "the cosignature's time is zero",
        TimeTooLarge = 5: "the cosignature's time is beyond 2^63 − 1",
        KeyOfOtherKind = 6: "the key is not an Ed25519 cosignature key",
        BufferTooSmall = 7: "the buffer is too small for the cosigned message",
        SignerFailed = 8: "the cosignature key did not sign",
    }
}

/// A cosignature's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// When it was made, in seconds since 1970.
    pub time_s: u64,
    /// The Ed25519 signature over the message.
    pub signature: [u8; 64],
}

impl Cosignature {
    /// Parses the bytes of a signature line after the key id.
    ///
    /// # Errors
    /// [`CosignatureError::TimeIsZero`] or [`CosignatureError::TimeTooLarge`].
    pub fn parse(bytes: &[u8; 72]) -> Result<Self, CosignatureError> {
        let [t0, t1, t2, t3, t4, t5, t6, t7, signature @ ..] = *bytes;
        let time_s = check_time(u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]))?;
        Ok(Self { time_s, signature })
    }

    /// The bytes of a signature line after the key id.
    #[must_use]
    pub fn encode(&self) -> [u8; 72] {
        let mut out = [0; 72];
        let bytes = self.time_s.to_be_bytes().into_iter().chain(self.signature);
        out.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
        out
    }

    /// The content of a signature line.
    ///
    /// # Errors
    /// As [`Cosignature::parse`], and [`CosignatureError::WrongLength`].
    pub fn from_signature(signature: &Signature<'_>) -> Result<Self, CosignatureError> {
        Self::parse(&signature.bytes().ok_or(CosignatureError::WrongLength)?)
    }
}

/// Writes the message that a cosignature signs, and returns the part of `buffer` it fills.
///
/// # Errors
/// [`CosignatureError::BufferTooSmall`] below `body.len() + MAX_HEADER` bytes at worst.
pub fn message<'b>(
    time_s: u64,
    body: &str,
    buffer: &'b mut [u8],
) -> Result<&'b [u8], CosignatureError> {
    // Not by `core::fmt`, which takes 3 KiB of a small device's flash.
    let (mut digits, mut used) = ([0; decimal::MAX_DIGITS], 0_usize);
    let time = decimal::write(time_s, &mut digits);
    for part in [b"cosignature/v1\ntime ", time, b"\n", body.as_bytes()] {
        let rest = buffer.get_mut(used..).and_then(|rest| rest.get_mut(..part.len()));
        rest.ok_or(CosignatureError::BufferTooSmall)?.copy_from_slice(part);
        used = used.saturating_add(part.len());
    }
    buffer.get(..used).ok_or(CosignatureError::BufferTooSmall)
}

/// Verifies a witness's cosignature under a checkpoint and returns its time in seconds since
/// 1970. `buffer` needs `note.text().len() + MAX_HEADER` bytes.
///
/// # Errors
/// A [`CosignatureError`]; if any line of this key fails, all do.
pub fn verify_in(
    check: &(impl Ed25519Check + ?Sized),
    note: &Note<'_>,
    witness: &VerifierKey,
    buffer: &mut [u8],
) -> Result<u64, CosignatureError> {
    if witness.algorithm != Algorithm::CosignatureV1 {
        return Err(CosignatureError::KeyOfOtherKind);
    }
    let mut newest = None;
    for line in note.signatures_of(witness) {
        let time_s = verify_line(check, note.text(), witness, &line, buffer)?;
        newest = newest.max(Some(time_s));
    }
    newest.ok_or(CosignatureError::Missing)
}

/// Verifies one signature line of a witness over a checkpoint's body and returns its time.
///
/// # Errors
/// A [`CosignatureError`]; [`CosignatureError::Missing`] if the line is of another key.
pub fn verify_line(
    check: &(impl Ed25519Check + ?Sized),
    body: &str,
    witness: &VerifierKey,
    line: &Signature<'_>,
    buffer: &mut [u8],
) -> Result<u64, CosignatureError> {
    if witness.algorithm != Algorithm::CosignatureV1 {
        return Err(CosignatureError::KeyOfOtherKind);
    }
    if line.key_id() != witness.id || line.name() != witness.name.as_str() {
        return Err(CosignatureError::Missing);
    }
    let Cosignature { time_s, signature } = Cosignature::from_signature(line)?;
    let message = message(time_s, body, buffer)?;
    if !check.ed25519(&witness.public_key, message, &signature) {
        return Err(CosignatureError::SignatureWrong);
    }
    Ok(time_s)
}

/// Verifies a witness's cosignature under a checkpoint and returns its time in seconds since
/// 1970.
///
/// # Errors
/// As [`verify_in`].
#[cfg(feature = "alloc")]
pub fn verify(
    check: &(impl Ed25519Check + ?Sized),
    note: &Note<'_>,
    witness: &VerifierKey,
) -> Result<u64, CosignatureError> {
    verify_in(check, note, witness, &mut buffer_for(note.text()))
}

/// Cosigns a checkpoint's body and returns the signature line.
///
/// # Errors
/// [`CosignatureError::SignerFailed`], or what is wrong with the time or the key.
#[cfg(feature = "alloc")]
pub fn cosign(
    body: &str,
    time_s: u64,
    witness: &dyn crate::note::NoteSigner,
) -> Result<alloc::string::String, CosignatureError> {
    let key = witness.verifier_key();
    if key.algorithm != Algorithm::CosignatureV1 {
        return Err(CosignatureError::KeyOfOtherKind);
    }
    let mut buffer = buffer_for(body);
    let message = message(check_time(time_s)?, body, &mut buffer)?;
    let signature = witness.sign(message).map_err(|_| CosignatureError::SignerFailed)?;
    let signature = &Cosignature { time_s, signature }.encode();
    Ok(alloc::string::ToString::to_string(&crate::note::SignatureLine { key, signature }))
}

#[cfg(feature = "alloc")]
fn buffer_for(body: &str) -> alloc::vec::Vec<u8> {
    alloc::vec![0; body.len().saturating_add(MAX_HEADER)]
}

const fn check_time(time_s: u64) -> Result<u64, CosignatureError> {
    match time_s {
        0 => Err(CosignatureError::TimeIsZero),
        1..=MAX_TIME => Ok(time_s),
        _ => Err(CosignatureError::TimeTooLarge),
    }
}
