//! The part of an [`Update`](crate::Update) that a device's updater fills, borrowed.
//!
//! ```text
//! Update   3 KiB on the stack, every field there is
//! Brief    pointers to what is said, and the same bytes
//! ```
//!
//! In scope: writing and signing. Out of scope: reading; what was written is read as an `Update`.
//!
//! Invariants:
//! - A brief and the `Update` with the same contents have the same bytes.
//! - What is sealed keeps the rules of an update: its parts keep theirs by their types, the rest is
//!   checked while it is written. So a device carries no reader of what it writes; tests have one.

use crate::codec::Sink;
use crate::disclosure::Commitments;
use crate::event::EventType;
use crate::record::{Put, put_payload};
use crate::sign::{Payload, seal_payload};
use crate::time::DeviceTime;
use crate::{
    CheckpointSeen, DeviceId, Digest, Event, Field, Initiator, Kind, MAX_ENTRY, Outcome, Parsed,
    Reason, SecurityCounter, Seq, SignError, Signer, StatementError as E, Update, UpdateHead,
    UpdateResult, VersionCode, codec,
    update::{check_count, follow},
};

/// What a device says of an update.
#[derive(Clone, Copy, Debug)]
pub struct Brief<'a> {
    /// Who speaks.
    pub device: &'a DeviceId,
    /// SHA-256 of the image this is about; zeros if none.
    pub image: &'a [u8; 32],
    /// Version of that image; 0 if none.
    pub version: VersionCode,
    /// Anti-rollback counter of that image; 0 if none.
    pub counter: SecurityCounter,
    /// How it ended, as far as known.
    pub outcome: Outcome,
    /// Place in the device's chain.
    pub seq: Seq,
    /// SHA-256 of the device's previous entry bytes; at seq 0 the enrolled seed.
    pub prev: &'a [u8; 32],
    /// What happened, in order.
    pub steps: &'a [Step],
    /// When, by the device's clock, at the moment of recording.
    pub time: &'a DeviceTime,
    /// Leaf hash of the release.
    pub release: Option<&'a [u8; 32]>,
    /// Who set it in motion.
    pub initiator: Option<&'a Initiator>,
    /// Why.
    pub reason: Option<&'a Reason>,
    /// How it went, in detail.
    pub result: Option<&'a UpdateResult>,
    /// Newest checkpoint seen: not before.
    pub checkpoint: Option<&'a CheckpointSeen>,
    /// Records lost for want of room, and the root over them: said as a last step too.
    pub dropped: Option<(u32, &'a [u8; 32])>,
    /// Salted commitments to what names a person, place or unit.
    pub commitments: Option<&'a Commitments>,
    /// Seq from which on the device could not read its own statements.
    pub lost_from: Option<u64>,
}

/// A step that waits to be said: an [`Event`] that knows when it was, not how long ago.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What happened.
    pub kind: EventType,
    /// When, in milliseconds of the monotonic clock that [`DeviceTime::uptime_ms`] tells.
    pub at_ms: u64,
    /// Error or detail code of the update agent.
    pub code: Option<u32>,
    /// How many alike this stands for.
    pub count: Option<u32>,
    /// The image concerned; said only where it is not the statement's.
    pub image: Option<[u8; 32]>,
}

impl Brief<'_> {
    /// Encodes and signs into a fixed buffer, without allocation.
    ///
    /// # Errors
    /// [`SignError::Statement`] if the rules of an update do not hold, or what the signer reports.
    pub fn seal<'b>(
        &self,
        issuer: &str,
        subject: &str,
        signer: &dyn Signer,
        buffer: &'b mut [u8],
    ) -> Result<ChainEntry<'b>, SignError> {
        let len = seal_payload(self, issuer, subject, signer, buffer)?;
        if len > MAX_ENTRY {
            return Err(E::EntryTooLong.into());
        }
        let bytes = buffer.get(..len).ok_or(E::Bug)?;
        Ok(ChainEntry { bytes, seq: self.seq.0, prev: *self.prev })
    }
}

