//! The server's provider: AWS-LC's assembly for P-256, Ed25519 and SHA-512.
//!
//! Keys stay raw bytes: parsing one costs 2 % of a check, and a million parsed keys do not fit.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use firmlog_tlog::note::Ed25519Check;
use firmlog_verify::crypto::{Crypto, ed25519_well_formed, es256_well_formed};

/// `aws-lc-rs`, accepting exactly what [`firmlog_verify::crypto::RustCrypto`] accepts.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLc;

impl Ed25519Check for AwsLc {
    fn ed25519(&self, public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        ed25519_well_formed(public_key, signature)
            && UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok()
    }
}

impl Crypto for AwsLc {
    fn p256(&self, key: &[u8; 64], message: &[u8], signature: &[u8; 64]) -> bool {
        let mut point = [4; 65];
        point[1..].copy_from_slice(key);
        es256_well_formed(signature)
            && UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok()
    }
}
