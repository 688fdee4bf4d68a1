//! Signing a statement and bringing it into a log.
//!
//! ```text
//! statement ── sign ──▶ entry ── POST /entries ──▶ COSE receipt ── verified against the trust root
//! ```
//!
//! Invariants:
//! - What is reported as in the log was proven by the log's own signed receipt, checked with the
//!   key of the trust root.
//! - Submitting again is harmless: the same bytes get the same place.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use firmlog_keys::{AwsLc, Key, os_random};
use firmlog_statement::codec;
use firmlog_statement::disclosure::{Commitment, Commitments, Disclosure, FieldId};
use firmlog_statement::time::{DeviceTime, Source, SyncState, ZoneOffset};
use firmlog_statement::{Digest, PublicKey, Signer, Statement, sign_statement};
use firmlog_tlog::merkle::{Hash, leaf_hash};
use firmlog_verify::TrustRoot;
use firmlog_verify::receipt::cose::CoseReceipt;
use serde_json::{Value, json};

use crate::Context;
use crate::answer::hex;
use crate::command::key::{self, Lock, access_error};
use crate::error::{Error, Result};
use crate::http::Client;

/// Which log, and how it is known.
#[derive(Args)]
pub(crate) struct LogArgs {
    /// Address of the log
    #[arg(long, env = "FIRMLOG_LOG", value_name = "URL")]
    pub(crate) log: String,
    /// Trust root file that pins the log
    #[arg(long, env = "FIRMLOG_TRUST", value_name = "FILE")]
    pub(crate) trust: PathBuf,
}

/// Who signs.
#[derive(Args)]
pub(crate) struct SignArgs {
    /// Key of whoever signs: a file, tpm:… or pkcs11:…
    #[arg(long, value_name = "KEY")]
    pub(crate) key: OsString,
    /// Name under which that key is enrolled
    #[arg(long = "as", id = "signs-as", value_name = "ISSUER")]
    pub(crate) issuer: String,
    #[command(flatten)]
    pub(crate) lock: Lock,
    /// Write the signed entry (and its disclosures) here as well
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

impl SignArgs {
    /// Opens the key.
    pub(crate) fn open(&self) -> Result<Key> {
        key::open(&key::uri(&self.key)?, &self.lock)
    }
}

/// An entry with its proven place.
pub(crate) struct Placed {
    pub(crate) index: u64,
    pub(crate) size: u64,
    pub(crate) leaf: Hash,
    /// The log's COSE receipt.
    pub(crate) receipt: Vec<u8>,
}

impl Placed {
    pub(crate) fn json(&self) -> Value {
        json!({"index": self.index.to_string(), "leaf_hash": self.leaf.to_string(),
            "tree_size": self.size.to_string()})
    }

    pub(crate) fn text(&self) -> String {
        format!("✓ in log  entry {} of {}\nleaf hash {}\n", self.index, self.size, self.leaf)
    }
}

/// Reads and parses a trust root file.
pub(crate) fn trust_root(path: &Path) -> Result<TrustRoot> {
    let bytes = std::fs::read(path).map_err(|e| {
        Error::io("read", path, e).help("the trust root pins the log; its operator hands it out")
    })?;
    TrustRoot::parse(&bytes).map_err(|e| Error::form(&path.display().to_string(), e))
}

/// The public key of a log, as its receipts are signed.
pub(crate) fn log_key(root: &TrustRoot) -> PublicKey {
    PublicKey::Ed25519(root.log_key().public_key)
}

/// Signs with a key that was opened once, submits, and checks the receipt.
pub(crate) fn sign_and_submit(
    statement: &Statement,
    subject: &str,
    sign: &SignArgs,
    key: &dyn Signer,
    disclosures: &[Secret],
    log: &LogArgs,
    context: &Context,
) -> Result<Placed> {
    let root = trust_root(&log.trust)?;
    let entry = sign_entry(statement, &sign.issuer, subject, key)?;
    keep(sign, &entry, disclosures)?;
    let client = Client::new(&log.log, context)?;
    submit(&client, &root, &entry, disclosures)
}

/// Writes the entry and its disclosures, where that is wanted.
pub(crate) fn keep(sign: &SignArgs, entry: &[u8], secrets: &[Secret]) -> Result<()> {
    let Some(out) = &sign.out else { return Ok(()) };
    std::fs::write(out, entry).map_err(|e| Error::io("write", out, e))?;
    if secrets.is_empty() {
        return Ok(());
    }
    let path = beside(out);
    let set = disclosure_set(entry, secrets)?;
    let mut file = firmlog_keys::access::create(&path).map_err(|e| access_error(&path, e))?;
    file.write_all(&set).map_err(|e| Error::io("write", &path, e))
}

/// Where the disclosures of an entry's file go.
pub(crate) fn beside(entry: &Path) -> PathBuf {
    let mut name = entry.as_os_str().to_owned();
    name.push(".disclosures");
    name.into()
}

/// Signs a statement into entry bytes.
pub(crate) fn sign_entry(
    statement: &Statement,
    issuer: &str,
    subject: &str,
    signer: &dyn Signer,
) -> Result<Vec<u8>> {
    sign_statement(statement, issuer, subject, signer)
        .map_err(|e| Error::new("E-SIGN", format!("failed to sign the statement: {e}")))
}

/// Submits an entry, with disclosures if it has any, and verifies the receipt against the trust
/// root.
pub(crate) fn submit(
    client: &Client,
    root: &TrustRoot,
    entry: &[u8],
    secrets: &[Secret],
) -> Result<Placed> {
    let with = if secrets.is_empty() { None } else { Some(with_disclosures(entry, secrets)?) };
    submit_as(client, root, entry, with)
}

/// As [`submit`], where the entry with its disclosures is put together already.
pub(crate) fn submit_as(
    client: &Client,
    root: &TrustRoot,
    entry: &[u8],
    with_disclosures: Option<Vec<u8>>,
) -> Result<Placed> {
    let (media_type, body) = match with_disclosures {
        None => ("application/cose", entry.to_vec()),
        Some(body) => ("application/firmlog-submission+cbor", body),
    };
    let accept = "application/scitt-receipt+cose";
    let reply = client.post_any("entries", media_type, accept, body)?;
    if reply.status != 201 && reply.status != 200 {
        return Err(client.refused("entries", &reply));
    }
    let leaf = leaf_hash(entry);
    let receipt = CoseReceipt::parse(&reply.body).map_err(|e| Error::form("receipt", e))?;
    let proven = receipt.verify_inclusion(&leaf, &log_key(root), &AwsLc).map_err(|e| {
        Error::new("E-RECEIPT", format!("the log's receipt does not hold: {e}"))
            .exit(crate::error::Exit::Against)
            .expected(format!("a receipt of {}", root.log_key()), "a receipt that key did not sign")
    })?;
    let (index, size) = (proven.index.0, proven.head.size.0);
    Ok(Placed { index, size, leaf, receipt: reply.body })
}

/// A private value with the salt that hides it.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) field: FieldId,
    pub(crate) salt: [u8; 16],
    pub(crate) value: String,
}

