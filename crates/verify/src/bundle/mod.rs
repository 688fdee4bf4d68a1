//! Evidence bundles (`.fwb`): everything somebody needs to check a claim offline, in one file.
//!
//! ```text
//! {0: "firmlog bundle v1", 1: "log.example.org/pumps",
//!  2: ["log.example.org/pumps\n48930\n…"],      checkpoints with cosignatures, smallest first
//!  4: [h'…', …],                                tree nodes, each once
//!  5: [[0, h'd284…', [0, 1, 2]], …],            entries: index, bytes, path as places in 4
//!  15: h'…'}                                    SHA-256 of all bytes before it
//! ```
//!
//! In scope: the bytes. Out of scope: believing any of them (`report`). The normative text is
//! `docs/spec/evidence-bundle.md`; rules are cited as `BND-…`.
//!
//! Invariants:
//! - `Bundle::parse(x)?.encode() == x`, byte for byte: deterministic CBOR (RFC 8949 §4.2.1), nodes
//!   in the order of their first use, nothing twice, nothing unused.
//! - What a file unfolds to is bounded apart from its size ([`MAX_PARTS`], [`MAX_HASHES`]).
//! - The checksum finds damage in parts that no signature covers; it proves nothing against an
//!   adversary, and nothing is believed because of it.

mod encode;
mod parse;

use alloc::string::String;
use alloc::vec::Vec;

use firmlog_tlog::merkle::{Hash, LeafIndex};

use crate::refusal::refusals;

pub(crate) use parse::parse_parts;

/// The text under key 0.
pub const MAGIC: &str = crate::install::MAGIC;
/// The largest bundle that is read, in bytes.
pub const MAX_BYTES: usize = 512 * 1024 * 1024;
/// The most checkpoints, consistency proofs, entries, disclosures, anchors and certificates of one
/// bundle together.
/// A part takes two bytes of a file, and hundreds in a reader that says what is wrong with it.
pub const MAX_PARTS: usize = 32_768;
/// The most hashes of all paths and consistency proofs of one bundle together: a hash that many
/// paths share takes one byte of a file in each, and 32 in a reader.
pub const MAX_HASHES: usize = 524_288;

/// A bundle, not yet verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// The log's name.
    pub origin: String,
    /// Signed notes with their cosignatures, of strictly ascending tree size. Every entry's path
    /// leads to the last.
    pub checkpoints: Vec<String>,
    /// The proof that each checkpoint extends the one before: one fewer than checkpoints.
    pub consistency: Vec<Vec<Hash>>,
    /// Entries of strictly ascending index: first the `Trust` statements that enrolled the keys.
    pub entries: Vec<Entry>,
    /// Salts and values of commitments (`firmlog_statement::disclosure`), strictly ascending bytes.
    pub disclosures: Vec<Vec<u8>>,
    /// Evidence that a checkpoint existed outside the log.
    pub anchors: Vec<Anchor>,
    /// Certificates and revocation data for people and time-stamp authorities.
    pub certificates: Vec<Certificate>,
}

/// One entry and its place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its index in the log.
    pub index: LeafIndex,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Inclusion proof under the last checkpoint.
    pub path: Vec<Hash>,
}

/// Typed evidence that a checkpoint was committed elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// What kind of evidence; numbers are in the specification.
    pub kind: u64,
    /// Which of the bundle's checkpoints it is about, from 0.
    pub checkpoint: u64,
    /// The evidence.
    pub evidence: Vec<u8>,
}

/// A typed certificate or piece of revocation data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// What kind; numbers are in the specification.
    pub kind: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A part of a bundle, by name, so that damage can be pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// The file as a whole.
    File,
    /// The magic text.
    Header,
    /// The log's name.
    Origin,
    /// A checkpoint, from 0.
    Checkpoint(u64),
    /// The proof between this checkpoint and the next, from 0.
    Consistency(u64),
    /// A tree node, from 0.
    Node(u64),
    /// The entry with this index in the log.
    Entry(u64),
    /// An entry whose index cannot be read, by place from 0.
    EntryAt(u64),
    /// A disclosure, from 0.
    Disclosure(u64),
    /// An anchor, from 0.
    Anchor(u64),
    /// A certificate, from 0.
    Certificate(u64),
    /// The checksum at the end.
    Checksum,
    /// The firmware image beside the bundle.
    Image,
}

impl core::fmt::Display for Object {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::File => f.write_str("bundle file"),
            Self::Header => f.write_str("header"),
            Self::Origin => f.write_str("origin"),
            Self::Checkpoint(n) => write!(f, "checkpoint {n}"),
            Self::Consistency(n) => write!(f, "consistency proof {n}"),
            Self::Node(n) => write!(f, "tree node {n}"),
            Self::Entry(index) => write!(f, "entry {index}"),
            Self::EntryAt(n) => write!(f, "the bundle's entry number {n}"),
            Self::Disclosure(n) => write!(f, "disclosure {n}"),
            Self::Anchor(n) => write!(f, "anchor {n}"),
            Self::Certificate(n) => write!(f, "certificate {n}"),
            Self::Image => f.write_str("firmware image"),
            Self::Checksum => f.write_str("checksum"),
        }
    }
}

refusals! {
    /// Why bytes are not a bundle.
    BundleError {
        TooLarge = 1: "the bundle is larger than 512 MiB",
        Cbor = 2: "not deterministic CBOR of the expected type",
        Magic = 3: "the bundle does not begin with `firmlog bundle v1`",
        UnknownKey = 4: "the bundle has a key this version does not know",
        PartMissing = 5: "origin, checkpoints, entries or checksum are missing",
        EmptyList = 6: "an empty list must be left out",
        TooManyHashes = 7: "a proof has more than 64 hashes",
        ConsistencyCount = 8: "the consistency proofs are not one fewer than the checkpoints",
        EntriesOutOfOrder = 9: "entries are not strictly ascending by index",
        EntryTooLong = 10: "an entry is longer than 65,535 bytes",
        NodesOutOfOrder = 11: "tree nodes are not in the order of their first use",
        NodeTwice = 12: "a tree node is there twice, or is not used",
        DisclosuresOutOfOrder = 13: "disclosures are not strictly ascending",
        CheckpointUnknown = 14: "an anchor names a checkpoint the bundle does not have",
        TrailingBytes = 15: "bytes follow the bundle",
        ChecksumMismatch = 16: "the file's bytes do not have the checksum it ends with",
        TooManyParts = 17: "the bundle has more than 32,768 parts",
        TooManyHashesInAll = 18: "the bundle's paths and proofs have more than 524,288 hashes",
    }
}

/// Where and why a file is not a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The broken rule.
    pub error: BundleError,
    /// The part in which it is broken.
    pub object: Object,
    /// How many bytes into the file.
    pub offset: u64,
}

impl core::fmt::Display for Damage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} at byte {}: {}", self.object, self.offset, self.error)
    }
}

impl core::error::Error for Damage {}

impl Bundle {
    /// Parses a bundle file.
    ///
    /// # Errors
    /// [`Damage`] naming the rule, the part and the place.
    pub fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        let (bundle, checksum) = parse_parts(bytes)?;
        if checksum.expected != checksum.got {
            let offset = bytes.len().saturating_sub(32) as u64;
            let error = BundleError::ChecksumMismatch;
            return Err(Damage { error, object: Object::File, offset });
        }
        Ok(bundle)
    }

    /// The bundle file. Its parts must be in order, as the fields' descriptions say.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode::encode(self)
    }
}
