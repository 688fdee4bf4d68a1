//! The operating system's random numbers.

use aws_lc_rs::rand;

/// Fills `bytes` from the operating system's generator.
///
/// # Panics
///
/// If the operating system has no random numbers to give: nothing that needs them can go on.
pub fn os_random(bytes: &mut [u8]) {
    rand::fill(bytes).expect("the operating system gives random numbers");
}
