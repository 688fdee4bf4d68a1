//! What runs on the device: a journal of its own statements that survives power cuts.
//!
//! ```text
//! seal(update) ──► Journal::append ──► flash: header · note · entry, a mark in the head
//!                        ▲                        │
//!              power cut at any byte ──► Journal::open: before or after, and what is damaged
//! ```
//!
//! In scope: the [`journal`] on NOR [`flash`], the state machine of an [`update`], coalescing of
//! [`repeats`], what to send from the [`outbox`] and what the answer means, [`mcuboot`] images. Out
//! of scope: the flash driver, the clock and the key (traits), whether a signature is good
//! (`verify`), the connection.
//!
//! Invariants:
//! - No allocation, no I/O, no clock, no randomness, no `unsafe`; what is needed comes as a trait.
//! - No panic: what cannot happen is [`journal::Error::Bug`].
//! - Nothing is skipped: what cannot be read is a [`journal::Finding`].
#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(test)]
extern crate std;

mod crc;
mod fields;
pub mod flash;
pub mod journal;
pub mod mcuboot;
pub mod outbox;
pub mod repeats;
pub mod update;

pub use flash::{Flash, FlashError};
pub use journal::Journal;
pub use outbox::Outbox;
pub use update::Updater;
