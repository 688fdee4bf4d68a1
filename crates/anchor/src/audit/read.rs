//! Questions about one block, which is named by its hash: what is read later is of the same state.

use alloy::eips::RpcBlockHash;
use alloy::primitives::{Address, B256, Bytes, Log, U64};
use alloy::rpc::types::eth::Log as Placed;
use alloy::sol_types::{SolCall, SolEventInterface};
use serde::Serialize;
use serde_json::json;

use crate::error::AnchorError;
use crate::history::{RANGE, finalized};
use crate::provider::{Provider, Providers};
use crate::quorum::Trouble;
use crate::view::{block, hex};

/// The block at which everything is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time, seconds since 1970.
    pub time: u64,
}

/// Asks all providers about one final block.
pub(crate) struct Reader<'a> {
    pub(crate) providers: &'a Providers,
    pub(crate) block: Block,
    from: u64,
}

impl<'a> Reader<'a> {
    /// Takes the newest block that a quorum calls final. Events are read from block `from` on.
    pub(crate) async fn pin(
        providers: &'a Providers,
        chain_id: u64,
        from: u64,
    ) -> Result<Self, AnchorError> {
        let got = providers.agree::<_, U64>("eth_chainId", ()).await?.value.to::<u64>();
        if got != chain_id {
            let why = format!("expected chain {chain_id}, got {got}");
            return Err(AnchorError::refused("ask about this chain", why));
        }
        let number = finalized(providers).await?;
        let ask = |provider: Provider| async move {
            let header = block(&provider, &hex(number)).await?.header;
            Ok(Block { number: header.number, hash: header.hash, time: header.timestamp })
        };
        let answers = providers.each(ask).await;
        let block = providers.judge("a final block", answers)?.value;
        Ok(Self { providers, block, from })
    }

    /// What a view returns; nothing if it was reverted, or is none of this contract.
    pub(crate) async fn call<C: SolCall>(
        &self,
        to: Address,
        call: C,
    ) -> Result<Option<C::Return>, Trouble> {
        let request = json!({"to": to, "input": Bytes::from(call.abi_encode())});
        let answer = self.providers.call(request, json!(self.at())).await?.value;
        Ok(answer.ok().and_then(|data| C::abi_decode_returns(&data).ok()))
    }

    /// The same of a contract whose code is known to have this view.
    pub(crate) async fn must<C: SolCall>(
        &self,
        to: Address,
        call: C,
    ) -> Result<C::Return, AnchorError> {
        let answer = self.call(to, call).await?;
        answer.ok_or_else(|| AnchorError::refused(format!("read {}", C::SIGNATURE), to))
    }

    pub(crate) async fn code(&self, of: Address) -> Result<Bytes, Trouble> {
        Ok(self.providers.agree("eth_getCode", (of, self.at())).await?.value)
    }

    /// Every event of a contract up to the block, in order, that is one of `E`.
    pub(crate) async fn events<E: SolEventInterface>(
        &self,
        of: Address,
    ) -> Result<Vec<E>, Trouble> {
        let mut events = Vec::new();
        let mut next = self.from;
        while next <= self.block.number {
            let to = self.block.number.min(next.saturating_add(RANGE - 1));
            let filter = json!({"address": of, "fromBlock": hex(next), "toBlock": hex(to)});
            let ask = |provider: Provider| {
                let filter = filter.clone();
                async move {
                    let logs: Vec<Placed> = provider.ask("eth_getLogs", (filter,)).await?;
                    let inner = logs.into_iter().map(|log| log.inner);
                    Ok(inner.filter(|log| log.address == of).collect::<Vec<Log>>())
                }
            };
            let answers = self.providers.each(ask).await;
            let logs = self.providers.judge("the events of a contract", answers)?.value;
            events.extend(logs.iter().filter_map(|log| E::decode_log(log).ok()).map(|e| e.data));
            next = to + 1;
        }
        Ok(events)
    }

    /// By hash (EIP-1898), on the chain that the provider follows.
    fn at(&self) -> RpcBlockHash {
        RpcBlockHash::from_hash(self.block.hash, Some(true))
    }
}
