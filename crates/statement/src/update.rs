//! `Update`: the device's own account of what it tried and what became of it.
//!
//! ```text
//! payload = {0: 4, 1: device, 2: image, 3: version, 4: counter, 5: outcome, 6: seq, 7: prev, …}
//! offset     1     3         38        73          83          89         91      101
//! ```
//!
//! Keys 0 to 7 always stand first and have fixed widths, so that they are read at
//! fixed offsets, on the hot path and later in a proof system.
//!
//! Invariants:
//! - 1 to 16 events, in order of time; at most 23 fields, so that the map's head is one byte.
//! - No allocation anywhere in this module.

use crate::StatementError as E;
use crate::codec::{Decoder, Sink};
use crate::disclosure::Commitments;
use crate::event::EventType;
use crate::time::DeviceTime;
use crate::{
    Bytes, CheckpointSeen, DeviceId, Digest, Field, Firmware, Initiator, List, Outcome, Reason,
    SecurityCounter, Seq, Text, VersionCode, codec,
};

statement! {
    /// What a device did, signed by the device.
    pub struct Update {
        /// Who speaks.
        1 device: [DeviceId],
        /// SHA-256 of the image this is about; zeros if none.
        2 image: [Digest],
        /// Version of that image; 0 if none.
        3 version: [VersionCode],
        /// Anti-rollback counter of that image; 0 if none.
        4 counter: [SecurityCounter],
        /// How it ended, as far as known.
        5 outcome: [Outcome],
        /// Place in the device's chain.
        6 seq: [Seq],
        /// SHA-256 of the device's previous entry bytes; at seq 0 the enrolled seed.
        7 prev: [Digest],
        /// What happened, in order.
        9 events: [Events],
        /// When, by the device's clock, at the moment of recording.
        10 time: [DeviceTime],
        /// What ran before.
        11 from: [Option<Firmware>],
        /// More about the image this is about.
        12 to: [Option<Firmware>],
        /// Leaf hash of the release.
        13 release: [Option<Digest>],
        /// Leaf hash of the authorisation.
        14 authorisation: [Option<Digest>],
        /// Who set it in motion.
        15 initiator: [Option<Initiator>],
        /// Why.
        16 reason: [Option<Reason>],
        /// How the image came.
        17 transport: [Option<Transport>],
        /// How it went, in detail.
        18 result: [Option<UpdateResult>],
        /// What booted, measured.
        19 boot: [Option<Boot>],
        /// Newest checkpoint seen: not before.
        20 checkpoint: [Option<CheckpointSeen>],
        /// Which unit, and what its journal lost.
        21 unit: [Option<Unit>],
        /// Salted commitments to what names a person, place or unit.
        22 commitments: [Commitments],
    }
}

record! {
    /// One step, and how long before the statement's time it happened.
    #[derive(Copy)]
    pub struct Event {
        /// What happened.
        1 kind: [EventType],
        /// Milliseconds before the statement's time, by the monotonic clock.
        2 ago_ms: [u64],
        /// Error or detail code of the update agent.
        3 code: [Option<u32>],
        /// How many alike this stands for (refusals are aggregated).
        4 count: [Option<u32>],
        /// The image concerned, where it is not the statement's.
        5 image: [Option<Digest>],
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new(EventType::InstalledState, 0)
    }
}

impl Event {
    /// A step without detail.
    pub fn new(kind: EventType, ago_ms: u64) -> Self {
        Self { kind, ago_ms, code: None, count: None, image: None }
    }
}

/// One to sixteen steps in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events(List<Event, 16>);

impl core::ops::Deref for Events {
    type Target = [Event];
    fn deref(&self) -> &[Event] {
        &self.0
    }
}

impl Events {
    /// Refuses none, more than sixteen, ones of another kind or out of order of time.
    pub fn new(events: &[Event]) -> Result<Self, E> {
        check_events(events)?;
        List::from_slice(events).map(Self)
    }
}

impl TryFrom<&[Event]> for Events {
    type Error = E;
    fn try_from(events: &[Event]) -> Result<Self, E> {
        Self::new(events)
    }
}

