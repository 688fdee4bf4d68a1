//! The part of an [`Update`](crate::Update) that a device's updater fills, borrowed.
//!
//! ```text
//! Update   3 KiB on the stack, every field there is
//! Brief    pointers to what is said, and the same bytes
//! ```
//!
//! In scope: writing and signing. Out of scope: reading; what was written is read as an `Update`.
//!
//! Invariant: a brief and the `Update` with the same contents have the same bytes.

use crate::codec::Sink;
use crate::record::{Put, put_payload};
use crate::sign::{Payload, seal_payload};
use crate::time::DeviceTime;
use crate::{
    CheckpointSeen, DeviceId, Digest, Event, Field, Initiator, Kind, Outcome, Parsed, Reason,
    SecurityCounter, Seq, SignError, Signer, StatementError as E, Update, UpdateResult,
    VersionCode, codec,
};

/// What a device says of an update.
#[derive(Clone, Copy, Debug)]
pub struct Brief<'a> {
    /// Who speaks.
    pub device: DeviceId,
    /// SHA-256 of the image this is about; zeros if none.
    pub image: Digest,
    /// Version of that image; 0 if none.
    pub version: VersionCode,
    /// Anti-rollback counter of that image; 0 if none.
    pub counter: SecurityCounter,
    /// How it ended, as far as known.
    pub outcome: Outcome,
    /// Place in the device's chain.
    pub seq: Seq,
    /// SHA-256 of the device's previous entry bytes; at seq 0 the enrolled seed.
    pub prev: Digest,
    /// What happened, in order.
    pub events: &'a [Event],
    /// When, by the device's clock, at the moment of recording.
    pub time: &'a DeviceTime,
    /// Leaf hash of the release.
    pub release: Option<Digest>,
    /// Who set it in motion.
    pub initiator: Option<&'a Initiator>,
    /// Why.
    pub reason: Option<&'a Reason>,
    /// How it went, in detail.
    pub result: Option<&'a UpdateResult>,
    /// Newest checkpoint seen: not before.
    pub checkpoint: Option<&'a CheckpointSeen>,
    /// Records lost for want of room, and the root over them.
    pub dropped: Option<(u32, Digest)>,
}

impl Brief<'_> {
    /// Encodes and signs into a fixed buffer, without allocation; returns the entry's length.
    ///
    /// # Errors
    /// [`SignError::Statement`] if the rules of an update do not hold, or what the signer reports.
    pub fn seal(
        &self,
        issuer: &str,
        subject: &str,
        signer: &dyn Signer,
        buffer: &mut [u8],
    ) -> Result<usize, SignError> {
        let len = seal_payload(self, issuer, subject, signer, buffer)?;
        Parsed::parse_as::<Update>(buffer.get(..len).ok_or(E::Bug)?)?;
        Ok(len)
    }
}

impl Payload for Brief<'_> {
    fn write(&self, out: &mut dyn Sink) -> Result<(), E> {
        let fields: &[(u8, &dyn Put)] = &[
            (1, &self.device),
            (2, &self.image),
            (3, &self.version),
            (4, &self.counter),
            (5, &self.outcome),
            (6, &self.seq),
            (7, &self.prev),
            (9, &Items(self.events)),
            (10, &Ref(Some(self.time))),
            (13, &self.release),
            (15, &Ref(self.initiator)),
            (16, &Ref(self.reason)),
            (18, &Ref(self.result)),
            (20, &Ref(self.checkpoint)),
            (21, &Lost(self.dropped)),
        ];
        put_payload(Kind::Update, fields, (0, &[]), out)
    }
}

/// A field that is elsewhere, if at all.
struct Ref<'a, T>(Option<&'a T>);

impl<T: Field> Put for Ref<'_, T> {
    fn is_present(&self) -> bool {
        self.0.is_some()
    }
    fn put(&self, out: &mut dyn Sink) -> Result<(), E> {
        self.0.ok_or(E::Bug)?.encode(out)
    }
}

/// A list that is elsewhere.
struct Items<'a>(&'a [Event]);

impl Put for Items<'_> {
    fn is_present(&self) -> bool {
        true
    }
    fn put(&self, out: &mut dyn Sink) -> Result<(), E> {
        codec::head(out, 4, self.0.len() as u64)?;
        self.0.iter().try_for_each(|event| event.encode(out))
    }
}

/// A unit of which only the losses are said.
struct Lost(Option<(u32, Digest)>);

impl Put for Lost {
    fn is_present(&self) -> bool {
        self.0.is_some()
    }
    fn put(&self, out: &mut dyn Sink) -> Result<(), E> {
        let (count, root) = self.0.ok_or(E::Bug)?;
        codec::head(out, 5, 2)?;
        crate::record::put_fields(&[(6, &count), (7, &root)], out)
    }
}
