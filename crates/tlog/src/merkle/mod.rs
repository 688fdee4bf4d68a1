//! Merkle trees of RFC 6962 §2.1 (the same trees as RFC 9162 §2.1) over SHA-256.
//!
//! ```text
//! leaf hash   SHA-256(0x00 ‖ entry)
//! node hash   SHA-256(0x01 ‖ left ‖ right)
//! empty tree  SHA-256("")
//! ```
//!
//! In scope: hashing, growing a tree ([`CompactRange`]), which nodes a proof needs
//! ([`inclusion_ranges`]), making proofs from stored nodes ([`NodeSource`]) and checking them.
//! Out of scope: where nodes are stored (`tile`, `log`), who signed a head (`checkpoint`).
//!
//! Invariants:
//! - A node is named by `(level, index)` and covers leaves `index·2^level ..
//!   (index+1)·2^level`; only perfect subtrees are nodes.
//! - A proof accepted here has exactly the length RFC 9162 gives it.

use core::fmt;

mod compact;
mod hash;
mod range;
#[cfg(feature = "alloc")]
mod source;
mod verify;

pub use compact::{CompactRange, RangeError};
pub use hash::{empty_root, leaf_hash, node_hash};
pub use range::{
    LeafRange, NodeId, Nodes, Ranges, consistency_ranges, inclusion_ranges, range_nodes,
};
#[cfg(feature = "alloc")]
pub use source::{BuildError, NodeSource, consistency_proof, inclusion_proof, range_root, root};
pub use verify::{
    ProofError, root_from_inclusion, root_from_path, verify_consistency, verify_inclusion,
    verify_inclusion_path,
};

/// The longest proof any tree of at most 2^64 − 1 leaves can need.
pub const MAX_PROOF_LEN: usize = 64;

/// A SHA-256 value: a leaf hash, a node or a root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Parses the one Base64 spelling of a hash.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        crate::base64::decode_array(text).map(Self)
    }

    /// Parses 64 lowercase hex digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let mut out = [0; 32];
        for (slot, [hi, lo]) in out.iter_mut().zip(pairs) {
            *slot = nibble(*hi)? << 4 | nibble(*lo)?;
        }
        Some(Self(out))
    }

    /// Shows the hash in Base64, as the text formats carry it.
    #[must_use]
    pub fn base64(&self) -> impl fmt::Display + use<> {
        Base64Hash(*self)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Lowercase hex.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Lowercase hex.
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Zero-based position of an entry in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct LeafIndex(pub u64);

/// How many entries a tree has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct TreeSize(pub u64);

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<u64> for LeafIndex {
    fn from(index: u64) -> Self {
        Self(index)
    }
}

impl From<u64> for TreeSize {
    fn from(size: u64) -> Self {
        Self(size)
    }
}

/// A tree size and its root: what a checkpoint commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TreeHead {
    /// How many leaves the tree has.
    pub size: TreeSize,
    /// Its root hash.
    pub root: Hash,
}

impl TreeHead {
    /// The head of the tree without leaves.
    #[must_use]
    pub fn empty() -> Self {
        Self { size: TreeSize(0), root: empty_root() }
    }
}

struct Base64Hash(Hash);

impl fmt::Display for Base64Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base64::Encode(&[&self.0.0]).fmt(f)
    }
}

fn nibble(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(c.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}
