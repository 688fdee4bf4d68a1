//! How fast, how large, how safe: measured, with what it was measured against.
//!
//! ```text
//! raw_add_per_s  38 214 /s  at 64 connections, 71 % of a bare echo of the same stack
//! ```
//!
//! In scope: the load generator, the bare loops the product is compared with,
//! the figures of `docs/benchmarks.md`, and the crash harness. Out of scope:
//! anything the product itself needs; nothing depends on this package.
//!
//! Invariants:
//! - A figure names what it was measured against in the same run.
//! - Load comes over real HTTP from another process than the server's.

pub mod bare;
pub mod core;
pub mod crash;
pub mod echo;
pub mod figures;
pub mod fleet;
pub mod load;
pub mod rig;

/// Tells a person, on stderr, how far things are.
pub fn say(text: &str) {
    use std::io::Write;
    // Nobody may be listening; the work goes on all the same.
    let _ = writeln!(std::io::stderr(), "bench: {text}");
}
