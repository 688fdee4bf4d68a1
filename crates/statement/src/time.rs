//! When: what the device's clock said, and how far to believe it.
//!
//! ```text
//! {1: 1781870400000, 2: 120, 3: 2, 4: 1, 5: 250}    UTC ms, +02:00, NTP, synchronised, ±250 ms
//! ```
//!
//! The device's time is never overwritten. Receipt, witnesses, time-stamp tokens and
//! anchors bound it from outside; [`Quality`] says how strong the best bound is.

use crate::codec::{self, Decoder, Sink};
use crate::{Bytes, Digest, Field, StatementError as E};

codes! {
    /// Where the device's time came from.
    pub enum Source {
        0 None "none" "No clock but a monotonic counter.",
        1 Rtc "rtc" "A battery-backed clock.",
        2 Ntp "ntp" "NTP without authentication.",
        3 Nts "nts" "NTS (RFC 8915).",
        4 Roughtime "roughtime" "Roughtime (RFC 10049), three servers or more.",
        5 Gnss "gnss" "A satellite receiver, unauthenticated.",
        6 Manual "manual" "Set by hand.",
    }
}
codes! {
    /// Whether that source was in reach.
    pub enum SyncState {
        0 Never "never" "Never synchronised since the clock was set or lost.",
        1 Synchronised "synchronised" "Synchronised now.",
        2 Holdover "holdover" "Synchronised earlier, coasting.",
        3 Suspect "suspect" "The clock stepped or disagrees with its source.",
    }
}
codes! {
    /// How good the evidence for a time is; a higher one is harder to fake.
    pub enum Quality {
        0 T0 "T0" "Monotonic counter only.",
        1 T1 "T1" "A clock nobody set lately.",
        2 T2 "T2" "Unauthenticated network time.",
        3 T3 "T3" "Authenticated network time (NTS, Roughtime).",
        4 T4 "T4" "Received by the log and cosigned by witnesses.",
        5 T5 "T5" "A time-stamp token (RFC 3161).",
        6 T6 "T6" "Anchored on a public chain.",
    }
}

/// A window ends when it begins or later, where both are given (`STM-038`).
pub(crate) fn check_window(from_ms: &Option<u64>, until_ms: &Option<u64>) -> Result<(), E> {
    match (from_ms, until_ms) {
        (Some(from), Some(until)) if until < from => Err(E::WindowReversed),
        _ => Ok(()),
    }
}

/// Minutes east of UTC, −1080 to 1080.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ZoneOffset(i16);

impl ZoneOffset {
    /// UTC itself.
    pub const UTC: Self = Self(0);

    /// Refuses more than 18 hours.
    pub fn new(minutes: i16) -> Result<Self, E> {
        if (-1080..=1080).contains(&minutes) { Ok(Self(minutes)) } else { Err(E::TimeRange) }
    }

    /// Minutes east of UTC.
    pub fn minutes(self) -> i16 {
        self.0
    }
}

impl Field for ZoneOffset {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        codec::int(out, i64::from(self.0))
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        i16::decode(d).and_then(Self::new)
    }
}

#[cfg(feature = "json")]
impl crate::json::Json for ZoneOffset {
    fn to_json(&self) -> serde_json::Value {
        self.0.into()
    }
    fn from_json(value: &serde_json::Value) -> Result<Self, crate::json::JsonError> {
        let minutes = value.as_i64().and_then(|m| i16::try_from(m).ok());
        let minutes = minutes.ok_or(crate::json::JsonError::NumberRange)?;
        Self::new(minutes).map_err(|_| crate::json::JsonError::NumberRange)
    }
    fn form() -> alloc::string::String {
        "a number from -1080 to 1080".into()
    }
}

record! {
    /// The issuer's own account of the time at which it made the statement.
    pub struct DeviceTime {
        /// Milliseconds since 1970 UTC, if there is a clock.
        1 utc_ms: [Option<u64>],
        /// Local time zone.
        2 zone_min: [Option<ZoneOffset>],
        /// Where the time came from.
        3 source: [Source],
        /// Whether the source was in reach.
        4 sync: [SyncState],
        /// Half width of the interval the issuer vouches for, milliseconds.
        5 uncertainty_ms: [Option<u32>],
        /// Last synchronisation, milliseconds since 1970 UTC.
        6 last_sync_ms: [Option<u64>],
        /// This boot's id.
        7 boot_id: [Option<Bytes<16>>],
        /// Milliseconds since boot.
        8 uptime_ms: [Option<u64>],
        /// A counter that never goes back, across boots (TPM NV, secure element).
        9 counter: [Option<u64>],
        /// SHA-256 of the signed replies that this time rests on, kept beside the statement.
        10 evidence: [Option<Digest>],
    }
}

impl DeviceTime {
    /// What the clock by itself can claim: at most T3.
    pub fn quality(&self) -> Quality {
        if self.utc_ms.is_none() {
            return Quality::T0;
        }
        let coasting = matches!(self.sync, SyncState::Synchronised | SyncState::Holdover);
        match self.source {
            Source::None => Quality::T0,
            Source::Nts | Source::Roughtime if coasting => Quality::T3,
            Source::Ntp | Source::Gnss if coasting => Quality::T2,
            _ => Quality::T1,
        }
    }
}
