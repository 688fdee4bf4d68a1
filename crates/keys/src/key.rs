//! A private key wherever it is.
//!
//! ```text
//! acme.pem · file:acme.pem · tpm:handle=0x81010001 · pkcs11:token=hsm-1;object=acme
//! ```
//!
//! Invariants:
//! - Opening a key in a TPM or token has it sign once: what opens, signs.
//! - Nothing that exists is replaced by a new key.

use firmlog_statement::{PublicKey, SignError, Signer};
use firmlog_tlog::note::{self, NoteSigner, SignerError, VerifierKey};

use crate::pkcs11::Pkcs11Key;
use crate::tpm::{TpmError, TpmKey};
use crate::uri::{KeyUri, Pkcs11Uri};
use crate::{Algorithm, FileKey, KeyError, os_random, read_passphrase};

/// What a key signs when it is opened: nothing that a statement, note or receipt begins with.
pub(crate) const SELF_TEST: &[u8] = b"firmlog: does this key sign?\n";

/// A private key.
#[derive(Clone, Debug)]
pub enum Key {
    /// In a file, and in memory.
    File(FileKey),
    /// In a TPM 2.0.
    Tpm(TpmKey),
    /// In a PKCS#11 token.
    Pkcs11(Pkcs11Key),
}

impl Key {
    /// Opens a key. The passphrase is a file's, a TPM key's or a token's PIN; it may be left out
    /// where there is none, and where the name says which file holds it.
    ///
    /// # Errors
    /// [`KeyError::PassphraseMissing`] where one is needed, [`KeyError::PassphraseNotNeeded`] where
    /// one is given for a key that has none; else what was wrong.
    pub fn open(uri: &KeyUri, passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        match uri {
            KeyUri::File(path) => FileKey::open(path, passphrase).map(Self::File),
            KeyUri::Tpm(uri) => TpmKey::open(uri, passphrase).map(Self::Tpm),
            KeyUri::Pkcs11(uri) => {
                with_pin(uri, passphrase, |pin| Pkcs11Key::open(uri, pin)).map(Self::Pkcs11)
            }
        }
    }

    /// Makes a key: in the TPM or token where the name says so.
    ///
    /// # Errors
    /// What was wrong; then there is no new key.
    pub fn create(
        uri: &KeyUri,
        algorithm: Algorithm,
        passphrase: Option<&[u8]>,
    ) -> Result<Self, KeyError> {
        match uri {
            KeyUri::File(path) => {
                let key = FileKey::generate(algorithm)?;
                key.save(path, passphrase)?;
                Ok(Self::File(key))
            }
            KeyUri::Tpm(_) if algorithm != Algorithm::P256 => Err(TpmError::NotSigning.into()),
            KeyUri::Tpm(uri) => TpmKey::create(uri, passphrase).map(Self::Tpm),
            KeyUri::Pkcs11(uri) => {
                let create = |pin: Option<&str>| Pkcs11Key::create(uri, algorithm, pin);
                with_pin(uri, passphrase, create).map(Self::Pkcs11)
            }
        }
    }

    /// The public half of a key; TPMs and most tokens show it without a passphrase.
    ///
    /// # Errors
    /// As [`Key::open`].
    pub fn public_of(uri: &KeyUri, passphrase: Option<&[u8]>) -> Result<PublicKey, KeyError> {
        match uri {
            KeyUri::File(path) => FileKey::open(path, passphrase).map(|key| key.public_key()),
            KeyUri::Tpm(uri) => TpmKey::public_key(uri),
            KeyUri::Pkcs11(token) => Pkcs11Key::public_key(token)
                .or_else(|_| Self::open(uri, passphrase).map(|key| key.public_key())),
        }
    }

    /// Random bytes from where the key is: a TPM's or token's own generator.
    ///
    /// # Errors
    /// The TPM's or token's.
    pub fn random(&self, bytes: &mut [u8]) -> Result<(), KeyError> {
        match self {
            Self::File(_) => {
                os_random(bytes);
                Ok(())
            }
            Self::Tpm(key) => key.random(bytes),
            Self::Pkcs11(key) => key.random(bytes),
        }
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

/// Calls `open` with the PIN that was given, else with that of the file which the name tells.
fn with_pin<T>(
    uri: &Pkcs11Uri,
    passphrase: Option<&[u8]>,
    open: impl FnOnce(Option<&str>) -> Result<T, KeyError>,
) -> Result<T, KeyError> {
    let text = |pin: &[u8]| std::str::from_utf8(pin).map(str::to_owned);
    let pin = match (passphrase, &uri.pin_source) {
        (Some(_), Some(_)) => return Err(KeyError::PassphraseTwice),
        (Some(given), None) => Some(text(given)),
        (None, Some(path)) => Some(text(&read_passphrase(path)?)),
        (None, None) => None,
    };
    let pin = pin.transpose().map_err(|_| KeyError::PassphraseWrong)?.map(zeroize::Zeroizing::new);
    open(pin.as_deref().map(String::as_str))
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        match self {
            Self::File(key) => key.public_key(),
            Self::Tpm(key) => key.public_key(),
            Self::Pkcs11(key) => key.public_key(),
        }
    }

    fn sign(&self, to_be_signed: &[u8]) -> Result<[u8; 64], SignError> {
        match self {
            Self::File(key) => key.sign(to_be_signed),
            Self::Tpm(key) => key.sign(to_be_signed),
            Self::Pkcs11(key) => key.sign(to_be_signed),
        }
    }
}

/// A key that signs notes under a name.
#[derive(Clone, Debug)]
pub struct NoteKey<K> {
    key: K,
    verifier_key: VerifierKey,
}

impl<K: Signer> NoteKey<K> {
    /// Names a key.
    ///
    /// # Errors
    /// [`KeyError::NotForNotes`] for a P-256 key, [`KeyError::Name`] for a malformed name.
    pub fn new(key: K, name: &str, algorithm: note::Algorithm) -> Result<Self, KeyError> {
        let PublicKey::Ed25519(public_key) = key.public_key() else {
            return Err(KeyError::NotForNotes);
        };
        let verifier_key = VerifierKey::new(name, algorithm, public_key)?;
        Ok(Self { key, verifier_key })
    }

    /// The key itself, which also signs COSE receipts.
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Signer> NoteSigner for NoteKey<K> {
    fn verifier_key(&self) -> &VerifierKey {
        &self.verifier_key
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        Signer::sign(&self.key, message).map_err(|_| SignerError::Unavailable)
    }
}
