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
//! Invariant: `TlogProof::parse(x)?.encode() == x`.
//!
//! [tlog-proof]: https://c2sp.org/tlog-proof

use alloc::{borrow::ToOwned as _, string::String, vec::Vec};
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

/// An inclusion proof with the checkpoint it leads to. Nothing in it has been verified.
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

impl TlogProof {
    /// Parses a proof file.
    ///
    /// # Errors
    /// A [`TlogProofError`] naming the rule that the file breaks.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
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
        Ok(Self { extra, index, path, checkpoint: checkpoint.to_owned() })
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

fn parse_extra(text: &str) -> Result<(Option<Vec<u8>>, &str), TlogProofError> {
    let Some(rest) = text.strip_prefix("extra ") else { return Ok((None, text)) };
    let (extra, rest) = rest.split_once('\n').ok_or(TlogProofError::ExtraMalformed)?;
    let extra = base64::decode_vec(extra).filter(|extra| !extra.is_empty());
    Ok((Some(extra.ok_or(TlogProofError::ExtraMalformed)?), rest))
}

fn parse_index(text: &str) -> Result<(LeafIndex, &str), TlogProofError> {
    let (line, rest) = text.split_once('\n').ok_or(TlogProofError::IndexMalformed)?;
    let index = line.strip_prefix("index ").and_then(|index| decimal::parse(index).ok());
    Ok((LeafIndex(index.ok_or(TlogProofError::IndexMalformed)?), rest))
}

fn parse_path(text: &str) -> Result<(Vec<Hash>, &str), TlogProofError> {
    let mut path = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = rest.split_once('\n').ok_or(TlogProofError::BlankLineMissing)?;
        rest = after;
        if line.is_empty() {
            return Ok((path, rest));
        }
        if path.len() == MAX_PROOF_LEN {
            return Err(TlogProofError::TooManyHashes);
        }
        path.push(Hash::from_base64(line).ok_or(TlogProofError::HashMalformed)?);
    }
}
