//! Direct mode: firmware updates written one by one into `FirmwareUpdateLog`, and read back.
//!
//! ```text
//! update ─▶ previous hash from the contract ─▶ signed (journal) ─▶ block ─▶ final/<tx>.json
//! FirmwareUpdateLogged events ─▶ updates.db ─▶ compared, record by record, with the contract
//! ```
//!
//! In scope: submitting an update, the index of events, a device's history, its hash chain computed
//! here. Out of scope: what runs on a device, which no chain knows (`cli` says so).
//!
//! Invariants (docs/spec/anchor.md, DIR-1 to DIR-7):
//! - An update is logged once however often its client dies; again only when asked for again.
//! - The index holds what a quorum said, and takes back what the chain takes back.
//! - Neither events nor records are believed alone: they must make one chain of hashes.

pub mod cid;
pub mod client;
pub mod contract;
pub mod history;

pub mod index;
pub mod record;

mod follow;

pub use client::{Client, Progress};
pub use follow::Followed;
