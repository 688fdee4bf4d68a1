//! What a log entry claims, and its one canonical encoding.
//!
//! ```text
//! d2 84                       COSE_Sign1, tag 18
//!    58 6d a4 01 26 03 78 …   protected header: alg, content type, kid, CWT claims (iss, sub)
//!    a0                       unprotected header: always empty
//!    59 01 0c b0 00 04 01 …   payload: one deterministic CBOR map, kind first
//!    58 40 …                  signature: ES256 (low S) or EdDSA
//! ```
//!
//! In scope: the seven kinds of statement, their bytes both ways, what those bytes
//! may say (field rules, legal order of events, the device chain), and salted
//! commitments. Out of scope: whether a signature is good and whose key it is
//! (`verify`), where entries are stored (`log`).
//!
//! Invariants:
//! - One statement, one spelling: whatever [`Parsed::parse`] accepts re-encodes to
//!   the same bytes; every other spelling is refused.
//! - No clock, no randomness, no I/O. An [`Update`] is built, signed and parsed
//!   without allocation; the same encoder serves both ways of building.
//! - Numbers on the wire (keys, event types, codes) are never renumbered.
//!
//! The normative text is `docs/spec/statement.md`; rules are cited as `STM-…`.
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(test, feature = "json"))]
extern crate std;

#[macro_use]
mod record;

mod annotation;
mod approval;
mod audit;
mod brief;
pub mod chain;
pub mod codec;
mod common;
pub mod disclosure;
mod envelope;
mod error;
pub mod event;
mod field;
#[cfg(feature = "alloc")]
mod hidden;
pub mod image;
#[cfg(feature = "json")]
pub mod json;
mod key;
mod release;
mod sign;
mod signature;
#[cfg(feature = "alloc")]
mod statement;
pub mod time;
mod trust;
pub mod udi;
mod update;

pub use annotation::{Annotation, Change, Relation};
pub use approval::{Approval, Authorisation, Factors, Gate};
pub use audit::{Audit, AuditAction, Severity};
pub use brief::{Brief, ChainEntry, Step};
pub use common::{
    CheckpointSeen, ClinicalContext, Digest, ESignature, Firmware, Initiator, InitiatorKind,
    Meaning, Outcome, Reason, ReasonCode, Role, SecurityCounter, Seq, Verdict, VersionCode,
};
pub use envelope::{
    ApprovalHead, Kind, Parsed, ReleaseHead, UpdateHead, entry_hash, leaf_hash, sha256,
};
pub use error::StatementError;
pub use field::{Bytes, Extra, Field, List, Text};
#[cfg(feature = "alloc")]
pub use hidden::{escape_hidden, is_hidden};
pub use key::{Algorithm, DeviceId, PublicKey, Thumbprint};
pub use release::{Regulatory, RegulatoryAction, Release, Sbom, SupportState, UdiChange};
pub use sign::{Body, COMPLETED_BY, SignError, Signer, complete, prepare, seal};
#[cfg(feature = "alloc")]
pub use sign::{attach_signature, sign_statement, to_be_signed};
pub use signature::{check_scalars, normalise_low_s};
#[cfg(feature = "alloc")]
pub use statement::Statement;
pub use trust::{
    Enrol, Genesis, PolicyChange, Registration, Revoke, RevokeReason, Rotate, Trust, TrustAction,
};
pub use update::{
    Boot, Channel, Event, Events, Evidence, EvidenceFormat, Measurement, Phase, PowerState,
    SecureBoot, Test, Transport, Unit, Update, UpdateResult,
};
/// The longest entry a log takes, in bytes (tlog-tiles: a bundle's entry length is two bytes).
pub const MAX_ENTRY: usize = 65_535;
/// Content type of every firmlog statement (protected header label 3).
pub const CONTENT_TYPE: &str = "application/firmlog+cbor";
