//! A private key in a file: PKCS#8 PEM, readable by its owner alone, optionally encrypted.
//!
//! ```text
//! openssl pkey -in release.pem -pubout                 reads what we write
//! openssl genpkey -algorithm ed25519 -out log.pem      we read what it writes
//! ```
//!
//! Invariants:
//! - [`FileKey::open`] refuses a file that others can read ([`crate::access`]).
//! - [`FileKey::save`] creates the file with mode 0600 from its first byte and never overwrites
//!   one; when it returns, file and directory entry are durable.
//! - The secret is held by AWS-LC, which wipes it when dropped.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use firmlog_statement::{PublicKey, SignError, Signer};
use firmlog_tlog::note::{self, NoteError};
use zeroize::Zeroizing;

use crate::access::{self, AccessError, Exposed};
use crate::pkcs11::Pkcs11Error;
use crate::tpm::TpmError;
use crate::{NoteKey, pem};

/// Key files are a few hundred bytes; more is not one.
const MAX_FILE: u64 = 16 * 1024;

/// What a new key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA with SHA-256 on P-256 (COSE −7): people, build servers, most secure elements.
    P256,
    /// Ed25519 (COSE −8): logs, witnesses, devices that have it.
    Ed25519,
}

/// Why a key could not be used. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file system refused.
    #[error("read or write the key file")]
    Io(#[from] std::io::Error),
    /// Others than the owner could read the secret.
    #[error("use a secret that others can read: {0}")]
    Exposed(Exposed),
    /// Not a PEM document, or much too large.
    #[error("read the key file as PEM")]
    NotPem,
    /// PEM, but not a PKCS#8 private key.
    #[error("read the key file as PKCS#8 (expected `PRIVATE KEY` or `ENCRYPTED PRIVATE KEY`)")]
    NotPkcs8,
    /// PEM, but not a public key of a kind that is known here.
    #[error("read the public key (expected `PUBLIC KEY` of P-256 or Ed25519)")]
    NotPublic,
    /// A key, but of another algorithm, or damaged.
    #[error("use the key: it is neither P-256 nor Ed25519, or is damaged")]
    NotSupported,
    /// The file is encrypted, the token wants a PIN.
    #[error("open the key: it needs a passphrase or PIN")]
    PassphraseMissing,
    /// The passphrase does not open the file.
    #[error("decrypt the key file: the passphrase is wrong, or the file is damaged")]
    PassphraseWrong,
    /// Trying a passphrase would take absurdly long or much memory, as nobody's files do.
    #[error("decrypt the key file: it asks for more work than any key file needs")]
    TooCostly,
    /// A passphrase was given for a key that has none: somebody expects protection that is not
    /// there.
    #[error("use the passphrase: the key has none")]
    PassphraseNotNeeded,
    /// Two files may hold the PIN, and differ.
    #[error("choose a PIN: the name of the key has pin-source, and a passphrase file is given too")]
    PassphraseTwice,
    /// Notes are signed by Ed25519 keys only.
    #[error("sign notes with a key that is not Ed25519")]
    NotForNotes,
    /// The name is not one a note can carry.
    #[error("name the key")]
    Name(#[from] NoteError),
    /// In a token.
    #[error(transparent)]
    Pkcs11(#[from] Pkcs11Error),
    /// In a TPM.
    #[error(transparent)]
    Tpm(#[from] TpmError),
    /// Something that cannot happen did.
    #[error("encode the key (a bug)")]
    Bug,
}

impl From<AccessError> for KeyError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Io(error) => Self::Io(error),
            AccessError::Exposed(exposed) => Self::Exposed(exposed),
        }
    }
}

/// A private key held in memory, as read from or made for a file.
#[derive(Clone, Debug)]
pub struct FileKey(Arc<Secret>);

