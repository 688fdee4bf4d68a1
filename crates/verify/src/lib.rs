//! Statement, receipt and policy into a verdict: the only place that decides trust.
//!
//! ```text
//! bundle ─┐
//! trust root ─┼─▶ verify_bundle ─▶ signed → in log → witnessed → time-stamped → anchored
//! question ─┘                      and one word: verified, verified so far, not found, altered,
//!                                  cannot check
//! ```
//!
//! In scope: signatures ([`crypto`]), who may sign what ([`registry`]), checkpoints and quorums
//! ([`checkpoint`], [`root`]), receipts ([`receipt`]), anchors on EVM chains ([`evm`]), quotes of
//! TPMs ([`quote`]), evidence bundles ([`bundle`]) and what belongs into one ([`gather`]), verdicts
//! ([`report`]) and findings ([`finding`]); whose word counts on what ([`standing`]), and a
//! device's decision on a release ([`install`]) and its check of the log's word ([`pinned`]), all
//! without allocation; the rest is behind the feature `alloc`.
//! Out of scope: fetching and storing any of it.
//!
//! Invariants:
//! - [`Verified<T>`] cannot be made elsewhere.
//! - No clock, no I/O, no randomness: the same input gives the same verdict, online or off.
//! - Evidence of misbehaviour is returned whole, never reduced to an error.
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "alloc")]
pub mod finding;
#[cfg(feature = "alloc")]
pub mod gather;
mod refusal;
mod role;
#[cfg(feature = "alloc")]
mod utc;
mod verified;

#[cfg(feature = "alloc")]
pub mod bundle;
#[cfg(feature = "alloc")]
pub mod checkpoint;
pub mod crypto;
#[cfg(feature = "alloc")]
pub mod evm;
pub mod install;
pub mod pinned;
#[cfg(feature = "alloc")]
pub mod quote;
pub mod receipt;
#[cfg(feature = "alloc")]
pub mod registry;
#[cfg(feature = "alloc")]
pub mod release;
#[cfg(feature = "alloc")]
pub mod report;
#[cfg(feature = "alloc")]
pub mod root;
pub mod standing;

pub use crypto::Crypto;
#[cfg(feature = "rustcrypto")]
pub use crypto::RustCrypto;
#[cfg(feature = "alloc")]
pub use crypto::check_signature;
#[cfg(feature = "alloc")]
pub use release::{verify_release, verify_release_as};
#[cfg(feature = "alloc")]
pub use report::{Question, Report, Verdict, verify_bundle, verify_file};
#[cfg(feature = "alloc")]
pub use root::TrustRoot;
pub use verified::Verified;
