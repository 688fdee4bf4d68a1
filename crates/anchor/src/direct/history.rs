//! One device's history: what the events said, what the contract stores, and whether both are the
//! one chain of hashes that the contract's newest hash ends.
//!
//! ```text
//! record 0 ─▶ hash ─▶ record 1 ─▶ hash ─▶ … ─▶ previousUpdateHash(device)
//!    ‖ event 0           ‖ event 1              ‖ getUpdateCount(device)
//! ```
//!
//! In scope: comparing, page by page; every difference a finding with both sides. Out of scope:
//! which image a device has (`cli` compares).
//!
//! Invariants:
//! - Hashes are computed here, from the stored records; the contract's own check is not asked.
//! - Events and records are of the same block; a reorganisation in between is begun again.

use std::collections::HashMap;

use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::SolCall;
use serde::Serialize;
use serde_json::json;

use super::contract::{FirmwareUpdateLog as Contract, Outcome, device_key, refusal};
use super::follow::{Followed, hash_of};
use super::index::Index;
use super::record::{Placed, Record};
use crate::error::AnchorError;
use crate::finding::{Finding, Kind};
use crate::provider::Providers;
use crate::relay::{now_s, value};
use crate::view::hex;

/// Records asked for at once.
const PAGE: u64 = 50;

/// How often a reorganisation may come in between.
const TRIES: u32 = 3;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// As the contract stores it.
    #[serde(flatten)]
    pub record: Record,
    /// Its hash, computed here; nothing if it cannot be the hash of such a record.
    pub update_hash: Option<B256>,
    /// The transaction that wrote it, if the event is there.
    pub tx: Option<B256>,
    /// In which block.
    pub block_number: Option<u64>,
    /// Whether that block is final.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// A device's history at one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct History {
    /// The device's name on the chain.
    pub device: String,
    /// How many records the contract has.
    pub count: u64,
    /// The hash of the newest, as the contract stores it.
    pub newest_hash: B256,
    /// What the newest record that did not fail installed, as the contract says; zero for nothing.
    pub latest_firmware: B256,
    /// Record by record.
    pub records: Vec<Line>,
    /// What does not agree, both sides kept.
    pub findings: Vec<Finding>,
    /// The block of all this.
    pub block_number: u64,
    /// Its hash.
    pub block_hash: B256,
    /// Up to where the index is final.
    pub finalized: u64,
    /// Events that were taken back since the index was read last.
    pub rolled_back: usize,
}

impl History {
    /// Whether the stored records alone are one chain that ends at the contract's newest hash.
    #[must_use]
    pub fn is_chain(&self) -> bool {
        !self.has(&[Kind::ChainBroken])
    }

    /// Whether there is one event for each record, and no other.
    #[must_use]
    pub fn has_all_events(&self) -> bool {
        !self.has(&[Kind::EventMissing, Kind::EventSurplus])
    }

    /// Whether events and records that are both there say the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        !self.has(&[Kind::RecordDiffers])
    }

    /// The newest record that did not fail, computed here.
    #[must_use]
    pub fn installed(&self) -> Option<&Line> {
        self.records.iter().rev().find(|line| line.record.outcome != Outcome::Failure)
    }

    fn has(&self, kinds: &[Kind]) -> bool {
        self.findings.iter().any(|finding| kinds.contains(&finding.kind))
    }
}

/// Reads the index on and compares a device's events with the contract's records. Findings are on
/// disk, beside the index, when this returns.
///
/// # Errors
/// Storage; [`AnchorError::Providers`]; [`AnchorError::Refused`] if there is no such contract, or
/// the chain does not stand still long enough to be read.
pub async fn history(
    index: &mut Index,
    providers: &Providers,
    device: &str,
    mut tell: impl FnMut(u64, u64),
) -> Result<History, AnchorError> {
    let mut rolled_back = 0;
    for _ in 0..TRIES {
        let followed = index.follow(providers, &mut tell).await?;
        rolled_back += followed.rolled_back;
        let Some(head) = index.head_mark()? else { break };
        let reader = Reader { index, providers, device, at: hex(head.number) };
        let read = reader.read(&followed, head.hash).await;
        // What was read is of one block only if that block is still there.
        if hash_of(providers, head.number).await? != Some(head.hash) {
            continue;
        }
        let mut history = read?;
        history.rolled_back = rolled_back;
        let dir = index.path().parent().unwrap_or(index.path());
        for finding in &history.findings {
            finding.keep(dir, now_s())?;
        }
        return Ok(history);
    }
    let why = "it has no block after direct.from_block, or was reorganised again and again";
    Err(AnchorError::refused("read the history from the chain", why))
}

struct Reader<'a> {
    index: &'a Index,
    providers: &'a Providers,
    device: &'a str,
    at: String,
}

