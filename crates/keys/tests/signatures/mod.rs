//! Signatures at which implementations part: points of mixed and small order, second spellings.

use aws_lc_rs::digest::{SHA512, digest};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;

/// Key, message, signature.
pub(crate) type Case = ([u8; 32], &'static [u8], [u8; 64]);

/// A signature that holds up to torsion: `a_torsion` is put into A, `r_torsion` into R.
pub(crate) fn mixed(
    secret: u64,
    nonce: u64,
    message: &[u8],
    a_torsion: usize,
    r_torsion: usize,
) -> ([u8; 32], [u8; 64]) {
    let (a, r) = (Scalar::from(secret), Scalar::from(nonce));
    let key = (B * a + EIGHT_TORSION[a_torsion]).compress().to_bytes();
    let commitment: EdwardsPoint = B * r + EIGHT_TORSION[r_torsion];
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&commitment.compress().to_bytes());
    let input = [&signature[..32], &key, message].concat();
    let wide: [u8; 64] = digest(&SHA512, &input).as_ref().try_into().unwrap();
    let k = Scalar::from_bytes_mod_order_wide(&wide);
    signature[32..].copy_from_slice((r + k * a).as_bytes());
    (key, signature)
}

/// Torsion in A and in R, each pair of them four times.
pub(crate) fn mixed_order() -> impl Iterator<Item = Case> {
    let pairs = (0..8).flat_map(|a| (0..8).map(move |r| (a, r)));
    pairs.flat_map(|(a, r)| {
        (0..4).map(move |n| {
            let (key, signature) = mixed(1000 + n, 2000 + n, b"message", a, r);
            (key, &b"message"[..], signature)
        })
    })
}

/// Points of small order, y ≥ p, and S ≥ ℓ: none of it is accepted.
pub(crate) fn other_spellings() -> impl Iterator<Item = Case> {
    let (key, signature) = mixed(5, 6, b"m", 0, 0);
    let points = small_order().chain(not_canonical());
    let points = points.flat_map(move |point| {
        let with_r = |mut signature: [u8; 64]| {
            signature[..32].copy_from_slice(&point);
            signature
        };
        // S = 0, R = A = small: accepted by cofactored and careless checks.
        [(key, with_r(signature)), (point, signature), (point, with_r([0; 64]))]
    });
    let second = (key, with_s_plus_order(signature));
    points.chain([second]).map(|(key, signature)| (key, &b"m"[..], signature))
}

fn small_order() -> impl Iterator<Item = [u8; 32]> {
    EIGHT_TORSION.iter().flat_map(|point| {
        [0, 0x80].map(|sign| {
            let mut bytes = point.compress().to_bytes();
            bytes[31] ^= sign;
            bytes
        })
    })
}

/// Nineteen values of y, either sign.
fn not_canonical() -> impl Iterator<Item = [u8; 32]> {
    (0xed..=0xff).flat_map(|low| {
        [0x7f, 0xff].map(|top| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, top);
            bytes
        })
    })
}

/// S + ℓ is the same scalar and another spelling.
fn with_s_plus_order(mut signature: [u8; 64]) -> [u8; 64] {
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + add + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    signature
}
