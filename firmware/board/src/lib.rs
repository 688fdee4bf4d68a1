//! The board that QEMU plays: an MPS2 AN386, a Cortex-M4 with floating point.
//!
//! ```text
//! 0x00000000  256 KiB   code          0x21000000  16 MiB   external flash, a file of the host
//! 0x20000000   64 KiB   RAM           0x40004000           UART 0, the link to the gateway
//! ```
//!
//! In scope: drivers of what the examples use. Out of scope: anything about firmlog but the
//! [`Flash`](firmlog_agent::Flash) trait; a port to another board replaces this crate alone.
//!
//! Invariants:
//! - Flash takes a word once between erases and only clears bits, as the poorest part does.
//! - `unsafe` is here and in `firmware/crypto`, which calls assembly, and nowhere else in the Rust
//!   images.
#![no_std]

pub mod bench;
mod clock;
pub mod flash;
pub mod layout;
mod mem;
mod slot;
pub mod stack;
pub mod ticks;
pub mod uart;
mod vectors;

pub use clock::Uptime;
pub use cortex_m_rt::entry;
pub use flash::NorFlash;
pub use slot::{Boot, Slot};
pub use uart::Uart;

/// Stops for good; the gateway sees no more lines and ends the emulator.
pub fn halt() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
