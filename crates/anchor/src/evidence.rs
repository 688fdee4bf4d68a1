//! What proves an anchor without the providers that gave it: collected when it is final, because
//! later it may not be there any more.
//!
//! ```text
//! header RLP      its Keccak-256 is the block hash
//! receipts        all of the block, as the receipt trie has them; their root is in the header
//! state proof     account and the head's three slots (EIP-1186) under a header's state root
//! ```
//!
//! In scope: collecting, and checking that the parts fit together. Out of scope: which block hash
//! is to be believed, and checking offline (`firmlog-verify`).
//!
//! Invariant: header and receipts come from one provider and are kept only if they hash to what the
//! quorum agreed on; a provider that invents them is passed over.

use std::path::{Path, PathBuf};

use alloy::consensus::ReceiptEnvelope;
use alloy::consensus::proofs::calculate_receipt_root;
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{B256, Bytes, Log, U256, keccak256};
use alloy::rlp::Encodable;
use alloy::rpc::types::eth::{EIP1186AccountProofResponse, TransactionReceipt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::Deployment;
use crate::error::AnchorError;
use crate::journal::{Anchored, pretty, replace};
use crate::provider::{Fault, Provider, Providers};
use crate::view::{BlockHead, block, hex};

/// The form of the files.
pub const FORMAT: &str = "firmlog/anchor-evidence/v1";

/// Which log in which contract.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Chain and contract.
    pub deployment: Deployment,
    /// The log.
    pub log_id: B256,
}

impl Place {
    /// The slots of the log's head: root; size, seq and authority packed; accumulator.
    #[must_use]
    pub fn head_slots(&self) -> [B256; 3] {
        firmlog_verify::evm::head_slots(&self.log_id.0).map(B256::from)
    }
}

/// A block's header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its RLP, whose Keccak-256 is the hash; nothing where the chain's headers have other fields.
    pub rlp: Option<Bytes>,
    /// As the provider told it.
    pub told: Value,
}

/// One slot with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The slot.
    pub key: B256,
    /// What it holds.
    pub value: U256,
    /// Trie nodes from the storage root down.
    pub proof: Vec<Bytes>,
}

/// The contract's head as part of a block's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadProof {
    /// The block whose state it is; not always the anchor's own.
    pub header: Header,
    /// The contract's storage root.
    pub storage_root: B256,
    /// Trie nodes from the state root down to the contract.
    pub account_proof: Vec<Bytes>,
    /// The three slots of the head.
    pub slots: Vec<Slot>,
}

/// Everything about one final anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// [`FORMAT`].
    pub format: String,
    /// Chain id.
    pub chain_id: u64,
    /// The contract.
    pub contract: alloy::primitives::Address,
    /// The log.
    pub log_id: B256,
    /// The signed checkpoint whose hash is anchored.
    pub checkpoint: String,
    /// Entries anchored.
    pub size: u64,
    /// The transaction.
    pub tx: B256,
    /// Its bytes.
    pub tx_raw: Bytes,
    /// The block it is in.
    pub header: Header,
    /// Its position in the block.
    pub index: u64,
    /// Every receipt of the block in order (EIP-2718); empty where a receipt is of an unknown type.
    pub receipts: Vec<Bytes>,
    /// As the provider told them, only where `receipts` is empty.
    pub receipts_told: Vec<Value>,
    /// The head's state proof; nothing if no provider gives one.
    pub head: Option<HeadProof>,
}

impl Evidence {
    /// Writes it to `final/<size>.json`.
    ///
    /// # Errors
    /// Storage.
    pub fn keep(&self, dir: &Path) -> Result<PathBuf, AnchorError> {
        let path = dir.join("final").join(format!("{}.json", self.size));
        replace(&path, pretty(self).as_bytes(), || {})?;
        Ok(path)
    }
}

