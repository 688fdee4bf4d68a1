//! The C functions, safely: numbers of 256 bits, the least significant word first.

use p256_cortex_m4_sys as c;

const DIGEST: u32 = 32;

/// A number below 2²⁵⁶.
pub(crate) type Number = [u32; 8];

/// The number that these bytes spell, the most significant first.
pub(crate) fn number(bytes: &[u8; 32]) -> Number {
    let (words, _) = bytes.as_chunks::<4>();
    let mut out = [0; 8];
    out.iter_mut().zip(words.iter().rev()).for_each(|(to, from)| *to = u32::from_be_bytes(*from));
    out
}

/// Two numbers as 64 bytes.
pub(crate) fn bytes(first: &Number, second: &Number) -> [u8; 64] {
    let mut out = [0; 64];
    let words = first.iter().rev().chain(second.iter().rev());
    let (places, _) = out.as_chunks_mut::<4>();
    places.iter_mut().zip(words).for_each(|(to, from)| *to = from.to_be_bytes());
    out
}

/// The two numbers in 64 bytes.
#[cfg(feature = "verify")]
pub(crate) fn numbers(bytes: &[u8; 64]) -> [Number; 2] {
    let (halves, _) = bytes.as_chunks::<32>();
    let mut out = [[0; 8]; 2];
    out.iter_mut().zip(halves).for_each(|(to, from)| *to = number(from));
    out
}

/// The point of a secret; none unless 0 < secret < n.
pub(crate) fn public(secret: &Number) -> Option<[Number; 2]> {
    let [mut x, mut y] = [[0; 8]; 2];
    // SAFETY: each pointer is to eight aligned words, which is what the function reads or writes.
    let done = unsafe { c::p256_keygen(x.as_mut_ptr(), y.as_mut_ptr(), secret.as_ptr()) };
    done.then_some([x, y])
}

/// A signature r, s; none for a nonce that will not do.
pub(crate) fn sign(digest: &[u8; 32], secret: &Number, nonce: &Number) -> Option<[Number; 2]> {
    let [mut r, mut s] = [[0; 8]; 2];
    let (to_r, to_s) = (r.as_mut_ptr(), s.as_mut_ptr());
    // SAFETY: as in `public`; of the digest as many bytes are read as it has.
    let done = unsafe {
        c::p256_sign(to_r, to_s, digest.as_ptr(), DIGEST, secret.as_ptr(), nonce.as_ptr())
    };
    done.then_some([r, s])
}

/// Whether the key is a point of the curve and the signature is of it.
#[cfg(feature = "verify")]
pub(crate) fn verify(key: &[u8; 64], digest: &[u8; 32], signature: &[u8; 64]) -> bool {
    let ([x, y], [r, s]) = (numbers(key), numbers(signature));
    let digest = digest.as_ptr();
    // SAFETY: as in `sign`.
    unsafe { c::p256_verify(x.as_ptr(), y.as_ptr(), digest, DIGEST, r.as_ptr(), s.as_ptr()) }
}
