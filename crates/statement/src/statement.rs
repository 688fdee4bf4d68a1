//! A statement of any kind, owned.

use crate::codec::Sink;
use crate::sign::Payload;
use crate::{
    Annotation, Approval, Audit, Authorisation, Body, Kind, Release, StatementError as E, Trust,
    Update,
};

/// A signed claim by an issuer: one of seven kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "an update is inline so that devices need no heap")]
pub enum Statement {
    /// Who may speak.
    Trust(Trust),
    /// What an image is.
    Release(Release),
    /// A person approves.
    Approval(Approval),
    /// Somebody lets devices install.
    Authorisation(Authorisation),
    /// What a device did.
    Update(Update),
    /// A later word on an entry.
    Annotation(Annotation),
    /// What the system did.
    Audit(Audit),
}

impl Statement {
    /// Which of the seven.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Trust(_) => Kind::Trust,
            Self::Release(_) => Kind::Release,
            Self::Approval(_) => Kind::Approval,
            Self::Authorisation(_) => Kind::Authorisation,
            Self::Update(_) => Kind::Update,
            Self::Annotation(_) => Kind::Annotation,
            Self::Audit(_) => Kind::Audit,
        }
    }

    /// The commitments to private values.
    pub fn commitments(&self) -> &crate::disclosure::Commitments {
        match self {
            Self::Trust(it) => &it.commitments,
            Self::Release(it) => &it.commitments,
            Self::Approval(it) => &it.commitments,
            Self::Authorisation(it) => &it.commitments,
            Self::Update(it) => &it.commitments,
            Self::Annotation(it) => &it.commitments,
            Self::Audit(it) => &it.commitments,
        }
    }

    /// Reads a payload of a kind.
    pub fn decode_payload(kind: Kind, payload: &[u8]) -> Result<Self, E> {
        match kind {
            Kind::Trust => Trust::decode_payload(payload).map(Self::Trust),
            Kind::Release => Release::decode_payload(payload).map(Self::Release),
            Kind::Approval => Approval::decode_payload(payload).map(Self::Approval),
            Kind::Authorisation => Authorisation::decode_payload(payload).map(Self::Authorisation),
            Kind::Update => Update::decode_payload(payload).map(Self::Update),
            Kind::Annotation => Annotation::decode_payload(payload).map(Self::Annotation),
            Kind::Audit => Audit::decode_payload(payload).map(Self::Audit),
        }
    }
}

impl Payload for Statement {
    fn write(&self, out: &mut dyn Sink) -> Result<(), E> {
        match self {
            Self::Trust(it) => it.encode_payload(out),
            Self::Release(it) => it.encode_payload(out),
            Self::Approval(it) => it.encode_payload(out),
            Self::Authorisation(it) => it.encode_payload(out),
            Self::Update(it) => it.encode_payload(out),
            Self::Annotation(it) => it.encode_payload(out),
            Self::Audit(it) => it.encode_payload(out),
        }
    }
}

macro_rules! into_statement {
    ($($kind:ident)*) => {$(
        impl From<$kind> for Statement {
            fn from(it: $kind) -> Self { Self::$kind(it) }
        }
    )*};
}
into_statement!(Trust Release Approval Authorisation Update Annotation Audit);
