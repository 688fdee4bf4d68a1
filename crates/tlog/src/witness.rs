//! The bodies of [tlog-witness] `add-checkpoint`: what a log asks of a witness.
//!
//! ```text
//! old 20852014
//! PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
//!
//! example.com/behind-the-sofa
//! 20852163
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//! — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
//! ```
//!
//! In scope: request and conflict bodies; replies are signature lines
//! ([`crate::note::parse_signature_lines`]). Out of scope: HTTP, what a witness remembers.
//!
//! Invariant: `AddCheckpoint::parse(x)?.encode() == x`.
//!
//! [tlog-witness]: https://c2sp.org/tlog-witness

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write as _;

use crate::checkpoint::Unverified;
use crate::decimal;
use crate::merkle::{Hash, TreeSize};
use crate::refusal::refusals;

/// The most consistency hashes a request carries.
pub const MAX_PROOF_LINES: usize = 63;
/// The media type of a conflict's body (HTTP 409).
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

refusals! {
    /// Why a request or a reply was refused.
    WitnessError {
        NotUtf8 = 1: "the body is not UTF-8",
        OldLineMalformed = 2: "the first line is not `old` and a canonical size",
        ProofLineMalformed = 3: "a proof line is not canonical base64 of a hash",
        TooManyProofLines = 4: "the proof has more than 63 lines",
        BlankLineMissing = 5: "no blank line separates the proof from the checkpoint",
        CheckpointMalformed = 6: "the checkpoint is not a well-formed signed checkpoint",
        SizeMalformed = 7: "the body is not a canonical size and a newline",
    }
}

/// A request to cosign a checkpoint. Nothing in it has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint<'a> {
    /// The size of the checkpoint the witness is believed to have cosigned last.
    pub old: TreeSize,
    /// The consistency proof from there.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: &'a str,
}

impl<'a> AddCheckpoint<'a> {
    /// Parses a request's body.
    ///
    /// # Errors
    /// A [`WitnessError`] naming the rule that the body breaks.
    pub fn parse(body: &'a [u8]) -> Result<Self, WitnessError> {
        let body = core::str::from_utf8(body).map_err(|_| WitnessError::NotUtf8)?;
        let (old, mut rest) = body.split_once('\n').ok_or(WitnessError::OldLineMalformed)?;
        let old = old.strip_prefix("old ").and_then(|size| decimal::parse(size).ok());
        let old = TreeSize(old.ok_or(WitnessError::OldLineMalformed)?);
        let mut proof = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(WitnessError::BlankLineMissing)?;
            rest = after;
            if line.is_empty() {
                break;
            }
            if proof.len() == MAX_PROOF_LINES {
                return Err(WitnessError::TooManyProofLines);
            }
            proof.push(Hash::from_base64(line).ok_or(WitnessError::ProofLineMalformed)?);
        }
        Unverified::parse(rest.as_bytes()).map_err(|_| WitnessError::CheckpointMalformed)?;
        Ok(Self { old, proof, checkpoint: rest })
    }

    /// The request's body.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = format!("old {}\n", self.old);
        for hash in &self.proof {
            // Writing to a string does not fail.
            let _ = writeln!(out, "{}", hash.base64());
        }
        out.push('\n');
        out.push_str(self.checkpoint);
        out
    }
}

/// The body of a conflict (HTTP 409): the size that the witness has cosigned.
#[must_use]
pub fn encode_size(size: TreeSize) -> String {
    format!("{size}\n")
}

/// Parses the body of a conflict.
///
/// # Errors
/// [`WitnessError::SizeMalformed`].
pub fn parse_size(body: &[u8]) -> Result<TreeSize, WitnessError> {
    let text = core::str::from_utf8(body).map_err(|_| WitnessError::SizeMalformed)?;
    let size = text.strip_suffix('\n').and_then(|size| decimal::parse(size).ok());
    size.map(TreeSize).ok_or(WitnessError::SizeMalformed)
}
