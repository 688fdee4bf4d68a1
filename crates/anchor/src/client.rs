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

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alloy::primitives::{Address, B256};
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::{Hash, TreeSize};
use sha2::{Digest, Sha256};

use crate::contract::{Deployment, log_id};
use crate::error::AnchorError;
use crate::fees::Limits;
use crate::finding::{Finding, Kind};
use crate::journal::{Journal, Owner, Point, Probe, State, Target};
use crate::judge::{Judged, Standing, judge};
use crate::key::{Authority, Wallet};
use crate::provider::Providers;
use crate::quorum::Trouble;
use crate::status::{Status, Waiting};
use crate::view::{Question, observe};

/// The longest pause while providers are away.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What a client works by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Chain and contract.
    pub deployment: Deployment,
    /// The log's origin.
    pub origin: String,
    /// Where the journal is.
    pub dir: PathBuf,
    /// Fees.
    pub limits: Limits,
    /// A transaction is stuck after this many seconds …
    pub stuck_s: u64,
    /// … and this many blocks; both, so that fees do not rise while the chain stands still.
    pub stuck_blocks: u64,
    /// What is not mined is given to the nodes again after this time.
    pub resend: Duration,
    /// No transaction may use more gas.
    pub gas_max: u64,
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
    settings: Settings,
    log_id: B256,
    providers: Providers,
    relay: Wallet,
    authority: Authority,
    journal: Journal,
    proof: Option<Proof>,
    last_sent: Option<Instant>,
    /// How often in a row the nonce looked taken: once may be a node that lags behind another.
    taken: u8,
    /// How often in a row too few providers answered.
    silent: u32,
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
        if let Authority::Sender(sender) = &authority
            && *sender != relay.address()
        {
            let why = format!("authority {sender} sends, but the relay is {}", relay.address());
            return Err(AnchorError::Config(why));
        }
        let owner = Owner {
            chain_id: settings.deployment.chain_id,
            contract: settings.deployment.contract,
            origin: settings.origin.clone(),
            account: relay.address(),
        };
        let journal = Journal::open(&settings.dir, owner, probe)?;
        let log_id = log_id(&settings.origin);
        Ok(Self {
            settings,
            log_id,
            providers,
            relay,
            authority,
            journal,
            proof: None,
            last_sent: None,
            taken: 0,
            silent: 0,
        })
    }

    /// What the journal says.
    #[must_use]
    pub fn state(&self) -> &State {
        self.journal.state()
    }

    /// The account that sends.
    #[must_use]
    pub fn account(&self) -> Address {
        self.relay.address()
    }

    /// The providers.
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// How long to wait before the next step: `poll`, and twice as long after each step that too
    /// few providers answered, up to a minute.
    #[must_use]
    pub fn pause(&self, poll: Duration) -> Duration {
        let doubled = poll.saturating_mul(1 << self.silent.min(16));
        doubled.min(poll.max(PAUSE_MAX))
    }

    /// Asks for a signed checkpoint to be anchored. Durable on return. An older one than what is
    /// asked for already changes nothing: the newer covers it.
    ///
    /// # Errors
    /// [`AnchorError::Checkpoint`] if it is none of this log, or contradicts one of the same size
    /// (then both are in a finding).
    pub fn want(&mut self, note: &str) -> Result<(), AnchorError> {
        let target = read_target(note, &self.settings.origin)?;
        let state = self.journal.state();
        let newest = state.flight.as_ref().and_then(|flight| flight.attempts.last());
        let anchored = state.anchored.as_ref().map(|anchored| &anchored.target);
        let known = [newest.map(|attempt| &attempt.target), anchored, state.target.as_ref()];
        for other in known.into_iter().flatten() {
            if other.size == target.size && other.root != target.root {
                let other = other.clone();
                self.find(Finding {
                    kind: Kind::Contradiction,
                    summary: format!("two checkpoints of {} entries with two roots", target.size),
                    ours: json(&other),
                    theirs: json(&target),
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
        self.journal.update(|state| {
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
        let target = self.journal.state().target.clone();
        let size = target.as_ref().map_or(0, |target| target.size);
        let finding = self.find(Finding {
            kind: Kind::ContractAhead,
            summary: format!("a tree of {anchored} entries is anchored, the log shows {size}"),
            ours: json(&target),
            theirs: serde_json::json!({
                "size": anchored.0,
                "contract": self.settings.deployment.contract,
                "chain_id": self.settings.deployment.chain_id,
            }),
        })?;
        Ok(Status::Refused(Box::new(finding)))
    }

    /// One step: asks the providers, and does what follows from what they say.
    ///
    /// # Errors
    /// [`AnchorError`] of storage and keys; what providers and the chain do is a [`Status`].
    pub async fn step(&mut self) -> Result<Status, AnchorError> {
        let (nonce, transactions) = match &self.journal.state().flight {
            None => (None, Vec::new()),
            Some(flight) => (Some(flight.nonce), flight.attempts.iter().map(|a| a.tx).collect()),
        };
        let question = self.question(transactions);
        let answers = self.providers.each(|one| observe(one, question.clone())).await;
        let judged = match judge(&self.providers, answers, nonce) {
            Ok(judged) => judged,
            Err(trouble) => {
                self.silent = self.silent.saturating_add(1);
                return self.troubled(trouble);
            }
        };
        self.silent = 0;
        self.name_dissent(&judged)?;
        self.taken = match judged.standing {
            Standing::NonceTaken => self.taken.saturating_add(1),
            _ => 0,
        };
        match (nonce, judged.standing) {
            (None, _) => self.start(&judged).await,
            (Some(_), Standing::Final(seen)) => self.land(seen).await,
            (Some(_), Standing::Mined(seen)) => self.mined(seen, &judged),
            (Some(nonce), Standing::NonceTaken) if self.taken > 1 => self.robbed(nonce),
            (Some(nonce), _) => self.pursue(nonce, &judged).await,
        }
    }

    fn question(&self, transactions: Vec<B256>) -> Question {
        Question {
            chain_id: self.settings.deployment.chain_id,
            account: self.relay.address(),
            contract: self.settings.deployment.contract,
            log_id: self.log_id,
            transactions,
        }
    }

    /// Who contradicts the others about what is final is named, once.
    fn name_dissent(&self, judged: &Judged) -> Result<(), AnchorError> {
        for (place, said) in &judged.dissent {
            let name = self.providers.name(*place);
            self.find(Finding {
                kind: Kind::ProviderDissent,
                summary: format!("{name} contradicts the others about a final block"),
                ours: agreed(judged),
                theirs: serde_json::json!({"provider": name, "said": said}),
            })?;
        }
        Ok(())
    }

    fn troubled(&self, trouble: Trouble) -> Result<Status, AnchorError> {
        if let Trouble::Disagree { question, answers } = &trouble {
            self.find(Finding {
                kind: Kind::ProviderDissent,
                summary: format!("providers disagree on {question}"),
                ours: json(&self.journal.state().flight),
                theirs: json(answers),
            })?;
        }
        Ok(Status::Waiting(Waiting::Providers(trouble)))
    }

    fn find(&self, finding: Finding) -> Result<Finding, AnchorError> {
        finding.keep(self.journal.dir(), now_s())?;
        Ok(finding)
    }

    fn at(&self, point: Point) {
        self.journal.at(point);
    }
}

/// Nothing in it changes from block to block, so that a lie told often is one finding.
fn agreed(judged: &Judged) -> serde_json::Value {
    match judged.standing {
        Standing::Final(seen) | Standing::Mined(seen) => json(&seen),
        Standing::Free => "no such transaction".into(),
        Standing::NonceTaken => "nonce used by another transaction".into(),
    }
}

fn json(value: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
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

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
