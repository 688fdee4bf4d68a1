//! Carries what the outbox wants to the log and back, and keeps what contradicts itself.
//!
//! Invariants:
//! - One exchange at a time, on a thread of its own: recording never waits for the network.
//! - What shows that the log contradicts itself, or has another history of this device, is in
//!   `findings.jsonl` before anybody is told.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use firmlog_agent::outbox::{
    Backoff, Outbox, Random, Receipts, Reply, Settings, Step, Told, Trouble,
};
use firmlog_keys::os_random;
use firmlog_statement::{CheckpointSeen, Digest, PublicKey, Signer as _};
use firmlog_tlog::merkle::{Hash, TreeHead};
use serde_json::json;

use super::clock::uptime_ms;
use super::config::Config;
use super::head::{self, Claim, Found, Known, Refusal};
use super::receipts::Pinned;
use super::status::trouble_text;
use super::unit::Unit;
use crate::Context;
use crate::answer::hex;
use crate::error::{Error, Exit, Result};
use crate::http::{self, Client};
use crate::submit::trust_root;

/// Room for a batch.
const BUFFER: usize = 16 * firmlog_agent::journal::ENTRY_MAX;

/// The operating system's random numbers, for jitter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OsRandom;

impl Random for OsRandom {
    fn number(&mut self) -> u32 {
        let mut bytes = [0; 4];
        os_random(&mut bytes);
        u32::from_be_bytes(bytes)
    }
}

/// A request of an outbox.
#[derive(Debug)]
pub(crate) enum Job {
    /// `POST /batch`
    Post(u32, Vec<u8>),
    /// `GET /entries/{index}`
    Fetch(u32, u64),
}

/// What to carry.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A request of the outbox.
    Job(Job),
    /// The question where the log has this device's chain end.
    Head(Box<Known>),
}

/// What came of it.
pub(crate) enum Carried {
    /// The answer to a ticket, if there was one.
    Answer(u32, Option<http::Reply>),
    /// What the log claims of the chain, if it answered.
    Head(Box<Known>, Result<Claim>),
}

/// What keeps statements from being proven, or from being made.
#[derive(Clone, Debug)]
pub(crate) struct InTheWay {
    pub(crate) text: String,
    pub(crate) exit: Exit,
}

impl From<Trouble> for InTheWay {
    fn from(trouble: Trouble) -> Self {
        Self { text: trouble_text(&trouble), exit: exit(&trouble) }
    }
}

/// Client of the agent's log.
pub(crate) fn client(config: &Config, context: &Context) -> Result<Client> {
    let timeout = Duration::from_secs(config.answer_s.into());
    Client::new(&config.log, &Context { talk: context.talk, timeout })
}

/// Carries what is to be carried.
pub(crate) fn carry(client: &Client, errand: Errand) -> Carried {
    match errand {
        Errand::Job(job) => {
            let (ticket, reply) = exchange(client, job);
            Carried::Answer(ticket, reply)
        }
        Errand::Head(known) => {
            let claim = head::fetch(client, &known);
            Carried::Head(known, claim)
        }
    }
}

/// Sends one request of an outbox; none without an answer.
pub(crate) fn exchange(client: &Client, job: Job) -> (u32, Option<http::Reply>) {
    let (ticket, reply) = match job {
        Job::Post(ticket, body) => {
            let (sent, accept) = ("application/cbor-seq", "application/cbor-seq");
            (ticket, client.post_any("batch", sent, accept, body))
        }
        Job::Fetch(ticket, index) => {
            let accept = "application/scitt-receipt+cose";
            (ticket, client.fetch_any(&format!("entries/{index}"), accept))
        }
    };
    (ticket, reply.inspect_err(|error| tracing::debug!(%error.message, "no answer")).ok())
}

/// Carries requests on a thread of its own until nobody asks any more.
pub(crate) fn start<E: From<Carried> + Send + 'static>(
    client: Client,
    events: mpsc::Sender<E>,
) -> mpsc::Sender<Errand> {
    let (jobs, queue) = mpsc::channel();
    std::thread::spawn(move || {
        for job in queue {
            if events.send(carry(&client, job).into()).is_err() {
                return;
            }
        }
    });
    jobs
}

/// The outbox with what it needs.
pub(crate) struct Sender<'a> {
    pub(crate) outbox: Outbox<OsRandom>,
    receipts: Noting,
    config: &'a Config,
    buffer: Box<[u8; BUFFER]>,
    asking: Asking,
}

/// The log is asked where the chain ends.
#[derive(Default)]
struct Asking {
    under_way: bool,
    backoff: Backoff,
    /// Why the last answer was not taken.
    refusal: Option<InTheWay>,
}

/// What to do next.
pub(crate) enum Next {
    /// Carry this.
    Carry(Errand),
    /// Nothing for so long.
    Wait(Duration),
    /// Nothing until something is recorded.
    Idle,
}

