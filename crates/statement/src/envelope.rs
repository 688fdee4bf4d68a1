//! The envelope: COSE_Sign1 with exactly one spelling, read without allocation.
//!
//! ```text
//! d2 84 58 .. a4 01 26 03 78 18 "application/firmlog+cbor" 04 58 20 kid 0f a2 01 iss 02 sub
//!       a0 58 .. payload  58 40 signature
//! ```
//!
//! Invariants:
//! - [`Parsed::parse`] checks the whole entry, payload schema included, so
//!   [`Parsed::decode`] of what it returned does not fail.
//! - No allocation, and one pass over an update (`tests/speed.rs` measures it).

use crate::codec::{Decoder, MapReader, Sink};
use crate::{
    Algorithm, Body, CONTENT_TYPE, DeviceId, Field, MAX_ENTRY, Outcome, StatementError as E,
    Thumbprint, check_scalars, codec, update,
};
use sha2::{Digest as _, Sha256};

/// Which of the seven kinds a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Who may speak.
    Trust = 0,
    /// What an image is.
    Release = 1,
    /// A person approves.
    Approval = 2,
    /// Somebody lets devices install.
    Authorisation = 3,
    /// What a device did.
    Update = 4,
    /// A later word on an entry.
    Annotation = 5,
    /// What the system did.
    Audit = 6,
}

impl Kind {
    /// All seven, by number.
    pub const ALL: [Self; 7] = [
        Self::Trust,
        Self::Release,
        Self::Approval,
        Self::Authorisation,
        Self::Update,
        Self::Annotation,
        Self::Audit,
    ];

    /// The kind of a number.
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }

    /// The name in JSON and on pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Release => "release",
            Self::Approval => "approval",
            Self::Authorisation => "authorisation",
            Self::Update => "update",
            Self::Annotation => "annotation",
            Self::Audit => "audit",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// An update's map has a head of one byte, so that its front stands still (`STM-033`).
pub(crate) fn check_fields(kind: Kind, fields: u64) -> Result<(), E> {
    if kind == Kind::Update && fields > 23 { Err(E::TooManyKeys) } else { Ok(()) }
}

/// Opens the payload's map and reads its kind.
pub(crate) fn open_payload(d: &mut Decoder<'_>, kind: Kind) -> Result<MapReader, E> {
    let mut map = d.map()?;
    check_fields(kind, map.left())?;
    if map.next_key(d)? != Some(0) {
        return Err(E::KindMissing);
    }
    match Kind::from_code(d.uint()?) {
        Some(found) if found == kind => Ok(map),
        Some(_) => Err(E::KindMismatch),
        None => Err(E::KindUnknown),
    }
}

/// An entry taken apart, in place.
#[derive(Clone, Copy, Debug)]
pub struct Parsed<'a> {
    raw: &'a [u8],
    protected: &'a [u8],
    algorithm: Algorithm,
    kid: Thumbprint,
    issuer: &'a str,
    subject: &'a str,
    kind: Kind,
    payload: &'a [u8],
    signature: &'a [u8; 64],
}

/// The fixed front of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateHead {
    /// Who speaks.
    pub device: DeviceId,
    /// SHA-256 of the image, zeros if none.
    pub image: [u8; 32],
    /// Version code of the image.
    pub version: u64,
    /// Security counter of the image.
    pub counter: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Place in the chain.
    pub seq: u64,
    /// SHA-256 of the previous entry, or the seed.
    pub prev: [u8; 32],
}

/// What a device needs of a release, without an allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseHead {
    /// SHA-256 of the image.
    pub image: [u8; 32],
    /// Version code.
    pub version: u64,
    /// Security counter.
    pub counter: u32,
}

/// What a device needs of an approval or authorisation, without an allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApprovalHead {
    /// Which step it is.
    pub event: crate::event::EventType,
    /// Leaf hash of the release it is about.
    pub release: [u8; 32],
}

impl<'a> Parsed<'a> {
    /// Takes an entry apart and checks all that can be checked without keys.
    pub fn parse(entry: &'a [u8]) -> Result<Self, E> {
        let parsed = Self::take_apart(entry)?;
        check_payload(parsed.kind, parsed.payload)?;
        Ok(parsed)
    }

    /// As [`parse`](Self::parse), for one kind: a program that reads no other carries the rules of
    /// no other.
    pub fn parse_as<B: Body>(entry: &'a [u8]) -> Result<Self, E> {
        let parsed = Self::take_apart(entry)?;
        B::check_payload(parsed.payload)?;
        Ok(parsed)
    }

