//! What a signature must look like before any curve arithmetic is spent on it.
//!
//! Pure byte comparisons on public data; variable time is fine.

use firmlog_statement::{Algorithm, check_scalars};

/// p = 2²⁵⁵ − 19, big endian.
const ED25519_FIELD: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xed,
];

/// The y coordinates (below p, big endian) of the eight points whose order divides 8.
const ED25519_SMALL_ORDER_Y: [[u8; 32]; 5] = [
    // 0: order 4.
    [0; 32],
    // 1: the identity.
    [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 1,
    ],
    // p − 1: order 2.
    [
        0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xec,
    ],
    // Order 8, two values that are each other's negative.
    [
        0x7a, 0x03, 0xac, 0x92, 0x77, 0xfd, 0xc7, 0x4e, 0xc6, 0xcc, 0x39, 0x2c, 0xfa, 0x53, 0x20,
        0x2a, 0x0f, 0x67, 0x10, 0x0d, 0x76, 0x0b, 0x3c, 0xba, 0x4f, 0xd8, 0x4d, 0x3d, 0x70, 0x6a,
        0x17, 0xc7,
    ],
    [
        0x05, 0xfc, 0x53, 0x6d, 0x88, 0x02, 0x38, 0xb1, 0x39, 0x33, 0xc6, 0xd3, 0x05, 0xac, 0xdf,
        0xd5, 0xf0, 0x98, 0xef, 0xf2, 0x89, 0xf4, 0xc3, 0x45, 0xb0, 0x27, 0xb2, 0xc2, 0x8f, 0x95,
        0xe8, 0x26,
    ],
];

/// Whether an ES256 signature r‖s has 1 ≤ r < n and 1 ≤ s ≤ ⌊n/2⌋ (low S).
#[must_use]
pub fn es256_well_formed(signature: &[u8; 64]) -> bool {
    check_scalars(Algorithm::Es256, signature).is_ok()
}

/// Whether an Ed25519 key A and signature R‖S are canonical, S < ℓ, and neither A nor R has an
/// order that divides 8.
///
/// RFC 8032 §5.1.7 asks for S < ℓ; the rest is what separates implementations in practice, so we
/// refuse it everywhere.
#[must_use]
pub fn ed25519_well_formed(key: &[u8; 32], signature: &[u8; 64]) -> bool {
    let r = signature.first_chunk().is_some_and(is_usable_point);
    r && is_usable_point(key) && check_scalars(Algorithm::EdDsa, signature).is_ok()
}

/// Canonical y (< p) that is not one of the small-order points; the sign bit is ignored, because
/// the only points with x = 0, where it would be non-canonical, are of small order.
fn is_usable_point(encoded: &[u8; 32]) -> bool {
    let mut y = *encoded;
    y.reverse();
    if let Some(top) = y.first_mut() {
        *top &= 0x7f;
    }
    y < ED25519_FIELD && !ED25519_SMALL_ORDER_Y.contains(&y)
}
