//! Merkle-Patricia tries (yellow paper, appendix D): checking a proof, and making one.

use alloc::vec::Vec;

use alloy_primitives::{B256, Bytes};
use alloy_trie::proof::{ProofRetainer, verify_proof};
use alloy_trie::{HashBuilder, Nibbles};

use super::Word;

/// Whether the trie with this root has `value` under `key`, by these nodes and no more.
pub(super) fn has(root: &Word, key: &[u8], value: &[u8], proof: &[Vec<u8>]) -> bool {
    let nodes: Vec<Bytes> = proof.iter().map(|node| Bytes::copy_from_slice(node)).collect();
    verify_proof(B256::new(*root), Nibbles::unpack(key), Some(value.to_vec()), &nodes).is_ok()
}

/// The key of the transaction or receipt with this index in its block.
pub(super) fn index_key(index: u64) -> Vec<u8> {
    alloy_rlp::encode(index)
}

/// The root over a block's transactions or receipts, and the proof of the one at `index`.
///
/// An `index` that is not there has an empty proof.
pub(super) fn prove(values: &[Vec<u8>], index: u64) -> (Word, Vec<Vec<u8>>) {
    let key = Nibbles::unpack(index_key(index));
    let retainer = ProofRetainer::new([key].into());
    let mut builder = HashBuilder::default().with_proof_retainer(retainer);
    let mut leaves: Vec<(Vec<u8>, &Vec<u8>)> = (0_u64..).map(index_key).zip(values).collect();
    // The builder wants its keys in order, and index 0 comes after 127.
    leaves.sort();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(&key), value);
    }
    let root = builder.root().0;
    if index >= values.len() as u64 {
        return (root, Vec::new());
    }
    let nodes = builder.take_proof_nodes().matching_nodes_sorted(&key);
    (root, nodes.into_iter().map(|(_, node)| node.to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::{has, index_key, prove};
    use alloc::vec::Vec;
    use std::vec;

    #[test]
    fn every_index_of_every_small_block_is_proven_and_nothing_else() {
        for count in [1_usize, 2, 3, 16, 17, 127, 128, 129, 200, 300] {
            let values: Vec<Vec<u8>> = (0..count).map(|n| vec![n as u8; 33 + n % 90]).collect();
            for index in 0..count {
                let (root, proof) = prove(&values, index as u64);
                let key = index_key(index as u64);
                assert!(has(&root, &key, &values[index], &proof), "{index} of {count}");
                let other = index_key((index as u64 + 1) % 400);
                assert!(!has(&root, &other, &values[index], &proof));
                assert!(!has(&root, &key, &[1, 2, 3], &proof));
                let extra = [&proof[..], &[vec![0xc0]]].concat();
                assert!(!has(&root, &key, &values[index], &extra));
                assert!(!has(&root, &key, &values[index], &proof[1..]));
            }
        }
    }
}
