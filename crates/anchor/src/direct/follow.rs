//! Reading events on: in bounded ranges, taking back what the chain took back.
//!
//! ```text
//! marks still on the chain? ─ no ─▶ roll back to the final mark
//!   │ yes
//! final blocks by ranges, each committed ─▶ the rest up to the newest block, not final yet
//! ```
//!
//! Invariant: events and the hash of the block they were read up to come from one answer, in which
//! every event's block is on the chain that the provider shows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use alloy::primitives::B256;
use alloy::rpc::types::eth::Log;
use alloy::sol_types::SolEvent;
use serde_json::json;

use super::contract::FirmwareUpdateLog;
use super::index::{Index, Mark};
use super::record::{Event, Placed};
use crate::contract::Deployment;
use crate::error::AnchorError;
use crate::finding::{Finding, Kind};
use crate::history::finalized;
use crate::provider::{Fault, Provider, Providers};
use crate::quorum::Trouble;
use crate::relay::now_s;
use crate::view::{BlockHead, block, hex};

/// Blocks asked for at once, to begin with; halved when providers refuse.
const RANGE: u64 = 10_000;

/// What a reading came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Events that were taken back, because their blocks are not on the chain any more.
    pub rolled_back: usize,
    /// The newest block that was read.
    pub head: u64,
    /// The newest of them that is final.
    pub finalized: u64,
}

impl Index {
    /// Reads on to the newest block that a quorum has. `tell` hears how far it is.
    ///
    /// # Errors
    /// Storage; [`AnchorError::Providers`]; [`AnchorError::Refused`] if a block that was final is
    /// not on the chain any more, which is kept as a finding.
    pub async fn follow(
        &mut self,
        providers: &Providers,
        mut tell: impl FnMut(u64, u64),
    ) -> Result<Followed, AnchorError> {
        self.check_chain(providers).await?;
        let finalized = finalized(providers).await?;
        let head = newest(providers).await?.max(finalized);
        let mut followed =
            Followed { rolled_back: self.check_marks(providers).await?, ..Followed::default() };
        self.settle_to(providers, finalized).await?;
        let mut range = RANGE;
        for (end, is_final) in [(finalized, true), (head, false)] {
            loop {
                let from = self.head_mark()?.map_or(self.from_block, |mark| mark.number + 1);
                if from > end {
                    break;
                }
                tell(from, head);
                let to = end.min(from.saturating_add(range - 1));
                match read(providers, self.deployment, from, to).await? {
                    Some((events, hash)) => {
                        self.add(&events, Mark { number: to, hash }, is_final)?;
                        range = RANGE.min(range.saturating_mul(2));
                    }
                    None => range = (to - from).div_ceil(2),
                }
            }
        }
        followed.head = self.head_mark()?.map_or(0, |mark| mark.number);
        followed.finalized = self.final_mark()?.map_or(0, |mark| mark.number);
        Ok(followed)
    }

    /// Providers on another chain would fill the index with nothing.
    async fn check_chain(&self, providers: &Providers) -> Result<(), AnchorError> {
        let id = providers.agree::<_, alloy::primitives::U64>("eth_chainId", ()).await?.value;
        if id.to::<u64>() == self.deployment.chain_id {
            return Ok(());
        }
        let why = format!("expected chain {}, got {id}", self.deployment.chain_id);
        Err(AnchorError::refused("read the events", why))
    }

    /// Whether the blocks up to which was read are still there; rolls back what is not final.
    async fn check_marks(&mut self, providers: &Providers) -> Result<usize, AnchorError> {
        if let Some(mark) = self.final_mark()?
            && hash_of(providers, mark.number).await? != Some(mark.hash)
        {
            return Err(self.broken(providers, mark).await?);
        }
        match self.head_mark()? {
            Some(mark) if hash_of(providers, mark.number).await? != Some(mark.hash) => {
                self.roll_back()
            }
            _ => Ok(0),
        }
    }

    async fn broken(&self, providers: &Providers, mark: Mark) -> Result<AnchorError, AnchorError> {
        let now = hash_of(providers, mark.number).await?;
        let why = format!("expected block #{} {}, got {now:?}", mark.number, mark.hash);
        let finding = Finding {
            kind: Kind::FinalityBroken,
            summary: format!("block #{} was final and is not on the chain any more", mark.number),
            ours: json!({"number": mark.number, "hash": mark.hash}),
            theirs: json!({"number": mark.number, "hash": now}),
        };
        let dir = self.path().parent().unwrap_or(self.path());
        finding.keep(dir, now_s())?;
        Ok(AnchorError::refused("read the events on top of what was final", why))
    }