/// An entry of a device's chain that keeps the rules of an update, and its place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainEntry<'a> {
    bytes: &'a [u8],
    seq: u64,
    prev: [u8; 32],
}

impl<'a> ChainEntry<'a> {
    /// Reads an entry that comes from elsewhere.
    ///
    /// # Errors
    /// What [`Parsed::parse_as`] refuses.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, E> {
        Self::of(&Parsed::parse_as::<Update>(bytes)?).ok_or(E::KindMismatch)
    }

    /// One that was read; none if it is no update.
    pub fn of(parsed: &Parsed<'a>) -> Option<Self> {
        let UpdateHead { seq, prev, .. } = parsed.update_head()?;
        Some(Self { bytes: parsed.raw(), seq, prev })
    }

    /// The entry bytes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its place in the chain.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// SHA-256 of the entry before, or the seed of the enrolment.
    pub const fn prev(&self) -> &[u8; 32] {
        &self.prev
    }
}

impl Payload for Brief<'_> {
    fn write(&self, out: &mut dyn Sink) -> Result<(), E> {
        let fields: &[(u8, &dyn Put)] = &[
            (1, self.device),
            (2, self.image),
            (3, &self.version),
            (4, &self.counter),
            (5, &self.outcome),
            (6, &self.seq),
            (7, self.prev),
            (9, &Steps(self)),
            (10, &Ref(Some(self.time))),
            (13, &Ref(self.release)),
            (15, &Ref(self.initiator)),
            (16, &Ref(self.reason)),
            (18, &Ref(self.result)),
            (20, &Ref(self.checkpoint)),
            (21, &Lost { dropped: self.dropped, from: self.lost_from }),
            (22, &Ref(self.commitments)),
        ];
        put_payload(Kind::Update, fields, (0, &[]), out)
    }
}

/// A field that is elsewhere, if at all.
struct Ref<'a, T>(Option<&'a T>);

impl<T: Field> Put for Ref<'_, T> {
    fn is_present(&self) -> bool {
        self.0.is_some_and(T::present)
    }
    fn put(&self, out: &mut dyn Sink) -> Result<(), E> {
        self.0.ok_or(E::Bug)?.encode(out)
    }
}

/// The steps as events.
struct Steps<'a>(&'a Brief<'a>);

impl Put for Steps<'_> {
    fn is_present(&self) -> bool {
        true
    }
    fn put(&self, out: &mut dyn Sink) -> Result<(), E> {
        let Brief { steps, time, image, dropped, .. } = self.0;
        let count = steps.len().saturating_add(usize::from(dropped.is_some()));
        check_count(count)?;
        codec::head(out, 4, count as u64)?;
        let now_ms = time.uptime_ms.unwrap_or_default();
        let mut last = u64::MAX;
        for step in *steps {
            let event = Event {
                kind: step.kind,
                ago_ms: now_ms.saturating_sub(step.at_ms),
                code: step.code,
                count: step.count,
                image: step.image.filter(|own| own != *image).map(Digest),
            };
            last = follow(&event, last)?;
            event.encode(out)?;
        }
        if dropped.is_some() { Event::new(EventType::LogWrap, 0).encode(out) } else { Ok(()) }
    }
}

/// A unit of which only the losses are said.
struct Lost<'a> {
    dropped: Option<(u32, &'a [u8; 32])>,
    from: Option<u64>,
}

impl Put for Lost<'_> {
    fn is_present(&self) -> bool {
        self.dropped.is_some() || self.from.is_some()
    }
    fn put(&self, out: &mut dyn Sink) -> Result<(), E> {
        let (count, root) = self.dropped.unzip();
        let both = if count.is_some() { 2 } else { 0 };
        codec::head(out, 5, both | u64::from(self.from.is_some()))?;
        crate::record::put_fields(&[(6, &count), (7, &Ref(root)), (8, &self.from)], out)
    }
}
