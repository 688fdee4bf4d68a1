//! The direct client: one step at a time from an update that is wanted to a record that is final.
//!
//! In scope: what is asked of the contract before gas is spent, and what is kept in the end. Out of
//! scope: nonces, fees, sending (`relay`).
//!
//! Invariants:
//! - The signed call names the record it stands on, so that the contract takes it at most once.
//! - What the device's newest record says already is not logged again, unless that was asked for.
//! - The transaction's hash is on disk before the journal calls it final.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, Log};
use alloy::sol_types::SolCall;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::contract::{
    FirmwareUpdateLog as Contract, Refusal, Update, UpdateInput, device_key, message, refusal,
};
use super::record::{Logged, Record};
use crate::error::AnchorError;
use crate::finding::{Finding, Kind};
use crate::journal::{Attempt, Done, Point, Probe, State, lock, pretty, replace};
use crate::judge::Judged;
use crate::key::{Authority, Wallet};
use crate::provider::Providers;
use crate::quorum::Trouble;
use crate::relay::{Job, Relay, Settings, Simulated, Turn, now_s, value};
use crate::status::Waiting;
use crate::view::{Seen, hex};

/// The form of the journal.
pub const FORMAT: &str = "firmlog/direct-journal/v1";

/// The form of `final/<tx>.json`.
const FINAL_FORMAT: &str = "firmlog/direct-final/v1";

/// An update that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// What is to be logged.
    pub update: Update,
    /// Whether it is logged also if the newest record says the same.
    pub again: bool,
    /// The record it stands on, once it is signed.
    pub previous: Option<B256>,
}

/// Updates into one contract.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logging(Address);

impl Job for Logging {
    const FORMAT: &'static str = FORMAT;
    type Target = Wanted;
    type Event = Logged;

    fn event(&self, log: &Log) -> Option<Logged> {
        Logged::read(log, self.0)
    }
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was asked for.
    Idle,
    /// Signed, in the journal, at the nodes or on the way there.
    Submitted {
        /// The newest transaction.
        tx: B256,
        /// Its nonce.
        nonce: u64,
        /// How many transactions of this nonce there are.
        attempts: usize,
    },
    /// In a block that is not final.
    Mined {
        /// The transaction in its block.
        seen: Seen<Logged>,
        /// The newest final block.
        finalized: u64,
    },
    /// Our record is in a final block.
    Final(Box<Done<Wanted, Logged>>),
    /// The device's newest record says the same already, and is final.
    Known(Box<Known>),
    /// Not now; the next step tries again.
    Waiting(Waiting),
    /// The contract refused; the update is wanted no more.
    Refused(Box<Refused>),
}

/// A record that says what was to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its hash.
    pub update_hash: B256,
    /// The record.
    pub record: Record,
    /// Our transaction, if the newest of this journal wrote it.
    pub tx: Option<B256>,
}

/// Why it was not logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// In words, with the next step.
    pub refusal: Refusal,
    /// The transaction that was reverted, and paid for; nothing was sent without one.
    pub tx: Option<B256>,
}

/// Logs updates in one contract.
#[derive(Debug)]
pub struct Client {
    relay: Relay<Logging>,
    authority: Authority,
    /// Held against an anchor client of the same account.
    _account: Option<File>,
}

/// What the contract says of a device.
struct Device {
    newest: B256,
    record: Option<Record>,
}

impl Client {
    /// Opens the journal and goes on where it ends. `account_dir` is the folder of an anchor
    /// journal of the same account, if there may be one: both at once would fight for nonces.
    ///
    /// # Errors
    /// [`AnchorError`] from the journal, or a sender that is not the relay.
    pub fn open(
        settings: Settings,
        account_dir: Option<PathBuf>,
        providers: Providers,
        relay: Wallet,
        authority: Authority,
    ) -> Result<Self, AnchorError> {
        Self::open_probed(settings, account_dir, providers, relay, authority, |_| {})
    }

