//! Signature lines of notes, also as they travel alone (a witness's reply).
//!
//! ```text
//! — witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==
//! ```
//!
//! Invariants: em dash (U+2014), space, name, space, canonical Base64 of a 4-byte key id and
//! at least one byte more, newline; nothing else parses.

use core::fmt;

use super::{KeyId, MAX_SIGNATURES, NoteError, VerifierKey, key::check_name};
use crate::base64;

/// One signature line. Only its form is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    name: &'a str,
    key_id: KeyId,
    blob: &'a str,
}

impl<'a> Signature<'a> {
    /// The name of the key that claims to have signed.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The id of that key.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The signature without its key id, if it is `N` bytes long (at most 128 here).
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> Option<[u8; N]> {
        let mut buffer = [0; 132];
        let blob = base64::decode(self.blob, &mut buffer)?;
        blob.get(4..)?.try_into().ok()
    }

    /// The signature without its key id.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn to_vec(&self) -> alloc::vec::Vec<u8> {
        let mut blob = base64::decode_vec(self.blob).unwrap_or_default();
        blob.drain(..blob.len().min(4));
        blob
    }

    /// Parses one line with its newline.
    fn parse_line(line: &'a str) -> Result<Self, NoteError> {
        let line = line.strip_suffix('\n').ok_or(NoteError::FinalNewlineMissing)?;
        let rest = line.strip_prefix("— ").ok_or(NoteError::SignatureLineMalformed)?;
        let (name, blob) = rest.split_once(' ').ok_or(NoteError::SignatureLineMalformed)?;
        check_name(name)?;
        let len = base64::decoded_len(blob).ok_or(NoteError::SignatureNotBase64)?;
        if len < 5 {
            return Err(NoteError::SignatureTooShort);
        }
        Ok(Self { name, key_id: leading_key_id(blob), blob })
    }
}

/// The line, with its newline.
impl fmt::Display for Signature<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "— {} {}", self.name, self.blob)
    }
}

/// A signature line to be written: shows itself with its newline.
#[derive(Clone, Copy, Debug)]
pub struct SignatureLine<'a> {
    /// The key that signed.
    pub key: &'a VerifierKey,
    /// What it signed with, without the key id.
    pub signature: &'a [u8],
}

impl fmt::Display for SignatureLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.key.id.0.to_be_bytes();
        writeln!(f, "— {} {}", self.key.name, base64::Encode(&[&id, self.signature]))
    }
}

/// Parses one or more signature lines that stand alone, as a witness replies.
///
/// # Errors
/// A [`NoteError`] if any line is malformed or there is none.
pub fn parse_signature_lines(
    body: &[u8],
) -> Result<impl Iterator<Item = Signature<'_>> + Clone, NoteError> {
    if body.len() > super::MAX_BYTES {
        return Err(NoteError::TooLarge);
    }
    let text = core::str::from_utf8(body).map_err(|_| NoteError::NotUtf8)?;
    super::check_characters(text)?;
    if text.is_empty() {
        return Err(NoteError::NoSignatures);
    }
    check_lines(text)?;
    Ok(lines(text))
}

pub(super) fn check_lines(text: &str) -> Result<(), NoteError> {
    for (n, line) in text.split_inclusive('\n').enumerate() {
        if n >= MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        Signature::parse_line(line)?;
    }
    Ok(())
}

/// The lines of a text that [`check_lines`] has passed.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Signature<'_>> + Clone {
    text.split_inclusive('\n').filter_map(|line| Signature::parse_line(line).ok())
}

fn leading_key_id(blob: &str) -> KeyId {
    let mut bytes = [0; 6];
    let head = blob.get(..8).and_then(|head| base64::decode(head, &mut bytes));
    let id = head.and_then(<[u8]>::first_chunk::<4>).copied();
    KeyId(u32::from_be_bytes(id.unwrap_or_default()))
}
