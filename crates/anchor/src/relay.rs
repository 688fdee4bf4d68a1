//! The relay: one transaction at a time, from signed to final, whatever it is for.
//!
//! ```text
//! free ─▶ signed ─▶ sent ─▶ mined ─▶ final          the journal before every node
//!           ▲ same nonce, │     │ reorganised away: the same bytes again
//!           │ higher fees └─────┘
//! ```
//!
//! In scope: nonces, fees, sending, following, for checkpoints (`client`) and single updates
//! (`direct`) alike. Out of scope: what to send, and what it means that it is final.
//!
//! Invariants:
//! - One nonce at a time: nothing is signed under another before the last is final.
//! - A transaction is in the journal before a node has it; dying anywhere repeats bytes, not acts.

mod send;

use std::fmt::Debug;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alloy::primitives::{Address, Log};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::contract::Deployment;
use crate::error::AnchorError;
use crate::fees::Limits;
use crate::finding::{Finding, Kind};
use crate::journal::{Attempt, Journal, Owner, Point, Probe, State};
use crate::judge::{Judged, Standing, judge};
use crate::key::{Authority, Wallet};
use crate::provider::Providers;
use crate::quorum::Trouble;
use crate::status::Waiting;
use crate::view::{Question, Seen, observe};

pub(crate) use send::{Call, Simulated};

/// The longest pause while providers are away.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What a client works by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Chain and contract.
    pub deployment: Deployment,
    /// The log's origin; empty in direct mode, which has none.
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

/// What transactions are for.
pub(crate) trait Job: Clone + Debug + Send + Sync + 'static {
    /// The form of its journal.
    const FORMAT: &'static str;
    /// What is wanted.
    type Target: Clone + Debug + PartialEq + Serialize + DeserializeOwned;
    /// What comes of it, as the contract tells it.
    type Event: Copy + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Reads the event out of a line of a receipt.
    fn event(&self, log: &Log) -> Option<Self::Event>;
}

type JobJournal<J> = Journal<<J as Job>::Target, <J as Job>::Event>;
type JobState<J> = State<<J as Job>::Target, <J as Job>::Event>;

/// Sends for one job from one account.
#[derive(Debug)]
pub(crate) struct Relay<J: Job> {
    pub(crate) job: J,
    pub(crate) settings: Settings,
    pub(crate) providers: Providers,
    pub(crate) wallet: Wallet,
    pub(crate) journal: JobJournal<J>,
    last_sent: Option<Instant>,
    /// How often in a row the nonce looked taken: once may be a node that lags behind another.
    taken: u8,
    /// How often in a row too few providers answered.
    silent: u32,
}

/// What the chain has of what was sent.
pub(crate) enum Turn<J: Job> {
    /// Nothing is under way.
    Free(Judged<J::Event>),
    /// Sent, and in no block; what else comes of it, if anything.
    Flying(Box<Attempt<J::Target>>, Judged<J::Event>, Option<Waiting>),
    /// In a block that may still be reorganised away.
    Mined(Seen<J::Event>, u64),
    /// In a final block; the journal does not say so yet.
    Final(Box<Attempt<J::Target>>, Seen<J::Event>),
    /// Something else comes first.
    Waiting(Waiting),
}

impl<J: Job> Relay<J> {
    /// Opens the journal. `authority` must be the account, if that is what speaks.
    pub(crate) fn open(
        job: J,
        settings: Settings,
        providers: Providers,
        wallet: Wallet,
        authority: &Authority,
        probe: Probe,
    ) -> Result<Self, AnchorError> {
        if let Authority::Sender(sender) = authority
            && *sender != wallet.address()
        {
            let why = format!("authority {sender} sends, but the relay is {}", wallet.address());
            return Err(AnchorError::Config(why));
        }
        let owner = Owner {
            chain_id: settings.deployment.chain_id,
            contract: settings.deployment.contract,
            origin: settings.origin.clone(),
            account: wallet.address(),
        };
        let journal = Journal::open(&settings.dir, J::FORMAT, owner, probe)?;
        Ok(Self { job, settings, providers, wallet, journal, last_sent: None, taken: 0, silent: 0 })
    }

    pub(crate) fn state(&self) -> &JobState<J> {
        self.journal.state()
    }

    pub(crate) fn account(&self) -> Address {
        self.wallet.address()
    }

    /// How long to wait before the next look: `poll`, and twice as long after each at which too few
    /// providers answered, up to a minute.
    pub(crate) fn pause(&self, poll: Duration) -> Duration {
        let doubled = poll.saturating_mul(1 << self.silent.min(16));
        doubled.min(poll.max(PAUSE_MAX))
    }

