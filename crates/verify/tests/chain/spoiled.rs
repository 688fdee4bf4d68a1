//! Evidence with one part spoiled, named for it, and what each is refused for.

use firmlog_verify::evm::{EvmError as E, EvmEvidence, EvmPart as P, EvmPins};

use super::vector;

/// One vector that must be refused.
pub(crate) struct Spoiled {
    pub(crate) name: &'static str,
    pub(crate) error: E,
    pub(crate) part: P,
    pub(crate) evidence: EvmEvidence,
    pub(crate) pins: EvmPins,
}

type Spoil = fn(&mut EvmEvidence, &mut EvmPins);

/// All of them; `first` is alone in its block, `second` has neighbours and later headers.
pub(crate) fn all(first: &EvmEvidence, second: &EvmEvidence) -> Vec<Spoiled> {
    let of = |good: &EvmEvidence, (name, error, part, spoil): (&'static str, E, P, Spoil)| {
        let (mut evidence, mut pins) = (good.clone(), vector::pins(good));
        spoil(&mut evidence, &mut pins);
        Spoiled { name, error, part, evidence, pins }
    };
    let mut all: Vec<Spoiled> = ALONE.into_iter().map(|case| of(first, case)).collect();
    all.extend(FOLLOWED.into_iter().map(|case| of(second, case)));
    all
}

const ALONE: [(&str, E, P, Spoil); 22] = [
    ("bad_header_changed", E::BlockDiffers, P::Header, |e, _| flip(&mut e.header, 500)),
    ("bad_header_cut", E::HeaderMalformed, P::Header, |e, _| {
        e.header.pop();
    }),
    ("bad_block_not_the_pinned", E::BlockDiffers, P::Header, |_, p| p.blocks[0].hash[0] ^= 1),
    ("bad_pinned_number", E::BlockDiffers, P::Header, |_, p| p.blocks[0].number += 1),
    ("bad_code_not_the_pinned", E::CodeDiffers, P::Account, |_, p| {
        p.contracts[0].code_hash = Some([7; 32]);
    }),
    ("bad_chain", E::ChainMismatch, P::Transaction, |e, _| e.chain_id = 1),
    ("bad_index", E::TransactionNotInBlock, P::Transaction, |e, _| e.index = 1),
    ("bad_transaction", E::TransactionNotInBlock, P::Transaction, |e, _| {
        flip(&mut e.transaction.value, 100);
    }),
    ("bad_transaction_proof", E::TransactionNotInBlock, P::Transaction, |e, _| {
        flip(&mut e.transaction.proof[0], 50);
    }),
    ("bad_receipt_topic", E::ReceiptNotInBlock, P::Receipt, |e, _| {
        let at = e.receipt.value.windows(32).position(|w| *w == e.log_id).unwrap();
        flip(&mut e.receipt.value, at);
    }),
    ("bad_receipt_data", E::ReceiptNotInBlock, P::Receipt, |e, _| {
        let last = e.receipt.value.len() - 1;
        flip(&mut e.receipt.value, last);
    }),
    ("bad_receipt_proof", E::ReceiptNotInBlock, P::Receipt, |e, _| {
        flip(&mut e.receipt.proof[0], 50);
    }),
    ("bad_contract", E::EventMissing, P::Receipt, |e, _| flip(&mut e.contract, 0)),
    ("bad_log", E::EventMissing, P::Receipt, |e, _| flip(&mut e.log_id, 0)),
    ("bad_account", E::AccountNotInState, P::Account, |e, _| {
        flip(&mut e.state.as_mut().unwrap().account.value, 20);
    }),
    ("bad_account_proof", E::AccountNotInState, P::Account, |e, _| {
        flip(&mut e.state.as_mut().unwrap().account.proof[0], 50);
    }),
    ("bad_root_slot", E::SlotNotInStorage, P::Slot(0), |e, _| spoil_slot(e, 0)),
    ("bad_size_slot", E::SlotNotInStorage, P::Slot(1), |e, _| spoil_slot(e, 1)),
    ("bad_accumulator_slot", E::SlotNotInStorage, P::Slot(2), |e, _| spoil_slot(e, 2)),
    ("bad_slot_proof", E::SlotNotInStorage, P::Slot(0), |e, _| {
        flip(&mut e.state.as_mut().unwrap().slots[0].proof[0], 30);
    }),
    ("bad_slots_swapped", E::SlotNotInStorage, P::Slot(0), |e, _| {
        e.state.as_mut().unwrap().slots.swap(0, 2);
    }),
    ("bad_accumulator_before", E::AccumulatorDiffers, P::Slot(2), |e, _| {
        flip(&mut e.state.as_mut().unwrap().accumulator_before, 0);
    }),
];

const FOLLOWED: [(&str, E, P, Spoil); 4] = [
    ("bad_later_header_missing", E::HeaderUnlinked, P::Descendant(0), |e, _| {
        e.descendants.remove(0);
    }),
    ("bad_later_header", E::HeaderUnlinked, P::Descendant(1), |e, _| {
        flip(&mut e.descendants[0], 500);
    }),
    ("bad_last_header", E::BlockDiffers, P::Descendant(2), |e, _| {
        flip(&mut e.descendants[2], 500);
    }),
    ("bad_neighbour", E::TransactionNotInBlock, P::Transaction, |e, _| e.index -= 1),
];

fn spoil_slot(evidence: &mut EvmEvidence, slot: usize) {
    flip(&mut evidence.state.as_mut().unwrap().slots[slot].value, 31);
}

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}