/// Refuses none, more than sixteen, ones of another kind or out of order of time.
fn check_events(events: &[Event]) -> Result<(), E> {
    check_count(events.len())?;
    events.iter().try_fold(u64::MAX, |last, event| follow(event, last)).map(|_| ())
}

pub(crate) fn check_count(events: usize) -> Result<(), E> {
    match events {
        0 => Err(E::EventsMissing),
        1..=16 => Ok(()),
        _ => Err(E::TooManyItems),
    }
}

/// Refuses an event of another kind, or one before the last; tells how long ago it was.
pub(crate) fn follow(event: &Event, last_ago_ms: u64) -> Result<u64, E> {
    if !event.kind.of_device() {
        return Err(E::EventNotForKind);
    }
    if event.ago_ms > last_ago_ms { Err(E::EventTimesDescend) } else { Ok(event.ago_ms) }
}

impl Field for Events {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        self.0.encode(out)
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        match List::<Event, 16>::decode(d) {
            Err(E::EmptyList) => Err(E::EventsMissing),
            Ok(list) => Self::new(&list),
            Err(e) => Err(e),
        }
    }
    fn check(d: &mut Decoder<'_>) -> Result<(), E> {
        let count = d.list()?;
        check_count(count)?;
        let mut last = u64::MAX;
        for _ in 0..count {
            last = follow(&Event::decode(d)?, last)?;
        }
        Ok(())
    }
}

#[cfg(feature = "json")]
mod json {
    use super::{Event, Events, List};
    use crate::json::{Json, JsonError};
    use serde_json::Value;

    impl Json for Events {
        fn to_json(&self) -> Value {
            self.0.to_json()
        }
        fn from_json(value: &Value) -> Result<Self, JsonError> {
            let list = List::<Event, 16>::from_json(value)?;
            Self::new(&list).map_err(JsonError::Statement)
        }
        fn form() -> alloc::string::String {
            List::<Event, 16>::form()
        }
        fn lines(path: &str, out: &mut alloc::vec::Vec<crate::json::shape::Line>) {
            List::<Event, 16>::lines(path, out);
        }
        fn fault(value: &Value, path: &str) -> Option<crate::json::shape::Fault> {
            crate::json::shape::items::<Event, Self>(value, path)
        }
    }
}

codes! {
    /// Over which way the image came.
    pub enum Channel {
        0 Ota "ota" "Over the network.",
        1 Usb "usb" "Removable medium.",
        2 ServiceTool "service_tool" "A technician's tool.",
        3 Factory "factory" "On the production line.",
        4 Gateway "gateway" "Through a hub or gateway.",
    }
}
codes! {
    /// The phase an attempt had reached (FDA premarket guidance, Appendix 1.H).
    pub enum Phase {
        0 Idle "idle" "None.",
        1 Download "download" "Fetching.",
        2 Verify "verify" "Checking.",
        3 Install "install" "Writing.",
        4 Activate "activate" "Switching slots.",
        5 Boot "boot" "Starting.",
        6 SelfTest "self_test" "Testing itself.",
        7 Commit "commit" "Making it stay.",
        8 Rollback "rollback" "Returning.",
    }
}
codes! {
    /// Where power came from.
    pub enum PowerState {
        0 Unknown "unknown" "The device cannot tell.",
        1 Mains "mains" "Mains.",
        2 Battery "battery" "Battery.",
        3 BatteryLow "battery_low" "Battery, nearly empty.",
        4 Lost "lost" "Power was lost during the attempt.",
    }
}
codes! {
    /// State of the verified boot chain.
    pub enum SecureBoot {
        0 Unknown "unknown" "The device cannot tell.",
        1 Enforced "enforced" "On.",
        2 Disabled "disabled" "Off.",
        3 Debug "debug" "Debug access is open.",
    }
}

