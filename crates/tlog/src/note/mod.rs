//! Signed notes: a text and the signatures under it, in the [signed-note] form.
//!
//! ```text
//! This is an example message.
//!
//! — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
//! ```
//!
//! In scope: parsing and writing notes, signature lines and verifier keys; finding the
//! signature of a known key. Out of scope: the signature arithmetic ([`Ed25519Check`]), what
//! the text says (`checkpoint`), timestamped signatures (`cosignature`).
//!
//! Invariants:
//! - `Note::parse(x)?` shows itself as `x`, byte for byte.
//! - Parsing needs no allocation; input is at most [`MAX_BYTES`] with at most
//!   [`MAX_SIGNATURES`] signatures.
//! - A signature of a known key that fails makes the whole note refused.
//!
//! [signed-note]: https://c2sp.org/signed-note

use core::fmt;

mod key;
mod signature;
mod signer;

use crate::refusal::refusals;

pub use key::{Algorithm, KeyId, KeyName, VerifierKey};
pub use signature::{Signature, SignatureLine, parse_signature_lines};
pub use signer::{NoteSigner, PrivateKey, SignerError};
#[cfg(feature = "alloc")]
pub use signer::{append_signature, sign_note};

/// The largest note that is read, in bytes.
pub const MAX_BYTES: usize = 1_000_000;
/// The most signature lines that are read. The specification asks for at least 16.
pub const MAX_SIGNATURES: usize = 100;

refusals! {
    /// Why a note, a signature line or a key was refused.
    NoteError {
        TooLarge = 1: "the note is larger than 1,000,000 bytes",
        NotUtf8 = 2: "the note is not UTF-8",
        ControlCharacter = 3: "the note has a control character",
        NoSignatures = 4: "the note has no signatures after a blank line",
        FinalNewlineMissing = 5: "the note does not end in a newline",
        SignatureLineMalformed = 6: "a signature line is not `— name base64`",
        NameMalformed = 7: "a key name is empty, too long, or has a space or a plus",
        SignatureNotBase64 = 8: "a signature is not canonical base64",
        SignatureTooShort = 9: "a signature has no bytes after its key id",
        TooManySignatures = 10: "the note has more than 100 signatures",
        KeyNotFound = 11: "no signature is of the expected key",
        SignatureWrong = 12: "the signature of a known key does not verify",
        SignatureWrongLength = 13: "a signature of a known key has the wrong length",
        KeyOfOtherKind = 14: "the key is not of the kind this signature needs",
        VkeyMalformed = 15: "a verifier key is not `name+id+base64`",
        KeyIdMalformed = 16: "a key id is not eight lowercase hex digits",
        KeyIdMismatch = 17: "the key id is not the hash of the key",
        KeyNotBase64 = 18: "the key is not canonical base64",
        AlgorithmUnsupported = 19: "the key's signature type is not supported",
        KeyWrongLength = 20: "the key has the wrong length",
        TextMalformed = 21: "a note's text is empty or does not end in a newline",
    }
}

/// Checks an Ed25519 signature (RFC 8032). The arithmetic is the caller's: RustCrypto on a
/// device, a faster library on a server.
pub trait Ed25519Check {
    /// Whether `signature` over `message` is of `public_key`.
    fn ed25519(&self, public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool;
}

impl<C: Ed25519Check + ?Sized> Ed25519Check for &C {
    fn ed25519(&self, public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        (**self).ed25519(public_key, message, signature)
    }
}

/// A well-formed note. Nothing about its signatures has been verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    text: &'a str,
    signatures: &'a str,
}

impl<'a> Note<'a> {
    /// Parses a note.
    ///
    /// # Errors
    /// A [`NoteError`] for anything but the one spelling of a well-formed note.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_BYTES {
            return Err(NoteError::TooLarge);
        }
        let note = core::str::from_utf8(bytes).map_err(|_| NoteError::NotUtf8)?;
        check_characters(note)?;
        if !note.ends_with('\n') {
            return Err(NoteError::FinalNewlineMissing);
        }
        // The text may have blank lines of its own; the last one separates. Not by `rfind`, which
        // brings a panic into images that have none.
        let mut pairs = bytes.windows(2);
        let blank = pairs.rposition(|pair| pair == b"\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, rest) = note.split_at_checked(blank.wrapping_add(1)).unwrap_or_default();
        let signatures = rest.strip_prefix('\n').unwrap_or_default();
        if signatures.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        signature::check_lines(signatures)?;
        Ok(Self { text, signatures })
    }

    /// The signed text, with its final newline and without the blank line.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// The signature lines, verbatim.
    #[must_use]
    pub const fn signature_lines(&self) -> &'a str {
        self.signatures
    }

    /// The signatures in order.
    pub fn signatures(&self) -> impl Iterator<Item = Signature<'a>> + Clone + use<'a> {
        signature::lines(self.signatures)
    }

    /// The signatures that claim to be of this key: same name and same id.
    pub fn signatures_of<'k>(
        &self,
        key: &'k VerifierKey,
    ) -> impl Iterator<Item = Signature<'a>> + use<'a, 'k> {
        self.signatures().filter(move |s| s.key_id() == key.id && s.name() == key.name.as_str())
    }

    /// Verifies the signature of an Ed25519 key over the text.
    ///
    /// # Errors
    /// [`NoteError::KeyNotFound`] if the key did not sign; [`NoteError::SignatureWrong`] or
    /// [`NoteError::SignatureWrongLength`] if any of its signatures fails;
    /// [`NoteError::KeyOfOtherKind`] for a cosignature key.
    pub fn verify(
        &self,
        check: &(impl Ed25519Check + ?Sized),
        key: &VerifierKey,
    ) -> Result<(), NoteError> {
        if key.algorithm != Algorithm::Ed25519 {
            return Err(NoteError::KeyOfOtherKind);
        }
        let mut found = false;
        for signature in self.signatures_of(key) {
            let bytes: [u8; 64] = signature.bytes().ok_or(NoteError::SignatureWrongLength)?;
            if !check.ed25519(&key.public_key, self.text.as_bytes(), &bytes) {
                return Err(NoteError::SignatureWrong);
            }
            found = true;
        }
        if found { Ok(()) } else { Err(NoteError::KeyNotFound) }
    }
}

/// The note's bytes.
impl fmt::Display for Note<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.text, self.signatures)
    }
}

/// Refuses the control characters below U+0020, all but the newline.
fn check_characters(note: &str) -> Result<(), NoteError> {
    let control = note.bytes().any(|b| b < 0x20 && b != b'\n');
    if control { Err(NoteError::ControlCharacter) } else { Ok(()) }
}
