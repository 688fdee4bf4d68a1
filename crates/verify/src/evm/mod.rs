//! Evidence that a tree head is anchored in a `FirmwareAnchor` contract, checked without a node.
//!
//! ```text
//! pinned block ◀─ headers ◀─ header of the block ─┬─ transactionsRoot ─▶ transaction  (chain id)
//!                                                 ├─ receiptsRoot ─▶ receipt ─▶ event Anchored
//!                                                 └─ stateRoot ─▶ account ─▶ root, size, accumulator
//! ```
//!
//! In scope: the bytes of the evidence, Merkle-Patricia proofs, what they prove about a chain.
//! Out of scope: whether a block is final (the auditor pins one), asking nodes, and the rung that
//! an anchor gives a bundle (`report`). The normative text is `docs/spec/anchor-evidence.md`;
//! rules are cited as `EVM-…`.
//!
//! Invariants:
//! - `EvmEvidence::parse(x)?.encode() == x`, byte for byte.
//! - With its last block pinned, no byte can be changed and the anchor still count.
//! - Nothing is proven about a block that nobody pinned, except that the evidence agrees with it.
//! - A disagreement is returned with both sides.

mod build;
mod check;
mod encode;
mod header;
mod parse;
mod pins;
mod receipt;
mod refusal;
mod rlp;
mod storage;
mod trie;

use alloc::vec::Vec;

pub use build::{AnchorParts, BlockParts, account_rlp, anchor_event, build, head_slots};
pub use check::{BlockPinned, CodeCheck, EvmAnchor, NoteCheck, StorageProven, verify_evm};
pub use header::{Block, parse_header};
pub use pins::{BlockPin, ContractPin, EvmPins};
pub use receipt::Event;
pub use refusal::{EvmError, EvmPart, EvmRefusal, EvmValue, Hex};

/// The kind of anchor in a bundle that this module reads.
pub const KIND: u64 = 1;
/// The largest evidence that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// How many headers may follow the block's own: a week of a chain with a block every 12 seconds.
pub const MAX_HEADERS: usize = 50_400;
/// The longest Merkle-Patricia proof, in nodes: a key of 32 bytes has 64 nibbles.
pub const MAX_NODES: usize = 65;

/// An account's address, 20 bytes.
pub type Address = [u8; 20];
/// A Keccak-256 hash, or what else the chain keeps in 32 bytes.
pub type Word = [u8; 32];

/// Evidence of one anchor, not yet verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvmEvidence {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// The `FirmwareAnchor` contract.
    pub contract: Address,
    /// SHA-256 of the log's origin.
    pub log_id: Word,
    /// RLP of the header of the block the anchor is in.
    pub header: Vec<u8>,
    /// Place of the transaction in the block, from 0.
    pub index: u64,
    /// The transaction as EIP-2718 bytes, under `transactionsRoot`.
    pub transaction: Leaf,
    /// Its receipt as EIP-2718 bytes, under `receiptsRoot`.
    pub receipt: Leaf,
    /// What the contract stores after the block, if the node could prove it.
    pub state: Option<StateEvidence>,
    /// RLP of the headers of the blocks that follow, each the child of the one before.
    pub descendants: Vec<Vec<u8>>,
}

/// A value and the proof that it is in a Merkle-Patricia trie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// The value.
    pub value: Vec<u8>,
    /// The trie's nodes on the way, RLP, from the root down.
    pub proof: Vec<Vec<u8>>,
}

/// The contract's account and the three slots of the log's head, after the block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateEvidence {
    /// The accumulator that this anchor was folded onto: the log id at the first.
    pub accumulator_before: Word,
    /// RLP of the account, under `stateRoot`.
    pub account: Leaf,
    /// Root; authority, seq and size in one; accumulator: in the order of the contract's slots.
    pub slots: [Slot; 3],
}

/// A storage slot and the proof that it has this value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// The value, big-endian.
    pub value: Word,
    /// The storage trie's nodes on the way, RLP, from the root down.
    pub proof: Vec<Vec<u8>>,
}

impl EvmEvidence {
    /// Parses evidence.
    ///
    /// # Errors
    /// [`EvmError::Malformed`] or [`EvmError::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EvmError> {
        parse::parse(bytes)
    }

    /// The evidence's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode::encode(self)
    }
}