impl<'a> Sender<'a> {
    /// Reads the trust root.
    pub(crate) fn new(config: &'a Config) -> Result<Self> {
        let root = trust_root(&config.path(&config.trust))?;
        let (first_ms, most_ms) = config.retry_ms;
        // The client gives up first.
        let answer_ms = config.answer_s.saturating_add(5).saturating_mul(1000);
        let settings = Settings { first_ms, most_ms, answer_ms, ..Settings::default() };
        let receipts = Noting { pinned: Pinned(root), note: String::new() };
        let (outbox, buffer) = (Outbox::new(settings, OsRandom), Box::new([0; BUFFER]));
        Ok(Self { outbox, receipts, config, buffer, asking: Asking::default() })
    }

    /// Why nothing more is confirmed, or said.
    pub(crate) fn in_the_way(&self) -> Option<InTheWay> {
        self.asking.refusal.clone().or_else(|| self.outbox.trouble().map(InTheWay::from))
    }

    /// Somebody wants it now.
    pub(crate) fn hurry(&mut self) {
        self.outbox.hurry();
        self.asking.backoff.succeed();
    }

    /// What the outbox wants.
    pub(crate) fn next(&mut self, unit: &mut Unit<'_>) -> Result<Next> {
        let journal = unit.device.journal();
        let step =
            self.outbox.poll(uptime_ms(), journal, &mut *self.buffer).map_err(self::journal)?;
        Ok(match step {
            Step::Post { ticket, len } => {
                let body = self.buffer.get(..len).unwrap_or_default().to_vec();
                Next::Carry(Errand::Job(Job::Post(ticket, body)))
            }
            Step::Fetch { ticket, index } => Next::Carry(Errand::Job(Job::Fetch(ticket, index))),
            Step::Wait { ms } => Next::Wait(Duration::from_millis(ms)),
            Step::Idle if unit.is_end_hidden() => self.ask_head(unit)?,
            Step::Idle => Next::Idle,
        })
    }

    /// All that can be read is proven, and damage hides what came then.
    fn ask_head(&mut self, unit: &mut Unit<'_>) -> Result<Next> {
        if self.asking.under_way {
            return Ok(Next::Wait(Duration::from_secs(self.config.answer_s.into())));
        }
        if let Some(ms) = self.asking.backoff.left_ms(uptime_ms()) {
            return Ok(Next::Wait(Duration::from_millis(ms)));
        }
        self.asking.under_way = true;
        let known = Known::of(unit.device.journal(), self.config.device()?).map_err(journal)?;
        Ok(Next::Carry(Errand::Head(Box::new(known))))
    }

    /// Takes what was carried; tells why nothing more was confirmed, if so.
    pub(crate) fn carried(
        &mut self,
        unit: &mut Unit<'_>,
        carried: &Carried,
    ) -> Result<Option<InTheWay>> {
        match carried {
            Carried::Answer(ticket, reply) => {
                Ok(self.answered(unit, *ticket, reply.as_ref())?.map(InTheWay::from))
            }
            Carried::Head(known, claim) => self.head_answered(unit, known, claim),
        }
    }

    /// Goes on from the head that the log proves, or keeps what speaks against it.
    fn head_answered(
        &mut self,
        unit: &mut Unit<'_>,
        known: &Known,
        claim: &Result<Claim>,
    ) -> Result<Option<InTheWay>> {
        self.asking.under_way = false;
        if !unit.is_end_hidden() {
            return Ok(None);
        }
        let key: PublicKey = self.config.open_key()?.public_key();
        let found = match claim {
            Ok(claim) => known.check(claim, &self.receipts.pinned.0, &key),
            Err(error) => Err(Refusal { text: error.message.clone(), exit: Exit::Network }),
        };
        let gone_on = match found {
            Ok(found) => {
                self.keep_resumed(known, &found)?;
                let kept = unit.resume(&found)?.map(|error| Refusal {
                    text: format!("the gap cannot be said yet: {error}"),
                    exit: Exit::Incomplete,
                });
                kept.map_or(Ok(()), Err)
            }
            Err(refusal) => Err(refusal),
        };
        match gone_on {
            Ok(()) => {
                self.asking = Asking::default();
                Ok(None)
            }
            Err(Refusal { text, exit }) => {
                tracing::warn!("the log does not tell where to go on: {text}");
                let is_new = self.asking.refusal.as_ref().is_none_or(|before| before.text != text);
                if exit == Exit::Against && is_new {
                    self.keep_line(&json!({"utc_ms": crate::submit::now_ms(), "head": text}))?;
                }
                let range = self.config.retry_ms;
                self.asking.backoff.fail(uptime_ms(), range, None, &mut OsRandom);
                let way = InTheWay { text, exit };
                self.asking.refusal = Some(way.clone());
                Ok(Some(way))
            }
        }
    }

