//! A log in memory, for one device: the real chain rule, a real tree, real signatures, and moods.
//!
//! ```text
//! POST /batch        appended · duplicate · fork · gap · refused, under a signed checkpoint
//! GET /entries/{n}   a COSE receipt under the newest tree
//! ```
//!
//! What a whole log does beyond that (registration, storage, witnesses) is tested against the real
//! one, in `crates/cli/tests` and `cargo xtask agent-kill`.

use crate::device::Key;
use firmlog_agent::outbox::Receipts;
use firmlog_statement::chain::{ChainHead, Verdict, judge};
use firmlog_statement::codec::{self, Decoder};
use firmlog_statement::{Parsed, PublicKey, Signer as _, entry_hash};
use firmlog_tlog::checkpoint::{self, Checkpoint, Unverified};
use firmlog_tlog::merkle::{
    CompactRange, Hash, LeafIndex, NodeSource, TreeHead, TreeSize, inclusion_proof, leaf_hash,
};
use firmlog_tlog::note::{Algorithm, NoteSigner, SignerError, VerifierKey};
use firmlog_verify::RustCrypto;
use firmlog_verify::receipt::cose::{CoseReceipt, RootSignature};
use std::convert::Infallible;

const ORIGIN: &str = "log.example/pumps";

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`.
    pub retry_after_s: Option<u32>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// One that has only a status.
    #[must_use]
    pub const fn status(status: u16, retry_after_s: Option<u32>) -> Self {
        Self { status, retry_after_s, body: Vec::new() }
    }
}

/// The log.
#[derive(Clone)]
pub struct SimLog {
    signer: LogKey,
    seed: [u8; 32],
    /// Every entry; the first is the genesis.
    pub entries: Vec<Vec<u8>>,
    /// The device's key was revoked.
    pub revoked: bool,
}

#[derive(Clone)]
struct LogKey {
    key: Key,
    verifier: VerifierKey,
}

impl NoteSigner for LogKey {
    fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        firmlog_statement::Signer::sign(&self.key, message).map_err(|_| SignerError::Refused)
    }
}

impl SimLog {
    /// A log that knows a device by its chain's seed.
    ///
    /// # Panics
    /// Never: the name is one.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        let key = Key::new(0xee);
        let PublicKey::Ed25519(public) = key.public_key() else { unreachable!("made so") };
        let verifier = VerifierKey::new(ORIGIN, Algorithm::Ed25519, public).expect("a name");
        let entries = vec![b"genesis".to_vec()];
        Self { signer: LogKey { key, verifier }, seed, entries, revoked: false }
    }

    /// What a device pins to check this log's word.
    #[must_use]
    pub fn receipts(&self) -> LogReceipts {
        LogReceipts { verifier: self.signer.verifier, key: self.signer.key.public_key() }
    }

    /// Sets the log back to its first so many entries, as a restored backup does.
    pub fn restore(&mut self, entries: usize) {
        self.entries.truncate(entries);
    }

    /// `POST /batch`
    ///
    /// # Panics
    /// If the body is no sequence of statements, which no outbox sends.
    pub fn post(&mut self, body: &[u8]) -> Answer {
        let mut items = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            let entry = statement(rest).expect("a statement");
            rest = &rest[entry.len()..];
            self.take(entry, &mut items);
        }
        let head = self.head();
        let note = checkpoint::sign(&Checkpoint::new(ORIGIN, head), &self.signer).expect("signs");
        let mut body = Vec::new();
        write_front(&mut body, head.size.0, &note);
        body.extend(items);
        Answer { status: 200, retry_after_s: None, body }
    }

    /// `GET /entries/{index}`
    ///
    /// # Panics
    /// Never: the tree is in memory.
    #[must_use]
    pub fn receipt(&self, index: u64) -> Answer {
        let head = self.head();
        if index >= head.size.0 {
            return Answer::status(404, None);
        }
        let path = inclusion_proof(Leaves(&self.entries), LeafIndex(index), head.size);
        let signature = RootSignature::sign(&head.root, ORIGIN, &self.signer.key).expect("signs");
        let path = path.expect("in the tree");
        let receipt = signature.inclusion_receipt(head.size, LeafIndex(index), &path);
        let body = receipt.expect("more than one entry");
        Answer { status: 200, retry_after_s: None, body }
    }

    /// Statements in the order of the tree.
    #[must_use]
    pub fn statements(&self) -> &[Vec<u8>] {
        &self.entries[1..]
    }

    /// Takes one statement and writes what is answered.
    fn take(&mut self, entry: &[u8], out: &mut Vec<u8>) {
        let front = Parsed::parse(entry).ok().and_then(|parsed| parsed.update_head());
        let Some(front) = front.filter(|_| !self.revoked) else {
            return write_refused(out, "not_registered", "the key is revoked");
        };
        let place = self.entries.iter().position(|known| known == entry);
        if let Some(index) = place {
            return write_in(out, Some(1), index as u64);
        }
        let head = self.chain_head();
        let index = self.entries.len() as u64;
        match judge(&head, front.seq, &front.prev, &entry_hash(entry)) {
            Verdict::Next => write_in(out, None, index),
            Verdict::Gap { have_seq, have_hash } => return write_gap(out, have_seq, &have_hash),
            Verdict::Same | Verdict::Earlier | Verdict::Fork => write_in(out, Some(2), index),
        }
        self.entries.push(entry.to_vec());
    }

    /// The newest statement that extends the chain from its seed on.
    fn chain_head(&self) -> ChainHead {
        let mut head = ChainHead::enrolled(self.seed);
        for entry in self.statements() {
            let front = Parsed::parse(entry).ok().and_then(|parsed| parsed.update_head());
            let Some(front) = front else { continue };
            if judge(&head, front.seq, &front.prev, &entry_hash(entry)) == Verdict::Next {
                head = head.advance(front.seq, entry_hash(entry));
            }
        }
        head
    }

    fn head(&self) -> TreeHead {
        root_of(&self.entries)
    }
}

/// The log's key, pinned: checkpoints and receipts are checked as firmlog's daemon does.
#[derive(Clone, Debug)]
pub struct LogReceipts {
    verifier: VerifierKey,
    key: PublicKey,
}

impl Receipts for LogReceipts {
    fn wants_receipts(&self) -> bool {
        true
    }

    fn checkpoint(&mut self, note: &[u8]) -> Option<TreeHead> {
        let unverified = Unverified::parse(note).ok()?;
        unverified.verify(&RustCrypto, &self.verifier).ok().map(|checkpoint| checkpoint.head())
    }

    fn receipt(&mut self, index: u64, leaf: &Hash, receipt: &[u8]) -> bool {
        let Ok(receipt) = CoseReceipt::parse(receipt) else { return false };
        let proven = receipt.verify_inclusion(leaf, &self.key, &RustCrypto);
        proven.is_ok_and(|proven| proven.index.0 == index)
    }
}

struct Leaves<'a>(&'a [Vec<u8>]);

impl NodeSource for Leaves<'_> {
    type Error = Infallible;
    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        let width = 1_usize << level;
        let start = index as usize * width;
        Ok(root_of(&self.0[start..start + width]).root)
    }
}

fn root_of(entries: &[Vec<u8>]) -> TreeHead {
    let mut range = CompactRange::new();
    for entry in entries {
        range.push(leaf_hash(entry), |_, _, _| {});
    }
    TreeHead { size: TreeSize(entries.len() as u64), root: range.head().root }
}

/// The COSE_Sign1 in front.
fn statement(bytes: &[u8]) -> Option<&[u8]> {
    let mut d = Decoder::new(bytes.strip_prefix(&[0xd2, 0x84])?);
    d.bytes().ok()?;
    d.skip().ok()?;
    d.bytes().ok()?;
    d.bytes().ok()?;
    bytes.get(..bytes.len() - d.rest().len())
}

fn write_front(out: &mut Vec<u8>, size: u64, note: &str) {
    let mut write = || {
        codec::head(out, 5, 2)?;
        codec::uint(out, 0)?;
        codec::uint(out, size)?;
        codec::uint(out, 1)?;
        codec::text(out, note)
    };
    write().expect("a vector takes all");
}

fn write_in(out: &mut Vec<u8>, kind: Option<u64>, index: u64) {
    let mut write = || {
        if let Some(kind) = kind {
            codec::head(out, 4, 2)?;
            codec::uint(out, kind)?;
        }
        codec::uint(out, index)
    };
    write().expect("a vector takes all");
}

fn write_gap(out: &mut Vec<u8>, seq: Option<u64>, hash: &[u8; 32]) {
    let mut write = || {
        codec::head(out, 4, 3)?;
        codec::uint(out, 3)?;
        match seq {
            Some(seq) => codec::uint(out, seq)?,
            None => out.push(0xf6),
        }
        codec::bytes(out, hash)
    };
    write().expect("a vector takes all");
}

fn write_refused(out: &mut Vec<u8>, code: &str, reason: &str) {
    let mut write = || {
        codec::head(out, 4, 3)?;
        codec::uint(out, 4)?;
        codec::text(out, code)?;
        codec::text(out, reason)
    };
    write().expect("a vector takes all");
}
