//! Witnesses on both sides: the one we run, and those we ask.
//!
//! In scope: a witness's store and its decision ([`WitnessStore`], [`judge`]), and the log's client
//! ([`Witnessing`], with the feature `witness-client`). Out of scope: HTTP routes (`server`), the
//! text forms (`firmlog_tlog::witness`).

#[cfg(feature = "witness-client")]
mod client;
mod judge;
mod merge;
mod store;

#[cfg(feature = "witness-client")]
pub use client::{WitnessStatus, Witnessing};
pub use judge::{Answer, judge};
pub use merge::{Cosigned, witnessed};
pub use store::{WitnessError, WitnessReply, WitnessStore};
