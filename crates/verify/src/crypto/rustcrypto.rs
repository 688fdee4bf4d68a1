//! The pure Rust provider: no C, no alloc on the check path, runs on a device and in a browser.

use ed25519_dalek::{Signature as Ed25519Signature, Verifier as _, VerifyingKey as Ed25519Key};
use firmlog_tlog::note::Ed25519Check;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature as P256Signature, VerifyingKey as P256Key};

use super::{Crypto, ed25519_well_formed, es256_well_formed};

/// `p256` and `ed25519-dalek`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

impl Ed25519Check for RustCrypto {
    fn ed25519(&self, public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        ed25519_well_formed(public_key, signature)
            && Ed25519Key::from_bytes(public_key)
                .and_then(|key| key.verify(message, &Ed25519Signature::from_bytes(signature)))
                .is_ok()
    }
}

impl Crypto for RustCrypto {
    fn p256(&self, key: &[u8; 64], message: &[u8], signature: &[u8; 64]) -> bool {
        es256_well_formed(signature)
            && point(key)
                .and_then(|key| key.verify(message, &P256Signature::from_slice(signature)?))
                .is_ok()
    }
}

impl RustCrypto {
    /// Whether a signature r‖s is of the key x‖y over a SHA-256 that is known already, with s in
    /// either half.
    ///
    /// For what other people's tools sign, such as bootloader images, where two spellings of a
    /// signature are no harm. Never for statements.
    #[must_use]
    pub fn p256_digest(&self, key: &[u8; 64], digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        point(key)
            .and_then(|key| key.verify_prehash(digest, &P256Signature::from_slice(signature)?))
            .is_ok()
    }
}

fn point(key: &[u8; 64]) -> Result<P256Key, p256::ecdsa::Error> {
    let mut point = [4; 65];
    if let Some(coordinates) = point.get_mut(1..) {
        coordinates.copy_from_slice(key);
    }
    P256Key::from_sec1_bytes(&point)
}
