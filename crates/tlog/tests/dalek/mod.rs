//! The signature arithmetic the crate leaves out, for tests: RustCrypto's Ed25519.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use firmlog_tlog::note::{Algorithm, Ed25519Check, NoteSigner, SignerError, VerifierKey};

/// Verifies strictly (no small-order keys, canonical encodings).
pub(crate) struct Dalek;

impl Ed25519Check for Dalek {
    fn ed25519(&self, public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(public_key) else { return false };
        key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

/// A key made from a seed: the same everywhere, for test vectors.
pub(crate) struct SeedSigner {
    secret: SigningKey,
    key: VerifierKey,
}

impl SeedSigner {
    pub(crate) fn new(name: &str, algorithm: Algorithm, seed: [u8; 32]) -> Self {
        let secret = SigningKey::from_bytes(&seed);
        let key = VerifierKey::new(name, algorithm, secret.verifying_key().to_bytes());
        Self { secret, key: key.expect("a fixed name") }
    }
}

impl NoteSigner for SeedSigner {
    fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let signature = self.secret.sign(message).to_bytes();
        assert!(Dalek.ed25519(&self.key.public_key, message, &signature), "a signer's own check");
        Ok(signature)
    }
}
