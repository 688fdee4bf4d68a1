//! The clock behind C's callback.

use crate::Status;
use crate::codes::known;
use core::ffi::c_void;
use firmlog_statement::time::{DeviceTime, Source, SyncState, ZoneOffset};
use firmlog_statement::{Bytes, Digest};

/// What the device knows of the time. What it does not know it leaves at zero with the `has_…`
/// beside it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Time {
    /// Milliseconds since 1970 UTC.
    pub utc_ms: u64,
    /// Milliseconds since this boot, never back.
    pub uptime_ms: u64,
    /// Last synchronisation, milliseconds since 1970 UTC.
    pub last_sync_ms: u64,
    /// A counter that never goes back, across boots.
    pub counter: u64,
    /// Half width of the interval the device vouches for, milliseconds.
    pub uncertainty_ms: u32,
    /// Minutes east of UTC.
    pub zone_min: i16,
    /// Where the time came from: `FIRMLOG_SOURCE_…`.
    pub source: u8,
    /// Whether that source was in reach: `FIRMLOG_SYNC_…`.
    pub sync: u8,
    /// This boot's id.
    pub boot_id: [u8; 16],
    /// SHA-256 of the signed replies that the time rests on; zeros if there are none.
    pub evidence: [u8; 32],
    /// Length of that id, 0 without one.
    pub boot_id_len: u8,
    /// Whether `utc_ms` is known.
    pub has_utc: u8,
    /// Whether `uptime_ms` is known.
    pub has_uptime: u8,
    /// Whether `last_sync_ms` is known.
    pub has_last_sync: u8,
    /// Whether `counter` is known.
    pub has_counter: u8,
    /// Whether `uncertainty_ms` is known.
    pub has_uncertainty: u8,
    /// Whether `zone_min` is known.
    pub has_zone: u8,
}

/// Tells the time.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Clock {
    /// Handed to the callback.
    pub context: *mut c_void,
    /// Fills in what is known; everything is zero before.
    pub now: Option<unsafe extern "C" fn(context: *mut c_void, time: *mut Time)>,
}

impl Clock {
    pub(crate) fn check(&self) -> Result<(), Status> {
        if self.now.is_some() { Ok(()) } else { Err(Status::NoCallback) }
    }
}

impl firmlog_agent::update::Clock for Clock {
    fn now(&mut self) -> DeviceTime {
        let mut time = Time::default();
        if let Some(now) = self.now {
            // SAFETY: the time is ours to lend; the caller keeps to its prototype.
            unsafe { now(self.context, &raw mut time) };
        }
        time.as_told()
    }
}

impl Time {
    /// What C said, where it can be said. A clock cannot be refused: what is out of range is not
    /// known, and a time with an unknown source has none.
    fn as_told(&self) -> DeviceTime {
        let source = known(Source::from_code(u64::from(self.source)));
        let sync = known(SyncState::from_code(u64::from(self.sync)));
        let sound = source.is_ok() && sync.is_ok();
        let boot_id = self.boot_id.get(..usize::from(self.boot_id_len)).filter(|id| !id.is_empty());
        DeviceTime {
            utc_ms: (sound && self.has_utc != 0).then_some(self.utc_ms),
            zone_min: ZoneOffset::new(self.zone_min).ok().filter(|_| self.has_zone != 0),
            source: source.unwrap_or(Source::None),
            sync: sync.unwrap_or(SyncState::Suspect),
            uncertainty_ms: (self.has_uncertainty != 0).then_some(self.uncertainty_ms),
            last_sync_ms: (self.has_last_sync != 0).then_some(self.last_sync_ms),
            boot_id: boot_id.and_then(|id| Bytes::new(id).ok()),
            uptime_ms: (self.has_uptime != 0).then_some(self.uptime_ms),
            counter: (self.has_counter != 0).then_some(self.counter),
            evidence: (self.evidence != [0; 32]).then_some(Digest(self.evidence)),
        }
    }
}
