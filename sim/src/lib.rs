//! A deterministic device world: one seed is one run.
//!
//! ```text
//! history (seed) ─▶ device ─▶ journal ─▶ flash: cut after N bytes, torn words, stuck bits,
//!                                               failed erases, copies, old images
//!                          outbox ─▶ link: lost, late, twice, out of order ─▶ log
//! ```
//!
//! In scope: what tests need around the agent. The agent itself is the production code. Nothing
//! here is built into a product.

pub mod board;
pub mod device;
pub mod flash;
pub mod history;
pub mod link;
pub mod lives;
pub mod log;
pub mod losses;
pub mod power;
pub mod random;

pub use device::Device;
pub use flash::{Shared, SimFlash};
pub use link::Link;
pub use log::SimLog;
pub use random::Random;