/// Collects the evidence of a final anchor from the first provider whose parts fit together.
///
/// # Errors
/// The last provider's [`Fault`].
pub async fn collect(
    providers: &Providers,
    place: &Place,
    anchored: &Anchored,
    raw: Bytes,
) -> Result<Evidence, Fault> {
    let seen = anchored.seen;
    let place = *place;
    let ask = |provider: Provider| async move {
        let header = header(&provider, &hex(seen.block_number)).await?;
        if header.hash != seen.block_hash {
            return Err(Fault::Silent("has another block there".into()));
        }
        let (index, receipts, told) = receipts(&provider, &header, seen.tx).await?;
        // Nodes keep state for a while only: what they no longer have is left out.
        let head = match head_proof(&provider, &place, seen.block_number).await {
            Ok(proof) => Some(proof),
            Err(_) => final_proof(&provider, &place).await.ok(),
        };
        Ok((header, index, receipts, told, head))
    };
    let mut last = Fault::Silent("no provider".into());
    for answer in providers.each(ask).await {
        match answer {
            Err(fault) => last = fault,
            Ok((header, index, receipts, receipts_told, head)) => {
                return Ok(Evidence {
                    format: FORMAT.into(),
                    chain_id: place.deployment.chain_id,
                    contract: place.deployment.contract,
                    log_id: place.log_id,
                    checkpoint: anchored.target.note.clone(),
                    size: anchored.target.size,
                    tx: seen.tx,
                    tx_raw: raw,
                    header,
                    index,
                    receipts,
                    receipts_told,
                    head,
                });
            }
        }
    }
    Err(last)
}

async fn header(provider: &Provider, which: &str) -> Result<Header, Fault> {
    let told: Value = provider.ask("eth_getBlockByNumber", (which.to_owned(), false)).await?;
    let head: BlockHead = serde_json::from_value(told.clone())
        .map_err(|_| Fault::Silent(format!("has no block {which}")))?;
    let mut rlp = Vec::new();
    head.header.inner.encode(&mut rlp);
    let rlp = (keccak256(&rlp) == head.header.hash).then(|| rlp.into());
    Ok(Header { number: head.header.number, hash: head.header.hash, rlp, told })
}

type Receipts = (u64, Vec<Bytes>, Vec<Value>);

async fn receipts(provider: &Provider, header: &Header, tx: B256) -> Result<Receipts, Fault> {
    let told: Vec<Value> = provider.ask("eth_getBlockReceipts", (hex(header.number),)).await?;
    let hash = |receipt: &Value| receipt["transactionHash"].as_str().map(str::to_owned);
    let wanted = tx.to_string();
    let index = told.iter().position(|receipt| hash(receipt).as_deref() == Some(&wanted));
    let index = index.ok_or_else(|| Fault::Silent("has no such receipt in the block".into()))?;
    let typed: Result<Vec<TransactionReceipt>, _> =
        told.iter().map(|receipt| serde_json::from_value(receipt.clone())).collect();
    let Ok(typed) = typed else { return Ok((index as u64, Vec::new(), told)) };
    let plain: Vec<ReceiptEnvelope<Log>> =
        typed.into_iter().map(|receipt| receipt.into_primitives_receipt().inner).collect();
    let root = header.told["receiptsRoot"].as_str().map(str::to_owned);
    if header.rlp.is_some() && Some(calculate_receipt_root(&plain).to_string()) != root {
        return Err(Fault::Silent("gives receipts that are not those of the block".into()));
    }
    let raw = plain.iter().map(|receipt| receipt.encoded_2718().into()).collect();
    Ok((index as u64, raw, Vec::new()))
}

/// Through the newest final block: what a newer one proves could still be forked away.
async fn final_proof(provider: &Provider, place: &Place) -> Result<HeadProof, Fault> {
    let newest = block(provider, "finalized").await?.header.number;
    head_proof(provider, place, newest).await
}

async fn head_proof(provider: &Provider, place: &Place, number: u64) -> Result<HeadProof, Fault> {
    let keys = place.head_slots();
    let params = (place.deployment.contract, keys.to_vec(), hex(number));
    let proof: EIP1186AccountProofResponse = provider.ask("eth_getProof", params).await?;
    let header = header(provider, &hex(number)).await?;
    let slots = proof
        .storage_proof
        .into_iter()
        .map(|slot| Slot { key: slot.key.as_b256(), value: slot.value, proof: slot.proof })
        .collect();
    Ok(HeadProof {
        header,
        storage_root: proof.storage_hash,
        account_proof: proof.account_proof,
        slots,
    })
}
