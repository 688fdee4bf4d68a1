//! Anchors the log's checkpoints by policy, and tells the log itself when one is final.
//!
//! ```text
//! served checkpoint ─▶ every interval, or after so many entries ─▶ firmlog_anchor::Client
//!     final ─▶ `Audit` anchor_confirmed in the log; evidence into bundles
//!     late or contradicted ─▶ `Audit` anchor_missing, once: anchor_late or contract_contradicts
//! ```
//!
//! In scope: when to anchor, and telling. Out of scope: how (`firmlog-anchor`), what it proves
//! (`firmlog-verify`).
//!
//! Invariants:
//! - What is anchored is what readers are given: with a witness policy, the witnessed checkpoint.
//! - A log in which nothing happened but its own account of the last anchor is not anchored again.
//! - The statement of a confirmed anchor has no time of its own, so a restart repeats the same
//!   bytes and the log has it once.
//! - A chain that cannot be reached costs nothing but the anchor: entries are taken meanwhile.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use firmlog_anchor::config::{Config as Settings, SignerKey};
use firmlog_anchor::journal::Anchored;
use firmlog_anchor::threshold::HeldKey;
use firmlog_anchor::{AnchorError, Authority, Client, P256Signer, Status, Wallet, offline};
use firmlog_keys::{FileKey, Key, KeyUri, read_passphrase};
use firmlog_log::{LogError, Reader};
use firmlog_statement::{Audit, AuditAction, Digest, Parsed, PublicKey, Severity, Signer};
use firmlog_tlog::merkle::{TreeHead, TreeSize};
use firmlog_verify::evm::EvmEvidence;

use crate::app::{App, now_ms};
use crate::audit;

/// Subject of the log's audit statements about its anchors.
const SUBJECT: &str = "anchors";

/// Entries looked at to tell whether anything but such statements was appended.
const OWN_MAX: u64 = 16;

/// The newest final anchor, for answers, pages and bundles.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    pub(crate) chain_id: u64,
    pub(crate) contract: String,
    pub(crate) head: TreeHead,
    /// The anchored note.
    pub(crate) checkpoint: String,
    pub(crate) block_number: u64,
    pub(crate) block_hash: String,
    /// The block's time, Unix milliseconds.
    pub(crate) block_ms: u64,
    pub(crate) tx: String,
    /// What auditors check offline, if the chain gives it.
    pub(crate) evidence: Option<Bytes>,
}

/// Where anchoring stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) newest: Option<Arc<Anchor>>,
    /// Size up to which nothing but the log's own account of anchors follows the newest.
    pub(crate) settled: u64,
    /// The last step in words; empty before the first.
    pub(crate) says: String,
}

/// Opens the client of these settings.
pub(crate) fn open(path: &Path, origin: &str) -> Result<(Client, Settings), AnchorError> {
    let settings = Settings::read(path)?;
    let (relay, authority) = signers(&settings)?;
    let client = Client::open(settings.settings(origin)?, settings.providers()?, relay, authority)?;
    Ok((client, settings))
}

/// Opens the keys with the passphrases that files hold: nobody is asked.
fn signers(settings: &Settings) -> Result<(Wallet, Authority), AnchorError> {
    let relay = wallet(&settings.relay.key, settings.relay.passphrase_file.as_deref())?;
    let authority = settings.authority.open(|| Ok(relay.address()), wallet, p256, held_key)?;
    Ok((relay, authority))
}

fn held_key(one: &SignerKey, path: &Path) -> Result<HeldKey, AnchorError> {
    let passphrase = one.passphrase_file.as_deref();
    let Some(verifier) = one.verifier else {
        return wallet(path, passphrase).map(HeldKey::Secp256k1);
    };
    let key = file_key(path, passphrase)?;
    let PublicKey::P256(point) = key.public_key() else {
        return Err(AnchorError::Key { path: path.into(), why: "it is not of P-256".into() });
    };
    let sign = Box::new(move |digest: &[u8; 32]| key.sign_digest(digest));
    Ok(HeldKey::P256 { verifier, point, sign })
}

fn file_key(path: &Path, passphrase: Option<&Path>) -> Result<FileKey, AnchorError> {
    let secret =
        passphrase.map(|file| refused(file.display(), read_passphrase(file))).transpose()?;
    refused(path.display(), FileKey::open(path, secret.as_ref().map(|text| text.as_slice())))
}

