//! What one provider says of the chain and of our transactions, asked in an order that can be
//! reasoned about.
//!
//! Invariants:
//! - `finalized` and `nonce_finalized` are asked before receipts. What was final then is in the
//!   receipts' answers, so a missing receipt below `finalized` means that there is none.
//! - A receipt counts only if the provider's own chain has its block.

use alloy::primitives::{Address, B256, U64};
use alloy::rpc::types::eth::{Header, TransactionReceipt};
use serde::{Deserialize, Serialize};

use crate::contract::Event;
use crate::provider::{Fault, Provider};
use crate::relay::Job;

/// What is asked about.
#[derive(Clone, Debug)]
pub(crate) struct Question<J> {
    /// The chain that is meant.
    pub chain_id: u64,
    /// The account that sends.
    pub account: Address,
    /// What the transactions are for.
    pub job: J,
    /// Hashes of transactions that share one nonce: at most one can be mined.
    pub transactions: Vec<B256>,
}

/// A transaction of ours in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen<E = Event> {
    /// The transaction.
    pub tx: B256,
    /// Hash of its block.
    pub block_hash: B256,
    /// Number of its block.
    pub block_number: u64,
    /// False if it was reverted.
    pub success: bool,
    /// What came of it; nothing if it was reverted, or its anchor was there already.
    pub event: Option<E>,
    /// Gas it used.
    pub gas_used: u64,
    /// What it paid for each, in wei.
    pub gas_price_wei: u64,
}

/// One provider's view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View<E = Event> {
    /// Newest block.
    pub head: u64,
    /// Its base fee, in wei.
    pub base_fee_wei: u64,
    /// Newest final block.
    pub finalized: u64,
    /// The account's transactions in the newest block.
    pub nonce: u64,
    /// The account's transactions in the newest final block; absent where the node no longer has
    /// that state.
    pub nonce_finalized: Option<u64>,
    /// The one transaction that is mined, if any is.
    pub seen: Option<Seen<E>>,
}

/// A block without its transactions' bodies; L2 nodes add fields, which are left out.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct BlockHead {
    #[serde(flatten)]
    pub(crate) header: Header,
}

/// Asks one provider.
///
/// # Errors
/// [`Fault`], also if the provider is on another chain.
pub(crate) async fn observe<J: Job>(
    provider: Provider,
    question: Question<J>,
) -> Result<View<J::Event>, Fault> {
    let chain: U64 = provider.ask("eth_chainId", ()).await?;
    if chain.to::<u64>() != question.chain_id {
        let why = format!("chain {chain}, expected {}", question.chain_id);
        return Err(Fault::Silent(why));
    }
    let finalized = block(&provider, "finalized").await?.header.number;
    let account = question.account;
    let nonce_finalized = transactions(&provider, account, hex(finalized)).await.ok();
    let newest = block(&provider, "latest").await?.header;
    let nonce = transactions(&provider, account, "latest".into()).await?;
    let mut seen = None;
    for tx in &question.transactions {
        seen = seen.or(receipt(&provider, &question, *tx).await?);
    }
    Ok(View {
        head: newest.number,
        base_fee_wei: newest.base_fee_per_gas.unwrap_or_default(),
        finalized,
        nonce,
        nonce_finalized,
        seen,
    })
}

/// A block number as JSON-RPC writes it.
#[must_use]
pub fn hex(number: u64) -> String {
    format!("0x{number:x}")
}

pub(crate) async fn block(provider: &Provider, which: &str) -> Result<BlockHead, Fault> {
    let found: Option<BlockHead> =
        provider.ask("eth_getBlockByNumber", (which.to_owned(), false)).await?;
    found.ok_or_else(|| Fault::Silent(format!("has no block {which}")))
}

async fn transactions(provider: &Provider, account: Address, at: String) -> Result<u64, Fault> {
    let count: U64 = provider.ask("eth_getTransactionCount", (account, at)).await?;
    Ok(count.to())
}

async fn receipt<J: Job>(
    provider: &Provider,
    question: &Question<J>,
    tx: B256,
) -> Result<Option<Seen<J::Event>>, Fault> {
    let found: Option<TransactionReceipt> =
        provider.ask("eth_getTransactionReceipt", (tx,)).await?;
    let Some(receipt) = found.filter(|receipt| receipt.transaction_hash == tx) else {
        return Ok(None);
    };
    let (Some(block_hash), Some(block_number)) = (receipt.block_hash, receipt.block_number) else {
        return Ok(None);
    };
    // A reorganisation between the two answers, or a receipt of no block of this chain.
    match block(provider, &hex(block_number)).await {
        Ok(found) if found.header.hash == block_hash => {}
        _ => return Ok(None),
    }
    let event = receipt.inner.logs().iter().find_map(|log| question.job.event(&log.inner));
    Ok(Some(Seen {
        tx,
        block_hash,
        block_number,
        success: receipt.inner.status(),
        event,
        gas_used: receipt.gas_used,
        gas_price_wei: u64::try_from(receipt.effective_gas_price).unwrap_or(u64::MAX),
    }))
}
