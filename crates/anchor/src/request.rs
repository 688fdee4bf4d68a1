//! Files that pass between people who together are an authority.
//!
//! ```json
//! {
//!   "format": "firmlog/anchor-request/v1",
//!   "chain_id": 1,
//!   "contract": "0x…",
//!   "threshold": 2,
//!   "signers": ["0x…", "0x…", "0x…"],
//!   "checkpoint": "log.example/pumps\n48930\n…"
//! }
//! {
//!   "format": "firmlog/anchor-signature/v1",
//!   "digest": "0x…",
//!   "signer": "0x…",
//!   "signature": "0x…"
//! }
//! ```
//!
//! In scope: the two forms (docs/spec/anchor.md). Out of scope: whose the signature is
//! (`threshold`), whether the checkpoint is the log's (the caller).
//!
//! Invariant: `parse(x)?.encode() == x`, byte for byte; other spellings are refused.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::client::read_target;
use crate::contract::{Deployment, log_id};
use crate::error::AnchorError;
use crate::journal::pretty;
use crate::threshold::Threshold;

const REQUEST: &str = "firmlog/anchor-request/v1";
const SIGNATURE: &str = "firmlog/anchor-signature/v1";

/// Neither file has reason to be larger.
pub const MAX_BYTES: usize = 64 * 1024;

/// Asks an authority's signers for their signatures of one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    format: String,
    /// Chain id.
    pub chain_id: u64,
    /// The anchor contract.
    pub contract: Address,
    /// How many must sign.
    pub threshold: u64,
    /// Who may, in the contract's order.
    pub signers: Vec<Bytes>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// One signer's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartialSignature {
    format: String,
    /// What was signed.
    pub digest: B256,
    /// By whom.
    pub signer: Bytes,
    /// r ‖ s ‖ v of an account, r ‖ s of a P-256 key.
    pub signature: Bytes,
}

/// What a request asks to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The log.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Root of the tree.
    pub root: B256,
    /// What signers sign.
    pub digest: B256,
}

impl Request {
    /// Asks for this checkpoint.
    ///
    /// # Errors
    /// [`AnchorError::Checkpoint`] if it is none.
    pub fn new(
        deployment: Deployment,
        authority: &Threshold,
        checkpoint: &str,
    ) -> Result<Self, AnchorError> {
        let request = Self {
            format: REQUEST.into(),
            chain_id: deployment.chain_id,
            contract: deployment.contract,
            threshold: authority.k(),
            signers: authority.signers().to_vec(),
            checkpoint: checkpoint.into(),
        };
        request.asked().map(|_| request)
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`AnchorError::Config`] with what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, AnchorError> {
        let request: Self = strict(bytes, REQUEST, |it: &Self| &it.format)?;
        let authority = Threshold::new(request.threshold, request.signers.clone())?;
        if authority.signers() != request.signers {
            let why = "the request's signers are not in the contract's order";
            return Err(AnchorError::Config(why.into()));
        }
        request.asked().map(|_| request)
    }

    /// The file.
    #[must_use]
    pub fn encode(&self) -> String {
        pretty(self)
    }

    /// Chain and contract.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        Deployment { chain_id: self.chain_id, contract: self.contract }
    }

    /// The authority that is asked.
    ///
    /// # Errors
    /// [`AnchorError::Config`].
    pub fn authority(&self) -> Result<Threshold, AnchorError> {
        Threshold::new(self.threshold, self.signers.clone())
    }

    /// What is to be signed.
    ///
    /// # Errors
    /// [`AnchorError::Checkpoint`] if the checkpoint is none.
    pub fn asked(&self) -> Result<Asked, AnchorError> {
        let origin = self.checkpoint.lines().next().unwrap_or_default().to_owned();
        let target = read_target(&self.checkpoint, &origin)?;
        let message = self.deployment().message(log_id(&origin), &target.claim());
        let digest = keccak256(message);
        Ok(Asked { origin, size: target.size, root: target.root, digest })
    }
}

impl PartialSignature {
    /// A signature of this signer.
    #[must_use]
    pub fn new(digest: B256, signer: Bytes, signature: Bytes) -> Self {
        Self { format: SIGNATURE.into(), digest, signer, signature }
    }

    /// Reads a signature.
    ///
    /// # Errors
    /// [`AnchorError::Config`] with what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, AnchorError> {
        strict(bytes, SIGNATURE, |it: &Self| &it.format)
    }

    /// The file.
    #[must_use]
    pub fn encode(&self) -> String {
        pretty(self)
    }
}

/// Only what we would write ourselves.
fn strict<T: DeserializeOwned + Serialize>(
    bytes: &[u8],
    format: &str,
    of: impl Fn(&T) -> &String,
) -> Result<T, AnchorError> {
    let refused = |why: String| AnchorError::Config(format!("no {format}: {why}"));
    if bytes.len() > MAX_BYTES {
        return Err(refused(format!("{} bytes, {MAX_BYTES} are allowed", bytes.len())));
    }
    let read: T = serde_json::from_slice(bytes).map_err(|e| refused(e.to_string()))?;
    if of(&read) != format {
        return Err(refused(format!("it is {:?}", of(&read))));
    }
    if pretty(&read).as_bytes() != bytes {
        return Err(refused("it is spelled in another way than it is written".into()));
    }
    Ok(read)
}
