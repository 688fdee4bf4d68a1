//! Writing evidence.

use alloc::vec::Vec;

use firmlog_statement::StatementError;
use firmlog_statement::codec;

use super::{EvmEvidence, Leaf, StateEvidence};

pub(super) fn encode(evidence: &EvmEvidence) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a vector does not fail.
    let _ = write(evidence, &mut out);
    out
}

fn write(evidence: &EvmEvidence, out: &mut Vec<u8>) -> Result<(), StatementError> {
    let optional = [evidence.state.is_some(), !evidence.descendants.is_empty()];
    let keys = optional.iter().filter(|there| **there).count().saturating_add(7);
    codec::head(out, 5, keys as u64)?;
    codec::uint(out, 1)?;
    codec::uint(out, evidence.chain_id)?;
    codec::uint(out, 2)?;
    codec::bytes(out, &evidence.contract)?;
    codec::uint(out, 3)?;
    codec::bytes(out, &evidence.log_id)?;
    codec::uint(out, 4)?;
    codec::bytes(out, &evidence.header)?;
    codec::uint(out, 5)?;
    codec::uint(out, evidence.index)?;
    codec::uint(out, 6)?;
    leaf(out, &evidence.transaction)?;
    codec::uint(out, 7)?;
    leaf(out, &evidence.receipt)?;
    if let Some(state) = &evidence.state {
        codec::uint(out, 8)?;
        write_state(out, state)?;
    }
    if !evidence.descendants.is_empty() {
        codec::uint(out, 9)?;
        strings(out, &evidence.descendants)?;
    }
    Ok(())
}

fn write_state(out: &mut Vec<u8>, state: &StateEvidence) -> Result<(), StatementError> {
    codec::head(out, 4, 5)?;
    codec::bytes(out, &state.accumulator_before)?;
    leaf(out, &state.account)?;
    state.slots.iter().try_for_each(|slot| {
        codec::head(out, 4, 2)?;
        codec::bytes(out, &slot.value)?;
        strings(out, &slot.proof)
    })
}

fn leaf(out: &mut Vec<u8>, leaf: &Leaf) -> Result<(), StatementError> {
    codec::head(out, 4, 2)?;
    codec::bytes(out, &leaf.value)?;
    strings(out, &leaf.proof)
}

fn strings(out: &mut Vec<u8>, items: &[Vec<u8>]) -> Result<(), StatementError> {
    codec::head(out, 4, items.len() as u64)?;
    items.iter().try_for_each(|item| codec::bytes(out, item))
}
