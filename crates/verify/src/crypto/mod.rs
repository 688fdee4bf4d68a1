//! Signature checks behind one trait, so that a server and a device accept the same bytes.
//!
//! ```text
//! ES256   key x‖y (64)   signature r‖s (64)   1 ≤ r < n, 1 ≤ s ≤ n/2
//! EdDSA   key A  (32)    signature R‖S (64)   A, R canonical and of large order, S < ℓ
//! ```
//!
//! In scope: the rules above ([`es256_well_formed`], [`ed25519_well_formed`]), the trait that
//! providers implement, and the pure Rust provider. Out of scope: whose key it is (`registry`),
//! signing (`firmlog-keys`).
//!
//! Invariants:
//! - Every provider applies the rules above first and then a *cofactorless* check
//!   (RFC 8032 §5.1.7 without the factor 8), so all accept exactly the same signatures.
//! - A statement has one signature spelling per (key, nonce): nobody without the key can turn
//!   one entry into two.

mod rules;
#[cfg(feature = "rustcrypto")]
mod rustcrypto;

#[cfg(feature = "alloc")]
use firmlog_statement::Parsed;
use firmlog_statement::PublicKey;
use firmlog_tlog::note::Ed25519Check;

pub use rules::{ed25519_well_formed, es256_well_formed};
#[cfg(feature = "rustcrypto")]
pub use rustcrypto::RustCrypto;

/// What this crate needs from a cryptographic provider.
///
/// Implementations call the `*_well_formed` functions of this module before their own check.
pub trait Crypto: Ed25519Check + Send + Sync {
    /// ECDSA with SHA-256 over P-256: `key` is x‖y, `signature` is r‖s, both big endian.
    ///
    /// Only low-S signatures are accepted (s ≤ n/2), and only keys on the curve.
    fn p256(&self, key: &[u8; 64], message: &[u8], signature: &[u8; 64]) -> bool;
}

/// Whether `parsed` carries a signature of `key` over itself.
///
/// The algorithm comes from the key; a statement that names another one fails.
#[cfg(feature = "alloc")]
#[must_use]
pub fn check_signature<C: Crypto + ?Sized>(crypto: &C, key: &PublicKey, parsed: &Parsed) -> bool {
    parsed.algorithm() == key.algorithm()
        && check_bytes(crypto, key, &parsed.to_be_signed(), parsed.signature())
}

/// Whether `signature` is of `key` over `message`, by the algorithm of the key.
#[must_use]
pub fn check_bytes<C: Crypto + ?Sized>(
    crypto: &C,
    key: &PublicKey,
    message: &[u8],
    signature: &[u8; 64],
) -> bool {
    match key {
        PublicKey::P256(point) => crypto.p256(point, message, signature),
        PublicKey::Ed25519(point) => crypto.ed25519(point, message, signature),
    }
}
