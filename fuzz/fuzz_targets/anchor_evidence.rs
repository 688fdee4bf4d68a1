//! Evidence of EVM anchors: as it comes, and with blocks made up around its parts, since no
//! mutation finds the hashes that lead to what is parsed behind them.

#![no_main]

use alloy_primitives::{B256, keccak256};
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{HashBuilder, Nibbles};
use firmlog_verify::evm::{
    EvmEvidence, EvmPins, anchor_event, head_slots, parse_header, verify_evm,
};
use libfuzzer_sys::fuzz_target;

/// Where a header's three roots are, if its first fields have their usual widths.
const STATE: usize = 91;
const TRANSACTIONS: usize = 124;
const RECEIPTS: usize = 157;

fuzz_target!(|bytes: &[u8]| {
    drop(parse_header(bytes));
    drop(anchor_event(bytes, &[0; 20], &[0; 32]));
    let Ok(mut evidence) = EvmEvidence::parse(bytes) else { return };
    assert_eq!(evidence.encode(), bytes);
    check(&evidence);
    seal_nodes(&mut evidence);
    check(&evidence);
    forge(&mut evidence);
    check(&evidence);
});

/// Nothing is anchored where nothing is pinned, and what is borne out is what the receipt says.
fn check(evidence: &EvmEvidence) {
    if let Ok(proven) = verify_evm(evidence, &EvmPins::default()) {
        assert!(!proven.is_anchored());
        let event = anchor_event(&evidence.receipt.value, &evidence.contract, &evidence.log_id);
        assert_eq!(event, Ok(proven.event));
        assert_eq!(proven.block.hash, keccak256(&evidence.header).0);
    }
}

/// Makes the header's roots those of the proofs' first nodes, so that nodes of any form are read.
fn seal_nodes(evidence: &mut EvmEvidence) {
    let first = |proof: &[Vec<u8>]| keccak256(proof.first().map_or(&[][..], Vec::as_slice));
    put(&mut evidence.header, TRANSACTIONS, first(&evidence.transaction.proof));
    put(&mut evidence.header, RECEIPTS, first(&evidence.receipt.proof));
    if let Some(state) = &evidence.state {
        put(&mut evidence.header, STATE, first(&state.account.proof));
    }
}

/// Makes tries around the values, so that values of any form are read.
fn forge(evidence: &mut EvmEvidence) {
    let key = alloy_rlp::encode(evidence.index);
    let (transaction, receipt) = (&mut evidence.transaction, &mut evidence.receipt);
    for (leaf, at) in [(transaction, TRANSACTIONS), (receipt, RECEIPTS)] {
        let (root, proof) = trie(&[(key.clone(), leaf.value.clone())], &key);
        leaf.proof = proof;
        put(&mut evidence.header, at, root);
    }
    let Some(state) = &mut evidence.state else { return };
    let keys = head_slots(&evidence.log_id).map(|key| keccak256(key).to_vec());
    let value = |value: [u8; 32]| {
        let zeros = value.iter().take_while(|byte| **byte == 0).count();
        alloy_rlp::encode(&value[zeros..])
    };
    let slots: Vec<_> =
        keys.iter().zip(&state.slots).map(|(key, slot)| (key.clone(), value(slot.value))).collect();
    let mut storage = B256::ZERO;
    for (key, slot) in keys.iter().zip(&mut state.slots) {
        (storage, slot.proof) = trie(&slots, key);
    }
    if let Some(at) = state.account.value.len().checked_sub(65) {
        put(&mut state.account.value, at, storage);
    }
    let key = keccak256(evidence.contract).to_vec();
    let (root, proof) = trie(&[(key.clone(), state.account.value.clone())], &key);
    state.account.proof = proof;
    put(&mut evidence.header, STATE, root);
}

fn put(bytes: &mut [u8], at: usize, root: B256) {
    if let Some(place) = bytes.get_mut(at..at + 32) {
        place.copy_from_slice(root.as_slice());
    }
}

fn trie(leaves: &[(Vec<u8>, Vec<u8>)], key: &[u8]) -> (B256, Vec<Vec<u8>>) {
    let key = Nibbles::unpack(key);
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![key]));
    let mut leaves = leaves.to_vec();
    leaves.sort();
    leaves.iter().for_each(|(key, value)| builder.add_leaf(Nibbles::unpack(key), value));
    let root = builder.root();
    let nodes = builder.take_proof_nodes().matching_nodes_sorted(&key);
    (root, nodes.into_iter().map(|(_, node)| node.to_vec()).collect())
}
