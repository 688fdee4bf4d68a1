//! COSE receipts (RFC 9942) over the log's RFC 9162 tree (vds 1).
//!
//! ```text
//! d2 84                                 COSE_Sign1, tag 18
//!   << {1: -8, 4: kid, 15: {1: origin, 2: origin}, 395: 1} >>
//!   {396: {-1: [<< [tree_size, leaf_index, [h'…', …]] >>]}}     or {-2: [<< [size1, size2, […]] >>]}
//!   null                                the root is detached: whoever verifies must compute it
//!   h'…'                                over ["Signature1", protected, h'', root]
//! ```
//!
//! The protected header is the same for every receipt of a log, and the signature covers only it
//! and the root: one [`RootSignature`] serves all receipts under one checkpoint.
//!
//! In scope: making, reading and verifying inclusion and consistency receipts, foreign ones too.
//! Out of scope: the CCF structure (vds 2), x5chain.
//!
//! Invariants:
//! - What we write is deterministic CBOR (RFC 8949 §4.2.1). What we read may order map keys as it
//!   likes, as COSE allows, but has shortest heads, definite lengths and no key twice.
//! - The CDDL asks for one hash at least in a path, so a tree of one entry has no receipt:
//!   [`CoseError::TreeTooSmall`]. A log's entry 0 is its genesis statement, so no submitted
//!   statement ever meets this.

mod parse;

use alloc::vec::Vec;

use firmlog_statement::codec::{self, Sink};
use firmlog_statement::{PublicKey, SignError, Signer, StatementError};
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead, TreeSize, node_hash, root_from_inclusion};

use crate::checkpoint::Inclusion;
use crate::crypto::check_bytes;
use crate::refusal::refusals;
use crate::{Crypto, Verified};

pub use parse::CoseReceipt;

/// Protected header: which verifiable data structure (RFC 9942 §4.2).
const VDS: u64 = 395;
/// Unprotected header: its proofs (RFC 9942 §4.3).
const VDP: u64 = 396;
/// The vds of RFC 9162 trees with SHA-256.
const RFC9162_SHA256: u64 = 1;
/// Key −1 of the vdp map as CBOR: inclusion proofs.
const INCLUSION: i64 = -1;
/// Key −2: consistency proofs.
const CONSISTENCY: i64 = -2;

refusals! {
    /// Why a COSE receipt was refused.
    CoseError {
        Malformed = 1: "the receipt is not a COSE_Sign1 in tag 18 with shortest heads",
        TrailingBytes = 2: "bytes follow the receipt",
        DuplicateKey = 3: "a header map has a key twice",
        AlgorithmUnsupported = 4: "the algorithm is neither ES256 nor EdDSA",
        CriticalUnknown = 5: "a header is marked critical",
        StructureUnsupported = 6: "the verifiable data structure is not RFC9162_SHA256 (1)",
        ProofMissing = 7: "the receipt carries no inclusion or consistency proof",
        ProofCount = 8: "the receipt does not carry exactly one proof",
        ProofMalformed = 9: "the proof is not [size, number, [+ hash]]",
        PayloadUnexpected = 10: "the attached payload is not the root that the proof leads to",
        SignatureLength = 11: "the signature is not 64 bytes",
        SignatureWrong = 12: "the signature does not verify",
        KeyMismatch = 13: "the receipt is of another key or algorithm",
        ProofWrong = 14: "the proof does not fit its tree size",
        TreeTooSmall = 15: "a proof without hashes cannot be put into a receipt",
        OldRootMismatch = 16: "the proof does not lead to the old root",
        WrongProofKind = 17: "the receipt carries the other kind of proof",
        Bug = 65535: "internal contradiction",
    }
}

/// What a receipt proves, once its signature verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// RFC 9162 §2.1.3.
    Inclusion {
        /// The tree's size.
        size: TreeSize,
        /// The entry's place.
        index: LeafIndex,
        /// From the leaf's sibling up.
        path: Vec<Hash>,
    },
    /// RFC 9162 §2.1.4.
    Consistency {
        /// Size of the older tree.
        old: TreeSize,
        /// Size of the newer tree.
        new: TreeSize,
        /// The nodes of the proof.
        path: Vec<Hash>,
    },
}

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
        let mut signature = signer.sign(&to_be_signed(&protected, root.as_bytes()))?;
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

