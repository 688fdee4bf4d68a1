//! What a challenge leaves behind: enough for anyone to check it again, offline.
//!
//! ```json
//! {"schema": "firmlog/challenge-transcript/v1", "origin": "log.example/pumps",
//!  "commitment": "…", "nonce": "…", "committed_in": {"index": "48", "entry": "…", "path": []},
//!  "known": "…", "consistency": ["…"], "checkpoint": "…", "count": 16,
//!  "answers": [{"index": "17", "entry": "…", "path": ["…"]}, {"index": "3", "refused": "503"},
//!              {"index": "9", "pruned": "entries before 256 are no longer kept"}]}
//! ```
//!
//! Where the log did not hand over the tiles for a proof, `path` and `consistency` are
//! `{"refused": why}` instead of a list.
//!
//! Invariants:
//! - [`Transcript::check`] uses the transcript and the trust root only; no socket, no clock.
//! - What the log did not hand over stays in the transcript as a refusal. It is no contradiction:
//!   only what the log did say can convict it.

use firmlog_statement::{Parsed, Statement};
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::{Hash, LeafIndex, leaf_hash, verify_consistency};
use firmlog_verify::checkpoint::verify_checkpoint;
use firmlog_verify::{Crypto, TrustRoot, Verified};
use serde_json::{Value, json};

use super::draw;
use crate::answer::{counted, hex, unhex};
use crate::error::{Error, Result};

/// Schema of the document.
pub(crate) const SCHEMA: &str = "firmlog/challenge-transcript/v1";

/// An entry with its inclusion proof under the pinned checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct Proven {
    pub(crate) index: u64,
    pub(crate) entry: Vec<u8>,
    pub(crate) path: Vec<Hash>,
}

/// What the log answered for one draw.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Given(Proven),
    Refused {
        index: u64,
        why: String,
    },
    /// Not kept any more, as the log says.
    Pruned {
        index: u64,
        why: String,
    },
}

/// A proof, or why the log did not hand over the tiles for it.
pub(crate) type Proof = std::result::Result<Vec<Hash>, String>;

/// The entry in which the challenger committed.
#[derive(Clone, Debug)]
pub(crate) struct Committed {
    pub(crate) index: u64,
    pub(crate) entry: Vec<u8>,
    pub(crate) path: Proof,
}

/// A challenge, whole.
#[derive(Clone, Debug)]
pub(crate) struct Transcript {
    pub(crate) origin: String,
    pub(crate) nonce: [u8; 32],
    pub(crate) commitment: [u8; 32],
    /// The entry in which the challenger committed, when it did so in the log.
    pub(crate) committed_in: Option<Committed>,
    /// A checkpoint known before, and the proof that the pinned one extends it.
    pub(crate) known: Option<(String, Proof)>,
    pub(crate) checkpoint: String,
    pub(crate) count: usize,
    pub(crate) answers: Vec<Reply>,
}

/// One thing that was looked at.
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) state: State,
    pub(crate) detail: String,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Holds,
    Fails,
    Missing,
    /// The log did not hand it over.
    Refused,
    /// The log says that it no longer keeps it.
    Pruned,
}

impl Transcript {
    /// The document.
    pub(crate) fn to_json(&self) -> Value {
        let answers: Vec<Value> = self.answers.iter().map(Reply::to_json).collect();
        json!({
            "schema": SCHEMA,
            "origin": self.origin,
            "nonce": hex(&self.nonce),
            "commitment": hex(&self.commitment),
            "committed_in": self.committed_in.as_ref().map(Committed::to_json),
            "known": self.known.as_ref().map(|(note, _)| note),
            "consistency": self.known.as_ref().map(|(_, proof)| proof_json(proof)),
            "checkpoint": self.checkpoint,
            "count": self.count,
            "answers": answers,
        })
    }

