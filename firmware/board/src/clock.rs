//! The time of a board that has no clock of the day: since power came on, and no more.

use crate::ticks;
use firmlog_agent::update::Clock;
use firmlog_statement::time::{DeviceTime, Source, SyncState};

/// Counts from power-up on.
#[derive(Debug)]
pub struct Uptime;

impl Clock for Uptime {
    fn now(&mut self) -> DeviceTime {
        DeviceTime {
            utc_ms: None,
            zone_min: None,
            source: Source::None,
            sync: SyncState::Never,
            uncertainty_ms: None,
            last_sync_ms: None,
            boot_id: None,
            uptime_ms: Some(ticks::milliseconds()),
            counter: None,
            evidence: None,
        }
    }
}
