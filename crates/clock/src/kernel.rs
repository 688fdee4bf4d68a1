//! What the kernel says of its clock: whether something disciplines it, and how far off it may be.
//!
//! ```text
//! adjtimex: TIME_OK, status without STA_UNSYNC, maxerror 31,250 µs
//! ```
//!
//! In scope: reading (`modes = 0`); nothing is ever set. Out of scope: who disciplines the clock,
//! which the kernel does not know.

use rtime_clock::adjtime::{Timex, adjtimex};

/// `STA_UNSYNC` of `adjtimex(2)`.
const UNSYNCHRONISED: i32 = 0x40;
/// `TIME_ERROR` of `adjtimex(2)`.
const TIME_ERROR: i32 = 5;

/// The kernel's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// It did not answer (a sandbox may forbid the call).
    Unknown,
    /// Nothing disciplines the clock, or it has not been heard of for too long.
    Unsynchronised,
    /// Something disciplines the clock.
    Synchronised {
        /// The greatest error it allows for, milliseconds, rounded up.
        max_error_ms: u32,
        /// The error it expects, microseconds.
        estimated_error_us: u64,
    },
}

/// Asks the kernel.
pub fn read() -> Kernel {
    let mut answer = Timex::new();
    match adjtimex(&mut answer) {
        Err(_) => Kernel::Unknown,
        Ok(state) => {
            let error = |us: i64| u64::try_from(us).unwrap_or(u64::MAX);
            let (most, estimated) = (error(answer.0.maxerror), error(answer.0.esterror));
            judged(state, answer.0.status, most, estimated)
        }
    }
}

fn judged(state: i32, status: i32, max_error_us: u64, estimated_error_us: u64) -> Kernel {
    if state == TIME_ERROR || status & UNSYNCHRONISED != 0 {
        return Kernel::Unsynchronised;
    }
    let max_error_ms = u32::try_from(max_error_us.div_ceil(1000)).unwrap_or(u32::MAX);
    Kernel::Synchronised { max_error_ms, estimated_error_us }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_sign_of_trouble_is_believed() {
        assert_eq!(judged(5, 0, 1, 1), Kernel::Unsynchronised);
        assert_eq!(judged(0, 0x40, 1, 1), Kernel::Unsynchronised);
        let fine = Kernel::Synchronised { max_error_ms: 32, estimated_error_us: 9 };
        assert_eq!(judged(0, 0x2001, 31_250, 9), fine);
    }

    #[test]
    fn this_kernel_answers() {
        assert_ne!(read(), Kernel::Unknown);
    }
}
