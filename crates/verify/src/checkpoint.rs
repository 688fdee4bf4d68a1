//! A checkpoint checked against a trust root: signed by the log, cosigned by whom.
//!
//! ```text
//! log.example.org/pumps            the origin that the trust root names
//! 48930
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//! — log.example.org/pumps …        verified: without it there is no SignedHead
//! — witness.example/h …            verified if the policy knows the witness, else ignored
//! ```
//!
//! In scope: log signature, cosignatures, quorum, inclusion of entries under the head.
//! Out of scope: fetching any of it.
//!
//! Invariants:
//! - The signatures of one checkpoint are verified once; any number of inclusion proofs then cost
//!   hashes only.
//! - A wrong cosignature of a known witness is refused, not ignored: somebody altered it.

use alloc::string::String;
use alloc::vec::Vec;

use firmlog_tlog::checkpoint::{CheckpointError, Unverified};
use firmlog_tlog::cosignature::{self, CosignatureError};
use firmlog_tlog::merkle::{Hash, LeafIndex, ProofError, TreeHead, verify_inclusion};

use crate::refusal::refusals;
use crate::{Crypto, TrustRoot, Verified};

pub use crate::receipt::Inclusion;

refusals! {
    /// Why a checkpoint was not believed.
    HeadError {
        Malformed = 1: "the checkpoint is not a well-formed signed note",
        OriginMismatch = 2: "the checkpoint is of another log than the trust root names",
        LogSignatureMissing = 3: "the checkpoint has no signature of the log's key",
        LogSignatureWrong = 4: "the log's signature does not verify",
        CosignatureWrong = 5: "the cosignature of a known witness does not verify",
    }
}

/// A tree head that the log signed, with the witnesses that vouch for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// The log's name.
    pub origin: String,
    /// Size and root.
    pub head: TreeHead,
    /// Witnesses of the policy that cosigned, in the policy's order.
    pub witnesses: Vec<Witnessed>,
    /// Whether they are enough for the policy's quorum.
    pub quorum: bool,
    /// The latest time, in seconds since 1970, such that a quorum cosigned then or later: as of
    /// when the log had nothing more.
    pub as_of_s: Option<u64>,
}

/// One valid cosignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The witness's name in the policy.
    pub name: String,
    /// When it cosigned, in seconds since 1970, by its own clock.
    pub time_s: u64,
}

/// Verifies a checkpoint note: the log's signature, and every cosignature of a witness that the
/// policy names.
///
/// Too few witnesses are no error: see [`SignedHead::quorum`].
///
/// # Errors
/// A [`HeadError`].
pub fn verify_checkpoint<C: Crypto + ?Sized>(
    note: &[u8],
    root: &TrustRoot,
    crypto: &C,
) -> Result<Verified<SignedHead>, HeadError> {
    let unverified = Unverified::parse(note).map_err(|_| HeadError::Malformed)?;
    let checkpoint = unverified.verify(crypto, root.log_key()).map_err(|error| match error {
        CheckpointError::OriginMismatch => HeadError::OriginMismatch,
        CheckpointError::LogSignatureMissing => HeadError::LogSignatureMissing,
        _ => HeadError::LogSignatureWrong,
    })?;
    let mut witnesses = Vec::new();
    for witness in root.policy().witnesses() {
        match cosignature::verify(crypto, unverified.note(), &witness.key) {
            Ok(time_s) => witnesses.push(Witnessed { name: witness.name.clone(), time_s }),
            Err(CosignatureError::Missing) => {}
            Err(_) => return Err(HeadError::CosignatureWrong),
        }
    }
    let since = |from: u64| {
        root.policy().satisfied(&|key| {
            let mut known = root.policy().witnesses().iter().filter(|w| w.key == *key);
            let cosigned = |w: &Witnessed, name: &str| w.name == name && w.time_s >= from;
            known.any(|w| witnesses.iter().any(|seen| cosigned(seen, &w.name)))
        })
    };
    let quorum = since(0);
    let times = witnesses.iter().map(|seen| seen.time_s).filter(|time| since(*time));
    let as_of_s = times.max();
    Ok(Verified::proven(SignedHead {
        origin: checkpoint.origin.into(),
        head: checkpoint.head(),
        witnesses,
        quorum,
        as_of_s,
    }))
}

impl Verified<SignedHead> {
    /// Verifies that the entry with this leaf hash is at `index` of this head's tree. Hashes only.
    ///
    /// # Errors
    /// A [`ProofError`] naming the rule that the path breaks.
    pub fn verify_inclusion(
        &self,
        index: LeafIndex,
        leaf: &Hash,
        path: &[Hash],
    ) -> Result<Verified<Inclusion>, ProofError> {
        verify_inclusion(index, leaf, &self.head, path)?;
        Ok(Verified::proven(Inclusion { index, leaf: *leaf, head: self.head }))
    }
}
