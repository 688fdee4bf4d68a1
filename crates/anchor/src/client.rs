//! The client: one step at a time from a checkpoint that is wanted to an anchor that is final.
//!
//! ```text
//! built ─▶ signed ─▶ submitted ─▶ mined ─▶ final
//!   ▲         newer checkpoint,      │
//!   │         stuck: same nonce,     │ reorganised away: the same bytes again
//!   │         higher fees  ◀─────────┘
//!   └── nonce taken by another, or reverted: judged anew
//! ```
//!
//! In scope: what follows what, and what must be durable before. Out of scope: when steps are made
//! and where checkpoints and proofs come from (the caller).
//!
//! Invariants:
//! - One nonce at a time: nothing is signed under another before the last is final.
//! - A transaction is in the journal before a node has it; dying anywhere repeats bytes, not acts.
//! - [`Status::Final`] is said only of what a quorum says is in a final block.

mod follow;
mod prepare;

use std::time::Duration;

use alloy::primitives::{Address, B256, Log};
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::{Hash, TreeSize};
use sha2::{Digest, Sha256};

use crate::contract::{Event, log_id};
use crate::error::AnchorError;
use crate::finding::{Finding, Kind};
use crate::journal::{FORMAT, Probe, State, Target};
use crate::key::{Authority, Wallet};
use crate::provider::Providers;
use crate::relay::{Job, Relay, Settings, Turn, value};
use crate::status::Status;

/// Anchors of one log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchoring {
    contract: Address,
    log_id: B256,
}

impl Job for Anchoring {
    const FORMAT: &'static str = FORMAT;
    type Target = Target;
    type Event = Event;

    fn event(&self, log: &Log) -> Option<Event> {
        Event::read(log, self.contract, self.log_id)
    }
}

/// A consistency proof, kept until it is used.
#[derive(Clone, Debug)]
struct Proof {
    old: TreeSize,
    new: TreeSize,
    hashes: Vec<Hash>,
}

/// Anchors the checkpoints of one log in one contract.
#[derive(Debug)]
pub struct Client {
    relay: Relay<Anchoring>,
    authority: Authority,
    proof: Option<Proof>,
}

impl Client {
    /// Opens the journal and goes on where it ends.
    ///
    /// # Errors
    /// [`AnchorError`] from the journal, or a sender that is not the relay.
    pub fn open(
        settings: Settings,
        providers: Providers,
        relay: Wallet,
        authority: Authority,
    ) -> Result<Self, AnchorError> {
        Self::open_probed(settings, providers, relay, authority, |_| {})
    }