#[derive(Debug)]
enum Secret {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl FileKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyError::Bug`] if the library cannot make one.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let secret = match algorithm {
            Algorithm::P256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .map(Secret::P256)
                .map_err(|_| KeyError::Bug)?,
            Algorithm::Ed25519 => {
                Ed25519KeyPair::generate().map(Secret::Ed25519).map_err(|_| KeyError::Bug)?
            }
        };
        Ok(Self(Arc::new(secret)))
    }

    /// An Ed25519 key from its RFC 8032 seed: Go's `PRIVATE+KEY` form, test vectors.
    ///
    /// # Errors
    /// [`KeyError::NotSupported`] if the library refuses the seed.
    pub fn from_ed25519_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::NotSupported)?;
        Ok(Self(Arc::new(Secret::Ed25519(pair))))
    }

    /// Reads a key from PEM text.
    ///
    /// # Errors
    /// A [`KeyError`] that tells a missing passphrase from a wrong one and both from other damage.
    pub fn from_pem(text: &str, passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        let der = pem::decode(text, passphrase)?;
        let secret = match EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der) {
            Ok(pair) => Secret::P256(pair),
            Err(_) => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
                .map(Secret::Ed25519)
                .map_err(|_| KeyError::NotSupported)?,
        };
        Ok(Self(Arc::new(secret)))
    }

    /// The key as PEM text: the secret itself unless there is a passphrase.
    ///
    /// # Errors
    /// [`KeyError::Bug`] if the library cannot encode it.
    pub fn to_pem(&self, passphrase: Option<&[u8]>) -> Result<Zeroizing<String>, KeyError> {
        // PKCS#8 version 1: OpenSSL 3.0 does not read version 2 of Ed25519 keys.
        match &*self.0 {
            Secret::P256(pair) => {
                let der = pair.to_pkcs8v1().map_err(|_| KeyError::Bug)?;
                pem::encode(der.as_ref(), passphrase)
            }
            Secret::Ed25519(pair) => {
                let der = pair.to_pkcs8v1().map_err(|_| KeyError::Bug)?;
                pem::encode(der.as_ref(), passphrase)
            }
        }
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// A [`KeyError`]; [`KeyError::Exposed`] before a byte of it is read.
    pub fn open(path: &Path, passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        let text = read_secret(path)?;
        Self::from_pem(&text, passphrase)
    }

    /// Writes a new key file with mode 0600.
    ///
    /// # Errors
    /// [`KeyError::Io`], also when the file exists: a key is never overwritten.
    pub fn save(&self, path: &Path, passphrase: Option<&[u8]>) -> Result<(), KeyError> {
        let text = self.to_pem(passphrase)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    }

    /// Signs a digest of 32 bytes that was made by another hash: r ‖ s, either s. What is signed
    /// must be a hash of something, never bytes of another's choice.
    ///
    /// # Errors
    /// [`SignError::Refused`] for a key that is not of P-256.
    pub fn sign_digest(&self, digest: &[u8; 32]) -> Result<[u8; 64], SignError> {
        let Secret::P256(pair) = &*self.0 else { return Err(SignError::Refused) };
        let digest = Digest::import_less_safe(digest, &SHA256).map_err(|_| SignError::Refused)?;
        let signature = pair.sign_digest(&digest).map_err(|_| SignError::Unavailable)?;
        signature.as_ref().try_into().map_err(|_| SignError::Unavailable)
    }

    /// This key as a signer of notes under `name`: a log's or a witness's.
    ///
    /// # Errors
    /// [`KeyError::NotForNotes`] for a P-256 key, [`KeyError::Name`] for a malformed name.
    pub fn note_signer(
        &self,
        name: &str,
        algorithm: note::Algorithm,
    ) -> Result<NoteKey<Self>, KeyError> {
        NoteKey::new(self.clone(), name, algorithm)
    }
}

/// The public half as the uncompressed point or the Ed25519 key.
impl Signer for FileKey {
    fn public_key(&self) -> PublicKey {
        match &*self.0 {
            Secret::P256(pair) => {
                let mut point = [0; 64];
                point.copy_from_slice(&pair.public_key().as_ref()[1..65]);
                PublicKey::P256(point)
            }
            Secret::Ed25519(pair) => {
                let mut key = [0; 32];
                key.copy_from_slice(pair.public_key().as_ref());
                PublicKey::Ed25519(key)
            }
        }
    }

    fn sign(&self, to_be_signed: &[u8]) -> Result<[u8; 64], SignError> {
        let signed = match &*self.0 {
            Secret::P256(pair) => pair.sign(&SystemRandom::new(), to_be_signed),
            Secret::Ed25519(pair) => pair.try_sign(to_be_signed),
        };
        let signature = signed.map_err(|_| SignError::Unavailable)?;
        signature.as_ref().try_into().map_err(|_| SignError::Unavailable)
    }
}

/// Reads a passphrase from a file that only its owner can read: the first line, without its
/// newline.
///
/// # Errors
/// [`KeyError::Exposed`], [`KeyError::Io`], or [`KeyError::PassphraseMissing`] if the line is
/// empty.
pub fn read_passphrase(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text = read_secret(path)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(KeyError::PassphraseMissing);
    }
    Ok(Zeroizing::new(line.as_bytes().to_vec()))
}

fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let file = access::open(path)?;
    let mut text = Zeroizing::new(String::with_capacity(4096));
    file.take(MAX_FILE).read_to_string(&mut text).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => KeyError::NotPem,
        _ => KeyError::Io(error),
    })?;
    Ok(text)
}
