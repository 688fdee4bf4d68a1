//! Model: a tree beside the recursive definition of RFC 6962 §2.1; every proof is accepted as made
//! and refused when one bit of it, its index or its head is changed.

#![no_main]

use firmlog_tlog::merkle::{
    CompactRange, Hash, LeafIndex, NodeSource, TreeHead, TreeSize, consistency_proof, empty_root,
    inclusion_proof, leaf_hash, node_hash, verify_consistency, verify_inclusion,
};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    leaves: u8,
    old: u8,
    index: u8,
    flip: u16,
}

fuzz_target!(|input: Input| {
    let size = usize::from(input.leaves).max(1);
    let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect();
    let mut range = CompactRange::new();
    for leaf in &leaves {
        range.push(*leaf, |_, _, _| {});
    }
    assert_eq!(range.root(), naive_root(&leaves));
    check_inclusion(&leaves, range.head(), usize::from(input.index) % size, input.flip);
    check_consistency(&leaves, range.head(), usize::from(input.old) % (size + 1), input.flip);
});

fn check_inclusion(leaves: &[Hash], head: TreeHead, index: usize, flip: u16) {
    let (at, leaf) = (LeafIndex(index as u64), &leaves[index]);
    let mut proof = inclusion_proof(Nodes(leaves), at, head.size).expect("the index is inside");
    assert_eq!(verify_inclusion(at, leaf, &head, &proof), Ok(()));
    if flip_bit(&mut proof, flip) {
        assert!(verify_inclusion(at, leaf, &head, &proof).is_err());
    }
}

fn check_consistency(leaves: &[Hash], head: TreeHead, old: usize, flip: u16) {
    let old = TreeHead { size: TreeSize(old as u64), root: naive_root(&leaves[..old]) };
    let mut proof = consistency_proof(Nodes(leaves), old.size, head.size).expect("old is inside");
    assert_eq!(verify_consistency(&old, &head, &proof), Ok(()));
    if flip_bit(&mut proof, flip) {
        assert!(verify_consistency(&old, &head, &proof).is_err());
    }
}

fn flip_bit(proof: &mut [Hash], flip: u16) -> bool {
    let bits = proof.len() * 256;
    let Some(bit) = usize::from(flip).checked_rem(bits) else { return false };
    proof[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
    true
}

/// RFC 6962 §2.1, word by word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        leaves => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

struct Nodes<'a>(&'a [Hash]);

impl NodeSource for Nodes<'_> {
    type Error = firmlog_tlog::merkle::ProofError;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let (width, first) = (1usize << level, (index as usize) << level);
        Ok(naive_root(&self.0[first..first + width]))
    }
}