impl CoseReceipt<'_> {
    /// Verifies that the log with this key says: the entry with this leaf hash is in its tree.
    ///
    /// # Errors
    /// A [`CoseError`].
    pub fn verify_inclusion<C: Crypto + ?Sized>(
        &self,
        leaf: &Hash,
        key: &PublicKey,
        crypto: &C,
    ) -> Result<Verified<Inclusion>, CoseError> {
        let Proof::Inclusion { size, index, path } = &self.proof else {
            return Err(CoseError::WrongProofKind);
        };
        let root =
            root_from_inclusion(*index, *size, leaf, path).map_err(|_| CoseError::ProofWrong)?;
        self.check_root(&root, key, crypto)?;
        let head = TreeHead { size: *size, root };
        Ok(Verified::proven(Inclusion { index: *index, leaf: *leaf, head }))
    }

    /// Verifies that the log with this key says: the tree `old` only grew. Returns the newer head.
    ///
    /// # Errors
    /// A [`CoseError`].
    pub fn verify_consistency<C: Crypto + ?Sized>(
        &self,
        old: &TreeHead,
        key: &PublicKey,
        crypto: &C,
    ) -> Result<Verified<TreeHead>, CoseError> {
        let Proof::Consistency { old: old_size, new, path } = &self.proof else {
            return Err(CoseError::WrongProofKind);
        };
        if *old_size != old.size {
            return Err(CoseError::OldRootMismatch);
        }
        let (old_root, root) =
            roots_from_consistency(old, *new, path).ok_or(CoseError::ProofWrong)?;
        if old_root != old.root {
            return Err(CoseError::OldRootMismatch);
        }
        self.check_root(&root, key, crypto)?;
        Ok(Verified::proven(TreeHead { size: *new, root }))
    }

    fn check_root<C: Crypto + ?Sized>(
        &self,
        root: &Hash,
        key: &PublicKey,
        crypto: &C,
    ) -> Result<(), CoseError> {
        // RFC 9942 lets a consistency receipt carry its root; it must then be the computed one.
        if self.payload.is_some_and(|payload| payload != root.as_bytes()) {
            return Err(CoseError::PayloadUnexpected);
        }
        if self.alg != key.algorithm()
            || self.kid.is_some_and(|kid| kid != key.thumbprint().as_bytes())
        {
            return Err(CoseError::KeyMismatch);
        }
        let signed = to_be_signed(self.protected, root.as_bytes());
        // A receipt is no entry: nobody gains by its second spelling, and other logs may write it.
        let mut signature = *self.signature;
        if let PublicKey::P256(_) = key {
            firmlog_statement::normalise_low_s(&mut signature);
        }
        let good = check_bytes(crypto, key, &signed, &signature);
        if good { Ok(()) } else { Err(CoseError::SignatureWrong) }
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

/// The Sig_structure of RFC 9052 §4.4 with empty external data.
fn to_be_signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64_usize.saturating_add(protected.len()));
    let _ = codec::head(&mut out, 4, 4);
    let _ = codec::text(&mut out, "Signature1");
    let _ = codec::bytes(&mut out, protected);
    let _ = codec::bytes(&mut out, &[]);
    let _ = codec::bytes(&mut out, payload);
    out
}

/// The old and the new root that a consistency proof leads to (RFC 9162 §2.1.4.2), for a receipt
/// that carries neither. None if the proof has another length than the sizes ask for.
fn roots_from_consistency(old: &TreeHead, new: TreeSize, path: &[Hash]) -> Option<(Hash, Hash)> {
    if old.size.0 == 0 || old.size >= new {
        return None;
    }
    let (mut node, mut last) = (old.size.0.checked_sub(1)?, new.0.checked_sub(1)?);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let mut rest = path.iter();
    // A complete old tree is its own first node.
    let seed = if old.size.0.is_power_of_two() { &old.root } else { rest.next()? };
    let (mut old_root, mut new_root) = (*seed, *seed);
    for hash in rest {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            (old_root, new_root) = (node_hash(hash, &old_root), node_hash(hash, &new_root));
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new_root = node_hash(&new_root, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    (last == 0).then_some((old_root, new_root))
}
