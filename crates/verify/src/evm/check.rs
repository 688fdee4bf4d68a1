//! What evidence proves, and which of it was proven.

use alloy_primitives::keccak256;
use sha2::{Digest as _, Sha256};

use super::header::parse_header;
use super::{
    Address, Block, Event, EvmError as E, EvmEvidence, EvmPart, EvmPins, EvmRefusal, EvmValue,
    Word, receipt, storage, trie,
};
use crate::Verified;
use crate::checkpoint::SignedHead;

/// An anchor that its evidence bears out, and how far.
///
/// The event is always proven: the contract wrote it in a transaction of the block with this hash.
/// Whether that block is the chain's is what [`pinned`](Self::pinned) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvmAnchor {
    /// The chain the transaction is signed for.
    pub chain_id: u64,
    /// The contract.
    pub contract: Address,
    /// SHA-256 of the log's origin.
    pub log_id: Word,
    /// The block. Its time is the "not after" of the tree head, by the chain's clock.
    pub block: Block,
    /// Keccak-256 of the transaction: the name explorers know it by.
    pub transaction: Word,
    /// What the contract said.
    pub event: Event,
    /// What the contract stored, if the evidence proves it.
    pub storage: Option<StorageProven>,
    /// Whether the trust root names this contract on this chain.
    pub contract_pinned: bool,
    /// Whether the contract's code is the pinned one.
    pub code: CodeCheck,
    /// The pinned block that vouches for this one.
    pub pinned: Option<BlockPinned>,
}

/// The contract's storage after the block: it says what the event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageProven {
    /// The name of the log's authority in the contract; zeros if it has none any more.
    pub authority: Address,
    /// The fold of all the log's anchors up to this one.
    pub accumulator: Word,
    /// Keccak-256 of the contract's code.
    pub code_hash: Word,
}

/// A pinned block that is this one or follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPinned {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Word,
}

/// Whether the contract's code was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeCheck {
    /// It has the pinned hash.
    Matched,
    /// The trust root pins none.
    NotPinned,
    /// The trust root pins one, and the evidence has no proof of the account.
    NotProven,
}

/// How the bundle's checkpoint relates to the bytes that were anchored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteCheck {
    /// It has the anchored hash.
    Same,
    /// Its tree head is the anchored one; the note had other signature lines then.
    OtherSignatures,
}

impl EvmAnchor {
    /// Whether the tree head is anchored as far as the trust root asks: contract, block and, where
    /// it pins one, code.
    #[must_use]
    pub const fn is_anchored(&self) -> bool {
        let code = !matches!(self.code, CodeCheck::NotProven);
        self.contract_pinned && self.pinned.is_some() && code
    }
}

/// Verifies evidence: proofs, event, storage, headers, and all of it against what is pinned.
///
/// A block that nobody pinned, or a contract that the trust root does not name, is no error: see
/// [`EvmAnchor::is_anchored`].
///
/// # Errors
/// An [`EvmRefusal`] with the part that is wrong, and both sides of a disagreement.
pub fn verify_evm(
    evidence: &EvmEvidence,
    pins: &EvmPins,
) -> Result<Verified<EvmAnchor>, EvmRefusal> {
    let block = header(&evidence.header, EvmPart::Header)?;
    let pinned = descend(evidence, &block, pins)?;
    let transaction = transaction(evidence, &block)?;
    let event = event(evidence, &block, transaction)?;
    let storage = stored(evidence, &block, &event)?;
    let pin = pins.contract(evidence.chain_id, &evidence.contract);
    let code = code(pin.and_then(|pin| pin.code_hash), storage)?;
    Ok(Verified::proven(EvmAnchor {
        chain_id: evidence.chain_id,
        contract: evidence.contract,
        log_id: evidence.log_id,
        block,
        transaction: keccak256(&evidence.transaction.value).0,
        event,
        storage,
        contract_pinned: pin.is_some(),
        code,
        pinned,
    }))
}

fn header(rlp: &[u8], part: EvmPart) -> Result<Block, EvmRefusal> {
    parse_header(rlp).map_err(|error| EvmRefusal::new(error, part))
}

/// Follows the headers from the block on; returns the first of them that is pinned.
fn descend(
    evidence: &EvmEvidence,
    block: &Block,
    pins: &EvmPins,
) -> Result<Option<BlockPinned>, EvmRefusal> {
    let mut pinned = pin_of(evidence.chain_id, block, EvmPart::Header, pins)?;
    let mut last = *block;
    for (n, rlp) in (0..).zip(&evidence.descendants) {
        let part = EvmPart::Descendant(n);
        let next = header(rlp, part)?;
        if next.parent != last.hash {
            let (expected, got) = (EvmValue::Word(last.hash), EvmValue::Word(next.parent));
            return Err(EvmRefusal::between(E::HeaderUnlinked, part, expected, got));
        }
        if last.number.checked_add(1) != Some(next.number) {
            let expected = EvmValue::Number(last.number.saturating_add(1));
            let got = EvmValue::Number(next.number);
            return Err(EvmRefusal::between(E::HeaderNumber, part, expected, got));
        }
        let pin = pin_of(evidence.chain_id, &next, part, pins)?;
        pinned = pinned.or(pin);
        last = next;
    }
    Ok(pinned)
}

