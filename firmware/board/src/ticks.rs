//! Counts instructions: under `-icount shift=0` each takes a nanosecond of the emulator's time, and
//! SysTick runs at 25 MHz.
//!
//! Not cycles: a real core takes more than one for loads, branches, multiplications and waits for
//! flash.

use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use cortex_m_rt::exception;

const CTRL: *mut u32 = 0xe000_e010 as *mut u32;
const RELOAD: *mut u32 = 0xe000_e014 as *mut u32;
const VALUE: *mut u32 = 0xe000_e018 as *mut u32;
const TOP: u32 = 0x00ff_ffff;
/// Instructions in a tick of SysTick.
const PER_TICK: u64 = 40;

static WRAPPED: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    WRAPPED.fetch_add(1, Ordering::Relaxed);
}

/// Starts counting.
pub fn start() {
    // SAFETY: the registers of SysTick, which only this module touches.
    unsafe {
        ptr::write_volatile(RELOAD, TOP);
        ptr::write_volatile(VALUE, 0);
        ptr::write_volatile(CTRL, 7);
    }
}

/// Milliseconds since [`start`], a tick of 40 ns at a time.
#[must_use]
pub fn milliseconds() -> u64 {
    // 25,000 ticks are a millisecond: 2^24 ticks are 671.088 of them.
    let (wrapped, ticks) = ticks();
    u64::from(wrapped) * 671
        + u64::from(wrapped / 1000 * 88 + wrapped % 1000 * 88 / 1000 + ticks / 25_000)
}

/// Instructions since [`start`], to within 40.
#[must_use]
pub fn instructions() -> u64 {
    let (wrapped, ticks) = ticks();
    ((u64::from(wrapped) << 24) + u64::from(ticks)) * PER_TICK
}

/// How often the counter began anew, and how far it is.
fn ticks() -> (u32, u32) {
    loop {
        let wrapped = WRAPPED.load(Ordering::Relaxed);
        // SAFETY: as in `start`.
        let value = unsafe { ptr::read_volatile(VALUE) };
        if wrapped == WRAPPED.load(Ordering::Relaxed) {
            return (wrapped, TOP - (value & TOP));
        }
    }
}
