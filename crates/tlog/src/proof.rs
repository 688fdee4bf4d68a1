//! `.tlog-proof` files: one entry's inclusion in one checkpoint, self-contained ([tlog-proof]).
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! index 73894
//! gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
//! B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
//!
//! example.com/fancylog
//! 109482
//! sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=
//!
//! — example.com/fancylog hI2DJw…
//! ```
//!
//! In scope: the file. Out of scope: deciding whether it proves anything (`verify`); the
//! `extra` data is not authenticated by it.
//!
//! Invariants:
//! - `TlogProof::parse(x)?.encode() == x`.
//! - [`InPlace::parse`] accepts the same files without allocation: it is what both read with.
//!
//! [tlog-proof]: https://c2sp.org/tlog-proof

#[cfg(feature = "alloc")]
use alloc::{borrow::ToOwned as _, string::String, vec::Vec};
#[cfg(feature = "alloc")]
use core::fmt::{self, Write as _};

use crate::base64;
use crate::checkpoint::Unverified;
use crate::decimal;
use crate::merkle::{Hash, LeafIndex, MAX_PROOF_LEN};
use crate::refusal::refusals;

/// The first line.
pub const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// The file extension, with its dot.
pub const EXTENSION: &str = ".tlog-proof";
/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 2_000_000;

refusals! {
    /// Why a proof file was refused.
    TlogProofError {
        NotUtf8 = 1: "the proof is not UTF-8",
        TooLarge = 2: "the proof is larger than 2,000,000 bytes",
        HeaderMalformed = 3: "the first line is not `c2sp.org/tlog-proof@v1`",
        ExtraMalformed = 4: "the extra line is empty or not canonical base64",
        IndexMalformed = 5: "the index line is missing or not a canonical decimal",
        HashMalformed = 6: "a proof line is not canonical base64 of a hash",
        TooManyHashes = 7: "the proof has more than 64 hashes",
        BlankLineMissing = 8: "no blank line separates the proof from the checkpoint",
        CheckpointMalformed = 9: "the checkpoint is not a well-formed signed checkpoint",
    }
}

/// A proof file read where it lies, for whoever has no room for a copy. Nothing in it has been
/// verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InPlace<'a> {
    /// Opaque application data as Base64, not authenticated by the proof.
    pub extra: Option<&'a str>,
    /// Where the entry is.
    pub index: LeafIndex,
    /// The signed checkpoint, verbatim, with its cosignatures.
    pub checkpoint: &'a str,
    path: &'a str,
}

impl<'a> InPlace<'a> {
    /// Parses a proof file.
    ///
    /// # Errors
    /// A [`TlogProofError`] naming the rule that the file breaks.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > MAX_BYTES {
            return Err(TlogProofError::TooLarge);
        }
        let text = core::str::from_utf8(bytes).map_err(|_| TlogProofError::NotUtf8)?;
        let (head, rest) = text.split_once('\n').ok_or(TlogProofError::HeaderMalformed)?;
        if head != HEADER {
            return Err(TlogProofError::HeaderMalformed);
        }
        let (extra, rest) = parse_extra(rest)?;
        let (index, rest) = parse_index(rest)?;
        let (path, checkpoint) = parse_path(rest)?;
        Unverified::parse(checkpoint.as_bytes())
            .map_err(|_| TlogProofError::CheckpointMalformed)?;
        Ok(Self { extra, index, checkpoint, path })
    }

    /// The inclusion proof, from the leaf's sibling up.
    pub fn path(&self) -> impl Iterator<Item = Hash> + use<'a> {
        self.path.lines().map_while(Hash::from_base64)
    }
}

/// An inclusion proof with the checkpoint it leads to. Nothing in it has been verified.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Opaque application data, not authenticated by the proof.
    pub extra: Option<Vec<u8>>,
    /// Where the entry is.
    pub index: LeafIndex,
    /// The inclusion proof, from the leaf's sibling up.
    pub path: Vec<Hash>,
    /// The signed checkpoint, verbatim, with its cosignatures.
    pub checkpoint: String,
}

#[cfg(feature = "alloc")]
impl TlogProof {
    /// Parses a proof file.
    ///
    /// # Errors
    /// A [`TlogProofError`] naming the rule that the file breaks.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        let read = InPlace::parse(bytes)?;
        let extra = read.extra.map(base64::decode_vec);
        let extra = extra.map(|extra| extra.ok_or(TlogProofError::ExtraMalformed)).transpose()?;
        let (index, path) = (read.index, read.path().collect());
        Ok(Self { extra, index, path, checkpoint: read.checkpoint.to_owned() })
    }

    /// The proof file. Empty extra data is left out.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = write!(out, "{self}");
        out
    }
}

/// The proof file.
#[cfg(feature = "alloc")]
impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = self.extra.as_deref().filter(|extra| !extra.is_empty()) {
            writeln!(f, "extra {}", base64::Encode(&[extra]))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", hash.base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

fn parse_extra(text: &str) -> Result<(Option<&str>, &str), TlogProofError> {
    let Some(rest) = text.strip_prefix("extra ") else { return Ok((None, text)) };
    let (extra, rest) = rest.split_once('\n').ok_or(TlogProofError::ExtraMalformed)?;
    match base64::decoded_len(extra) {
        Some(1..) => Ok((Some(extra), rest)),
        _ => Err(TlogProofError::ExtraMalformed),
    }
}

fn parse_index(text: &str) -> Result<(LeafIndex, &str), TlogProofError> {
    let (line, rest) = text.split_once('\n').ok_or(TlogProofError::IndexMalformed)?;
    let index = line.strip_prefix("index ").and_then(|index| decimal::parse(index).ok());
    Ok((LeafIndex(index.ok_or(TlogProofError::IndexMalformed)?), rest))
}

/// The lines of the path, each a hash, and what follows the blank line behind them.
fn parse_path(text: &str) -> Result<(&str, &str), TlogProofError> {
    let (mut rest, mut count) = (text, 0_usize);
    loop {
        let (line, after) = rest.split_once('\n').ok_or(TlogProofError::BlankLineMissing)?;
        if line.is_empty() {
            let len = text.len().saturating_sub(rest.len());
            return Ok((text.get(..len).unwrap_or_default(), after));
        }
        if count == MAX_PROOF_LEN {
            return Err(TlogProofError::TooManyHashes);
        }
        Hash::from_base64(line).ok_or(TlogProofError::HashMalformed)?;
        (rest, count) = (after, count.saturating_add(1));
    }
}
