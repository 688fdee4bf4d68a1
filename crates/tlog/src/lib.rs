//! RFC 6962 trees and the C2SP text formats: bytes in, a value or a refusal out.
//!
//! ```
//! use firmlog_tlog::merkle::{CompactRange, leaf_hash, verify_inclusion};
//!
//! let (a, b) = (leaf_hash(b"first entry"), leaf_hash(b"second entry"));
//! let mut tree = CompactRange::new();
//! tree.push(a, |_, _, _| {});
//! tree.push(b, |_, _, _| {});
//! assert_eq!(verify_inclusion(1.into(), &b, &tree.head(), &[a]), Ok(()));
//! ```
//!
//! One module per specification:
//!
//! | module | specification |
//! |---|---|
//! | [`merkle`] | RFC 6962 §2.1, RFC 9162 §2.1 |
//! | [`tile`] | [tlog-tiles](https://c2sp.org/tlog-tiles) |
//! | [`note`] | [signed-note](https://c2sp.org/signed-note) |
//! | [`checkpoint`] | [tlog-checkpoint](https://c2sp.org/tlog-checkpoint) |
//! | [`cosignature`] | [tlog-cosignature](https://c2sp.org/tlog-cosignature), Ed25519 only |
//! | [`witness`] | [tlog-witness](https://c2sp.org/tlog-witness), `add-checkpoint` |
//! | [`proof`] | [tlog-proof](https://c2sp.org/tlog-proof) |
//! | [`policy`] | [tlog-policy](https://c2sp.org/tlog-policy) |
//!
//! In scope: hashing trees, making and checking proofs, and the bytes of each format.
//! Out of scope: signature arithmetic (injected as [`note::Ed25519Check`]), deciding whom to
//! trust (`firmlog-verify`), storage and network.
//!
//! Invariants:
//! - `encode(parse(x)?) == x`, byte for byte; every other spelling is refused.
//!   [`policy`] alone is a file people write, and drops their comments and spacing.
//! - No I/O, clock or randomness; no allocation in [`merkle`]'s hashing and verification,
//!   in [`note`]'s, [`checkpoint`]'s and [`tile`]'s parsers.
//! - No panic: out-of-range input is an error, and arithmetic is checked or wraps on purpose.
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod refusal;

mod base64;
mod decimal;

pub mod checkpoint;
pub mod cosignature;
pub mod merkle;
pub mod note;
#[cfg(feature = "alloc")]
pub mod policy;
pub mod proof;
pub mod tile;
#[cfg(feature = "alloc")]
pub mod witness;