impl Reader<'_> {
    async fn read(&self, followed: &Followed, block_hash: B256) -> Result<History, AnchorError> {
        let device = || self.device.to_owned();
        let count = self.ask(Contract::getUpdateCountCall { deviceId: device() }).await?;
        let newest_hash = self.ask(Contract::previousUpdateHashCall { deviceId: device() }).await?;
        let latest = Contract::latestFirmwareHashCall { deviceId: device() };
        let mut history = History {
            device: device(),
            count,
            newest_hash,
            latest_firmware: self.ask(latest).await?,
            records: Vec::new(),
            findings: Vec::new(),
            block_number: followed.head,
            block_hash,
            finalized: followed.finalized,
            rolled_back: 0,
        };
        let mut fold = Fold { device_key: device_key(self.device), ..Fold::default() };
        let mut start = 0;
        while start < count {
            let page = Contract::getUpdateHistoryCall { deviceId: device(), start, max: PAGE };
            let records = self.ask(page).await?;
            let end = start + records.len() as u64;
            // Twice as many as there should be: what is more shows, and is bounded.
            let events = self.index.events(fold.device_key, start, end, 2 * records.len())?;
            for (nonce, told) in (start..end).zip(&records) {
                let record = Record::told(nonce, told).ok_or_else(|| {
                    let why = format!("record {nonce} has a status that there is not");
                    AnchorError::refused("read the history", why)
                })?;
                let number = self.number(&mut fold, record.authorised_by).await?;
                fold.record(&mut history, record, number, &events);
            }
            if records.is_empty() {
                break;
            }
            start = end;
        }
        fold.end(&mut history, self.index)?;
        Ok(history)
    }

    /// An authoriser's number, which never changes.
    async fn number(&self, fold: &mut Fold, who: Address) -> Result<u32, AnchorError> {
        if let Some(number) = fold.numbers.get(&who) {
            return Ok(*number);
        }
        let number = self.ask(Contract::authoriserCall { who }).await?.number;
        fold.numbers.insert(who, number);
        Ok(number)
    }

    async fn ask<C: SolCall>(&self, call: C) -> Result<C::Return, AnchorError> {
        let request = json!({
            "to": self.index.deployment.contract,
            "input": Bytes::from(call.abi_encode()),
        });
        let answer = self.providers.call(request, self.at.clone().into()).await?.value;
        let data =
            answer.map_err(|data| AnchorError::refused("read the history", refusal(&data).why))?;
        C::abi_decode_returns(&data).map_err(|_| {
            AnchorError::refused("read the history", "no FirmwareUpdateLog is at direct.contract")
        })
    }
}

/// The chain so far.
#[derive(Default)]
struct Fold {
    device_key: B256,
    hash: B256,
    numbers: HashMap<Address, u32>,
}

impl Fold {
    /// One record, with the events of its page.
    fn record(&mut self, history: &mut History, record: Record, number: u32, events: &[Placed]) {
        let nonce = record.nonce;
        let hash = record.hash(self.hash, self.device_key, number);
        if record.previous != self.hash || hash.is_none() {
            history.findings.push(Finding {
                kind: Kind::ChainBroken,
                summary: format!("record {nonce} does not stand on the one before"),
                ours: json!({"previous": self.hash}),
                theirs: value(&record),
            });
        }
        self.hash = hash.unwrap_or_default();
        let mut of_it = events.iter().filter(|placed| placed.event.record.nonce == nonce);
        let placed = of_it.next();
        match placed {
            None => history.findings.push(Finding {
                kind: Kind::EventMissing,
                summary: format!("the providers show no event of record {nonce}"),
                ours: json!({"record": record, "update_hash": hash}),
                theirs: json!(null),
            }),
            Some(placed) => {
                let event = &placed.event;
                if event.record != record || Some(event.update_hash) != hash {
                    history.findings.push(Finding {
                        kind: Kind::RecordDiffers,
                        summary: format!("record {nonce} and its event say different things"),
                        ours: json!({"record": record, "update_hash": hash}),
                        theirs: value(placed),
                    });
                }
            }
        }
        history.findings.extend(of_it.map(surplus));
        let block_number = placed.map(|placed| placed.block_number);
        history.records.push(Line {
            record,
            update_hash: hash,
            tx: placed.map(|placed| placed.tx),
            block_number,
            is_final: block_number.is_some_and(|number| number <= history.finalized),
        });
    }

    /// After the last record.
    fn end(self, history: &mut History, index: &Index) -> Result<(), AnchorError> {
        let read = history.records.len() as u64;
        if read != history.count || self.hash != history.newest_hash {
            history.findings.push(Finding {
                kind: Kind::ChainBroken,
                summary: format!("{read} records do not lead to the contract's newest hash"),
                ours: json!({"count": read, "update_hash": self.hash}),
                theirs: json!({"count": history.count, "update_hash": history.newest_hash}),
            });
        }
        let more = index.events(self.device_key, history.count, u64::MAX, PAGE as usize)?;
        history.findings.extend(more.iter().map(surplus));
        Ok(())
    }
}

fn surplus(placed: &Placed) -> Finding {
    Finding {
        kind: Kind::EventSurplus,
        summary: format!(
            "the providers show an event of record {} that the contract does not have",
            placed.event.record.nonce
        ),
        ours: json!(null),
        theirs: value(placed),
    }
}
