//! What checks releases, their evidence and their cosignatures.

use firmlog_tlog::note::Ed25519Check;
use firmlog_verify::Crypto;
use firmlog_verify::crypto::{ed25519_well_formed, es256_well_formed};
use sha2::{Digest as _, Sha256};

use crate::p256;

/// `P256-Cortex-M4` and `salty`.
#[derive(Clone, Copy, Debug, Default)]
pub struct CortexM4;

impl Ed25519Check for CortexM4 {
    fn ed25519(&self, public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        ed25519_well_formed(public_key, signature)
            && salty::PublicKey::try_from(public_key)
                .is_ok_and(|key| key.verify(message, &salty::Signature::from(signature)).is_ok())
    }
}

impl Crypto for CortexM4 {
    fn p256(&self, key: &[u8; 64], message: &[u8], signature: &[u8; 64]) -> bool {
        es256_well_formed(signature)
            && self.p256_digest(key, &Sha256::digest(message).into(), signature)
    }
}

impl CortexM4 {
    /// Whether a signature r‖s is of the key x‖y over a SHA-256 that is known already, with s in
    /// either half: for images that other people's tools signed, never for statements.
    #[must_use]
    pub fn p256_digest(&self, key: &[u8; 64], digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        p256::verify(key, digest, signature)
    }
}
