//! Who decides whether the log's word is good: the caller, as far as the device can check.
//!
//! ```text
//! Receipts               checkpoint's signature   each statement's inclusion   erased when
//! firmlog's own daemon   checked                  checked                      proven
//! Unchecked              read, not checked        not asked for                the answer says so
//! ```
//!
//! Out of scope for every implementation: whether the tree extends the one before it. Witnesses
//! cosign that, and the outbox reports a tree that shrank, or that has two roots of one size.

use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::{Hash, TreeHead};

/// Checks what the log hands out before the journal may erase anything.
pub trait Receipts {
    /// Whether each statement is to be proven by a receipt of its own.
    fn wants_receipts(&self) -> bool;

    /// The tree head that this signed note states, if the note is the log's.
    fn checkpoint(&mut self, note: &[u8]) -> Option<TreeHead>;

    /// Whether the COSE receipt shows that the statement with this leaf hash stands at `index` in a
    /// tree whose root the log signed. Nobody signs a receipt's size, so what the journal notes is
    /// the checkpoint.
    fn receipt(&mut self, index: u64, leaf: &Hash, receipt: &[u8]) -> bool;
}

impl<T: Receipts + ?Sized> Receipts for &mut T {
    fn wants_receipts(&self) -> bool {
        (**self).wants_receipts()
    }
    fn checkpoint(&mut self, note: &[u8]) -> Option<TreeHead> {
        (**self).checkpoint(note)
    }
    fn receipt(&mut self, index: u64, leaf: &Hash, receipt: &[u8]) -> bool {
        (**self).receipt(index, leaf, receipt)
    }
}

/// A device without signature code: it believes what the answer says. Whoever sits between it and
/// the log can have it erase statements that the log does not have; the gap then shows in the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unchecked;

impl Receipts for Unchecked {
    fn wants_receipts(&self) -> bool {
        false
    }

    fn checkpoint(&mut self, note: &[u8]) -> Option<TreeHead> {
        Unverified::parse(note).ok().map(|checkpoint| checkpoint.claimed().head())
    }

    fn receipt(&mut self, _: u64, _: &Hash, _: &[u8]) -> bool {
        false
    }
}