record! {
    /// How the image came to the device.
    pub struct Transport {
        /// Over which way.
        1 channel: [Channel],
        /// SHA-256 of the address it came from.
        2 source: [Option<Digest>],
        /// Update agent.
        3 agent: [Option<Text<24>>],
        /// Its version.
        4 agent_version: [Option<Text<24>>],
        /// The agent's id of the transaction (RAUC transaction, hawkBit action).
        5 transaction: [Option<Bytes<16>>],
    }
}
record! {
    /// How an attempt went.
    pub struct UpdateResult {
        /// The phase it reached.
        1 phase: [Phase],
        /// The agent's error number (SUIT report reason where there is one).
        2 error: [Option<u32>],
        /// How many attempts this was.
        3 attempts: [Option<u16>],
        /// Length of the attempt, milliseconds.
        4 duration_ms: [Option<u64>],
        /// Power during the attempt.
        5 power: [Option<PowerState>],
        /// The test after the service (21 CFR 820.35(b)(6)).
        6 test: [Option<Test>],
    }
}
record! {
    /// A self-test or inspection.
    pub struct Test {
        /// Which test.
        1 id: [Text<24>],
        /// Whether it passed.
        2 passed: [bool],
        /// SHA-256 of the test data.
        3 data: [Option<Digest>],
    }
}
record! {
    /// What booted.
    pub struct Boot {
        /// Verified boot.
        1 secure_boot: [SecureBoot],
        /// The hardware's anti-rollback counter.
        2 rollback_counter: [Option<u64>],
        /// PSA security lifecycle.
        3 lifecycle: [Option<u16>],
        /// Measurements.
        4 measurements: [List<Measurement, 8>],
        /// A quote or token over this boot.
        5 evidence: [Option<Evidence>],
    }
}
record! {
    /// SHA-256 of something that runs.
    #[derive(Copy, Default)]
    pub struct Measurement {
        /// PCR or component index.
        1 index: [u16],
        /// SHA-256.
        2 digest: [Digest],
        /// What was measured.
        3 name: [Option<Text<16>>],
    }
}

codes! {
    /// Format of attestation evidence.
    pub enum EvidenceFormat {
        0 TpmQuote "tpm_quote" "TPM 2.0 quote.",
        1 Eat "eat" "Entity attestation token (RFC 9711).",
        2 Psa "psa" "PSA token (RFC 9783).",
        3 Dice "dice" "DICE certificate chain.",
        4 SuitReport "suit_report" "SUIT report.",
    }
}
record! {
    /// Evidence kept beside the statement, bound by its digest.
    pub struct Evidence {
        /// Its format.
        1 format: [EvidenceFormat],
        /// SHA-256 of its bytes.
        2 digest: [Digest],
    }
}
record! {
    /// Which unit by model, and what its journal lost.
    pub struct Unit {
        /// Manufacturer.
        1 manufacturer: [Option<Text<32>>],
        /// Model.
        2 model: [Option<Text<32>>],
        /// Hardware revision.
        3 hw_rev: [Option<Text<16>>],
        /// UDI-DI: the model's identifier, never the unit's.
        4 udi_di: [Option<Text<32>>],
        /// The journal on the device.
        5 journal: [Option<Bytes<16>>],
        /// Records lost for want of room.
        6 dropped: [Option<u32>],
        /// Merkle root over what was lost.
        7 dropped_root: [Option<Digest>],
        /// Seq from which on the device could not read its own statements any more: it took the
        /// one before this from the log, and what it had said after that one is lost.
        8 lost_from: [Option<u64>],
    }
}

/// Length of the payload's fixed front, in bytes.
pub(crate) const HEAD_LEN: usize = 136;

impl Update {
    /// Bytes the whole entry will take with these names.
    pub fn entry_len(&self, issuer: &str, subject: &str) -> Result<usize, E> {
        let mut size = codec::Count(0);
        crate::sign::write_unsigned(
            &mut size,
            crate::Algorithm::EdDsa,
            &crate::Thumbprint([0; 32]),
            issuer,
            subject,
            self,
        )?;
        size.0.checked_add(66).ok_or(E::Bug)
    }
}
