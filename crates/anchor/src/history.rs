//! What the contract says was anchored: `Anchored` events of final blocks, in ranges, and whether
//! they are all of them.
//!
//! ```text
//! history.json    {"from_block", "next_block", "events": [{event, tx, block}]}
//! ```
//!
//! In scope: reading on from where the last reading ended; folding the events into the contract's
//! accumulator. Out of scope: what the log says of those sizes (the caller compares).
//!
//! Invariant: only blocks that a quorum calls final are read, so nothing is ever taken back.

use std::fs;
use std::path::Path;

use alloy::primitives::{Address, B256};
use alloy::rpc::types::eth::Log;
use alloy::sol_types::SolEvent;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::contract::{Deployment, Event, FirmwareAnchor, Head, log_id};
use crate::error::AnchorError;
use crate::journal::{pretty, replace};
use crate::provider::{Provider, Providers};
use crate::quorum::Trouble;
use crate::view::{block, hex};

/// The form of the file.
pub const FORMAT: &str = "firmlog/anchor-history/v1";

/// Blocks asked for at once; providers refuse larger ranges.
pub(crate) const RANGE: u64 = 10_000;

/// An anchor and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// What was anchored.
    pub event: Event,
    /// By which transaction.
    pub tx: B256,
    /// In which block.
    pub block_number: u64,
    /// That block's hash.
    pub block_hash: B256,
}

/// The history of one log in one contract, up to a final block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// [`FORMAT`].
    pub format: String,
    /// Chain id.
    pub chain_id: u64,
    /// The contract.
    pub contract: Address,
    /// The log.
    pub log_id: B256,
    /// First block that was read.
    pub from_block: u64,
    /// First block that was not.
    pub next_block: u64,
    /// In the chain's order.
    pub events: Vec<Placed>,
}

impl History {
    /// The history kept in `dir`, or an empty one.
    ///
    /// # Errors
    /// Storage; a history of something else.
    pub fn open(
        dir: &Path,
        deployment: Deployment,
        origin: &str,
        from_block: u64,
    ) -> Result<Self, AnchorError> {
        let empty = Self {
            format: FORMAT.into(),
            chain_id: deployment.chain_id,
            contract: deployment.contract,
            log_id: log_id(origin),
            from_block,
            next_block: from_block,
            events: Vec::new(),
        };
        let path = dir.join("history.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(empty),
            Err(e) => return Err(AnchorError::io("read", &path)(e)),
        };
        let kept: Self = serde_json::from_str(&text).map_err(|e| AnchorError::damaged(&path, e))?;
        let whose = |it: &Self| (it.format.clone(), it.chain_id, it.contract, it.log_id);
        if whose(&kept) != whose(&empty) {
            return Err(AnchorError::damaged(&path, "it is of another log, contract or version"));
        }
        // A history that starts later than asked for is read anew.
        Ok(if kept.from_block <= from_block { kept } else { empty })
    }

    /// Reads on to the newest final block and keeps what was read.
    ///
    /// # Errors
    /// [`AnchorError::Providers`], storage.
    pub async fn follow(&mut self, providers: &Providers, dir: &Path) -> Result<(), AnchorError> {
        let finalized = finalized(providers).await?;
        self.follow_to(providers, dir, finalized).await
    }

    /// The same, to a block that is known to be final.
    ///
    /// # Errors
    /// As [`History::follow`].
    pub async fn follow_to(
        &mut self,
        providers: &Providers,
        dir: &Path,
        finalized: u64,
    ) -> Result<(), AnchorError> {
        while self.next_block <= finalized {
            let to = finalized.min(self.next_block.saturating_add(RANGE - 1));
            let found = self.range(providers, to).await?;
            self.events.extend(found);
            self.next_block = to + 1;
        }
        fs::create_dir_all(dir).map_err(AnchorError::io("create", dir))?;
        replace(&dir.join("history.json"), pretty(self).as_bytes(), || {})
    }

    async fn range(&self, providers: &Providers, to: u64) -> Result<Vec<Placed>, Trouble> {
        let filter = json!({
            "address": self.contract,
            "topics": [FirmwareAnchor::Anchored::SIGNATURE_HASH, self.log_id],
            "fromBlock": hex(self.next_block),
            "toBlock": hex(to),
        });
        let (contract, log_id) = (self.contract, self.log_id);
        let ask = |provider: Provider| {
            let filter = filter.clone();
            async move {
                let logs: Vec<Log> = provider.ask("eth_getLogs", (filter,)).await?;
                let read = |log: &Log| {
                    Some(Placed {
                        event: Event::read(&log.inner, contract, log_id)?,
                        tx: log.transaction_hash?,
                        block_number: log.block_number?,
                        block_hash: log.block_hash?,
                    })
                };
                Ok(logs.iter().filter_map(read).collect::<Vec<_>>())
            }
        };
        let answers = providers.each(ask).await;
        Ok(providers.judge("the anchors of a range of final blocks", answers)?.value)
    }

    /// Whether these events are all that led to this head: they fold into its accumulator.
    ///
    /// # Errors
    /// The sequence number at which they no longer can, or the accumulators.
    pub fn check_complete(&self, head: &Head) -> Result<(), String> {
        let mut accumulator = self.log_id;
        let mut size = 0;
        for (place, placed) in self.events.iter().enumerate() {
            let event = placed.event;
            if event.seq as usize != place + 1 || event.size < size {
                return Err(format!("expected anchor {}, got {}", place + 1, event.seq));
            }
            size = event.size;
            accumulator = event.fold(accumulator);
        }
        if accumulator != head.accumulator {
            return Err(format!("expected accumulator {}, got {accumulator}", head.accumulator));
        }
        Ok(())
    }
}

/// The newest block that a quorum calls final.
///
/// # Errors
/// [`Trouble`].
pub async fn finalized(providers: &Providers) -> Result<u64, Trouble> {
    let ask =
        |provider: Provider| async move { Ok(block(&provider, "finalized").await?.header.number) };
    let answers = providers.each(ask).await;
    let mut why = Vec::new();
    let mut given = Vec::new();
    for (place, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(number) => given.push(number),
            Err(fault) => why.push((providers.name(place), fault.to_string())),
        }
    }
    let (answered, needed) = (given.len(), providers.rule().quorum);
    providers.rule().reached(&given).ok_or(Trouble::Silent { answered, needed, why })
}
