//! Asking witnesses to cosign our newest checkpoint.
//!
//! ```text
//! POST <url>/add-checkpoint     old 1024 · consistency proof · signed checkpoint
//!   200 cosignature lines │ 409 the size it has: asked once more from there │ else: noted
//! ```
//!
//! In scope: one round over all witnesses of a policy, the state of each, the newest checkpoint
//! that satisfies the policy. Out of scope: when rounds happen is up to [`Witnessing::run`]'s
//! caller.
//!
//! Invariants:
//! - A witness that is down, slow or wrong delays nobody: the log goes on, and its status says so.
//! - Only cosignatures that verify are kept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use firmlog_tlog::merkle::TreeSize;
use firmlog_tlog::policy::Policy;
use firmlog_tlog::witness::{AddCheckpoint, parse_size};
use firmlog_verify::crypto::Crypto;
use tokio::task::JoinSet;

use super::merge::{Cosigned, witnessed};
use crate::batch::Published;
use crate::error::LogError;
use crate::reader::Reader;
use crate::sequencer::now_ms;

/// An answer larger than this is not read: a cosignature line has some 200 bytes.
const ANSWER_BYTES_MAX: usize = 65_536;

/// The witnesses of one log. Cheap to clone.
#[derive(Clone)]
pub struct Witnessing {
    inner: Arc<Inner>,
}

/// How a witness is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WitnessStatus {
    /// Its name in the policy.
    pub name: String,
    /// The size it cosigned last, as far as we know.
    pub size: u64,
    /// When it last cosigned, in milliseconds since 1970; 0 if never.
    pub cosigned_ms: u64,
    /// What went wrong the last time, if it did. Said to operators when it changes.
    pub problem: Option<String>,
}

struct Inner {
    reader: Reader,
    policy: Policy,
    crypto: Arc<dyn Crypto>,
    http: reqwest::Client,
    statuses: Mutex<Vec<WitnessStatus>>,
    newest: Mutex<Option<Arc<Cosigned>>>,
    /// The last round fell short of the quorum.
    short: AtomicBool,
}