    /// The same, with a call at each point where a process can die.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub fn open_probed(
        settings: Settings,
        providers: Providers,
        relay: Wallet,
        authority: Authority,
        probe: Probe,
    ) -> Result<Self, AnchorError> {
        let contract = settings.deployment.contract;
        let job = Anchoring { contract, log_id: log_id(&settings.origin) };
        let relay = Relay::open(job, settings, providers, relay, &authority, probe)?;
        Ok(Self { relay, authority, proof: None })
    }

    /// What the journal says.
    #[must_use]
    pub fn state(&self) -> &State {
        self.relay.state()
    }

    /// The account that sends.
    #[must_use]
    pub fn account(&self) -> Address {
        self.relay.account()
    }

    /// The providers.
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.relay.providers
    }

    /// How long to wait before the next step: `poll`, and twice as long after each step that too
    /// few providers answered, up to a minute.
    #[must_use]
    pub fn pause(&self, poll: Duration) -> Duration {
        self.relay.pause(poll)
    }

    /// Asks for a signed checkpoint to be anchored. Durable on return. An older one than what is
    /// asked for already changes nothing: the newer covers it.
    ///
    /// # Errors
    /// [`AnchorError::Checkpoint`] if it is none of this log, or contradicts one of the same size
    /// (then both are in a finding).
    pub fn want(&mut self, note: &str) -> Result<(), AnchorError> {
        let target = read_target(note, &self.relay.settings.origin)?;
        let state = self.relay.state();
        let newest = state.flight.as_ref().and_then(|flight| flight.attempts.last());
        let anchored = state.done.as_ref().map(|anchored| &anchored.target);
        let known = [newest.map(|attempt| &attempt.target), anchored, state.target.as_ref()];
        for other in known.into_iter().flatten() {
            if other.size == target.size && other.root != target.root {
                let other = other.clone();
                self.relay.find(Finding {
                    kind: Kind::Contradiction,
                    summary: format!("two checkpoints of {} entries with two roots", target.size),
                    ours: value(&other),
                    theirs: value(&target),
                })?;
                let why = format!(
                    "{} entries: expected root {}, got {}; both are kept",
                    target.size, other.root, target.root
                );
                return Err(AnchorError::Checkpoint(why));
            }
        }
        let is_newer = |other: &Target| other.size >= target.size;
        // What is final by our own hand needs no second look at the contract.
        if state.target.as_ref().is_some_and(is_newer)
            || anchored.is_some_and(|it| it.size == target.size)
        {
            return Ok(());
        }
        self.relay.journal.update(|state| {
            state.target = Some(target);
            state.reverts = 0;
        })
    }

    /// Gives the proof that [`Status::NeedsProof`] asked for. It is checked before it is used.
    pub fn prove(&mut self, old: TreeSize, new: TreeSize, hashes: Vec<Hash>) {
        self.proof = Some(Proof { old, new, hashes });
    }

    /// Says that [`Status::NeedsProof`] cannot be met because the contract has a larger tree than
    /// the log shows: the log was rewound, or is not the one that was anchored. Kept as a finding.
    ///
    /// # Errors
    /// Storage.
    pub fn contract_ahead(&mut self, anchored: TreeSize) -> Result<Status, AnchorError> {
        let target = self.relay.state().target.clone();
        let size = target.as_ref().map_or(0, |target| target.size);
        let finding = self.relay.find(Finding {
            kind: Kind::ContractAhead,
            summary: format!("a tree of {anchored} entries is anchored, the log shows {size}"),
            ours: value(&target),
            theirs: serde_json::json!({
                "size": anchored.0,
                "contract": self.relay.settings.deployment.contract,
                "chain_id": self.relay.settings.deployment.chain_id,
            }),
        })?;
        Ok(Status::Refused(Box::new(finding)))
    }

    /// One step: asks the providers, and does what follows from what they say.
    ///
    /// # Errors
    /// [`AnchorError`] of storage and keys; what providers and the chain do is a [`Status`].
    pub async fn step(&mut self) -> Result<Status, AnchorError> {
        match self.relay.turn().await? {
            Turn::Free(judged) => self.start(&judged).await,
            Turn::Flying(newest, judged, waiting) => self.pursue(&newest, &judged, waiting).await,
            Turn::Mined(seen, finalized) => {
                let size = seen.event.map_or(0, |event| event.size);
                Ok(Status::Mined { size, seen, finalized })
            }
            Turn::Final(attempt, seen) => self.land(&attempt, seen).await,
            Turn::Waiting(waiting) => Ok(Status::Waiting(waiting)),
        }
    }
}

/// Reads a signed checkpoint of this log. Its signatures are the caller's to check.
pub(crate) fn read_target(note: &str, origin: &str) -> Result<Target, AnchorError> {
    let refused = |why: String| AnchorError::Checkpoint(why);
    let parsed = Unverified::parse(note.as_bytes()).map_err(|e| refused(e.to_string()))?;
    let claimed = parsed.claimed();
    if claimed.origin != origin {
        return Err(refused(format!("expected origin {origin}, got {}", claimed.origin)));
    }
    if claimed.size.0 == 0 {
        return Err(refused("the tree is empty".into()));
    }
    Ok(Target {
        size: claimed.size.0,
        root: B256::from(claimed.root.0),
        checkpoint_hash: B256::from_slice(&Sha256::digest(note.as_bytes())),
        note: note.to_owned(),
    })
}
