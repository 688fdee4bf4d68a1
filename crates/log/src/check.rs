//! What can be decided about an entry before it is ordered, on the caller's own threads.
//!
//! In scope: size, form, who signed it, the signature. Out of scope: order and duplicates
//! (`admission`), which ask the rules again, as keys may end in between.
//!
//! Invariant: a [`Batch`] holds only entries that passed [`Checker::push`].

use std::sync::Arc;

use firmlog_statement::{Kind, Parsed, PublicKey, StatementError};
use firmlog_tlog::merkle::{Hash, LeafIndex, leaf_hash};
use firmlog_tlog::tile::MAX_ENTRY;
use firmlog_verify::crypto::{Crypto, check_signature};
use firmlog_verify::registry::{Candidate, Refusal as Rule};

use crate::admission::{Added, SignedLog};
use crate::batch::Batch;
use crate::config::Registration;
use crate::shared::Shared;

/// Checks entries in parallel with the sequencer. Cheap to clone.
#[derive(Clone)]
pub struct Checker {
    shared: Arc<Shared>,
    crypto: Arc<dyn Crypto>,
}

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is larger than 65,535 bytes.
    #[error("the entry is larger than 65,535 bytes")]
    TooLarge,
    /// It is not a statement in its one spelling.
    #[error("the entry is not a statement: {0}")]
    Malformed(StatementError),
    /// The registration rules do not let it in.
    #[error("{0}")]
    Rule(Rule),
    /// It was not checked as a signed statement.
    #[error("the entry was checked for a log of any bytes")]
    Unsigned,
}

/// A statement whose signer is known and may sign it; the signature is still to be checked.
#[derive(Clone, Copy, Debug)]
pub struct Resolved<'a> {
    /// The statement.
    pub parsed: Parsed<'a>,
    /// The key it must be signed with.
    pub key: PublicKey,
    candidate: Candidate,
}

impl Checker {
    pub(crate) fn new(shared: Arc<Shared>, crypto: Arc<dyn Crypto>) -> Self {
        Self { shared, crypto }
    }

    /// Checks an entry and adds it to a batch.
    ///
    /// # Errors
    /// A [`Refusal`], with the batch as it was.
    pub fn push(&self, batch: &mut Batch, entry: &[u8]) -> Result<(), Refusal> {
        if entry.len() > MAX_ENTRY {
            return Err(Refusal::TooLarge);
        }
        if self.shared.config.registration == Registration::Any {
            batch.push(entry, leaf_hash(entry), None);
            return Ok(());
        }
        let resolved = self.resolve(entry)?;
        if !check_signature(self.crypto.as_ref(), &resolved.key, &resolved.parsed) {
            return Err(Refusal::Rule(Rule::SignatureWrong));
        }
        self.push_checked(batch, &resolved)
    }

    /// The first half of [`Checker::push`], for callers who check many signatures at once.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn resolve<'a>(&self, entry: &'a [u8]) -> Result<Resolved<'a>, Refusal> {
        if entry.len() > MAX_ENTRY {
            return Err(Refusal::TooLarge);
        }
        let parsed = Parsed::parse(entry).map_err(Refusal::Malformed)?;
        let admission = self.shared.admission();
        let signed = admission.signed().ok_or(Refusal::Unsigned)?;
        let (view, candidate) = signed.registry.keys.resolve(&parsed).map_err(Refusal::Rule)?;
        Ok(Resolved { parsed, key: view.key, candidate })
    }

    /// The second half of [`Checker::push`]. The caller vouches that the signature of `resolved`
    /// verifies under `resolved.key`.
    ///
    /// # Errors
    /// A [`Refusal`], with the batch as it was.
    pub fn push_checked(&self, batch: &mut Batch, resolved: &Resolved<'_>) -> Result<(), Refusal> {
        if resolved.parsed.kind() == Kind::Trust
            && let Some(signed) = self.shared.admission().signed()
            // One that is in the log already breaks the rules the second time: the sequencer
            // answers it with its index.
            && !self.is_known(signed, &resolved.candidate.leaf)
        {
            signed.registry.judge_trust(&resolved.parsed).map_err(Refusal::Rule)?;
        }
        batch.push(resolved.parsed.raw(), resolved.candidate.leaf, Some(resolved.candidate));
        Ok(())
    }

    /// Where a published statement is, by its leaf hash, if memory tells: a recent one, or one of
    /// no device. `None` in a log of any bytes.
    #[must_use]
    pub fn find(&self, leaf: &Hash) -> Option<LeafIndex> {
        let size = self.shared.published().head.size.0;
        let admission = self.shared.admission();
        admission.signed()?.find_recent(&self.shared.store, size, leaf)
    }

    /// Whether a statement of no device is in the log, or may be.
    fn is_known(&self, signed: &SignedLog, leaf: &Hash) -> bool {
        let size = self.shared.published().head.size.0;
        let added = Added { first: size, leaves: Vec::new() };
        !matches!(signed.find_other(&self.shared.store, &added, leaf), Ok(None))
    }
}