/// The pin of this block. Another block where one is pinned is a disagreement.
fn pin_of(
    chain_id: u64,
    block: &Block,
    part: EvmPart,
    pins: &EvmPins,
) -> Result<Option<BlockPinned>, EvmRefusal> {
    let of_chain = pins.blocks.iter().filter(|pin| pin.chain_id == chain_id);
    let mut pinned = None;
    for pin in of_chain.filter(|pin| pin.number == block.number || pin.hash == block.hash) {
        if (pin.number, pin.hash) != (block.number, block.hash) {
            let expected = EvmValue::Block(pin.number, pin.hash);
            let got = EvmValue::Block(block.number, block.hash);
            return Err(EvmRefusal::between(E::BlockDiffers, part, expected, got));
        }
        pinned = Some(BlockPinned { number: pin.number, hash: pin.hash });
    }
    Ok(pinned)
}

/// Checks the transaction's place and chain; returns its type.
fn transaction(evidence: &EvmEvidence, block: &Block) -> Result<u8, EvmRefusal> {
    let refuse = |error| EvmRefusal::new(error, EvmPart::Transaction);
    let (leaf, key) = (&evidence.transaction, trie::index_key(evidence.index));
    if !trie::has(&block.transactions_root, &key, &leaf.value, &leaf.proof) {
        return Err(refuse(E::TransactionNotInBlock));
    }
    let (kind, chain) = receipt::transaction_chain(&leaf.value).map_err(refuse)?;
    if chain != evidence.chain_id {
        let (expected, got) = (EvmValue::Number(evidence.chain_id), EvmValue::Number(chain));
        return Err(EvmRefusal::between(E::ChainMismatch, EvmPart::Transaction, expected, got));
    }
    Ok(kind)
}

/// Checks the receipt's place and status, and finds the event.
fn event(evidence: &EvmEvidence, block: &Block, kind: u8) -> Result<Event, EvmRefusal> {
    let (leaf, key) = (&evidence.receipt, trie::index_key(evidence.index));
    if !trie::has(&block.receipts_root, &key, &leaf.value, &leaf.proof) {
        return Err(EvmRefusal::new(E::ReceiptNotInBlock, EvmPart::Receipt));
    }
    let receipt = receipt::parse(&leaf.value)?;
    if receipt.kind != kind {
        let (expected, got) =
            (EvmValue::Number(kind.into()), EvmValue::Number(receipt.kind.into()));
        return Err(EvmRefusal::between(E::TypesDiffer, EvmPart::Receipt, expected, got));
    }
    let event = receipt.anchored(&evidence.contract, &evidence.log_id)?;
    if event.time_s != block.time_s {
        let (expected, got) = (EvmValue::Number(block.time_s), EvmValue::Number(event.time_s));
        return Err(EvmRefusal::between(E::EventTime, EvmPart::Event, expected, got));
    }
    Ok(event)
}

fn stored(
    evidence: &EvmEvidence,
    block: &Block,
    event: &Event,
) -> Result<Option<StorageProven>, EvmRefusal> {
    let Some(state) = &evidence.state else { return Ok(None) };
    let account = storage::account(&block.state_root, &evidence.contract, state)?;
    let stored = storage::head(&account, &evidence.log_id, state, event)?;
    let storage::Stored { authority, accumulator } = stored;
    Ok(Some(StorageProven { authority, accumulator, code_hash: account.code_hash }))
}

fn code(pinned: Option<Word>, storage: Option<StorageProven>) -> Result<CodeCheck, EvmRefusal> {
    match (pinned, storage) {
        (None, _) => Ok(CodeCheck::NotPinned),
        (Some(_), None) => Ok(CodeCheck::NotProven),
        (Some(pin), Some(stored)) if pin == stored.code_hash => Ok(CodeCheck::Matched),
        (Some(pin), Some(stored)) => {
            let (expected, got) = (EvmValue::Word(pin), EvmValue::Word(stored.code_hash));
            Err(EvmRefusal::between(E::CodeDiffers, EvmPart::Account, expected, got))
        }
    }
}

impl Verified<EvmAnchor> {
    /// Checks that the anchored tree head is this checkpoint's.
    ///
    /// # Errors
    /// [`E::LogDiffers`] and [`E::HeadDiffers`], with both sides.
    pub fn check_checkpoint(
        &self,
        head: &Verified<SignedHead>,
        note: &[u8],
    ) -> Result<NoteCheck, EvmRefusal> {
        let log_id: Word = Sha256::digest(head.origin.as_bytes()).into();
        if self.log_id != log_id {
            let (expected, got) = (EvmValue::Word(log_id), EvmValue::Word(self.log_id));
            return Err(EvmRefusal::between(E::LogDiffers, EvmPart::Event, expected, got));
        }
        if self.event.head != head.head {
            let (expected, got) = (EvmValue::Head(head.head), EvmValue::Head(self.event.head));
            return Err(EvmRefusal::between(E::HeadDiffers, EvmPart::Event, expected, got));
        }
        let hash: Word = Sha256::digest(note).into();
        let same = hash == self.event.checkpoint_hash;
        Ok(if same { NoteCheck::Same } else { NoteCheck::OtherSignatures })
    }
}
