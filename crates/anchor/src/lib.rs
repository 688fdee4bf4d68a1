//! Puts checkpoints where nobody can take them back, and reads them from there.
//!
//! ```text
//! checkpoint 48930 ─▶ signed (journal, fsync) ─▶ nodes ─▶ block ─▶ final ─▶ final/48930.json
//! ```
//!
//! In scope: EVM chains through the `FirmwareAnchor` contract of `contracts/`, by any JSON-RPC
//! providers, several at once. Out of scope: which checkpoints to anchor and when (`cli`,
//! `server`), and what evidence proves (`verify`).
//!
//! Invariants:
//! - A transaction is in the journal, durably, before any node has it; a process that dies repeats
//!   bytes, never acts.
//! - One nonce at a time: a newer checkpoint takes the older one's place, or waits.
//! - Nothing is called final that a quorum of providers does not say is in a final block.
//! - No provider is believed alone where there are several, and a contradiction is kept whole.
//! - The relay's key pays; only the authority's key speaks for the log.

pub mod audit;
pub mod config;
pub mod contract;
pub mod deploy;
pub mod direct;
pub mod evidence;
pub mod extend;
pub mod fees;
pub mod finding;
pub mod history;
pub mod journal;
pub mod offline;
pub mod provider;
pub mod quorum;
pub mod request;
pub mod threshold;
pub mod view;

mod client;
mod error;
mod judge;
mod key;
mod relay;
mod status;
mod steps;
mod tx;

pub use client::Client;
pub use error::AnchorError;
pub use key::{Authority, P256Signer, Wallet};
pub use relay::Settings;
pub use status::{Covered, Status, Waiting};
pub use steps::Sending;
