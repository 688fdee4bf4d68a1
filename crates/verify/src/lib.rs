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
//! TPMs ([`quote`]), evidence bundles ([`bundle`]), verdicts.
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

extern crate alloc;
#[cfg(test)]
extern crate std;

mod refusal;
mod utc;
mod verified;

pub mod bundle;
pub mod checkpoint;
pub mod crypto;
pub mod evm;
pub mod quote;
pub mod receipt;
pub mod registry;
pub mod release;
pub mod report;
pub mod root;

#[cfg(feature = "rustcrypto")]
pub use crypto::RustCrypto;
pub use crypto::{Crypto, check_signature};
pub use release::verify_release;
pub use report::{Question, Report, Verdict, verify_bundle, verify_file};
pub use root::TrustRoot;
pub use verified::Verified;
