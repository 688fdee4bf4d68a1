//! Keys: the relay's, which pays gas and has no power over the log, and the authority's, which has.
//!
//! ```text
//! relay.json       Ethereum keystore (version 3), mode 0600; `cast wallet`, geth read it too
//! authority        secp256k1 in a keystore · P-256 from any `Signer` · the account that sends ·
//!                  k of n signers (`threshold`)
//! ```
//!
//! Invariants:
//! - A key is never read from a file that others may read, printed, or logged.
//! - The authority's proof is bound to chain and contract (EIP-712 domain).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use alloy::primitives::{Address, B256, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use firmlog_statement::{PublicKey, Signer, normalise_low_s};

use crate::contract::p256_authority;
use crate::error::AnchorError;
use crate::threshold::Threshold;

/// A secp256k1 key in memory.
#[derive(Clone)]
pub struct Wallet(PrivateKeySigner);

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wallet({})", self.address())
    }
}

impl Wallet {
    /// Opens a keystore. Who else can read it is for the caller to ask (`firmlog_keys::access`):
    /// there is one rule for all secrets.
    ///
    /// # Errors
    /// [`AnchorError::Key`]: no keystore, or another passphrase.
    pub fn open(path: &Path, passphrase: &[u8]) -> Result<Self, AnchorError> {
        let refused = |why: String| AnchorError::Key { path: path.to_path_buf(), why };
        PrivateKeySigner::decrypt_keystore(path, passphrase)
            .map(Self)
            .map_err(|_| refused("no Ethereum keystore, or another passphrase".into()))
    }

    /// Makes a key and its keystore.
    ///
    /// # Errors
    /// Storage, also if the file exists: a key is never overwritten.
    pub fn create(path: &Path, passphrase: &[u8]) -> Result<Self, AnchorError> {
        Self(PrivateKeySigner::random()).save(path, passphrase)
    }

    /// A key by its 32 bytes, for accounts of development nodes.
    ///
    /// # Errors
    /// [`AnchorError::Signer`] if they are no key.
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self, AnchorError> {
        PrivateKeySigner::from_bytes(&B256::from(secret))
            .map(Self)
            .map_err(|_| AnchorError::Signer("the bytes are no secp256k1 key".into()))
    }

    /// Writes a keystore, mode 0600.
    ///
    /// # Errors
    /// As [`Wallet::create`].
    pub fn save(self, path: &Path, passphrase: &[u8]) -> Result<Self, AnchorError> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // The library writes with the usual mode; in a folder that only we can enter, nobody reads
        // the file before it has its own.
        let hidden = dir.join(format!(".{name}.new"));
        let io = |action, path| AnchorError::io(action, path);
        fs::create_dir(&hidden).map_err(io("create", &hidden))?;
        let made = fs::set_permissions(&hidden, fs::Permissions::from_mode(0o700))
            .map_err(io("protect", &hidden))
            .and_then(|()| self.write(&hidden, name, passphrase))
            .and_then(|()| {
                let from = hidden.join(name);
                fs::set_permissions(&from, fs::Permissions::from_mode(0o600))
                    .and_then(|()| fs::File::open(&from)?.sync_all())
                    // A link refuses to replace what is there.
                    .and_then(|()| fs::hard_link(&from, path))
                    .and_then(|()| fs::File::open(dir)?.sync_all())
                    .map_err(io("write", path))
            });
        drop(fs::remove_dir_all(&hidden));
        made.map(|()| self)
    }

    fn write(&self, dir: &Path, name: &str, passphrase: &[u8]) -> Result<(), AnchorError> {
        let mut random = rand::rngs::OsRng;
        let secret = self.0.to_bytes();
        PrivateKeySigner::encrypt_keystore(dir, &mut random, secret, passphrase, Some(name))
            .map(drop)
            .map_err(|e| AnchorError::refused("write the keystore", e))
    }

    /// The account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.0.address()
    }

    pub(crate) fn sign(&self, digest: &B256) -> Result<alloy::primitives::Signature, AnchorError> {
        self.0.sign_hash_sync(digest).map_err(|e| AnchorError::Signer(e.to_string()))
    }
}

/// A P-256 key that somebody else holds.
pub type P256Signer = Box<dyn Signer + Send + Sync>;

/// Who signs for the log.
pub enum Authority {
    /// The account that sends, by sending.
    Sender(Address),
    /// A secp256k1 key, by EIP-712.
    Secp256k1(Wallet),
    /// A P-256 key, over SHA-256.
    P256(P256Signer),
    /// k of n signers.
    Threshold(Threshold),
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sender(address) => write!(f, "Sender({address})"),
            Self::Secp256k1(wallet) => write!(f, "Secp256k1({})", wallet.address()),
            Self::P256(_) => f.write_str("P256"),
            Self::Threshold(signers) => signers.fmt(f),
        }
    }
}

impl Authority {
    /// Its name in the contract.
    ///
    /// # Errors
    /// [`AnchorError::Signer`] for a signer that is not of P-256.
    pub fn name(&self) -> Result<Address, AnchorError> {
        match self {
            Self::Sender(address) => Ok(*address),
            Self::Secp256k1(wallet) => Ok(wallet.address()),
            Self::P256(signer) => point(signer.as_ref()).map(|point| p256_authority(&point)),
            Self::Threshold(signers) => Ok(signers.name()),
        }
    }

    /// Its proof over a message: `0x01 ‖ r ‖ s ‖ v`, `0x02 ‖ r ‖ s ‖ x ‖ y`, `0x03 ‖ abi`, or
    /// nothing.
    ///
    /// # Errors
    /// [`AnchorError::Signer`]; [`AnchorError::Signatures`] if too few of k are there.
    pub fn prove(&self, message: &[u8]) -> Result<Vec<u8>, AnchorError> {
        match self {
            Self::Sender(_) => Ok(Vec::new()),
            Self::Secp256k1(wallet) => {
                let signature = wallet.sign(&keccak256(message))?;
                Ok([&[1][..], &signature.as_bytes()].concat())
            }
            Self::P256(signer) => {
                let point = point(signer.as_ref())?;
                let mut signature =
                    signer.sign(message).map_err(|e| AnchorError::Signer(e.to_string()))?;
                normalise_low_s(&mut signature);
                Ok([&[2][..], &signature, &point].concat())
            }
            Self::Threshold(signers) => signers.prove(message),
        }
    }
}

fn point(signer: &dyn Signer) -> Result<[u8; 64], AnchorError> {
    match signer.public_key() {
        PublicKey::P256(point) => Ok(point),
        _ => Err(AnchorError::Signer("the authority's key is not of P-256".into())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_keystore_is_private_and_written_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("relay.json");
        let wallet = Wallet::create(&path, b"word").expect("creates");
        let mode = fs::metadata(&path).expect("is there").mode() & 0o7777;
        assert_eq!(mode, 0o600);
        let again = Wallet::open(&path, b"word").expect("opens");
        assert_eq!(again.address(), wallet.address());
        assert!(matches!(Wallet::open(&path, b"other"), Err(AnchorError::Key { .. })));
        assert!(Wallet::create(&path, b"word").is_err());
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
    }
}