fn p256(name: &str, base: &Path, passphrase: Option<&Path>) -> Result<P256Signer, AnchorError> {
    let uri: KeyUri = refused(name, name.parse::<KeyUri>())?.resolved(base);
    let secret = passphrase.map(|file| refused(file.display(), read_passphrase(file)));
    let secret = secret.transpose()?;
    let key = Key::open(&uri, secret.as_ref().map(|text| text.as_slice()));
    Ok(Box::new(refused(uri, key)?))
}

fn wallet(key: &Path, passphrase: Option<&Path>) -> Result<Wallet, AnchorError> {
    refused(key.display(), firmlog_keys::access::open(key))?;
    match passphrase {
        None => Wallet::open(key, b""),
        Some(file) => Wallet::open(key, &refused(file.display(), read_passphrase(file))?),
    }
}

fn refused<T, E: Display>(name: impl Display, result: Result<T, E>) -> Result<T, AnchorError> {
    let path = name.to_string().into();
    result.map_err(|error| AnchorError::Key { path, why: error.to_string() })
}

/// Anchors for ever.
pub(crate) async fn run(app: Arc<App>, client: Client, settings: Settings) {
    let mut anchoring = Anchoring { app, client, settings, last: None, told: None };
    if let Some(anchored) = anchoring.client.state().done.clone() {
        anchoring.confirm(&anchored).await;
    }
    loop {
        let pause = anchoring.round().await;
        tokio::time::sleep(pause).await;
    }
}

struct Anchoring {
    app: Arc<App>,
    client: Client,
    settings: Settings,
    /// When a checkpoint was last asked for.
    last: Option<Instant>,
    /// What was last told to be missing.
    told: Option<String>,
}

impl Anchoring {
    /// One step; how long until the next.
    async fn round(&mut self) -> Duration {
        let poll = Duration::from_millis(self.settings.timing.poll_ms.max(1));
        let step = match self.want().await {
            Ok(()) => self.client.step().await,
            Err(error) => Err(error),
        };
        match step {
            Ok(Status::NeedsProof { old, new }) => return self.prove(old, new).await,
            Ok(Status::Final(anchored)) => {
                self.say("final");
                self.confirm(&anchored).await;
            }
            Ok(Status::Refused(finding)) => {
                self.say(&finding.summary);
                self.missing(&finding.summary, Severity::P1).await;
            }
            Ok(status) => self.say(&status.to_string()),
            Err(error) => {
                tracing::error!(%error, "anchoring stands still");
                self.say(&error.to_string());
                self.missing(&error.to_string(), Severity::P2).await;
            }
        }
        self.late().await;
        self.client.pause(poll)
    }

    /// Asks for the served checkpoint to be anchored, if it is time.
    async fn want(&mut self) -> Result<(), AnchorError> {
        let (note, head, witnessed) = self.app.served();
        if head.size.0 == 0 || (self.app.policy.is_some() && !witnessed) {
            return Ok(());
        }
        let state = self.client.state();
        let under_way = state.target.as_ref().map(|target| target.size);
        let anchored = state.done.as_ref().map_or(0, |it| it.target.size);
        let from = under_way.unwrap_or(anchored);
        if head.size.0 <= from {
            return Ok(());
        }
        let fresh = self.app.engine.read(move |reader| fresh(reader, from, head.size.0)).await;
        if fresh.is_ok_and(|fresh| !fresh) {
            if under_way.is_none() {
                self.stand(|standing| standing.settled = head.size.0);
            }
            return Ok(());
        }
        let interval = Duration::from_secs(self.app.config.anchor.interval_s);
        let due = self.last.is_none_or(|last| last.elapsed() >= interval);
        let many = head.size.0 - from >= self.app.config.anchor.entries;
        if !(due || many) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        self.client.want(&note)
    }

    async fn prove(&mut self, old: TreeSize, new: TreeSize) -> Duration {
        let proof = self.app.engine.read(move |reader| reader.consistency(old, new)).await;
        match proof {
            Ok(hashes) => {
                self.client.prove(old, new, hashes);
                Duration::ZERO
            }
            // The contract has a tree that this log does not have.
            Err(_) if new > self.app.engine.published().head.size => {
                if let Ok(Status::Refused(finding)) = self.client.contract_ahead(new) {
                    self.say(&finding.summary);
                    self.missing(&finding.summary, Severity::P1).await;
                }
                Duration::from_secs(60)
            }
            Err(problem) => {
                self.say(&problem.detail);
                Duration::from_secs(10)
            }
        }
    }