    /// What was read and has become final since.
    async fn settle_to(
        &mut self,
        providers: &Providers,
        finalized: u64,
    ) -> Result<(), AnchorError> {
        let Some(head) = self.head_mark()? else { return Ok(()) };
        let number = finalized.min(head.number);
        if self.final_mark()?.is_some_and(|mark| mark.number >= number) || number < self.from_block
        {
            return Ok(());
        }
        match hash_of(providers, number).await? {
            Some(hash) => self.settle(Mark { number, hash }),
            None => Ok(()),
        }
    }
}

/// The newest block that a quorum has.
async fn newest(providers: &Providers) -> Result<u64, Trouble> {
    let ask = |p: Provider| async move { Ok(block(&p, "latest").await?.header.number) };
    let answers = providers.each(ask).await;
    let given: Vec<u64> = answers.iter().flatten().copied().collect();
    match providers.rule().reached(&given) {
        Some(number) => Ok(number),
        None => providers.judge("the newest block", answers).map(|agreed| agreed.value),
    }
}

/// The hash of a block by its number; nothing if the chain is shorter.
pub(super) async fn hash_of(providers: &Providers, number: u64) -> Result<Option<B256>, Trouble> {
    let ask = |p: Provider| async move {
        let found: Option<BlockHead> = p.ask("eth_getBlockByNumber", (hex(number), false)).await?;
        Ok(found.map(|found| found.header.hash))
    };
    let answers = providers.each(ask).await;
    Ok(providers.judge("the hash of a block", answers)?.value)
}

/// The events of a range and the hash of its last block; nothing if the range is too large for the
/// providers.
async fn read(
    providers: &Providers,
    deployment: Deployment,
    from: u64,
    to: u64,
) -> Result<Option<(Vec<Placed>, B256)>, Trouble> {
    let answers = providers.each(|one| range(one, deployment, from, to)).await;
    let is_too_large = |fault: &Fault| match fault {
        Fault::Refused { .. } => true,
        Fault::Silent(why) => why.contains("in time"),
    };
    let refused = answers.iter().any(|answer| answer.as_ref().is_err_and(is_too_large));
    match providers.judge("the events of a range of blocks", answers) {
        Ok(agreed) => Ok(Some(agreed.value)),
        Err(Trouble::Silent { .. }) if refused && to > from => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// One provider's answer, if it holds together.
async fn range(
    provider: Provider,
    deployment: Deployment,
    from: u64,
    to: u64,
) -> Result<(Vec<Placed>, B256), Fault> {
    let filter = json!({
        "address": deployment.contract,
        "topics": [FirmwareUpdateLog::FirmwareUpdateLogged::SIGNATURE_HASH],
        "fromBlock": hex(from),
        "toBlock": hex(to),
    });
    let before = block(&provider, &hex(to)).await?.header.hash;
    let logs: Vec<Log> = provider.ask("eth_getLogs", (filter,)).await?;
    let mut times: BTreeMap<u64, (B256, u64)> = BTreeMap::new();
    let mut events = Vec::with_capacity(logs.len());
    for log in &logs {
        let wrong = || Fault::Silent("eth_getLogs: an event that was not asked for".into());
        let number = log.block_number.filter(|n| (from..=to).contains(n)).ok_or_else(wrong)?;
        let hash = log.block_hash.ok_or_else(wrong)?;
        let (known, time) = match times.entry(number) {
            Entry::Occupied(seen) => *seen.get(),
            Entry::Vacant(new) => {
                let header = block(&provider, &hex(number)).await?.header;
                *new.insert((header.hash, header.timestamp))
            }
        };
        if known != hash || log.removed {
            return Err(Fault::Silent("eth_getLogs: an event of a block that is not there".into()));
        }
        events.push(Placed {
            event: Event::read(&log.inner, deployment.contract, time).ok_or_else(wrong)?,
            tx: log.transaction_hash.ok_or_else(wrong)?,
            block_number: number,
            block_hash: hash,
            log_index: log.log_index.ok_or_else(wrong)?,
        });
    }
    if block(&provider, &hex(to)).await?.header.hash != before {
        return Err(Fault::Silent("the chain was reorganised while it was read".into()));
    }
    events.sort_unstable_by_key(|placed| (placed.block_number, placed.log_index));
    events.dedup_by_key(|placed| (placed.block_number, placed.log_index));
    Ok((events, before))
}
