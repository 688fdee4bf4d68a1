//! What the images of the measurement share.
//!
//! ```text
//! size      the smallest program that uses all of the agent: its flash and static RAM
//! history   a scripted history: stack, instructions, flash operations
//! release   the check of a release before install (largest build): stack, instructions, signatures
//! ```
//!
//! Each is built three times, with more signature code each time: without any (a secure element
//! signs and checks), with P-256 in software, and with Ed25519 as well. `cargo xtask size` builds,
//! runs and judges them against `firmware/budgets.toml`.
#![no_std]

pub mod clock;
pub mod key;

use core::panic::PanicInfo;
use firmlog_board::{Uart, halt};

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    Uart::open().text("panic").end();
    halt()
}
