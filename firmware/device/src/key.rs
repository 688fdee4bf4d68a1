//! The attestation key, in software: P-256, RFC 6979.

use firmlog_statement::{PublicKey, SignError, Signer};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};

/// The device's key.
pub(crate) struct Key(SigningKey);

impl Key {
    /// The key of a secret number; none if it is none.
    pub(crate) fn new(secret: &[u8; 32]) -> Option<Self> {
        SigningKey::from_slice(secret).ok().map(Self)
    }
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        let point = self.0.verifying_key().to_sec1_point(false);
        let mut xy = [0; 64];
        xy.iter_mut().zip(point.as_bytes().iter().skip(1)).for_each(|(to, from)| *to = *from);
        PublicKey::P256(xy)
    }

    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        let signature: Signature = self.0.try_sign(tbs).map_err(|_| SignError::Refused)?;
        Ok(signature.to_bytes().into())
    }
}
