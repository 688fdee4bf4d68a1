//! This boot: its id, how long it has lasted, and what its clock says.
//!
//! ```text
//! boot 7c0e5a1e-…   uptime 912,004 ms (suspended time counts)   clock 2026-06-19T12:00:00.000Z
//! ```
//!
//! Invariant: uptime never goes back and is not stepped; the clock may do both.

use std::time::{SystemTime, UNIX_EPOCH};

use firmlog_statement::Bytes;
use rustix::time::{ClockId, clock_gettime};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The kernel's id of this boot; nothing where `/proc` is not mounted.
pub fn id() -> Option<Bytes<16>> {
    let text = std::fs::read_to_string(BOOT_ID).ok()?;
    let digits: Vec<u8> = text.trim().bytes().filter(|byte| *byte != b'-').collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Option<Vec<u8>> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    let bytes = bytes.filter(|bytes| bytes.len() == 16)?;
    Bytes::new(&bytes).ok()
}

/// Milliseconds since boot, time in suspend included.
pub fn uptime_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let millis = u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000;
    seconds.saturating_mul(1000).saturating_add(millis)
}

/// What the system's clock says, milliseconds since 1970 UTC.
pub fn utc_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TIM-003.
    #[test]
    fn this_boot_is_the_one_the_kernel_tells_of() {
        let text = std::fs::read_to_string(BOOT_ID).unwrap().replace('-', "");
        let hex: String = id().unwrap().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, text.trim());
        let up = std::fs::read_to_string("/proc/uptime").unwrap();
        let up: f64 = up.split(' ').next().unwrap().parse().unwrap();
        assert!((uptime_ms() as f64 / 1000.0 - up).abs() < 2.0);
    }
}
