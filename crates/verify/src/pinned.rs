//! The log's word, checked by a device that pins one log and allocates nothing.
//!
//! ```text
//! checkpoint     signed note                  the pinned log's signature, k of n witnesses
//! receipt        .tlog-proof or COSE          this leaf stands at this index of the log
//! own_statement  entry and its .tlog-proof    this device said it, and the log has it
//! ```
//!
//! In scope: the questions of an outbox, and of a device that asks the log where its own chain
//! ends. Out of scope: releases (`install`), and whether the log withholds a newer statement: no
//! proof shows that.
//!
//! Invariants:
//! - No allocation; `scratch` holds one message at a time.
//! - A COSE receipt has no witnesses: it proves the log's word alone.

use firmlog_statement::chain::ChainHead;
use firmlog_statement::{DeviceId, Parsed, PublicKey, entry_hash};
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead, leaf_hash, verify_inclusion_path};
use firmlog_tlog::note::Algorithm;
use firmlog_tlog::proof::InPlace;

use crate::install::{Reason, Root, check_signature, verify_checkpoint};
use crate::receipt::Inclusion;
use crate::receipt::cose::{CoseError, CoseReceipt};
use crate::refusal::refusals;
use crate::{Crypto, Verified};

refusals! {
    /// Why a device does not believe it.
    Doubt {
        Altered = 1: "it cannot be read, or a signature in it does not hold",
        OtherLog = 2: "the pinned log did not sign it",
        NotWitnessed = 3: "the checkpoint lacks the quorum of witnesses",
        NotIncluded = 4: "it does not show the statement at this place of the log",
        NotOwn = 5: "the statement is another device's, or signed by another key",
        WitnessTwice = 6: "a witness is pinned twice",
        ScratchTooSmall = 7: "a statement or the checkpoint is longer than the device's buffer",
    }
}

/// Who a device is, to know its own statements.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// Its id.
    pub device: DeviceId,
    /// The key that it signs with.
    pub key: &'a PublicKey,
}

/// A statement of this device in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its place in the device's chain, and its hash.
    pub chain: ChainHead,
    /// Where it stands in the log, and in which tree.
    pub at: Inclusion,
}

/// Verifies a checkpoint: the log's signature, and as many witnesses as `root` asks for.
///
/// # Errors
/// A [`Doubt`].
pub fn checkpoint<C: Crypto + ?Sized>(
    note: &[u8],
    root: &Root<'_>,
    crypto: &C,
    scratch: &mut [u8],
) -> Result<Verified<TreeHead>, Doubt> {
    let note = core::str::from_utf8(note).map_err(|_| Doubt::Altered)?;
    let claimed = Unverified::parse(note.as_bytes()).map_err(|_| Doubt::Altered)?;
    if claimed.claimed().origin != root.log.name.as_str() {
        return Err(Doubt::OtherLog);
    }
    Ok(verify_checkpoint(note, root, crypto, scratch).map(Verified::proven)?)
}

/// Verifies that the entry with this leaf hash is at `index` of the log, by a receipt in either
/// form.
///
/// # Errors
/// A [`Doubt`].
pub fn receipt<C: Crypto + ?Sized>(
    receipt: &[u8],
    (index, leaf): (LeafIndex, &Hash),
    root: &Root<'_>,
    crypto: &C,
    scratch: &mut [u8],
) -> Result<Verified<Inclusion>, Doubt> {
    let included = match receipt.first() {
        Some(0xd2) => by_cose(receipt, leaf, root, crypto, scratch)?,
        _ => by_proof(receipt, leaf, root, crypto, scratch)?,
    };
    if included.index == index { Ok(included) } else { Err(Doubt::NotIncluded) }
}

/// Verifies that this device said `entry` and that the log has it, under a checkpoint that `root`
/// asks for.
///
/// # Errors
/// A [`Doubt`].
pub fn own_statement<C: Crypto + ?Sized>(
    (entry, proof): (&[u8], &[u8]),
    own: &Own<'_>,
    root: &Root<'_>,
    crypto: &C,
    scratch: &mut [u8],
) -> Result<Verified<Said>, Doubt> {
    let parsed = Parsed::parse(entry).map_err(|_| Doubt::Altered)?;
    let head = parsed.update_head().ok_or(Doubt::NotOwn)?;
    let is_own = head.device == own.device
        && *parsed.kid() == own.key.thumbprint()
        && parsed.algorithm() == own.key.algorithm();
    if !is_own {
        return Err(Doubt::NotOwn);
    }
    check_signature(&parsed, own.key, crypto, scratch)?;
    let at = *by_proof(proof, &leaf_hash(entry), root, crypto, scratch)?;
    let chain = ChainHead { seq: Some(head.seq), hash: entry_hash(entry) };
    Ok(Verified::proven(Said { chain, at }))
}

#[inline(never)]
fn by_proof<C: Crypto + ?Sized>(
    file: &[u8],
    leaf: &Hash,
    root: &Root<'_>,
    crypto: &C,
    scratch: &mut [u8],
) -> Result<Verified<Inclusion>, Doubt> {
    let file = InPlace::parse(file).map_err(|_| Doubt::Altered)?;
    let head = *checkpoint(file.checkpoint.as_bytes(), root, crypto, scratch)?;
    verify_inclusion_path(file.index, leaf, &head, file.path()).map_err(|_| Doubt::NotIncluded)?;
    Ok(Verified::proven(Inclusion { index: file.index, leaf: *leaf, head }))
}

#[inline(never)]
fn by_cose<C: Crypto + ?Sized>(
    receipt: &[u8],
    leaf: &Hash,
    root: &Root<'_>,
    crypto: &C,
    scratch: &mut [u8],
) -> Result<Verified<Inclusion>, Doubt> {
    if root.log.algorithm != Algorithm::Ed25519 {
        return Err(Doubt::OtherLog);
    }
    let key = PublicKey::Ed25519(root.log.public_key);
    let receipt = CoseReceipt::parse(receipt).map_err(|_| Doubt::Altered)?;
    receipt.verify_inclusion_in(leaf, &key, crypto, scratch).map_err(|error| match error {
        CoseError::KeyMismatch => Doubt::OtherLog,
        CoseError::BufferTooSmall => Doubt::ScratchTooSmall,
        // The root is not in the receipt: another leaf and another signature look the same.
        _ => Doubt::NotIncluded,
    })
}

impl From<Reason> for Doubt {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::EvidenceIncomplete => Self::OtherLog,
            Reason::NotWitnessed => Self::NotWitnessed,
            Reason::WitnessTwice => Self::WitnessTwice,
            Reason::ScratchTooSmall => Self::ScratchTooSmall,
            _ => Self::Altered,
        }
    }
}
