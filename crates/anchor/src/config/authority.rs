//! `[authority]`: who speaks for the log, and how its keys are opened.
//!
//! In scope: which keys there are, and that the settings make sense. Out of scope: reading them,
//! which callers do (a server must not ask at a terminal).

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, Bytes};
use serde::Deserialize;

use crate::error::AnchorError;
use crate::key::{Authority, P256Signer, Wallet};
use crate::threshold::{HeldKey, Threshold};

/// `[authority]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityKey {
    /// What kind it is.
    #[serde(default)]
    pub kind: AuthorityKind,
    /// Keystore (secp256k1), or a P-256 key: a path, `file:`, `tpm:` or `pkcs11:`.
    pub key: Option<String>,
    /// File with its passphrase, or the token's PIN.
    pub passphrase_file: Option<PathBuf>,
    /// Of `signers`, how many must sign.
    pub threshold: Option<u64>,
    /// Who together speaks for the log.
    #[serde(default)]
    pub signers: Vec<SignerKey>,
    /// Where relative paths start.
    #[serde(skip)]
    pub(super) dir: PathBuf,
}

/// `[[authority.signers]]`: one of k of n. A key at hand, or a name for a key that is elsewhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignerKey {
    /// Whose key is elsewhere: an account, or `verifier ‖ x ‖ y`.
    pub signer: Option<Bytes>,
    /// Keystore (secp256k1), or with `verifier` PKCS#8 PEM (P-256).
    pub key: Option<PathBuf>,
    /// File with its passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// Where signatures of this P-256 key are checked.
    pub verifier: Option<Address>,
}

impl AuthorityKey {
    /// The signers; `open` opens the key of one that is at hand.
    ///
    /// # Errors
    /// [`AnchorError::Config`] for signers that cannot be, as `E`; what `open` says.
    pub fn signers<E: From<AnchorError>>(
        &self,
        open: impl Fn(&SignerKey, &Path) -> Result<HeldKey, E>,
    ) -> Result<Threshold, E> {
        let unset = |what: &str| AnchorError::Config(format!("authority.{what}"));
        let k = self.threshold.ok_or_else(|| unset("threshold is not set"))?;
        let (mut signers, mut keys) = (Vec::new(), Vec::new());
        for one in &self.signers {
            match (&one.signer, &one.key) {
                (Some(signer), None) => signers.push(signer.clone()),
                (None, Some(path)) => {
                    let key = open(one, path)?;
                    signers.push(key.signer());
                    keys.push(key);
                }
                _ => return Err(unset("signers: each has either a signer or a key").into()),
            }
        }
        let mut threshold = Threshold::new(k, signers)?;
        keys.into_iter().try_for_each(|key| threshold.add_key(key))?;
        Ok(threshold)
    }
}

/// How the log's authority signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorityKind {
    /// The relay's account, by sending.
    #[default]
    Sender,
    /// secp256k1, by EIP-712.
    Secp256k1,
    /// P-256, over SHA-256.
    P256,
    /// k of n signers.
    Threshold,
}

impl AuthorityKey {
    /// Opens the authority. `sender` is asked for the account that sends, `wallet` for a keystore,
    /// `p256` for the key of that name, with its relative path starting at the folder,
    /// `held_key` for each of k of n signers that is at hand.
    ///
    /// # Errors
    /// [`AnchorError::Config`] if a key is needed and none is named; those of the four.
    pub fn open<E: From<AnchorError>>(
        &self,
        sender: impl FnOnce() -> Result<Address, E>,
        wallet: impl FnOnce(&Path, Option<&Path>) -> Result<Wallet, E>,
        p256: impl FnOnce(&str, &Path, Option<&Path>) -> Result<P256Signer, E>,
        held_key: impl Fn(&SignerKey, &Path) -> Result<HeldKey, E>,
    ) -> Result<Authority, E> {
        let unset = || {
            let help = "name the key, or leave [authority] out for the relay's account";
            AnchorError::Config(format!("authority.key is not set: {help}"))
        };
        let name = || self.key.as_deref().ok_or_else(unset);
        let passphrase_file = self.passphrase_file.as_deref();
        match self.kind {
            AuthorityKind::Sender => sender().map(Authority::Sender),
            AuthorityKind::Secp256k1 => {
                wallet(&self.dir.join(name()?), passphrase_file).map(Authority::Secp256k1)
            }
            AuthorityKind::P256 => p256(name()?, &self.dir, passphrase_file).map(Authority::P256),
            AuthorityKind::Threshold => self.signers(held_key).map(Authority::Threshold),
        }
    }
}
