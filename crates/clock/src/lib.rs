//! What a Linux device or gateway knows of the time, said honestly in each statement.
//!
//! ```text
//! chrony: NTS, selected    → source nts, synchronised, ±3 ms                         T3
//! three Roughtime servers  → source roughtime, ±5,012 ms, evidence 5f3a…             T3
//! kernel: synchronised     → source ntp, ±31 ms                                      T2
//! nobody answers           → source rtc, never                                       T1
//! ```
//!
//! In scope: asking the kernel, [`chrony`] and [`roughtime`] servers; which of them to believe
//! ([`TrustedClock`]); evidence of Roughtime that is checked anywhere and offline ([`evidence`]).
//! Out of scope: setting a clock; receipts, witnesses and anchors, which bound a statement from
//! outside (`firmlog-verify`).
//!
//! Invariants:
//! - [`TrustedClock::now`] always answers, within the deadline of the settings. What is missing,
//!   dead, hung or not understood lowers the quality, and is named in a [`Note`].
//! - Nothing is called NTS unless every source that chrony uses is authenticated by NTS.
//! - No time is called Roughtime's unless three servers signed and most of those named agree.
//! - A server that contradicts the others is named, with the whole chain of replies.

pub mod agree;
pub mod boot;
pub mod chrony;
mod clock;
mod error;
pub mod evidence;
mod judge;
pub mod kernel;
pub mod report;
pub mod roughtime;
mod settings;

pub use clock::{Note, Query, Reading, TrustedClock};
pub use error::ClockError;
pub use settings::{ChronySettings, RoughtimeSettings, Server, Settings};