    /// What was believed, before anything is said on the strength of it: should the log have hidden
    /// newer statements of this device, this and the gap statement convict it.
    fn keep_resumed(&self, known: &Known, found: &Found) -> Result<()> {
        let (from, next) = (known.readable().to_string(), found.covered.next.to_string());
        tracing::warn!(from, next, aside = found.aside, "goes on from the log's head");
        self.keep_line(&json!({"utc_ms": crate::submit::now_ms(),
            "resumed": {"lost_from": from, "next": next, "hash": hex(&found.head.hash),
                "other_statements": found.aside},
            "newer_checkpoint": found.checkpoint}))
    }

    fn answered(
        &mut self,
        unit: &mut Unit<'_>,
        ticket: u32,
        reply: Option<&http::Reply>,
    ) -> Result<Option<Trouble>> {
        let journal = unit.device.journal();
        let before = journal.covered();
        let reply = match reply {
            Some(http::Reply { status, retry_after_s, body }) => {
                Reply::Answer { status: *status, retry_after_s: *retry_after_s, body }
            }
            None => Reply::None,
        };
        let told = self.outbox.answered(ticket, uptime_ms(), &reply, journal, &mut self.receipts);
        let told = told.map_err(self::journal)?;
        if let Some(covered) = told.covered {
            tracing::info!(below = covered.next, size = covered.size, "proven to be in the log");
            let (size, root) = (covered.size, Digest(covered.root));
            unit.device.saw_checkpoint(CheckpointSeen { size, root });
            self.note_checkpoint();
        }
        self.keep(&told, &before)?;
        Ok(told.trouble)
    }

    /// The newest checkpoint under which something was proven: half of the evidence, should the log
    /// contradict it.
    fn note_checkpoint(&self) {
        let path = self.config.dir.join("checkpoint");
        if let Err(error) = std::fs::write(&path, &self.receipts.note) {
            tracing::warn!(%error, "{} cannot be written", path.display());
        }
    }

    /// Writes down what somebody must look into.
    fn keep(&self, told: &Told<'_>, before: &firmlog_agent::journal::Covered) -> Result<()> {
        let grave = |trouble: &Trouble| {
            use Trouble::{Missing, OtherHistory, SplitView, Unproven, WentBack};
            matches!(
                trouble,
                WentBack { .. }
                    | SplitView { .. }
                    | OtherHistory { .. }
                    | Missing { .. }
                    | Unproven
            )
        };
        if let Some(trouble) = told.trouble {
            let (text, said) = (trouble_text(&trouble), told.said);
            tracing::warn!(said, "{text}");
        }
        let trouble = told.trouble.filter(grave);
        if told.fork.is_none() && trouble.is_none() {
            return Ok(());
        }
        let fork = told.fork.map(|fork| {
            tracing::error!(seq = fork.seq, index = fork.index, "FORK: the log has two histories");
            json!({"seq": fork.seq.to_string(), "index": fork.index.to_string()})
        });
        let older = std::fs::read_to_string(self.config.dir.join("checkpoint")).ok();
        let doc = json!({"utc_ms": crate::submit::now_ms(), "fork": fork,
            "trouble": trouble.map(|trouble| trouble_text(&trouble)),
            "proven": {"below": before.next.to_string(), "size": before.size.to_string(),
                "root": hex(&before.root)},
            "older_checkpoint": older, "newer_checkpoint": self.receipts.note});
        self.keep_line(&doc)
    }

    fn keep_line(&self, doc: &serde_json::Value) -> Result<()> {
        let path = self.config.dir.join("findings.jsonl");
        let file = std::fs::File::options().create(true).append(true).open(&path);
        file.and_then(|mut file| writeln!(file, "{doc}").and_then(|()| file.sync_data()))
            .map_err(|e| Error::io("write", &path, e))
    }
}

fn journal(error: firmlog_agent::journal::Error) -> Error {
    Error::new("E-JOURNAL", error).help("the agent must start anew: it opens the journal again")
}

/// How a push ends that met this.
pub(crate) fn exit(trouble: &Trouble) -> Exit {
    match trouble {
        Trouble::Unreachable | Trouble::Busy | Trouble::Nonsense => Exit::Network,
        Trouble::Status(401 | 403) | Trouble::Refused { .. } => Exit::Auth,
        Trouble::Status(_) => Exit::Network,
        _ => Exit::Against,
    }
}

/// Keeps the newest believed checkpoint.
struct Noting {
    pinned: Pinned,
    note: String,
}

impl Receipts for Noting {
    fn wants_receipts(&self) -> bool {
        self.pinned.wants_receipts()
    }

    fn checkpoint(&mut self, note: &[u8]) -> Option<TreeHead> {
        let head = self.pinned.checkpoint(note)?;
        self.note = String::from_utf8_lossy(note).into_owned();
        Some(head)
    }

    fn receipt(&mut self, index: u64, leaf: &Hash, receipt: &[u8]) -> bool {
        self.pinned.receipt(index, leaf, receipt)
    }
}
