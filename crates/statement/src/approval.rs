//! `Approval` and `Authorisation`: what a person signs.
//!
//! ```text
//! {0: 2, 9: 3, 10: time, 13: release, 22: [[5, printed name]], 32: {signer, meaning, reason, …}}
//! ```
//!
//! The e-signature is inside what the key signs, so it cannot be moved to another
//! statement (21 CFR 11.70). Whether one person may do both is for `verify` to decide.

use crate::codec::{self, Decoder, Sink};
use crate::disclosure::Commitments;
use crate::event::EventType;
#[cfg(not(feature = "alloc"))]
use crate::field::shape::{String, Vec};
use crate::time::DeviceTime;
use crate::{DeviceId, Digest, ESignature, Field, Reason, StatementError as E, VersionCode};
#[cfg(feature = "alloc")]
use alloc::{string::String, vec::Vec};

statement! {
    /// A named person approves, reviews or rejects a statement.
    pub struct Approval {
        /// SHA-256 of the image, so that a device need not hold the release.
        2 image: [Option<Digest>],
        /// Which step this is (`release_verified`, `release_approved`, …).
        9 event: [EventType],
        /// When it was made.
        10 time: [DeviceTime],
        /// Leaf hash of what is signed.
        13 release: [Digest],
        /// Salted commitments (printed name, reason text).
        22 commitments: [Commitments],
        /// Leaf hash of an approval this one takes back.
        27 supersedes: [Option<Digest>],
        /// The e-signature.
        32 esig: [ESignature],
        /// Evidence looked at (test report, risk file), by digest.
        33 evidence: [Vec<Digest>],
    }
    rule EventType::check_of_release { 9 event: [EventType] }
}

statement! {
    /// Somebody with authority lets devices install a release.
    pub struct Authorisation {
        /// SHA-256 of the image.
        2 image: [Option<Digest>],
        /// Which step this is (`update_authorised`, `authorisation_revoked`, …).
        9 event: [EventType],
        /// When it was made.
        10 time: [DeviceTime],
        /// Leaf hash of the release.
        13 release: [Digest],
        /// Leaf hash of the authorisation this one revokes or renews.
        14 authorisation: [Option<Digest>],
        /// Why; with campaign and policy.
        16 reason: [Option<Reason>],
        /// Salted commitments (site, organisation).
        22 commitments: [Commitments],
        /// The e-signature.
        32 esig: [ESignature],
        /// For these devices; all of the campaign if none is named.
        33 devices: [Vec<DeviceId>],
        /// For these models.
        34 models: [Vec<String>],
        /// Not before, milliseconds since 1970 UTC.
        35 from_ms: [Option<u64>],
        /// Not after, milliseconds since 1970 UTC.
        36 until_ms: [Option<u64>],
        /// Whether a lower version may be installed.
        37 downgrade: [Option<bool>],
        /// What the device does if it cannot log first.
        38 log_before_install: [Option<Gate>],
        /// Only over this version or higher.
        39 over_version: [Option<VersionCode>],
    }
    rule EventType::check_of_authorisation { 9 event: [EventType] }
    rule crate::time::check_window { 35 from_ms: [Option<u64>], 36 until_ms: [Option<u64>] }
}

codes! {
    /// A risk decision of the manufacturer: a failed log write must never brick therapy.
    pub enum Gate {
        0 BestEffort "best_effort" "Install all the same, log later.",
        1 Required "required" "Do not install unlogged.",
    }
}

/// The components an e-signature used (21 CFR 11.200), as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Factors(pub u8);

impl Factors {
    /// Identification code.
    pub const ID: u8 = 1;
    /// Password or PIN.
    pub const SECRET: u8 = 2;
    /// One-time code.
    pub const OTP: u8 = 4;
    /// Possession of a key or card.
    pub const KEY: u8 = 8;
    /// Biometrics or WebAuthn user verification.
    pub const BIOMETRIC: u8 = 16;

    /// How many distinct components.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }
}

impl Field for Factors {
    fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
        if self.0 == 0 || self.0 > 31 {
            return Err(E::UnknownCode);
        }
        codec::uint(out, u64::from(self.0))
    }
    fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
        match u8::decode(d)? {
            bits @ 1..=31 => Ok(Self(bits)),
            _ => Err(E::UnknownCode),
        }
    }
}

#[cfg(feature = "json")]
impl crate::json::Json for Factors {
    fn to_json(&self) -> serde_json::Value {
        self.0.into()
    }
    fn from_json(value: &serde_json::Value) -> Result<Self, crate::json::JsonError> {
        u8::from_json(value).map(Self)
    }
    fn form() -> String {
        "a number from 1 to 31: id 1, secret 2, one-time code 4, key 8, biometric 16, added up"
            .into()
    }
}
