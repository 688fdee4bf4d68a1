//! Receipts: index, inclusion proof and checkpoint of one entry, in two forms.
//!
//! ```text
//! c2sp.org/tlog-proof@v1          [`Receipt`]: for tlog tools, carries the witnesses
//! index 48211
//! …                               and [`cose`]: for SCITT tools, RFC 9942
//! ```
//!
//! In scope: both forms, made, read and verified. Out of scope: the tree they are made from
//! (`log`).

pub mod cose;

use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead};

#[cfg(feature = "alloc")]
mod file;

#[cfg(feature = "alloc")]
pub use file::{Receipt, ReceiptError};

/// An entry that is in the tree of a signed head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Where the entry is.
    pub index: LeafIndex,
    /// Its leaf hash.
    pub leaf: Hash,
    /// The tree it is in.
    pub head: TreeHead,
}
