//! HTTP in; tiles, receipts, queries and pages out.
//!
//! ```text
//! accept (cap, header deadline, TLS) → front → POST /add → gate ─┐
//!                                        └→ rate, room → router → intake → engine → log
//!                                                          └→ view ← follower ← log
//! ```
//!
//! In scope: the listeners, every route of `docs/spec/log-api.md`, the settings of all of them, and
//! the HTTP side of a witness. Out of scope: what is appended and proven (`log`, `verify`).
//!
//! Invariants:
//! - A submission is answered after it is durable, or told it was not taken.
//! - Every bound is configured: connections, bytes, time, requests under way, requests a second.
//! - Nothing here can change or remove an entry.

#![expect(
    clippy::result_large_err,
    reason = "a problem is made once, for a request that ends with it; the hot path has none"
)]

mod accept;
mod add;
mod admin;
mod anchoring;
mod api;
mod app;
mod audit;
mod batch;
mod body;
mod bundle;
mod check;
pub mod config;
pub mod deeds;
mod docs;
mod engine;
pub mod erase;
mod follower;
mod front;
mod health;
mod intake;
mod item;
mod limit;
mod metrics;
mod pages;
mod problem;
mod refusals;
mod routes;
mod scrapi;
mod sending;
mod show;
mod start;
mod tiles;
mod tls;
mod witness;
mod witnessed;

pub use follower::{ReindexError, reindex};
pub use problem::{CODES, Code, Problem};
pub use routes::openapi_json;
pub use start::{Server, ServerError, index_path, origin_of, run};
pub use tls::TlsError;
pub use witness::WitnessServer;
