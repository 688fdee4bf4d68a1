//! Standard Base64 (RFC 4648 §4) with exactly one spelling for each byte string.
//!
//! ```text
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! ```
//!
//! Invariants: padding is required, unused bits are zero, no whitespace and no URL alphabet.
//! Not constant time: nothing decoded here is secret to whoever can measure it.

use core::fmt;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The byte string spelled by `text`, without decoding it: its length, or `None` if refused.
pub(crate) fn decoded_len(text: &str) -> Option<usize> {
    Decoder::new(text)?.try_fold(0usize, |n, byte| byte.map(|_| n.wrapping_add(1)))
}

/// Decodes into the front of `out`; `None` if refused or if it does not fit.
pub(crate) fn decode<'o>(text: &str, out: &'o mut [u8]) -> Option<&'o [u8]> {
    let mut n = 0usize;
    for byte in Decoder::new(text)? {
        *out.get_mut(n)? = byte?;
        n = n.wrapping_add(1);
    }
    out.get(..n)
}

/// Decodes exactly `N` bytes.
pub(crate) fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    (decode(text, &mut out)?.len() == N).then_some(out)
}

/// Decodes to an owned buffer.
#[cfg(feature = "alloc")]
pub(crate) fn decode_vec(text: &str) -> Option<alloc::vec::Vec<u8>> {
    Decoder::new(text)?.collect()
}

/// Displays the parts, joined, as Base64.
pub(crate) struct Encode<'a>(pub(crate) &'a [&'a [u8]]);

impl fmt::Display for Encode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut group = [0u8; 3];
        let mut filled = 0usize;
        for &byte in self.0.iter().copied().flatten() {
            if let Some(slot) = group.get_mut(filled) {
                *slot = byte;
            }
            filled = filled.wrapping_add(1);
            if filled == 3 {
                write_group(f, group, 3)?;
                (group, filled) = ([0; 3], 0);
            }
        }
        if filled == 0 { Ok(()) } else { write_group(f, group, filled) }
    }
}

fn write_group(f: &mut fmt::Formatter<'_>, group: [u8; 3], filled: usize) -> fmt::Result {
    let [a, b, c] = group;
    let bits = u32::from_be_bytes([0, a, b, c]);
    let mut chars = [b'='; 4];
    for (i, (slot, shift)) in chars.iter_mut().zip([18u32, 12, 6, 0]).enumerate() {
        if i <= filled {
            let six = (bits >> shift) & 63;
            *slot = ALPHABET.get(six as usize).copied().unwrap_or(b'=');
        }
    }
    f.write_str(core::str::from_utf8(&chars).unwrap_or_default())
}

/// Yields bytes, or `None` once at the first fault.
struct Decoder<'a> {
    groups: &'a [[u8; 4]],
    pending: [u8; 3],
    next: usize,
    end: usize,
}

impl<'a> Decoder<'a> {
    fn new(text: &'a str) -> Option<Self> {
        let (groups, rest) = text.as_bytes().as_chunks::<4>();
        rest.is_empty().then_some(Self { groups, pending: [0; 3], next: 0, end: 0 })
    }
}

impl Iterator for Decoder<'_> {
    type Item = Option<u8>;

    fn next(&mut self) -> Option<Option<u8>> {
        if self.next == self.end {
            let (&group, rest) = self.groups.split_first()?;
            self.groups = rest;
            match decode_group(group, rest.is_empty()) {
                Some((bytes, end)) => (self.pending, self.next, self.end) = (bytes, 0, end),
                None => {
                    self.groups = &[];
                    return Some(None);
                }
            }
        }
        let byte = self.pending.get(self.next).copied()?;
        self.next = self.next.wrapping_add(1);
        Some(Some(byte))
    }
}

/// Three bytes and how many of them count; padding only in the last group.
fn decode_group(group: [u8; 4], last: bool) -> Option<([u8; 3], usize)> {
    let [a, b, c, d] = group;
    let (count, c, d) = match (c, d) {
        (b'=', b'=') => (1, 0, 0),
        (_, b'=') => (2, sextet(c)?, 0),
        _ => (3, sextet(c)?, sextet(d)?),
    };
    if count < 3 && !last {
        return None;
    }
    let bits = sextet(a)? << 18 | sextet(b)? << 12 | c << 6 | d;
    let [_, x, y, z] = bits.to_be_bytes();
    let unused_is_zero = match count {
        1 => y == 0,
        2 => z == 0,
        _ => true,
    };
    unused_is_zero.then_some(([x, y, z], count))
}

fn sextet(c: u8) -> Option<u32> {
    let value = match c {
        b'A'..=b'Z' => c.wrapping_sub(b'A'),
        b'a'..=b'z' => c.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => c.wrapping_sub(b'0').wrapping_add(52),
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{string::ToString, vec::Vec};

    #[test]
    fn rfc4648_vectors() {
        let pairs =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, text) in pairs {
            assert_eq!(Encode(&[plain.as_bytes()]).to_string(), text);
            assert_eq!(decode_vec(text).as_deref(), Some(plain.as_bytes()));
            assert_eq!(decoded_len(text), Some(plain.len()));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in
            ["Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n", "Zm-v", "Z===", "====", "=Zg="]
        {
            assert_eq!(decode_vec(text), None, "{text:?}");
            assert_eq!(decoded_len(text), None, "{text:?}");
        }
    }

    #[test]
    fn every_group_has_one_spelling() {
        for len in 1..=3usize {
            for seed in 0..=255u8 {
                let bytes: Vec<u8> = (0..len).map(|i| seed.wrapping_mul(37 + i as u8)).collect();
                let text = Encode(&[&bytes]).to_string();
                assert_eq!(decode_vec(&text), Some(bytes));
            }
        }
    }
}