    /// Reads the document; unknown fields are refused, so that nothing hides in it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let doc: Value =
            serde_json::from_slice(bytes).map_err(|e| Error::form("challenge transcript", e))?;
        read(&doc).ok_or_else(|| {
            Error::form("challenge transcript", "a field is missing, unknown or malformed")
                .expected(SCHEMA, doc.get("schema").unwrap_or(&Value::Null))
        })
    }

    /// Checks everything again.
    pub(crate) fn check(&self, root: &TrustRoot, crypto: &dyn Crypto) -> Vec<Finding> {
        let mut findings = vec![self.check_commitment()];
        let signed = match verify_checkpoint(self.checkpoint.as_bytes(), root, crypto) {
            Ok(signed) => signed,
            Err(e) => {
                findings.push(Finding::fails("checkpoint", e));
                return findings;
            }
        };
        let size = signed.head.size.0;
        findings.push(Finding::holds("checkpoint", format!("signed by {}", root.log_key().name)));
        findings.push(witnessed(&signed));
        findings.push(self.check_order(&signed));
        findings.extend(self.check_known(root, crypto, &signed));
        let text = note_text(&self.checkpoint).unwrap_or_default();
        // One more than was answered shows that answers are missing; a huge count costs nothing.
        let count = self.count.min(self.answers.len().saturating_add(1));
        let drawn = draw::draw(&draw::seed(&self.nonce, text), size, count);
        findings.push(self.check_draws(&drawn));
        findings.extend(self.answers.iter().map(|reply| reply.check(&signed)));
        findings
    }

    fn check_commitment(&self) -> Finding {
        let expected = draw::commitment(&self.nonce);
        if expected == self.commitment {
            return Finding::holds("commitment", "the nonce is the committed one");
        }
        let detail = format!("expected {}, got {}", hex(&self.commitment), hex(&expected));
        Finding::fails("commitment", detail)
    }

    /// The commitment must be in an entry that the pinned checkpoint covers.
    fn check_order(&self, signed: &Signed) -> Finding {
        let Some(proven) = &self.committed_in else {
            let detail = "only the challenger knows that it committed before the checkpoint";
            return Finding::missing("committed first", detail);
        };
        let path = match &proven.path {
            Ok(path) => path,
            Err(why) => return Finding::refused("committed first", why),
        };
        let leaf = leaf_hash(&proven.entry);
        let inclusion = signed.verify_inclusion(LeafIndex(proven.index), &leaf, path);
        match (inclusion, committed_digest(&proven.entry)) {
            (Ok(_), Some(digest)) if digest == self.commitment => {
                Finding::holds("committed first", format!("in entry {}", proven.index))
            }
            (Ok(_), _) => Finding::fails("committed first", "the entry holds another commitment"),
            (Err(e), _) => Finding::fails("committed first", e),
        }
    }

    /// `None` when no earlier checkpoint was known: then nothing was claimed about growth.
    fn check_known(
        &self,
        root: &TrustRoot,
        crypto: &dyn Crypto,
        signed: &Signed,
    ) -> Option<Finding> {
        let (note, proof) = self.known.as_ref()?;
        let older = match verify_checkpoint(note.as_bytes(), root, crypto) {
            Ok(older) => older.head,
            Err(e) => return Some(Finding::fails("append-only", e)),
        };
        let proof = match proof {
            Ok(proof) => proof,
            Err(why) => return Some(Finding::refused("append-only", why)),
        };
        let detail = format!("SPLIT VIEW from {}", older.size);
        Some(match verify_consistency(&older, &signed.head, proof) {
            Ok(()) => Finding::holds("append-only", format!("extends the tree of {}", older.size)),
            Err(e) => Finding::fails("append-only", format!("{detail}: {e}")),
        })
    }

    fn check_draws(&self, drawn: &[u64]) -> Finding {
        let answered: Vec<u64> = self.answers.iter().map(Reply::index).collect();
        if answered == drawn {
            return Finding::holds(
                "drawn by both",
                counted(drawn.len() as u64, "entry", "entries"),
            );
        }
        Finding::fails("drawn by both", format!("expected {drawn:?}, got {answered:?}"))
    }
}

type Signed = Verified<firmlog_verify::checkpoint::SignedHead>;

/// A quorum of nobody proves nothing about split views.
fn witnessed(signed: &Signed) -> Finding {
    match (signed.witnesses.len(), signed.quorum) {
        (0, true) => Finding::missing("witnessed", "nobody; the trust root asks for none"),
        (n, quorum) => {
            let names = counted(n as u64, "witness", "witnesses");
            match quorum {
                true => Finding::holds("witnessed", format!("{names}, the quorum is reached")),
                false => Finding::missing("witnessed", format!("{names}, too few")),
            }
        }
    }
}

/// The text of a note, which is what the log signed.
pub(crate) fn note_text(note: &str) -> Option<&str> {
    Unverified::parse(note.as_bytes()).ok().map(|unverified| unverified.note().text())
}

/// The digest that an `Audit` statement commits to.
fn committed_digest(entry: &[u8]) -> Option<[u8; 32]> {
    match Parsed::parse(entry).ok()?.decode().ok()? {
        Statement::Audit(audit) => audit.new.map(|digest| digest.0),
        _ => None,
    }
}

impl Finding {
    fn holds(name: &'static str, detail: impl ToString) -> Self {
        Self { name, state: State::Holds, detail: detail.to_string() }
    }

    fn fails(name: &'static str, detail: impl ToString) -> Self {
        Self { name, state: State::Fails, detail: detail.to_string() }
    }

    fn missing(name: &'static str, detail: impl ToString) -> Self {
        Self { name, state: State::Missing, detail: detail.to_string() }
    }

    fn refused(name: &'static str, why: &str) -> Self {
        Self { name, state: State::Refused, detail: format!("the proof: not handed over ({why})") }
    }
}

