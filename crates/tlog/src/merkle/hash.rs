//! The three hashes of RFC 6962 §2.1, straight onto the SHA-256 compression function.
//!
//! A node is always 65 bytes, so its two padded blocks are laid out here and compressed in one
//! call; a leaf's full blocks are compressed where they lie. That skips the block buffer of a
//! streaming hasher. The compression function picks the CPU's SHA instructions at run time.
//!
//! Invariants: no allocation; equal to streaming SHA-256 for every length (tested).

use sha2::block_api::compress256;

use super::Hash;

const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The hash of an entry as a leaf: `SHA-256(0x00 ‖ entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut state = INITIAL;
    let Some((head, rest)) = entry.split_first_chunk::<63>() else {
        return finish(state, Some(0), entry, entry.len().wrapping_add(1));
    };
    compress256(&mut state, &[first_block(head)]);
    let (blocks, tail) = rest.as_chunks::<64>();
    compress256(&mut state, blocks);
    finish(state, None, tail, entry.len().wrapping_add(1))
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
#[inline]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    // 1 + 32 + 32 = 65 bytes = 520 bits: the padding is the same for every node.
    let [right @ .., last] = &right.0;
    let mut blocks = [[0u8; 64]; 2];
    let [first, second] = &mut blocks;
    fill(first, &[&[1], &left.0, right]);
    fill(second, &[&[*last, 0x80]]);
    put_bit_length(second, 65);
    let mut state = INITIAL;
    compress256(&mut state, &blocks);
    to_hash(state)
}

/// The root of the tree without leaves: `SHA-256("")`.
#[must_use]
pub fn empty_root() -> Hash {
    finish(INITIAL, None, &[], 0)
}

fn first_block(head: &[u8; 63]) -> [u8; 64] {
    let mut block = [0u8; 64];
    fill(&mut block, &[&[0], head]);
    block
}

/// Copies the parts one after another, as far as they fit.
#[inline(always)]
fn fill(block: &mut [u8; 64], parts: &[&[u8]]) {
    let mut free = block.as_mut_slice();
    for part in parts {
        let Some((slot, rest)) = free.split_at_mut_checked(part.len()) else { return };
        slot.copy_from_slice(part);
        free = rest;
    }
}

/// Pads and compresses what is left, prefix and tail: at most 63 bytes.
fn finish(mut state: [u32; 8], prefix: Option<u8>, tail: &[u8], len: usize) -> Hash {
    let prefix = prefix.as_slice();
    let mut block = [0u8; 64];
    fill(&mut block, &[prefix, tail, &[0x80]]);
    let used = prefix.len().wrapping_add(tail.len());
    if used >= 56 {
        compress256(&mut state, &[block]);
        block = [0; 64];
    }
    put_bit_length(&mut block, len);
    compress256(&mut state, &[block]);
    to_hash(state)
}

#[inline]
fn put_bit_length(block: &mut [u8; 64], len: usize) {
    let bits = (len as u64).wrapping_mul(8).to_be_bytes();
    if let Some(end) = block.last_chunk_mut::<8>() {
        *end = bits;
    }
}

#[inline]
fn to_hash(state: [u32; 8]) -> Hash {
    let mut out = [0u8; 32];
    for (slot, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *slot = word.to_be_bytes();
    }
    Hash(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::vec::Vec;

    #[test]
    fn equals_streaming_sha256_at_every_length() {
        let data: Vec<u8> = (0..700u32).map(|i| (i * 7 + 3) as u8).collect();
        for len in 0..data.len() {
            let expected = Sha256::new().chain_update([0]).chain_update(&data[..len]).finalize();
            assert_eq!(leaf_hash(&data[..len]).0, expected[..], "leaf of {len} bytes");
        }
        let (left, right) = (leaf_hash(b"l"), leaf_hash(b"r"));
        let joined = Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0);
        assert_eq!(node_hash(&left, &right).0, joined.finalize()[..]);
        assert_eq!(empty_root().0, Sha256::digest(b"")[..]);
    }
}