    /// The same, with a call at each point where a process can die.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub fn open_probed(
        settings: Settings,
        account_dir: Option<PathBuf>,
        providers: Providers,
        relay: Wallet,
        authority: Authority,
        probe: Probe,
    ) -> Result<Self, AnchorError> {
        let job = Logging(settings.deployment.contract);
        let account = account_dir.filter(|dir| dir.is_dir()).map(|dir| lock(&dir)).transpose()?;
        let relay = Relay::open(job, settings, providers, relay, &authority, probe)?;
        Ok(Self { relay, authority, _account: account })
    }

    /// What the journal says.
    #[must_use]
    pub fn state(&self) -> &State<Wanted, Logged> {
        self.relay.state()
    }

    /// What is asked for and not final.
    #[must_use]
    pub fn under_way(&self) -> Option<&Wanted> {
        let flight = self.state().flight.as_ref().and_then(|flight| flight.attempts.last());
        flight.map(|attempt| &attempt.target).or(self.state().target.as_ref())
    }

    /// How long to wait before the next step.
    #[must_use]
    pub fn pause(&self, poll: Duration) -> Duration {
        self.relay.pause(poll)
    }

    /// Asks for an update to be logged. Durable on return. What is under way already is gone on
    /// with; `again` asks for a record also if the device's newest says the same.
    ///
    /// # Errors
    /// [`AnchorError::Update`] if the contract could not take it; [`AnchorError::Busy`] if another
    /// is under way.
    pub fn want(&mut self, update: Update, again: bool) -> Result<(), AnchorError> {
        update.check().map_err(AnchorError::Update)?;
        if let Some(other) = self.under_way() {
            if update.is_met_by(&other.update) {
                return Ok(());
            }
            let device = other.update.device.clone();
            return Err(AnchorError::Busy { device, version: other.update.version.clone() });
        }
        let wanted = Wanted { update, again, previous: None };
        self.relay.journal.update(|state| state.target = Some(wanted))
    }

    /// One step: asks the providers, and does what follows from what they say.
    ///
    /// # Errors
    /// [`AnchorError`] of storage and keys; what providers and the chain do is a [`Progress`].
    pub async fn step(&mut self) -> Result<Progress, AnchorError> {
        match self.relay.turn().await? {
            Turn::Free(judged) => self.start(&judged).await,
            Turn::Flying(newest, judged, waiting) => {
                let waiting = if self.relay.is_stuck(&newest, &judged) {
                    self.relay.replace(&newest, None, &judged).await?
                } else {
                    waiting
                };
                Ok(self.submitted(waiting))
            }
            Turn::Mined(seen, finalized) => Ok(Progress::Mined { seen, finalized }),
            Turn::Final(attempt, seen) => self.land(&attempt, seen).await,
            Turn::Waiting(waiting) => Ok(Progress::Waiting(waiting)),
        }
    }

    /// Nothing is in flight: is there something to do?
    async fn start(&mut self, judged: &Judged<Logged>) -> Result<Progress, AnchorError> {
        let Some(mut wanted) = self.state().target.clone() else {
            let done = self.state().done.clone();
            return Ok(done.map_or(Progress::Idle, |done| Progress::Final(Box::new(done))));
        };
        if let Some(waiting) = self.relay.check_past(judged).await? {
            return Ok(Progress::Waiting(waiting));
        }
        let device = match self.device(&wanted.update.device, "latest".into()).await {
            Ok(Ok(device)) => device,
            Ok(Err(refusal)) => return self.refuse(refusal, None),
            Err(trouble) => return self.relay.troubled(trouble).map(Progress::Waiting),
        };
        if let Some(record) = device.record.filter(|record| !wanted.again && says(record, &wanted))
        {
            return self.known(device.newest, record, &wanted, judged).await;
        }
        wanted.update.timestamp.get_or_insert_with(now_s);
        wanted.previous = Some(device.newest);
        let input = wanted.update.input(device.newest);
        match self.relay.simulate(self.call(input)?).await? {
            Simulated::Call(call) => {
                let waiting = self.relay.launch(wanted, call, judged).await?;
                Ok(self.submitted(waiting))
            }
            Simulated::Reverted(data) => self.refuse(refusal(&data), None),
            Simulated::Not(waiting) => Ok(Progress::Waiting(waiting)),
        }
    }

    fn submitted(&self, waiting: Option<Waiting>) -> Progress {
        if let Some(waiting) = waiting {
            return Progress::Waiting(waiting);
        }
        let Some(flight) = &self.state().flight else { return Progress::Idle };
        let Some(newest) = flight.attempts.last() else { return Progress::Idle };
        let (attempts, nonce) = (flight.attempts.len(), flight.nonce);
        Progress::Submitted { tx: newest.tx, nonce, attempts }
    }

    /// The device's newest record says it already: waited for until final, and costs nothing.
    async fn known(
        &mut self,
        update_hash: B256,
        record: Record,
        wanted: &Wanted,
        judged: &Judged<Logged>,
    ) -> Result<Progress, AnchorError> {
        let at = hex(judged.finalized);
        let is_final = match self.device(&wanted.update.device, at).await {
            Ok(Ok(device)) => device.newest == update_hash,
            Ok(Err(_)) => false,
            Err(trouble) => return self.relay.troubled(trouble).map(Progress::Waiting),
        };
        if !is_final {
            return Ok(Progress::Waiting(Waiting::RecordFinality { nonce: record.nonce }));
        }
        self.relay.journal.update(|state| state.target = None)?;
        let done = self.state().done.as_ref().map(|done| done.seen);
        let ours = done.filter(|seen| seen.event.is_some_and(|it| it.update_hash == update_hash));
        let tx = ours.map(|seen| seen.tx);
        Ok(Progress::Known(Box::new(Known { update_hash, record, tx })))
    }

    /// The contract does not take it as it is: nothing is tried again by itself.
    fn refuse(&mut self, refusal: Refusal, tx: Option<B256>) -> Result<Progress, AnchorError> {
        self.relay.journal.update(|state| state.target = None)?;
        Ok(Progress::Refused(Box::new(Refused { refusal, tx })))
    }

    /// One of ours is in a final block.
    async fn land(
        &mut self,
        attempt: &Attempt<Wanted>,
        seen: Seen<Logged>,
    ) -> Result<Progress, AnchorError> {
        let key = device_key(&attempt.target.update.device);
        let did = seen.event.filter(|event| {
            event.device_key == key && Some(event.previous) == attempt.target.previous
        });
        if !seen.success || did.is_none() {
            return self.fruitless(attempt, seen).await;
        }
        self.relay.at(Point::Final);
        let done = Done { target: attempt.target.clone(), seen, evidence: true };
        let kept = json!({
            "format": FINAL_FORMAT,
            "chain_id": self.relay.settings.deployment.chain_id,
            "contract": self.relay.settings.deployment.contract,
            "update": done.target.update,
            "seen": seen,
        });
        let path = self.relay.journal.dir().join(format!("final/{}.json", seen.tx));
        replace(&path, pretty(&kept).as_bytes(), || {})?;
        self.relay.at(Point::Collected);
        let landed = done.clone();
        self.relay.land(|state| {
            state.land(seen.tx);
            state.target = None;
            state.done = Some(landed);
        })?;
        Ok(Progress::Final(Box::new(done)))
    }

    /// The chain took the transaction, and the contract did not take the update.
    async fn fruitless(
        &mut self,
        attempt: &Attempt<Wanted>,
        seen: Seen<Logged>,
    ) -> Result<Progress, AnchorError> {
        let input = attempt.target.previous.map(|previous| attempt.target.update.input(previous));
        let refusal = match input {
            Some(input) if !seen.success => self.replay(input, seen.block_number).await?,
            _ => refusal(&[]),
        };
        self.relay.find(Finding {
            kind: if seen.success { Kind::NoEffect } else { Kind::Reverted },
            summary: format!("the update in {} was not logged: {}", seen.tx, refusal.why),
            ours: json!({"attempt": attempt, "seen": seen}),
            theirs: value(&refusal),
        })?;
        self.relay.land(|state| {
            state.land(seen.tx);
            state.reverts += 1;
        })?;
        self.refuse(refusal, Some(seen.tx))
    }

    fn call(&self, update: UpdateInput) -> Result<Bytes, AnchorError> {
        let message = message(&self.relay.settings.deployment, &update);
        let proof = self.authority.prove(&message)?.into();
        let call = Contract::logFirmwareUpdateSignedCall { update, authoritySig: proof };
        Ok(call.abi_encode().into())
    }

    /// Why it was reverted: the same call on top of its block.
    async fn replay(&self, input: UpdateInput, block: u64) -> Result<Refusal, AnchorError> {
        let request = self.relay.request(&self.call(input)?);
        let answer = self.relay.providers.call(request, hex(block).into()).await;
        Ok(match answer.map(|agreed| agreed.value) {
            Ok(Err(revert)) => refusal(&revert),
            _ => Refusal {
                why: "reverted, and would not be now".into(),
                next: "log it again".into(),
            },
        })
    }

    /// The device's newest record at a block; a refusal if the contract does not answer.
    async fn device(&self, name: &str, at: String) -> Result<Result<Device, Refusal>, Trouble> {
        let count = Contract::getUpdateCountCall { deviceId: name.into() };
        let count = match self.ask(count, at.clone()).await? {
            Ok(count) => count,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Some(nonce) = count.checked_sub(1) else {
            return Ok(Ok(Device { newest: B256::ZERO, record: None }));
        };
        let newest = Contract::previousUpdateHashCall { deviceId: name.into() };
        let record = Contract::getUpdateDetailsCall { deviceId: name.into(), nonce };
        let (newest, record) = (self.ask(newest, at.clone()).await?, self.ask(record, at).await?);
        Ok(match (newest, record) {
            (Ok(newest), Ok(record)) => Ok(Device { newest, record: Record::told(nonce, &record) }),
            (Err(refusal), _) | (_, Err(refusal)) => Err(refusal),
        })
    }

    async fn ask<C: SolCall>(
        &self,
        call: C,
        at: String,
    ) -> Result<Result<C::Return, Refusal>, Trouble> {
        let input: Bytes = call.abi_encode().into();
        let answer = self.relay.providers.call(self.relay.request(&input), at.into()).await?.value;
        Ok(answer
            .and_then(|data| C::abi_decode_returns(&data).map_err(|_| Bytes::new()))
            .map_err(|revert| refusal(&revert)))
    }
}

/// Whether a record says what is wanted.
fn says(record: &Record, wanted: &Wanted) -> bool {
    wanted.update.is_met_by(&Update {
        device: wanted.update.device.clone(),
        firmware_hash: record.firmware_hash,
        version: record.version.clone(),
        timestamp: Some(record.timestamp),
        content_cid: record.content_cid.clone(),
        outcome: record.outcome,
    })
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Idle => f.write_str("nothing to log"),
            Self::Submitted { tx, nonce, attempts } => {
                write!(f, "submitted in {tx} (nonce {nonce}, try {attempts})")
            }
            Self::Mined { seen, finalized } => {
                write!(f, "in block #{} by {}, final is #{finalized}", seen.block_number, seen.tx)
            }
            Self::Final(done) => write!(f, "final in block #{}", done.seen.block_number),
            Self::Known(known) => write!(f, "logged already, as record {}", known.record.nonce),
            Self::Waiting(waiting) => write!(f, "waiting: {waiting}"),
            Self::Refused(refused) => write!(f, "refused: {}", refused.refusal.why),
        }
    }
}