impl Reply {
    fn index(&self) -> u64 {
        match self {
            Self::Given(proven) => proven.index,
            Self::Refused { index, .. } | Self::Pruned { index, .. } => *index,
        }
    }

    fn check(&self, signed: &Signed) -> Finding {
        match self {
            Self::Refused { index, why } => {
                let detail = format!("{index}: not handed over ({why})");
                Finding { name: "entry", state: State::Refused, detail }
            }
            Self::Pruned { index, why } => {
                let detail = format!("{index}: not handed over: pruned ({why})");
                Finding { name: "entry", state: State::Pruned, detail }
            }
            Self::Given(proven) => {
                let leaf = leaf_hash(&proven.entry);
                match signed.verify_inclusion(LeafIndex(proven.index), &leaf, &proven.path) {
                    Ok(_) => Finding::holds("entry", format!("{} {leaf}", proven.index)),
                    Err(e) => Finding::fails("entry", format!("{}: ALTERED: {e}", proven.index)),
                }
            }
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Given(proven) => proven.to_json(),
            Self::Refused { index, why } => json!({"index": index.to_string(), "refused": why}),
            Self::Pruned { index, why } => json!({"index": index.to_string(), "pruned": why}),
        }
    }
}

impl Proven {
    fn to_json(&self) -> Value {
        let path: Vec<String> = self.path.iter().map(Hash::to_string).collect();
        json!({"index": self.index.to_string(), "entry": hex(&self.entry), "path": path})
    }
}

impl Committed {
    fn to_json(&self) -> Value {
        json!({"index": self.index.to_string(), "entry": hex(&self.entry),
            "path": proof_json(&self.path)})
    }
}

fn proof_json(proof: &Proof) -> Value {
    match proof {
        Ok(hashes) => hashes.iter().map(Hash::to_string).collect::<Vec<_>>().into(),
        Err(why) => json!({"refused": why}),
    }
}

const FIELDS: [&str; 10] = [
    "schema",
    "origin",
    "nonce",
    "commitment",
    "committed_in",
    "known",
    "consistency",
    "checkpoint",
    "count",
    "answers",
];

fn read(doc: &Value) -> Option<Transcript> {
    let object = doc.as_object()?;
    let known_fields = object.keys().all(|key| FIELDS.contains(&key.as_str()));
    if !known_fields || doc["schema"].as_str()? != SCHEMA {
        return None;
    }
    let known = match (doc.get("known")?, doc.get("consistency")?) {
        (Value::Null, Value::Null) => None,
        (note, proof) => Some((note.as_str()?.to_owned(), proof_of(proof)?)),
    };
    let committed_in = match doc.get("committed_in")? {
        Value::Null => None,
        value => Some(committed(value)?),
    };
    Some(Transcript {
        origin: doc["origin"].as_str()?.to_owned(),
        nonce: bytes32(&doc["nonce"])?,
        commitment: bytes32(&doc["commitment"])?,
        committed_in,
        known,
        checkpoint: doc["checkpoint"].as_str()?.to_owned(),
        count: usize::try_from(doc["count"].as_u64()?).ok()?,
        answers: doc["answers"].as_array()?.iter().map(reply).collect::<Option<_>>()?,
    })
}

fn reply(value: &Value) -> Option<Reply> {
    let index = || value["index"].as_str()?.parse().ok();
    match (value.get("refused"), value.get("pruned")) {
        (Some(why), None) => {
            Some(Reply::Refused { index: index()?, why: why.as_str()?.to_owned() })
        }
        (None, Some(why)) => Some(Reply::Pruned { index: index()?, why: why.as_str()?.to_owned() }),
        (None, None) => proven(value).map(Reply::Given),
        (Some(_), Some(_)) => None,
    }
}

fn committed(value: &Value) -> Option<Committed> {
    Some(Committed {
        index: value["index"].as_str()?.parse().ok()?,
        entry: unhex(value["entry"].as_str()?)?,
        path: proof_of(&value["path"])?,
    })
}

fn proof_of(value: &Value) -> Option<Proof> {
    match value.get("refused") {
        Some(why) => Some(Err(why.as_str()?.to_owned())),
        None => hashes(value).map(Ok),
    }
}

fn proven(value: &Value) -> Option<Proven> {
    Some(Proven {
        index: value["index"].as_str()?.parse().ok()?,
        entry: unhex(value["entry"].as_str()?)?,
        path: hashes(&value["path"])?,
    })
}

fn hashes(value: &Value) -> Option<Vec<Hash>> {
    value.as_array()?.iter().map(|hash| Hash::from_hex(hash.as_str()?)).collect()
}

fn bytes32(value: &Value) -> Option<[u8; 32]> {
    unhex(value.as_str()?)?.try_into().ok()
}
