//! Receipts as `.tlog-proof` files.

use alloc::string::String;

use firmlog_tlog::merkle::{Hash, LeafIndex, ProofError};
use firmlog_tlog::proof::{TlogProof, TlogProofError};

use super::Inclusion;
use crate::checkpoint::{HeadError, SignedHead, verify_checkpoint};
use crate::{Crypto, TrustRoot, Verified};

/// A `.tlog-proof` nobody has verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    proof: TlogProof,
}

/// Why a receipt was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The file is malformed.
    Proof(TlogProofError),
    /// Its checkpoint is not believed.
    Head(HeadError),
    /// Its path does not lead from the entry to the checkpoint.
    Path(ProofError),
}

impl core::fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Proof(error) => error.fmt(f),
            Self::Head(error) => error.fmt(f),
            Self::Path(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReceiptError {}

impl Receipt {
    /// A receipt from its parts.
    #[must_use]
    pub fn new(index: LeafIndex, path: alloc::vec::Vec<Hash>, checkpoint: String) -> Self {
        Self { proof: TlogProof { extra: None, index, path, checkpoint } }
    }

    /// Parses a `.tlog-proof` file.
    ///
    /// # Errors
    /// [`ReceiptError::Proof`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        TlogProof::parse(bytes).map(|proof| Self { proof }).map_err(ReceiptError::Proof)
    }

    /// The `.tlog-proof` file.
    #[must_use]
    pub fn encode(&self) -> String {
        self.proof.encode()
    }

    /// What it claims, unverified.
    #[must_use]
    pub const fn unverified(&self) -> &TlogProof {
        &self.proof
    }

    /// Verifies that the entry with this leaf hash is in the log of the trust root, and says who
    /// witnessed the checkpoint.
    ///
    /// # Errors
    /// [`ReceiptError::Head`] or [`ReceiptError::Path`].
    pub fn verify<C: Crypto + ?Sized>(
        &self,
        leaf: &Hash,
        root: &TrustRoot,
        crypto: &C,
    ) -> Result<(Verified<Inclusion>, Verified<SignedHead>), ReceiptError> {
        let head = verify_checkpoint(self.proof.checkpoint.as_bytes(), root, crypto)
            .map_err(ReceiptError::Head)?;
        let inclusion = head
            .verify_inclusion(self.proof.index, leaf, &self.proof.path)
            .map_err(ReceiptError::Path)?;
        Ok((inclusion, head))
    }
}
