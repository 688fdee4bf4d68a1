//! Block headers: RLP in, the hash and the four roots out.
//!
//! The first fifteen fields are those every chain has had since 2015 (yellow paper §4.4.3); what
//! later forks and other chains append is taken as it comes, for the hash covers it.

use alloy_primitives::keccak256;
use alloy_rlp::Result;

use super::rlp::Items;
use super::{EvmError, Word};

/// Fields beyond the fifteen old ones that are read; Ethereum has seven in 2026.
const LATER_FIELDS_MAX: usize = 32;

/// What is used of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Keccak-256 of the header's RLP.
    pub hash: Word,
    /// The hash of the block before.
    pub parent: Word,
    /// Root of all accounts after the block.
    pub state_root: Word,
    /// Root of the block's transactions.
    pub transactions_root: Word,
    /// Root of their receipts.
    pub receipts_root: Word,
    /// How many blocks came before.
    pub number: u64,
    /// When it was made by the chain's own clock, in seconds since 1970.
    pub time_s: u64,
}

/// Parses a header's RLP and hashes it.
///
/// # Errors
/// [`EvmError::HeaderMalformed`].
pub fn parse_header(rlp: &[u8]) -> core::result::Result<Block, EvmError> {
    fields(rlp).map_err(|_| EvmError::HeaderMalformed)
}

fn fields(rlp: &[u8]) -> Result<Block> {
    let mut items = Items::of_list(rlp)?;
    let parent = *items.fixed()?;
    let _ommers: &Word = items.fixed()?;
    let _beneficiary: &[u8; 20] = items.fixed()?;
    let state_root = *items.fixed()?;
    let transactions_root = *items.fixed()?;
    let receipts_root = *items.fixed()?;
    let _bloom: &[u8; 256] = items.fixed()?;
    items.big_number()?;
    let number = items.number()?;
    let _gas_limit = items.number()?;
    let _gas_used = items.number()?;
    let time_s = items.number()?;
    let _extra = items.string()?;
    let _mix: &Word = items.fixed()?;
    let _nonce: &[u8; 8] = items.fixed()?;
    for _ in 0..LATER_FIELDS_MAX {
        if items.is_empty() {
            break;
        }
        items.string()?;
    }
    items.end()?;
    let hash = keccak256(rlp).0;
    Ok(Block { hash, parent, state_root, transactions_root, receipts_root, number, time_s })
}