    /// The envelope and the kind; the payload is not checked any further.
    fn take_apart(entry: &'a [u8]) -> Result<Self, E> {
        if entry.len() > MAX_ENTRY {
            return Err(E::EntryTooLong);
        }
        let rest = entry.strip_prefix(&[0xd2, 0x84]).ok_or(E::NotCoseSign1)?;
        let d = &mut Decoder::new(rest);
        let protected = d.bytes()?;
        let (algorithm, kid, issuer, subject) = parse_protected(protected)?;
        if d.head(5)? != 0 {
            return Err(E::UnprotectedNotEmpty);
        }
        let payload = d.bytes()?;
        let signature = d.bytes()?.try_into().map_err(|_| E::SignatureLength)?;
        d.end()?;
        check_scalars(algorithm, signature)?;
        let kind = kind_of(payload)?;
        Ok(Self {
            raw: entry,
            protected,
            algorithm,
            kid,
            issuer,
            subject,
            kind,
            payload,
            signature,
        })
    }

    /// The entry bytes.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }
    /// The protected header's bytes.
    pub fn protected(&self) -> &'a [u8] {
        self.protected
    }
    /// How it is signed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
    /// Whose key it names.
    pub fn kid(&self) -> &Thumbprint {
        &self.kid
    }
    /// iss: the name the key is enrolled under.
    pub fn issuer(&self) -> &'a str {
        self.issuer
    }
    /// sub: what it is about.
    pub fn subject(&self) -> &'a str {
        self.subject
    }
    /// Which of the seven.
    pub fn kind(&self) -> Kind {
        self.kind
    }
    /// The payload's bytes.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
    /// The signature: r ‖ s, or R ‖ S.
    pub fn signature(&self) -> &'a [u8; 64] {
        self.signature
    }

    /// The value of a key of the payload, for whoever knows its type; none if it is not there.
    pub fn field(&self, key: u64) -> Option<Decoder<'a>> {
        Decoder::new(self.payload).find(key).ok()?
    }

    /// Writes the COSE Sig_structure, the bytes that were signed (RFC 9052 §4.4).
    pub fn signed_bytes(&self, out: &mut dyn Sink) -> Result<(), E> {
        out.put(SIG_STRUCTURE)?;
        codec::bytes(out, self.protected)?;
        out.put(&[0x40])?;
        codec::bytes(out, self.payload)
    }

    /// The bytes that were signed.
    #[cfg(feature = "alloc")]
    pub fn to_be_signed(&self) -> alloc::vec::Vec<u8> {
        let mut out = alloc::vec::Vec::with_capacity(self.raw.len());
        let written = self.signed_bytes(&mut out);
        debug_assert!(written.is_ok(), "a vector takes everything");
        out
    }

    /// The fixed front of an update; none for other kinds.
    #[inline]
    pub fn update_head(&self) -> Option<UpdateHead> {
        if self.kind == Kind::Update { update_head(self.payload) } else { None }
    }

    /// The fixed front of a release; none for other kinds.
    pub fn release_head(&self) -> Option<ReleaseHead> {
        if self.kind != Kind::Release {
            return None;
        }
        let d = &mut self.after_kind()?;
        let (image, version, counter) = (pair(d, 2)?, pair(d, 3)?, pair(d, 4)?);
        Some(ReleaseHead {
            image,
            version: u64::from_be_bytes(version),
            counter: u32::from_be_bytes(counter),
        })
    }

    /// The step and the release of an approval or authorisation; none for other kinds.
    pub fn approval_head(&self) -> Option<ApprovalHead> {
        if !matches!(self.kind, Kind::Approval | Kind::Authorisation) {
            return None;
        }
        let d = &mut Decoder::new(self.payload);
        let mut map = d.map().ok()?;
        let mut event = None;
        while let Some(key) = map.next_key(d).ok()? {
            match key {
                9 => event = crate::event::EventType::decode(d).ok(),
                13 => return Some(ApprovalHead { event: event?, release: *d.array().ok()? }),
                _ => d.skip().map(|_| ()).ok()?,
            }
        }
        None
    }

    fn after_kind(&self) -> Option<Decoder<'a>> {
        let mut d = Decoder::new(self.payload);
        open_payload(&mut d, self.kind).ok()?;
        Some(d)
    }

    /// The update in full, without allocation.
    pub fn update(&self) -> Result<crate::Update, E> {
        crate::Update::decode_payload(self.payload)
    }

    /// The statement in full.
    #[cfg(feature = "alloc")]
    pub fn decode(&self) -> Result<crate::Statement, E> {
        crate::Statement::decode_payload(self.kind, self.payload)
    }

    /// SHA-256 of the entry bytes: the next statement's `prev`.
    pub fn entry_hash(&self) -> [u8; 32] {
        entry_hash(self.raw)
    }

    /// RFC 6962 leaf hash of the entry: its id, its idempotency key, its URL.
    pub fn leaf_hash(&self) -> [u8; 32] {
        leaf_hash(self.raw)
    }
}

/// SHA-256 of pieces, one behind the other: one function, so that a device carries it once.
#[inline(never)]
pub fn sha256(pieces: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    pieces.iter().for_each(|piece| hash.update(piece));
    hash.finalize().into()
}

/// SHA-256 of entry bytes.
pub fn entry_hash(entry: &[u8]) -> [u8; 32] {
    sha256(&[entry])
}

