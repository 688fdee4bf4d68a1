//! How deep the stack got: painted before, looked at afterwards.

use core::ptr;

const PAINT: u32 = 0xdead_beef;
/// Left alone above the painting: the frame that paints.
const OWN: usize = 256;

unsafe extern "C" {
    static _stack_start: u32;
    static __sheap: u32;
}

fn top() -> usize {
    ptr::addr_of!(_stack_start) as usize
}

fn bottom() -> usize {
    ptr::addr_of!(__sheap) as usize
}

/// Paints what is free of the stack.
#[inline(never)]
pub fn paint() {
    let here = 0u32;
    let end = (ptr::addr_of!(here) as usize).saturating_sub(OWN);
    for at in (bottom()..end).step_by(4) {
        // SAFETY: between the end of static data and our own frame there is only unused stack.
        unsafe { ptr::write_volatile(at as *mut u32, PAINT) }
    }
}

/// Bytes of stack used at most since [`paint`], from the top of RAM.
#[must_use]
pub fn peak() -> u32 {
    let mut at = bottom();
    // SAFETY: as in `paint`; only read here.
    while at < top() && unsafe { ptr::read_volatile(at as *const u32) } == PAINT {
        at += 4;
    }
    (top() - at) as u32
}