impl Secret {
    /// Draws a salt.
    pub(crate) fn new(field: FieldId, value: &str) -> Self {
        let mut salt = [0; 16];
        os_random(&mut salt);
        Self { field, salt, value: value.to_owned() }
    }

    /// With the leaf hash it belongs to.
    pub(crate) fn disclosure(&self, leaf: &Hash) -> Disclosure {
        let (field, salt, value) = (self.field, self.salt, self.value.clone());
        Disclosure { entry: Digest(leaf.0), field, salt, value }
    }
}

/// The commitments to some private values.
pub(crate) fn commit(secrets: &[Secret]) -> Result<Commitments> {
    let mut all: Vec<Commitment> =
        secrets.iter().map(|s| Commitment::new(s.field, &s.salt, &s.value)).collect();
    all.sort_by_key(|c| c.field);
    Commitments::new(&all).map_err(|e| Error::form("commitments", e))
}

/// The disclosures of an entry as a `DisclosureSet`.
pub(crate) fn disclosure_set(entry: &[u8], secrets: &[Secret]) -> Result<Vec<u8>> {
    let leaf = leaf_hash(entry);
    let all = secrets.iter().map(|s| s.disclosure(&leaf)).collect();
    firmlog_statement::disclosure::DisclosureSet::new(all)
        .and_then(|set| set.encode())
        .map_err(|e| Error::form("disclosures", e))
}

/// `[entry, disclosures]`, as the log's intake takes it.
pub(crate) fn with_disclosures(entry: &[u8], secrets: &[Secret]) -> Result<Vec<u8>> {
    with_set(entry, &disclosure_set(entry, secrets)?)
}

/// The same, of an encoded `DisclosureSet`.
pub(crate) fn with_set(entry: &[u8], set: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(entry.len() + set.len() + 8);
    codec::head(&mut out, 4, 2)
        .and_then(|()| codec::bytes(&mut out, entry))
        .map_err(|e| Error::form("submission", e))?;
    out.extend_from_slice(set);
    Ok(out)
}

/// This computer's clock, as what it is: one that nobody vouches for.
pub(crate) fn now() -> DeviceTime {
    DeviceTime {
        utc_ms: Some(now_ms()),
        zone_min: Some(ZoneOffset::UTC),
        source: Source::Rtc,
        sync: SyncState::Never,
        uncertainty_ms: None,
        last_sync_ms: None,
        boot_id: None,
        uptime_ms: None,
        counter: None,
        evidence: None,
    }
}

/// Milliseconds since 1970 UTC.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// A SHA-256 or leaf hash in hex.
pub(crate) fn digest(text: &str) -> Result<Digest> {
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    crate::answer::unhex(text)
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .map(Digest)
        .ok_or_else(|| {
            Error::form("hash", "expected 64 hex digits").expected("64 hex digits", hex_len(text))
        })
}

fn hex_len(text: &str) -> String {
    format!("{} characters", text.chars().count())
}

/// Groups of four hex digits, as people compare them.
pub(crate) fn grouped(digest: &[u8]) -> String {
    let hex = hex(digest);
    hex.as_bytes()
        .chunks(4)
        .map(|chunk| String::from_utf8_lossy(chunk).into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