/// SHA-256(0x00 ‖ entry bytes).
pub fn leaf_hash(entry: &[u8]) -> [u8; 32] {
    sha256(&[&[0], entry])
}

/// Array of four, and its first item, "Signature1".
pub(crate) const SIG_STRUCTURE: &[u8] = b"\x84\x6aSignature1";

pub(crate) type Header<'a> = (Algorithm, Thumbprint, &'a str, &'a str);

pub(crate) fn parse_protected(bytes: &[u8]) -> Result<Header<'_>, E> {
    let d = &mut Decoder::new(bytes);
    let pairs = d.head(5)?;
    expect_label(d, 1)?;
    let algorithm = match d.int()? {
        -7 => Algorithm::Es256,
        -8 => Algorithm::EdDsa,
        _ => return Err(E::AlgorithmUnknown),
    };
    expect_label(d, 3)?;
    if d.text()? != CONTENT_TYPE {
        return Err(E::ContentTypeWrong);
    }
    expect_label(d, 4)?;
    let kid = d.bytes()?.try_into().map(Thumbprint).map_err(|_| E::KidLength)?;
    expect_label(d, 15)?;
    let (issuer, subject) = parse_claims(d)?;
    match pairs {
        4 => d.end()?,
        0..4 => return Err(E::HeaderMissing),
        _ => return Err(E::UnknownHeader),
    }
    Ok((algorithm, kid, issuer, subject))
}

/// Labels stand in one order; a smaller one is a stranger, a larger one means this is missing.
fn expect_label(d: &mut Decoder<'_>, label: u64) -> Result<(), E> {
    if d.rest().is_empty() {
        return Err(E::HeaderMissing);
    }
    match d.any_head()? {
        (0, found) if found == label => Ok(()),
        (0, found) if found > label => Err(E::HeaderMissing),
        (0 | 1, _) => Err(E::UnknownHeader),
        _ => Err(E::WrongType),
    }
}

fn parse_claims<'a>(d: &mut Decoder<'a>) -> Result<(&'a str, &'a str), E> {
    if d.head(5)? != 2 || d.uint()? != 1 {
        return Err(E::ClaimsWrong);
    }
    let issuer = d.text()?;
    if d.uint()? != 2 {
        return Err(E::ClaimsWrong);
    }
    let subject = d.text()?;
    check_names(issuer, subject)?;
    Ok((issuer, subject))
}

/// iss and sub: 1 to 255 bytes without control characters.
pub(crate) fn check_names(issuer: &str, subject: &str) -> Result<(), E> {
    use crate::field::check_text;
    let short = |e: E, named: E| if e == E::ControlCharacter { e } else { named };
    check_text(issuer, 255).map_err(|e| short(e, E::IssuerLength))?;
    check_text(subject, 255).map_err(|e| short(e, E::SubjectLength))?;
    #[cfg(feature = "alloc")]
    [issuer, subject].into_iter().try_for_each(crate::hidden::check)?;
    Ok(())
}

fn kind_of(payload: &[u8]) -> Result<Kind, E> {
    let d = &mut Decoder::new(payload);
    let mut map = d.map()?;
    if map.next_key(d)? != Some(0) {
        return Err(E::KindMissing);
    }
    Kind::from_code(d.uint()?).ok_or(E::KindUnknown)
}

fn check_payload(kind: Kind, payload: &[u8]) -> Result<(), E> {
    match kind {
        Kind::Trust => crate::Trust::check_payload(payload),
        Kind::Release => crate::Release::check_payload(payload),
        Kind::Approval => crate::Approval::check_payload(payload),
        Kind::Authorisation => crate::Authorisation::check_payload(payload),
        Kind::Update => crate::Update::check_payload(payload),
        Kind::Annotation => crate::Annotation::check_payload(payload),
        Kind::Audit => crate::Audit::check_payload(payload),
    }
}

/// Reads a key and its fixed byte string.
fn pair<const N: usize>(d: &mut Decoder<'_>, key: u64) -> Option<[u8; N]> {
    if d.uint().ok()? != key {
        return None;
    }
    d.array().ok().copied()
}

/// Fixed offsets: see the head of `update`.
#[inline]
fn update_head(payload: &[u8]) -> Option<UpdateHead> {
    let head: &[u8; update::HEAD_LEN] = payload.first_chunk()?;
    Some(UpdateHead {
        device: DeviceId(*head.get(6..)?.first_chunk()?),
        image: *head.get(41..)?.first_chunk()?,
        version: u64::from_be_bytes(*head.get(75..)?.first_chunk()?),
        counter: u32::from_be_bytes(*head.get(85..)?.first_chunk()?),
        outcome: Outcome::from_code(u64::from(*head.get(90)?))?,
        seq: u64::from_be_bytes(*head.get(93..)?.first_chunk()?),
        prev: *head.get(104..)?.first_chunk()?,
    })
}