impl Witnessing {
    /// Witnesses of `policy` that have an URL, each given `timeout` to answer.
    ///
    /// # Errors
    /// [`LogError::Signer`] if the HTTP client cannot be made.
    pub fn new(
        reader: Reader,
        policy: Policy,
        crypto: Arc<dyn Crypto>,
        timeout: Duration,
    ) -> Result<Self, LogError> {
        let http = reqwest::Client::builder().timeout(timeout).build();
        let http = http.map_err(|e| LogError::Signer(format!("ask witnesses: {e}")))?;
        let named =
            |name: &String| WitnessStatus { name: name.clone(), ..WitnessStatus::default() };
        let statuses = policy.witnesses().iter().map(|w| named(&w.name)).collect();
        let statuses = Mutex::new(statuses);
        let (newest, short) = (Mutex::new(None), AtomicBool::new(false));
        let inner = Inner { reader, policy, crypto, http, statuses, newest, short };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks every witness to cosign the newest checkpoint, all at once, and merges what comes.
    pub async fn round(&self) -> Arc<Cosigned> {
        let published = self.inner.reader.published();
        let mut asked = JoinSet::new();
        for position in 0..self.inner.policy.witnesses().len() {
            let (inner, published) = (self.inner.clone(), published.clone());
            asked.spawn(async move { inner.ask(position, &published).await });
        }
        let answers: Vec<String> = asked.join_all().await.into_iter().flatten().collect();
        let inner = &self.inner;
        let cosigned =
            witnessed(&published.checkpoint, &answers, &inner.policy, inner.crypto.as_ref());
        let cosigned = Arc::new(cosigned);
        // A round comes every second while the quorum is not met; what changed is said once.
        let was_short = inner.short.swap(!cosigned.satisfied, Ordering::Relaxed);
        if cosigned.satisfied {
            inner.keep(&cosigned);
        }
        match (was_short, cosigned.satisfied) {
            (false, false) => {
                tracing::warn!(got = ?cosigned.witnesses, "the quorum of witnesses was not met");
            }
            (true, true) => tracing::info!("the quorum of witnesses is met again"),
            _ => {}
        }
        cosigned
    }

    /// Rounds for ever: after each checkpoint of a new size, at most one per `interval`, and again
    /// after `interval` while the quorum is not met. `done` is told of each.
    pub async fn run(&self, interval: Duration, done: impl Fn(&Cosigned) + Send) {
        let mut witnessed_size = None;
        loop {
            let size = self.inner.reader.published().head.size;
            if witnessed_size != Some(size) {
                let cosigned = self.round().await;
                done(&cosigned);
                witnessed_size = cosigned.satisfied.then_some(size);
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// The newest checkpoint that satisfied the policy since this started.
    #[must_use]
    pub fn newest(&self) -> Option<Arc<Cosigned>> {
        self.inner.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How each witness is doing, in the policy's order.
    #[must_use]
    pub fn statuses(&self) -> Vec<WitnessStatus> {
        self.inner.statuses().clone()
    }
}

impl Inner {
    /// One witness's cosignature lines, or none with the reason in its status.
    async fn ask(&self, position: usize, published: &Published) -> Option<String> {
        let url = self.policy.witnesses().get(position)?.url.clone()?;
        let old = self.statuses().get(position)?.size;
        let answer = match self.post(&url, old, published).await {
            Ok(Reply::Conflict(size)) if size <= published.head.size.0 => {
                self.post(&url, size, published).await
            }
            other => other,
        };
        let problem = match answer {
            Ok(Reply::Cosigned(lines)) => {
                let note = &published.checkpoint;
                let lines_of = std::slice::from_ref(&lines);
                let got = witnessed(note, lines_of, &self.policy, self.crypto.as_ref());
                let mut statuses = self.statuses();
                let status = statuses.get_mut(position)?;
                if got.witnesses.contains(&status.name) {
                    status.size = published.head.size.0;
                    status.cosigned_ms = now_ms();
                    if status.problem.take().is_some() {
                        tracing::info!(witness = status.name, "a witness cosigns again");
                    }
                    return Some(lines);
                }
                "its cosignature does not verify under the key of the policy".to_owned()
            }
            Ok(Reply::Conflict(size)) => {
                format!("it has size {size}, we have {}", published.head.size)
            }
            Err(problem) => problem,
        };
        if let Some(status) = self.statuses().get_mut(position) {
            if status.problem.as_ref() != Some(&problem) {
                tracing::warn!(witness = status.name, problem, "a witness did not cosign");
            }
            status.problem = Some(problem);
        }
        None
    }

    async fn post(&self, url: &str, old: u64, published: &Published) -> Result<Reply, String> {
        let (old, size) = (TreeSize(old), published.head.size);
        let proof = self.reader.consistency(old, size).map_err(|e| e.to_string())?;
        let body = AddCheckpoint { old, proof, checkpoint: &published.checkpoint }.encode();
        let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let sent = self.http.post(url).body(body).send().await;
        let mut response = sent.map_err(|e| cause(&e))?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|e| cause(&e))? {
            bytes.extend_from_slice(&part);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err("its answer is too long".to_owned());
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match status {
            200 => Ok(Reply::Cosigned(text)),
            409 => match parse_size(&bytes) {
                Ok(size) => Ok(Reply::Conflict(size.0)),
                Err(error) => Err(format!("it answered 409, and {error}")),
            },
            _ => Err(format!("it answered {status}: {}", text.trim_end())),
        }
    }

    /// Keeps the newest witnessed checkpoint, in memory and as `<dir>/witnessed`.
    fn keep(&self, cosigned: &Arc<Cosigned>) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(cosigned.clone());
        let store = self.reader.store();
        let path = store.dir.join("witnessed");
        if let Err(error) = store.disk.replace(&path, cosigned.checkpoint.as_bytes()) {
            tracing::warn!(%error, "the witnessed checkpoint could not be written");
        }
    }

    fn statuses(&self) -> MutexGuard<'_, Vec<WitnessStatus>> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is at the bottom of a failed request; the address stays out of it.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    format!("it cannot be reached: {deepest}")
}

enum Reply {
    Cosigned(String),
    Conflict(u64),
}