    /// Serves a final anchor, and tells it in the log.
    async fn confirm(&mut self, anchored: &Anchored) {
        let known = self.app.anchoring.load().newest.clone();
        let size = anchored.target.size;
        let known = known.filter(|it| it.head.size.0 == size);
        if known.as_ref().is_some_and(|it| it.evidence.is_some()) {
            return;
        }
        let evidence = self.evidence(size);
        if known.is_some() && evidence.is_none() {
            return;
        }
        let chain = &self.settings.chain;
        let contract = chain.contract.map(|contract| contract.to_string()).unwrap_or_default();
        let seen = &anchored.seen;
        let anchor = Arc::new(Anchor {
            chain_id: chain.id,
            contract: contract.to_lowercase(),
            head: anchored.target.head(),
            checkpoint: anchored.target.note.clone(),
            block_number: seen.block_number,
            block_hash: seen.block_hash.to_string(),
            block_ms: seen.event.map_or(0, |event| event.time.saturating_mul(1000)),
            tx: seen.tx.to_string(),
            evidence,
        });
        let audit = confirmed(&anchor, anchored);
        self.stand(|standing| standing.newest = Some(anchor.clone()));
        self.told = None;
        self.tell(audit).await;
    }

    /// The evidence of the anchored tree, if it is there and what it should be.
    fn evidence(&self, size: u64) -> Option<Bytes> {
        let bytes = std::fs::read(offline::path(&self.settings.relay.dir, size)).ok()?;
        EvmEvidence::parse(&bytes).ok().map(|_| Bytes::from(bytes))
    }

    /// Tells an anchor that is late.
    async fn late(&mut self) {
        let max_s = self.app.config.readiness.anchored_age_max_s;
        let Some(age_s) = self.app.unanchored_s().filter(|age_s| *age_s > max_s) else { return };
        let says = self.app.anchoring.load().says.clone();
        let why = format!("entries wait {age_s} s for an anchor, {max_s} allowed: {says}");
        if self.told.is_none() {
            self.missing(&why, Severity::P2).await;
        }
    }

    /// Tells once what is wrong.
    async fn missing(&mut self, why: &str, severity: Severity) {
        if self.told.as_deref() == Some(why) {
            return;
        }
        self.told = Some(why.to_owned());
        tracing::warn!(why, "an anchor is missing");
        self.tell(missing(why, severity)).await;
    }

    fn say(&self, says: &str) {
        self.stand(|standing| standing.says = says.to_owned());
    }

    fn stand(&self, change: impl Fn(&mut Standing)) {
        self.app.anchoring.rcu(|standing| {
            let mut standing = Standing::clone(standing);
            change(&mut standing);
            standing
        });
    }

    async fn tell(&self, audit: Audit) {
        // The operator is told if it fails.
        let _ = audit::tell(&self.app.engine, SUBJECT, audit).await;
    }
}

/// Whether anything but the log's own account of anchors was appended between these sizes.
fn fresh(reader: &Reader, from: u64, size: u64) -> Result<bool, LogError> {
    if size - from > OWN_MAX {
        return Ok(true);
    }
    for entry in reader.entries(from, OWN_MAX as usize)? {
        let own = entry.index.0 < size
            && Parsed::parse(&entry.bytes).is_ok_and(|it| it.subject() == SUBJECT);
        if !own {
            return Ok(entry.index.0 < size);
        }
    }
    Ok(false)
}

fn confirmed(anchor: &Anchor, anchored: &Anchored) -> Audit {
    let detail = format!(
        "{} entries in block {} {} of chain {}, contract {}, transaction {}",
        anchor.head.size,
        anchor.block_number,
        anchor.block_hash,
        anchor.chain_id,
        anchor.contract,
        anchor.tx
    );
    Audit {
        new: Some(Digest(anchored.target.checkpoint_hash.0)),
        count: Some(anchor.head.size.0),
        window_until_ms: (anchor.block_ms > 0).then_some(anchor.block_ms),
        detail: Some(detail),
        ..audit::audit(AuditAction::AnchorConfirmed, None)
    }
}

fn missing(why: &str, severity: Severity) -> Audit {
    Audit {
        severity: Some(severity),
        detail: Some(audit::words(why)),
        ..audit::audit(AuditAction::AnchorMissing, Some(now_ms()))
    }
}
