//! The one spelling of a signature: what can be said of its scalars without a curve.
//!
//! ```text
//! ES256  r ‖ s   0 < r < n, 0 < s ≤ n/2
//! EdDSA  R ‖ S   S < L
//! ```
//!
//! Anyone can turn a signature with s into one with n − s; were both accepted, one
//! statement would have two leaf hashes and look like a fork.

use crate::{Algorithm, StatementError as E};

/// The order n of P-256, big endian (SEC 2).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// ⌊n/2⌋: the highest low S.
const P256_HALF: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];
/// The order L of the Ed25519 base point, big endian (RFC 8032 §5.1).
const ED25519_ORDER: [u8; 32] = [
    0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x14, 0xde, 0xf9, 0xde, 0xa2, 0xf7, 0x9c, 0xd6, 0x58, 0x12, 0x63, 0x1a, 0x5c, 0xf5, 0xd3, 0xed,
];

fn halves(signature: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut r, mut s) = ([0; 32], [0; 32]);
    let (front, back) = signature.split_at(32);
    r.copy_from_slice(front);
    s.copy_from_slice(back);
    (r, s)
}

/// Refuses a signature that is not in its one spelling (`STM-014`, `STM-015`).
pub fn check_scalars(algorithm: Algorithm, signature: &[u8; 64]) -> Result<(), E> {
    let (r, mut s) = halves(signature);
    match algorithm {
        Algorithm::Es256 => {
            if r == [0; 32] || s == [0; 32] || r >= P256_ORDER || s >= P256_ORDER {
                return Err(E::SignatureScalarRange);
            }
            if s > P256_HALF { Err(E::SignatureHighS) } else { Ok(()) }
        }
        Algorithm::EdDsa => {
            s.reverse();
            if s >= ED25519_ORDER { Err(E::SignatureScalarRange) } else { Ok(()) }
        }
    }
}

/// Replaces a high S by n − S, as TPMs and HSMs leave it to us.
pub fn normalise_low_s(signature: &mut [u8; 64]) {
    let (_, s) = halves(signature);
    if s <= P256_HALF || s >= P256_ORDER {
        return;
    }
    let mut borrow = 0u16;
    let back = signature.iter_mut().skip(32).rev();
    for ((out, n), s) in back.zip(P256_ORDER.iter().rev()).zip(s.iter().rev()) {
        let [high, low] = 0x100u16
            .wrapping_add(u16::from(*n))
            .wrapping_sub(u16::from(*s))
            .wrapping_sub(borrow)
            .to_be_bytes();
        *out = low;
        borrow = u16::from(high == 0);
    }
}
