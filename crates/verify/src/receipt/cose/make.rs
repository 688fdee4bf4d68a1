//! Making COSE receipts, as a log does.

use alloc::vec::Vec;

use firmlog_statement::codec::{self, Sink};
use firmlog_statement::{PublicKey, SignError, Signer, StatementError};
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeSize};

use super::{AROUND, CONSISTENCY, CoseError, INCLUSION, RFC9162_SHA256, VDP, VDS, to_be_signed};

/// A log's COSE signature over one root: turns any proof to that root into a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootSignature {
    protected: Vec<u8>,
    signature: [u8; 64],
}

impl RootSignature {
    /// Signs `root` as the log `origin`.
    ///
    /// # Errors
    /// What the signer says; [`SignError`] for an origin that no statement could carry.
    pub fn sign(root: &Hash, origin: &str, signer: &dyn Signer) -> Result<Self, SignError> {
        let protected = protected_header(&signer.public_key(), origin);
        let mut signed = Vec::with_capacity(AROUND.saturating_add(protected.len()));
        // Writing to a vector does not fail.
        let _ = to_be_signed(&mut signed, &protected, root);
        let mut signature = signer.sign(&signed)?;
        if let PublicKey::P256(_) = signer.public_key() {
            firmlog_statement::normalise_low_s(&mut signature);
        }
        Ok(Self { protected, signature })
    }

    /// The receipt that the entry at `index` is in the tree of `size` entries with the signed root.
    ///
    /// # Errors
    /// [`CoseError::TreeTooSmall`] for a tree of one entry.
    pub fn inclusion_receipt(
        &self,
        size: TreeSize,
        index: LeafIndex,
        path: &[Hash],
    ) -> Result<Vec<u8>, CoseError> {
        self.receipt(INCLUSION, [size.0, index.0], path)
    }

    /// The receipt that the tree of `new` entries with the signed root extends that of `old`.
    ///
    /// # Errors
    /// [`CoseError::TreeTooSmall`] if there is nothing to prove (`old` is 0 or equals `new`).
    pub fn consistency_receipt(
        &self,
        old: TreeSize,
        new: TreeSize,
        path: &[Hash],
    ) -> Result<Vec<u8>, CoseError> {
        self.receipt(CONSISTENCY, [old.0, new.0], path)
    }

    fn receipt(&self, kind: i64, numbers: [u64; 2], path: &[Hash]) -> Result<Vec<u8>, CoseError> {
        if path.is_empty() {
            return Err(CoseError::TreeTooSmall);
        }
        let mut out = Vec::with_capacity(256_usize.saturating_add(path.len().saturating_mul(34)));
        self.write(&mut out, kind, numbers, path).map_err(|_| CoseError::Bug)?;
        Ok(out)
    }

    fn write(
        &self,
        out: &mut Vec<u8>,
        kind: i64,
        numbers: [u64; 2],
        path: &[Hash],
    ) -> Result<(), StatementError> {
        let mut proof = Vec::with_capacity(path.len().saturating_mul(34).saturating_add(24));
        codec::head(&mut proof, 4, 3)?;
        for number in numbers {
            codec::uint(&mut proof, number)?;
        }
        codec::head(&mut proof, 4, path.len() as u64)?;
        for hash in path {
            codec::bytes(&mut proof, hash.as_bytes())?;
        }
        out.put(&[0xd2, 0x84])?;
        codec::bytes(out, &self.protected)?;
        codec::head(out, 5, 1)?;
        codec::uint(out, VDP)?;
        codec::head(out, 5, 1)?;
        codec::int(out, kind)?;
        codec::head(out, 4, 1)?;
        codec::bytes(out, &proof)?;
        out.put(&[0xf6])?;
        codec::bytes(out, &self.signature)
    }
}

/// The protected header of all receipts of one log.
fn protected_header(key: &PublicKey, origin: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(64_usize.saturating_add(origin.len().saturating_mul(2)));
    // Writing to a vector does not fail.
    let _ = write_protected(&mut out, key, origin);
    out
}

fn write_protected(out: &mut Vec<u8>, key: &PublicKey, origin: &str) -> Result<(), StatementError> {
    codec::head(out, 5, 4)?;
    codec::uint(out, 1)?;
    codec::int(out, key.algorithm().cose())?;
    codec::uint(out, 4)?;
    codec::bytes(out, key.thumbprint().as_bytes())?;
    codec::uint(out, 15)?;
    codec::head(out, 5, 2)?;
    codec::uint(out, 1)?;
    codec::text(out, origin)?;
    codec::uint(out, 2)?;
    codec::text(out, origin)?;
    codec::uint(out, VDS)?;
    codec::uint(out, RFC9162_SHA256)
}
