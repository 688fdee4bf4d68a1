//! Verifier keys ("vkeys"): who may sign notes, as one line of text.
//!
//! ```text
//! example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
//! ```
//!
//! In scope: Ed25519 note keys (type 1) and Ed25519 cosignature/v1 keys (type 4).
//! Out of scope: ML-DSA and ECDSA keys; they are refused as unsupported.
//!
//! Invariants: `VerifierKey::parse(x)?` shows itself as `x`; the id is always the hash of
//! name, type and key; names are held inline, so keys are `Copy` and need no allocation.

use core::fmt;

use sha2::{Digest, Sha256};

use super::NoteError;
use crate::base64;

/// The short identifier of a key, as signatures carry it. Not collision resistant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

/// Eight lowercase hex digits.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a key signs, with the type byte of [signed-note](https://c2sp.org/signed-note).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519 over the note's text: a log's own signature.
    Ed25519 = 1,
    /// Timestamped Ed25519 cosignature over a checkpoint: a witness's signature.
    CosignatureV1 = 4,
}

impl Algorithm {
    const fn from_type(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Ed25519),
            4 => Some(Self::CosignatureV1),
            _ => None,
        }
    }
}

/// A key's name: not empty, no Unicode space, no plus, no control character, at most
/// 255 bytes (the bound tlog-cosignature puts on cosigner names).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName {
    // Compared first, so that unused bytes (always zero) cannot matter.
    bytes: [u8; 255],
    len: u8,
}

impl KeyName {
    /// Checks and takes over a name.
    ///
    /// # Errors
    /// [`NoteError::NameMalformed`].
    pub fn new(name: &str) -> Result<Self, NoteError> {
        check_name(name)?;
        let mut bytes = [0; 255];
        let len = u8::try_from(name.len()).map_err(|_| NoteError::NameMalformed)?;
        let slot = bytes.get_mut(..name.len()).ok_or(NoteError::NameMalformed)?;
        slot.copy_from_slice(name.as_bytes());
        Ok(Self { bytes, len })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let name = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(name).unwrap_or_default()
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A public key with its name: all one needs to verify a signature line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    /// Who signs.
    pub name: KeyName,
    /// The hash of the other three, shortened to 32 bits.
    pub id: KeyId,
    /// What is signed.
    pub algorithm: Algorithm,
    /// The Ed25519 public key (RFC 8032 §5.1.5).
    pub public_key: [u8; 32],
}

impl VerifierKey {
    /// Names a public key.
    ///
    /// # Errors
    /// [`NoteError::NameMalformed`].
    pub fn new(name: &str, algorithm: Algorithm, public_key: [u8; 32]) -> Result<Self, NoteError> {
        let id = key_id(name, algorithm, &public_key);
        Ok(Self { name: KeyName::new(name)?, id, algorithm, public_key })
    }

    /// Parses a vkey.
    ///
    /// # Errors
    /// A [`NoteError`] for every other spelling, a wrong id, or an unsupported type.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let (name, rest) = vkey.split_once('+').ok_or(NoteError::VkeyMalformed)?;
        // Base64 has a plus of its own: only the first two separate.
        let (id, key) = rest.split_once('+').ok_or(NoteError::VkeyMalformed)?;
        let name = KeyName::new(name)?;
        let id = parse_key_id(id)?;
        let (algorithm, public_key) = parse_key(key)?;
        let parsed = Self::new(name.as_str(), algorithm, public_key)?;
        if parsed.id == id { Ok(parsed) } else { Err(NoteError::KeyIdMismatch) }
    }
}

/// The vkey.
impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = base64::Encode(&[&[self.algorithm as u8], &self.public_key]);
        write!(f, "{}+{}+{key}", self.name, self.id)
    }
}

/// `SHA-256(name ‖ 0x0A ‖ type ‖ public key)[..4]`.
fn key_id(name: &str, algorithm: Algorithm, public_key: &[u8; 32]) -> KeyId {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', algorithm as u8])
        .chain_update(public_key)
        .finalize();
    let [a, b, c, d, ..] = hash.0;
    KeyId(u32::from_be_bytes([a, b, c, d]))
}

pub(super) fn check_name(name: &str) -> Result<(), NoteError> {
    let bad = |c: char| c.is_whitespace() || c == '+' || c < ' ';
    if name.is_empty() || name.len() > 255 || name.contains(bad) {
        return Err(NoteError::NameMalformed);
    }
    Ok(())
}

pub(super) fn parse_key_id(text: &str) -> Result<KeyId, NoteError> {
    let lower_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 8 || !text.bytes().all(lower_hex) {
        return Err(NoteError::KeyIdMalformed);
    }
    u32::from_str_radix(text, 16).map(KeyId).map_err(|_| NoteError::KeyIdMalformed)
}

/// Type byte and 32 key bytes. A supported type is told before a wrong length is.
fn parse_key(text: &str) -> Result<(Algorithm, [u8; 32]), NoteError> {
    let len = base64::decoded_len(text).ok_or(NoteError::KeyNotBase64)?;
    let first = text.get(..4).and_then(|group| {
        let mut three = [0; 3];
        base64::decode(group, &mut three)?.first().copied()
    });
    let algorithm = first
        .ok_or(NoteError::KeyWrongLength)
        .and_then(|byte| Algorithm::from_type(byte).ok_or(NoteError::AlgorithmUnsupported))?;
    if len != 33 {
        return Err(NoteError::KeyWrongLength);
    }
    let [_, public_key @ ..] = base64::decode_array::<33>(text).ok_or(NoteError::KeyNotBase64)?;
    Ok((algorithm, public_key))
}
