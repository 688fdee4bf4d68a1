//! From what was collected to the one form that is checked offline (`firmlog_verify::evm`).
//!
//! ```text
//! final/48930.evm    header, transaction, receipt, account and slots, each with its proof
//! ```
//!
//! In scope: asking for the rest of the block (its other transactions, the account) and putting the
//! parts together. Out of scope: the format and what it proves (`docs/spec/anchor-evidence.md`).
//!
//! Invariant: what is written was verified by the code that auditors run; parts that a provider
//! made up are refused, and the next one is asked.

use std::path::{Path, PathBuf};

use alloy::consensus::TxEnvelope;
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{B256, Bytes};
use alloy::rpc::types::eth::{Block, EIP1186AccountProofResponse, Transaction};
use firmlog_verify::evm::{
    AnchorParts, BlockParts, EvmEvidence, Leaf, Slot, StateEvidence, account_rlp, build,
};

use crate::error::AnchorError;
use crate::evidence::{Evidence, Place};
use crate::journal::replace;
use crate::provider::{Fault, Provider, Providers};
use crate::view::hex;

/// Where the evidence of an anchored tree is kept.
#[must_use]
pub fn path(dir: &Path, size: u64) -> PathBuf {
    dir.join("final").join(format!("{size}.evm"))
}

/// Writes it to `final/<size>.evm`.
///
/// # Errors
/// Storage.
pub fn keep(evidence: &EvmEvidence, dir: &Path, size: u64) -> Result<PathBuf, AnchorError> {
    let path = path(dir, size);
    replace(&path, &evidence.encode(), || {})?;
    Ok(path)
}

/// Why there is no evidence that is checked offline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No provider gave what is needed; another time one may.
    Fault(Fault),
    /// The parts do not make evidence: a chain whose headers or transactions have another form.
    Form(String),
}

/// Makes the evidence from the first provider whose parts fit together.
///
/// # Errors
/// [`Missing`], of the last provider.
pub async fn offline(
    providers: &Providers,
    place: &Place,
    collected: &Evidence,
) -> Result<EvmEvidence, Missing> {
    let place = *place;
    let (number, hash) = (collected.header.number, collected.header.hash);
    let Some(header) = collected.header.rlp.clone() else {
        return Err(Missing::Form("the header has other fields than Ethereum's".into()));
    };
    let ask = |provider: Provider| async move {
        let transactions = transactions(&provider, hash).await?;
        // Nodes keep old state for a while only; without it the event still proves the anchor.
        let state = state(&provider, &place, number).await.ok();
        Ok((transactions, state))
    };
    let receipts: Vec<Vec<u8>> = collected.receipts.iter().map(|bytes| bytes.to_vec()).collect();
    let mut last = Missing::Fault(Fault::Silent("no provider".into()));
    for answer in providers.each(ask).await {
        let (transactions, state) = match answer {
            Ok(parts) => parts,
            Err(fault) => {
                last = Missing::Fault(fault);
                continue;
            }
        };
        let Some(transactions) = transactions else {
            last = Missing::Form("the block has transactions of an unknown type".into());
            continue;
        };
        let block =
            BlockParts { header: &header, transactions: &transactions, receipts: &receipts };
        let parts = |state| AnchorParts {
            chain_id: place.deployment.chain_id,
            contract: place.deployment.contract.into(),
            log_id: place.log_id.0,
            index: collected.index,
            state,
            descendants: Vec::new(),
        };
        let made = build(&block, parts(state.clone()));
        // Two anchors in one block: the slots are those of the second.
        let made = match (made, state) {
            (Err(_), Some(_)) => build(&block, parts(None)),
            (made, _) => made,
        };
        match made {
            Ok(evidence) => return Ok(evidence),
            Err(refusal) => last = Missing::Form(refusal.to_string()),
        }
    }
    Err(last)
}

/// All transactions of a block as EIP-2718 bytes; nothing if one has an unknown type.
async fn transactions(provider: &Provider, block: B256) -> Result<Option<Vec<Vec<u8>>>, Fault> {
    let told: serde_json::Value = provider.ask("eth_getBlockByHash", (block, true)).await?;
    if told.is_null() {
        return Err(Fault::Silent(format!("has no block {block}")));
    }
    let Ok(told) = serde_json::from_value::<Block<Transaction<TxEnvelope>>>(told) else {
        return Ok(None);
    };
    let all = told.transactions.as_transactions().unwrap_or_default();
    Ok(Some(all.iter().map(|tx| tx.inner.encoded_2718()).collect()))
}

/// Account and slots after a block, and the accumulator before it.
async fn state(provider: &Provider, place: &Place, number: u64) -> Result<StateEvidence, Fault> {
    let slots = place.head_slots();
    let contract = place.deployment.contract;
    let params = (contract, slots.to_vec(), hex(number));
    let proof: EIP1186AccountProofResponse = provider.ask("eth_getProof", params).await?;
    let before = (contract, slots[2], hex(number.saturating_sub(1)));
    let before: B256 = provider.ask("eth_getStorageAt", before).await?;
    let nodes = |nodes: &[Bytes]| nodes.iter().map(|node| node.to_vec()).collect();
    let balance = proof.balance.to_be_bytes();
    let value = account_rlp(proof.nonce, &balance, &proof.storage_hash.0, &proof.code_hash.0);
    let slots: Vec<Slot> = proof
        .storage_proof
        .iter()
        .map(|slot| Slot { value: slot.value.to_be_bytes(), proof: nodes(&slot.proof) })
        .collect();
    Ok(StateEvidence {
        accumulator_before: if before.is_zero() { place.log_id.0 } else { before.0 },
        account: Leaf { value, proof: nodes(&proof.account_proof) },
        slots: slots
            .try_into()
            .map_err(|_| Fault::Silent("eth_getProof: other slots than were asked for".into()))?,
    })
}
