//! The time of a device with a battery-backed clock.

use firmlog_agent::update::Clock;
use firmlog_board::ticks;
use firmlog_statement::time::{DeviceTime, Source, SyncState};

/// When this device was switched on.
const BOOT_MS: u64 = 1_800_000_000_000;

/// Counts from one moment on.
#[derive(Debug)]
pub struct Rtc;

impl Clock for Rtc {
    fn now(&mut self) -> DeviceTime {
        let uptime_ms = ticks::milliseconds();
        DeviceTime {
            utc_ms: Some(BOOT_MS + uptime_ms),
            zone_min: None,
            source: Source::Rtc,
            sync: SyncState::Never,
            uncertainty_ms: None,
            last_sync_ms: None,
            boot_id: None,
            uptime_ms: Some(uptime_ms),
            counter: None,
            evidence: None,
        }
    }
}
