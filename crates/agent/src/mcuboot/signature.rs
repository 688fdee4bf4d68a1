//! An ECDSA signature in DER, and the hash that a P-256 key is known by.

use super::error::Error;
use sha2::{Digest as _, Sha256};

/// Most bytes of a P-256 signature in DER.
pub(super) const MAX: usize = 72;

/// Reads `SEQUENCE { r INTEGER, s INTEGER }` in its one spelling into r‖s.
pub(super) fn parse(der: &[u8]) -> Result<[u8; 64], Error> {
    let (tag, mut both, behind) = element(der)?;
    if tag != 0x30 || !behind.is_empty() {
        return Err(Error::SignatureMalformed);
    }
    let mut out = [0; 64];
    let (r, s) = out.split_at_mut(32);
    integer(&mut both, r)?;
    integer(&mut both, s)?;
    if both.is_empty() { Ok(out) } else { Err(Error::SignatureMalformed) }
}

/// Tag, content and what is behind; lengths below 128 only, which is all a P-256 signature has.
fn element(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), Error> {
    let ([tag, len], rest) = bytes.split_first_chunk().ok_or(Error::SignatureMalformed)?;
    let (content, behind) =
        rest.split_at_checked(usize::from(*len)).ok_or(Error::SignatureMalformed)?;
    if *len < 128 { Ok((*tag, content, behind)) } else { Err(Error::SignatureMalformed) }
}

/// A positive integer in as few bytes as it takes, into 32.
fn integer(rest: &mut &[u8], out: &mut [u8]) -> Result<(), Error> {
    let (tag, content, behind) = element(rest)?;
    *rest = behind;
    let digits = match content {
        [0, high, ..] if *high >= 0x80 => content.get(1..),
        [0, ..] | [] => None,
        [high, ..] if *high >= 0x80 => None,
        _ => Some(content),
    };
    let digits = digits.filter(|_| tag == 2).ok_or(Error::SignatureMalformed)?;
    let start = out.len().checked_sub(digits.len()).ok_or(Error::SignatureMalformed)?;
    out.get_mut(start..).ok_or(Error::Bug)?.copy_from_slice(digits);
    Ok(())
}

/// SHA-256 of the key x‖y as a SubjectPublicKeyInfo (RFC 5480), which is how images name it.
pub(super) fn key_hash(key: &[u8; 64]) -> [u8; 32] {
    const HEAD: [u8; 27] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    Sha256::new().chain_update(HEAD).chain_update(key).finalize().into()
}
