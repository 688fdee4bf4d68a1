//! Writing notes: the signer trait, and the private key form that Go's `note` package uses.
//!
//! ```text
//! PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz
//! ```
//!
//! In scope: putting signature lines under a text. Out of scope: holding keys safely (`keys`).

use core::fmt;

use super::NoteError;
use super::key::{KeyId, KeyName, VerifierKey, parse_key_id};
use crate::base64;
use crate::refusal::refusals;

refusals! {
    /// Why a signer did not sign.
    SignerError {
        Unavailable = 1: "the signing key is not available",
        Refused = 2: "the signer refused the message",
    }
}

/// Signs notes with an Ed25519 key.
pub trait NoteSigner {
    /// The public half, under the name it signs as.
    fn verifier_key(&self) -> &VerifierKey;

    /// An Ed25519 signature (RFC 8032) over exactly these bytes.
    ///
    /// # Errors
    /// A [`SignerError`] if the key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError>;

    /// The name it signs as.
    fn key_name(&self) -> &str {
        self.verifier_key().name.as_str()
    }

    /// The id its signatures carry.
    fn key_id(&self) -> KeyId {
        self.verifier_key().id
    }
}

impl<S: NoteSigner + ?Sized> NoteSigner for &S {
    fn verifier_key(&self) -> &VerifierKey {
        (**self).verifier_key()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        (**self).sign(message)
    }
}

/// Signs a text into a note.
///
/// # Errors
/// [`NoteError::TextMalformed`] if the text is not one; [`NoteError::NoSignatures`] without a
/// signer; [`NoteError::SignatureWrong`] if a signer fails; [`NoteError::KeyOfOtherKind`] if a
/// signer's key is not for notes.
#[cfg(feature = "alloc")]
pub fn sign_note(
    text: &str,
    signers: &[&dyn NoteSigner],
) -> Result<alloc::string::String, NoteError> {
    let mut note = alloc::format!("{text}\n");
    if !text.ends_with('\n') {
        return Err(NoteError::TextMalformed);
    }
    super::check_characters(text)?;
    if signers.is_empty() {
        return Err(NoteError::NoSignatures);
    }
    for signer in signers {
        let key = signer.verifier_key();
        if key.algorithm != super::Algorithm::Ed25519 {
            return Err(NoteError::KeyOfOtherKind);
        }
        let signature = signer.sign(text.as_bytes()).map_err(|_| NoteError::SignatureWrong)?;
        append_signature(&mut note, key, &signature);
    }
    Ok(note)
}

/// Appends a signature line to a note.
#[cfg(feature = "alloc")]
pub fn append_signature(note: &mut alloc::string::String, key: &VerifierKey, signature: &[u8]) {
    use core::fmt::Write as _;
    // Writing to a string does not fail.
    let _ = write!(note, "{}", super::SignatureLine { key, signature });
}

/// A private key in Go's text form: an Ed25519 seed with its name and the id of its public
/// half. The id can only be checked by deriving that half, which is the caller's arithmetic.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey {
    /// The name it signs as.
    pub name: KeyName,
    /// The id of its public half.
    pub id: KeyId,
    /// The RFC 8032 seed.
    pub seed: [u8; 32],
}

impl PrivateKey {
    /// Parses `PRIVATE+KEY+name+id+base64(0x01 ‖ seed)`.
    ///
    /// # Errors
    /// A [`NoteError`] for every other spelling.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let rest = text.strip_prefix("PRIVATE+KEY+").ok_or(NoteError::VkeyMalformed)?;
        let (name, rest) = rest.split_once('+').ok_or(NoteError::VkeyMalformed)?;
        let (id, key) = rest.split_once('+').ok_or(NoteError::VkeyMalformed)?;
        let (name, id) = (KeyName::new(name)?, parse_key_id(id)?);
        base64::decoded_len(key).ok_or(NoteError::KeyNotBase64)?;
        match base64::decode_array::<33>(key).ok_or(NoteError::KeyWrongLength)? {
            [1, seed @ ..] => Ok(Self { name, id, seed }),
            _ => Err(NoteError::AlgorithmUnsupported),
        }
    }

    /// The text form. It is the secret itself: for files only the owner can read.
    #[must_use]
    pub fn expose(&self) -> impl fmt::Display + '_ {
        Exposed(self)
    }
}

/// Without the seed.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("name", &self.name).field("id", &self.id).finish()
    }
}

struct Exposed<'a>(&'a PrivateKey);

impl fmt::Display for Exposed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PrivateKey { name, id, seed } = self.0;
        write!(f, "PRIVATE+KEY+{name}+{id}+{}", base64::Encode(&[&[1], seed]))
    }
}
