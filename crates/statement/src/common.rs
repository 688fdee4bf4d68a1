//! What several kinds of statement say: versions, firmware, who, why, what was seen.
//!
//! ```text
//! {1: "2.4.1", 3: h'0000000000020401', 4: h'00000009'}    Firmware
//! ```
//!
//! Keys up to 31 of a payload mean the same in every kind (`STM-021`).

use crate::StatementError as E;
use crate::codec::{Decoder, Sink};
use crate::key::name32;
use crate::{Field, Text};
use core::fmt;

name32! {
    /// A SHA-256 digest.
    Digest
}

macro_rules! fixed_number {
    ($(#[$meta:meta])* $name:ident $inner:ty) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub $inner);

        impl Field for $name {
            fn encode(&self, out: &mut dyn Sink) -> Result<(), E> {
                self.0.to_be_bytes().encode(out)
            }
            fn decode(d: &mut Decoder<'_>) -> Result<Self, E> {
                d.array().map(|b| Self(<$inner>::from_be_bytes(*b)))
            }
        }

        #[cfg(feature = "json")]
        impl crate::json::Json for $name {
            fn to_json(&self) -> serde_json::Value { crate::json::Json::to_json(&self.0) }
            fn from_json(value: &serde_json::Value) -> Result<Self, crate::json::JsonError> {
                crate::json::Json::from_json(value).map(Self)
            }
            fn form() -> alloc::string::String { <$inner as crate::json::Json>::form() }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    };
}

fixed_number! {
    /// Orders the versions of one component; eight bytes on the wire.
    VersionCode u64
}
fixed_number! {
    /// Anti-rollback counter (MCUboot security counter); four bytes on the wire.
    SecurityCounter u32
}
fixed_number! {
    /// Place in the device's chain, from 0; eight bytes on the wire.
    Seq u64
}

codes! {
    /// How what a statement tells of ended, as far as known.
    pub enum Outcome {
        0 InProgress "in_progress" "Not ended yet.",
        1 Succeeded "succeeded" "The new firmware is committed.",
        2 Failed "failed" "It failed; what ran before still runs.",
        3 RolledBack "rolled_back" "The earlier firmware was restored.",
        4 RollbackFailed "rollback_failed" "Restoring the earlier firmware failed.",
        5 Refused "refused" "The device refused.",
        6 Deferred "deferred" "Put off, for clinical use or by policy.",
        7 Unexpected "unexpected" "Something runs that nobody announced.",
        8 State "state" "No update: the device says what it runs.",
    }
}
codes! {
    /// What a signature check on the device said.
    pub enum Verdict {
        0 NotChecked "not_checked" "Nobody looked.",
        1 Good "good" "Signed by an accepted key.",
        2 Bad "bad" "The signature does not fit.",
        3 Unsigned "unsigned" "There was none.",
        4 UnknownSigner "unknown_signer" "Signed by a key not accepted.",
        5 RevokedSigner "revoked_signer" "Signed by a key revoked.",
    }
}
codes! {
    /// Who set something in motion.
    pub enum InitiatorKind {
        0 Person "person" "Somebody.",
        1 System "system" "A server or campaign.",
        2 Device "device" "The device itself.",
    }
}
codes! {
    /// What an enrolled key may speak as.
    pub enum Role {
        0 Admin "admin" "Enrols, rotates, revokes, sets policy.",
        1 Manufacturer "manufacturer" "The manufacturer's build: releases.",
        2 Approver "approver" "A person who approves.",
        3 Authoriser "authoriser" "A person or system that authorises updates.",
        4 Device "device" "A device: updates.",
        5 Auditor "auditor" "A person who reviews.",
        6 Log "log" "The log's own audit statements.",
        7 Witness "witness" "A witness.",
    }
}
codes! {
    /// Why, in a word (free text only as a commitment).
    pub enum ReasonCode {
        0 Unspecified "unspecified" "Not given.",
        1 SecurityFix "security_fix" "Closes a vulnerability.",
        2 DefectFix "defect_fix" "Corrects a defect.",
        3 Feature "feature" "Brings something new.",
        4 Recall "recall" "Correction or removal in the field.",
        5 Service "service" "Repair or maintenance.",
        6 Downgrade "downgrade" "A return for safety's sake.",
        7 ClinicalUse "clinical_use" "The device was in use.",
        8 Policy "policy" "A local policy asked for it.",
        9 Periodic "periodic" "Routine.",
        10 DataEntryError "data_entry_error" "Corrects what was entered wrongly.",
    }
}
codes! {
    /// What the device was doing for its patient.
    pub enum ClinicalContext {
        0 Unknown "unknown" "The device cannot tell.",
        1 Idle "idle" "Not in use.",
        2 Standby "standby" "Ready, no therapy runs.",
        3 InUse "in_use" "Therapy or monitoring runs.",
        4 Maintenance "maintenance" "In service mode.",
    }
}
codes! {
    /// What a person's signature means (21 CFR 11.50(a)(3)).
    pub enum Meaning {
        0 Authorship "authorship" "I made this.",
        1 Review "review" "I reviewed this.",
        2 Approval "approval" "I approve this.",
        3 Responsibility "responsibility" "I answer for this.",
        4 Rejection "rejection" "I reject this.",
    }
}

record! {
    /// One firmware image as somebody names it.
    pub struct Firmware {
        /// The version as people write it.
        1 name: [Option<Text<32>>],
        /// SHA-256 of the image.
        2 image: [Option<Digest>],
        /// Order of the version.
        3 version: [Option<VersionCode>],
        /// Anti-rollback counter.
        4 counter: [Option<SecurityCounter>],
        /// Slot the image is in.
        5 slot: [Option<u8>],
        /// Length of the image in bytes.
        6 size_bytes: [Option<u64>],
        /// SHA-256 of the manifest that came with it (SUIT, MCUboot TLVs).
        7 manifest: [Option<Digest>],
        /// Key the image or manifest is signed with (MCUboot KEYHASH).
        8 signer: [Option<Digest>],
        /// What the device found of that signature.
        9 signature: [Option<Verdict>],
        /// Which component (boot, app, radio, drug library).
        10 component: [Option<Text<32>>],
        /// Keccak-256 of the image, where a contract wants it.
        11 keccak: [Option<Digest>],
    }
}

impl Firmware {
    /// Nothing known yet.
    pub const UNKNOWN: Self = Self {
        name: None,
        image: None,
        version: None,
        counter: None,
        slot: None,
        size_bytes: None,
        manifest: None,
        signer: None,
        signature: None,
        component: None,
        keccak: None,
    };
}

record! {
    /// Who set the update in motion. A person's name is a commitment, never here.
    pub struct Initiator {
        /// Person, system or device.
        1 kind: [InitiatorKind],
        /// Pseudonymous id, such as the thumbprint of the person's key.
        2 subject: [Option<Digest>],
        /// In which role (Annex 11 draft 12.2).
        3 role: [Option<Text<24>>],
        /// Name of a system or of an organisation's public namespace.
        4 organisation: [Option<Text<32>>],
    }
}

record! {
    /// Why and in which circumstances.
    pub struct Reason {
        /// Why, in a word.
        1 code: [ReasonCode],
        /// What the device was doing.
        2 clinical: [Option<ClinicalContext>],
        /// The campaign this is part of.
        3 campaign: [Option<[u8; 16]>],
        /// Digest of the policy that decided.
        4 policy: [Option<Digest>],
    }
}

record! {
    /// The newest checkpoint the issuer had seen: nothing here is older than it.
    pub struct CheckpointSeen {
        /// Tree size.
        1 size: [u64],
        /// Root hash.
        2 root: [Digest],
    }
}

record! {
    /// A person's electronic signature (21 CFR 11.50, 11.200). The printed name is a
    /// commitment with a disclosure beside; what is signed is the whole statement.
    pub struct ESignature {
        /// The signer's id, never reassigned: the thumbprint of the first key.
        1 signer: [crate::Thumbprint],
        /// What the signature means.
        2 meaning: [Meaning],
        /// Why.
        3 reason: [ReasonCode],
        /// When, milliseconds since 1970 UTC.
        4 time_ms: [u64],
        /// The signer's time zone, minutes east of UTC.
        5 zone_min: [crate::time::ZoneOffset],
        /// The components used.
        6 factors: [crate::Factors],
        /// SHA-256 of the signer's certificate.
        7 certificate: [Option<Digest>],
    }
}

#[cfg(feature = "json")]
impl crate::json::Json for crate::Algorithm {
    fn to_json(&self) -> serde_json::Value {
        self.name().into()
    }
    fn from_json(value: &serde_json::Value) -> Result<Self, crate::json::JsonError> {
        match value.as_str() {
            Some("ES256") => Ok(Self::Es256),
            Some("EdDSA") => Ok(Self::EdDsa),
            _ => Err(crate::json::JsonError::UnknownName),
        }
    }
    fn form() -> alloc::string::String {
        "ES256 | EdDSA".into()
    }
}
