//! Making evidence from what nodes answer, and refusing what does not fit together.

use alloc::vec::Vec;

use alloy_rlp::{Encodable as _, Header};

use super::header::parse_header;
use super::{
    Address, Event, EvmError as E, EvmEvidence, EvmPart, EvmPins, EvmRefusal, EvmValue, Leaf,
    StateEvidence, Word, receipt, storage, trie, verify_evm,
};

/// A block as a node tells it, whole.
#[derive(Clone, Copy, Debug)]
pub struct BlockParts<'a> {
    /// RLP of its header.
    pub header: &'a [u8],
    /// Its transactions as EIP-2718 bytes, in order.
    pub transactions: &'a [Vec<u8>],
    /// Their receipts as EIP-2718 bytes, in order.
    pub receipts: &'a [Vec<u8>],
}

/// Which anchor the evidence is of, and what else a node proves of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnchorParts {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// The `FirmwareAnchor` contract.
    pub contract: Address,
    /// SHA-256 of the log's origin.
    pub log_id: Word,
    /// Place of the transaction in the block, from 0: the log's last anchor in it.
    pub index: u64,
    /// Account and slots after the block (`eth_getProof`), if the node has them.
    pub state: Option<StateEvidence>,
    /// RLP of the headers of the blocks that follow, up to one that auditors will pin.
    pub descendants: Vec<Vec<u8>>,
}

/// Makes evidence and verifies it, so that what a node made up is refused here.
///
/// # Errors
/// An [`EvmRefusal`]: [`E::TransactionsRootDiffers`] and [`E::ReceiptsRootDiffers`] if the lists
/// are not the block's, [`E::IndexOutside`], and all that [`verify_evm`] refuses.
pub fn build(block: &BlockParts<'_>, parts: AnchorParts) -> Result<EvmEvidence, EvmRefusal> {
    let header = parse_header(block.header).map_err(|e| EvmRefusal::new(e, EvmPart::Header))?;
    let take = |values: &[Vec<u8>], root, error, part| -> Result<Leaf, EvmRefusal> {
        let (got, proof) = trie::prove(values, parts.index);
        if got != root {
            let (expected, got) = (EvmValue::Word(root), EvmValue::Word(got));
            return Err(EvmRefusal::between(error, part, expected, got));
        }
        let at = usize::try_from(parts.index).ok();
        let value = at.and_then(|at| values.get(at)).cloned();
        let value = value.ok_or(EvmRefusal::new(E::IndexOutside, part))?;
        Ok(Leaf { value, proof })
    };
    let evidence = EvmEvidence {
        transaction: take(
            block.transactions,
            header.transactions_root,
            E::TransactionsRootDiffers,
            EvmPart::Transaction,
        )?,
        receipt: take(
            block.receipts,
            header.receipts_root,
            E::ReceiptsRootDiffers,
            EvmPart::Receipt,
        )?,
        chain_id: parts.chain_id,
        contract: parts.contract,
        log_id: parts.log_id,
        header: block.header.into(),
        index: parts.index,
        state: parts.state,
        descendants: parts.descendants,
    };
    verify_evm(&evidence, &EvmPins::default())?;
    Ok(evidence)
}

/// The storage keys of a log's head, in the order of [`StateEvidence::slots`]: what to ask
/// `eth_getProof` for.
#[must_use]
pub fn head_slots(log_id: &Word) -> [Word; 3] {
    storage::slots(log_id)
}

/// RLP of an account, from the fields that `eth_getProof` answers.
#[must_use]
pub fn account_rlp(nonce: u64, balance: &Word, storage_hash: &Word, code_hash: &Word) -> Vec<u8> {
    let zeros = balance.iter().take_while(|byte| **byte == 0).count();
    let balance = balance.get(zeros..).unwrap_or_default();
    let mut payload = Vec::new();
    nonce.encode(&mut payload);
    balance.encode(&mut payload);
    storage_hash.encode(&mut payload);
    code_hash.encode(&mut payload);
    let mut out = Vec::new();
    Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(&payload);
    out
}

/// The anchor that a receipt tells of, if it has one of this contract and log.
///
/// # Errors
/// An [`EvmRefusal`] if the bytes are no receipt, tell of failure, or have no such event.
pub fn anchor_event(
    receipt: &[u8],
    contract: &Address,
    log_id: &Word,
) -> Result<Event, EvmRefusal> {
    receipt::parse(receipt)?.anchored(contract, log_id)
}