    /// Asks the providers, and does what needs no decision of the job.
    pub(crate) async fn turn(&mut self) -> Result<Turn<J>, AnchorError> {
        let (nonce, transactions) = match &self.state().flight {
            None => (None, Vec::new()),
            Some(flight) => (Some(flight.nonce), flight.attempts.iter().map(|a| a.tx).collect()),
        };
        let question = Question {
            chain_id: self.settings.deployment.chain_id,
            account: self.account(),
            job: self.job.clone(),
            transactions,
        };
        let answers = self.providers.each(|one| observe(one, question.clone())).await;
        let judged = match judge(&self.providers, answers, nonce) {
            Ok(judged) => judged,
            Err(trouble) => {
                self.silent = self.silent.saturating_add(1);
                return self.troubled(trouble).map(Turn::Waiting);
            }
        };
        self.silent = 0;
        self.name_dissent(&judged)?;
        self.taken = match judged.standing {
            Standing::NonceTaken => self.taken.saturating_add(1),
            _ => 0,
        };
        match (nonce, judged.standing) {
            (None, _) => Ok(Turn::Free(judged)),
            (Some(_), Standing::Final(seen)) => self.landing(seen),
            (Some(_), Standing::Mined(seen)) => self.mined(seen, &judged),
            (Some(nonce), Standing::NonceTaken) if self.taken > 1 => {
                self.robbed(nonce).map(Turn::Waiting)
            }
            (Some(nonce), _) => self.pursue(nonce, judged).await,
        }
    }

    /// One of ours is in a block.
    fn mined(
        &mut self,
        seen: Seen<J::Event>,
        judged: &Judged<J::Event>,
    ) -> Result<Turn<J>, AnchorError> {
        self.at(Point::Mined);
        self.journal.update(|state| {
            if let Some(flight) = &mut state.flight {
                flight.mined = Some(seen);
            }
        })?;
        Ok(Turn::Mined(seen, judged.finalized))
    }

    /// One of ours is in a final block.
    fn landing(&self, seen: Seen<J::Event>) -> Result<Turn<J>, AnchorError> {
        let attempts = self.state().flight.as_ref().map(|flight| &flight.attempts);
        let attempt = attempts.and_then(|all| all.iter().find(|a| a.tx == seen.tx)).cloned();
        let attempt = attempt.ok_or_else(|| {
            AnchorError::damaged(self.journal.dir(), "a final transaction is not in the journal")
        })?;
        Ok(Turn::Final(Box::new(attempt), seen))
    }

    /// The nonce is spent on something that is not ours: what we signed can never be mined.
    fn robbed(&mut self, nonce: u64) -> Result<Waiting, AnchorError> {
        self.find(Finding {
            kind: Kind::NonceTaken,
            summary: format!("nonce {nonce} of {} was used elsewhere", self.account()),
            ours: value(&self.state().flight),
            theirs: json!({"account": self.account(), "nonce": nonce}),
        })?;
        self.journal.update(|state| {
            let newest = state.flight.take().and_then(|mut flight| flight.attempts.pop());
            if let Some(attempt) = newest {
                state.target.get_or_insert(attempt.target);
            }
        })?;
        Ok(Waiting::ForeignTransaction)
    }

    /// Changes the journal for a transaction that is final, and begins afresh.
    pub(crate) fn land(
        &mut self,
        change: impl FnOnce(&mut JobState<J>),
    ) -> Result<(), AnchorError> {
        self.journal.update(change)?;
        self.last_sent = None;
        Ok(())
    }

    /// Who contradicts the others about what is final is named, once.
    fn name_dissent(&self, judged: &Judged<J::Event>) -> Result<(), AnchorError> {
        for (place, said) in &judged.dissent {
            let name = self.providers.name(*place);
            self.find(Finding {
                kind: Kind::ProviderDissent,
                summary: format!("{name} contradicts the others about a final block"),
                ours: agreed(judged),
                theirs: json!({"provider": name, "said": said}),
            })?;
        }
        Ok(())
    }

    pub(crate) fn troubled(&self, trouble: Trouble) -> Result<Waiting, AnchorError> {
        if let Trouble::Disagree { question, answers } = &trouble {
            self.find(Finding {
                kind: Kind::ProviderDissent,
                summary: format!("providers disagree on {question}"),
                ours: value(&self.state().flight),
                theirs: value(answers),
            })?;
        }
        Ok(Waiting::Providers(trouble))
    }

    pub(crate) fn find(&self, finding: Finding) -> Result<Finding, AnchorError> {
        finding.keep(self.journal.dir(), now_s())?;
        Ok(finding)
    }

    pub(crate) fn at(&self, point: Point) {
        self.journal.at(point);
    }
}

/// Nothing in it changes from block to block, so that a lie told often is one finding.
fn agreed<E: Serialize + Copy>(judged: &Judged<E>) -> serde_json::Value {
    match judged.standing {
        Standing::Final(seen) | Standing::Mined(seen) => value(&seen),
        Standing::Free => "no such transaction".into(),
        Standing::NonceTaken => "nonce used by another transaction".into(),
    }
}

pub(crate) fn value(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
