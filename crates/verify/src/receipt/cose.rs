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
//! - Reading and verifying allocate nothing: a path is read where it lies.
//! - The CDDL asks for one hash at least in a path, so a tree of one entry has no receipt:
//!   [`CoseError::TreeTooSmall`]. A log's entry 0 is its genesis statement, so no submitted
//!   statement ever meets this.

mod parse;

#[cfg(feature = "alloc")]
mod make;
#[cfg(feature = "alloc")]
pub use make::RootSignature;

use firmlog_statement::codec::{self, Sink, Slice};
use firmlog_statement::{PublicKey, StatementError};
#[cfg(feature = "alloc")]
use firmlog_tlog::merkle::node_hash;
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead, TreeSize, root_from_path};

use super::Inclusion;
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
        BufferTooSmall = 18: "the buffer is too small for what the log signed",
        Bug = 65535: "internal contradiction",
    }
}

/// What a receipt proves, once its signature verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof<'a> {
    /// RFC 9162 §2.1.3.
    Inclusion {
        /// The tree's size.
        size: TreeSize,
        /// The entry's place.
        index: LeafIndex,
        /// From the leaf's sibling up.
        path: Path<'a>,
    },
    /// RFC 9162 §2.1.4.
    Consistency {
        /// Size of the older tree.
        old: TreeSize,
        /// Size of the newer tree.
        new: TreeSize,
        /// The nodes of the proof.
        path: Path<'a>,
    },
}

/// The hashes of a proof, where they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl CoseReceipt<'_> {
    /// Verifies that the log with this key says: the entry with this leaf hash is in its tree.
    ///
    /// # Errors
    /// A [`CoseError`].
    #[cfg(feature = "alloc")]
    pub fn verify_inclusion<C: Crypto + ?Sized>(
        &self,
        leaf: &Hash,
        key: &PublicKey,
        crypto: &C,
    ) -> Result<Verified<Inclusion>, CoseError> {
        self.verify_inclusion_in(leaf, key, crypto, &mut self.room())
    }

    /// The same without allocation: `scratch` holds what the log signed, the protected header and
    /// 64 bytes more.
    ///
    /// # Errors
    /// A [`CoseError`].
    pub fn verify_inclusion_in<C: Crypto + ?Sized>(
        &self,
        leaf: &Hash,
        key: &PublicKey,
        crypto: &C,
        scratch: &mut [u8],
    ) -> Result<Verified<Inclusion>, CoseError> {
        let Proof::Inclusion { size, index, path } = &self.proof else {
            return Err(CoseError::WrongProofKind);
        };
        let root = root_from_path(*index, *size, leaf, path.hashes())
            .map_err(|_| CoseError::ProofWrong)?;
        self.check_root(&root, key, crypto, scratch)?;
        let head = TreeHead { size: *size, root };
        Ok(Verified::proven(Inclusion { index: *index, leaf: *leaf, head }))
    }

    /// Verifies that the log with this key says: the tree `old` only grew. Returns the newer head.
    ///
    /// # Errors
    /// A [`CoseError`].
    #[cfg(feature = "alloc")]
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
            roots_from_consistency(old, *new, path.hashes()).ok_or(CoseError::ProofWrong)?;
        if old_root != old.root {
            return Err(CoseError::OldRootMismatch);
        }
        self.check_root(&root, key, crypto, &mut self.room())?;
        Ok(Verified::proven(TreeHead { size: *new, root }))
    }

    #[cfg(feature = "alloc")]
    fn room(&self) -> alloc::vec::Vec<u8> {
        alloc::vec![0; self.protected.len().saturating_add(AROUND)]
    }

    fn check_root<C: Crypto + ?Sized>(
        &self,
        root: &Hash,
        key: &PublicKey,
        crypto: &C,
        scratch: &mut [u8],
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
        let mut out = Slice::new(scratch);
        to_be_signed(&mut out, self.protected, root).map_err(|_| CoseError::BufferTooSmall)?;
        let len = out.len();
        let signed = scratch.get(..len).ok_or(CoseError::Bug)?;
        // A receipt is no entry: nobody gains by its second spelling, and other logs may write it.
        let mut signature = *self.signature;
        if let PublicKey::P256(_) = key {
            firmlog_statement::normalise_low_s(&mut signature);
        }
        let good = check_bytes(crypto, key, signed, &signature);
        if good { Ok(()) } else { Err(CoseError::SignatureWrong) }
    }
}

/// What a Sig_structure has around its protected header, at most: 11 bytes of text, the root, and
/// five heads.
#[cfg(feature = "alloc")]
const AROUND: usize = 64;

/// The Sig_structure of RFC 9052 §4.4 with empty external data.
fn to_be_signed(out: &mut dyn Sink, protected: &[u8], root: &Hash) -> Result<(), StatementError> {
    codec::head(out, 4, 4)?;
    codec::text(out, "Signature1")?;
    codec::bytes(out, protected)?;
    codec::bytes(out, &[])?;
    codec::bytes(out, root.as_bytes())
}

/// The old and the new root that a consistency proof leads to (RFC 9162 §2.1.4.2), for a receipt
/// that carries neither. None if the proof has another length than the sizes ask for.
#[cfg(feature = "alloc")]
fn roots_from_consistency(
    old: &TreeHead,
    new: TreeSize,
    mut rest: impl Iterator<Item = Hash>,
) -> Option<(Hash, Hash)> {
    if old.size.0 == 0 || old.size >= new {
        return None;
    }
    let (mut node, mut last) = (old.size.0.checked_sub(1)?, new.0.checked_sub(1)?);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    // A complete old tree is its own first node.
    let seed = if old.size.0.is_power_of_two() { old.root } else { rest.next()? };
    let (mut old_root, mut new_root) = (seed, seed);
    for hash in rest {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            (old_root, new_root) = (node_hash(&hash, &old_root), node_hash(&hash, &new_root));
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new_root = node_hash(&new_root, &hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    (last == 0).then_some((old_root, new_root))
}
