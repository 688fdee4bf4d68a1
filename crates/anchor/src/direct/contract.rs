//! The contract as callers see it: an update, what an authority signs, why a call was refused.
//!
//! ```text
//! to be signed  0x1901 ‖ domain separator ‖ keccak256(Update(deviceId, firmwareHash, …))
//! ```
//!
//! In scope: bytes. Out of scope: sending them.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::{SolInterface, SolValue};
use serde::{Deserialize, Serialize};

use crate::contract::{Deployment, unknown_refusal};

/// Types of the contract, generated from its committed interface.
#[expect(missing_docs, reason = "generated from the contract's interface, documented there")]
#[expect(clippy::too_many_arguments, reason = "generated; the event has ten fields")]
pub mod abi {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        FirmwareUpdateLog,
        "../../contracts/abi/FirmwareUpdateLog.json"
    );
}

pub use abi::FirmwareUpdateLog;
pub use abi::IFirmwareUpdateLog::{UpdateInput, UpdateRecord};

const UPDATE: &str = "Update(string deviceId,bytes32 firmwareHash,string version,uint64 timestamp,\
                      bytes contentCid,uint8 status,bytes32 previousUpdateHash)";

/// What became of an update, by the contract's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Installed.
    #[default]
    Success,
    /// Not installed.
    Failure,
    /// Gone back to this firmware; takes a power of its own.
    Rollback,
}

impl Outcome {
    /// The contract's number for it.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Of the contract's number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        [Self::Success, Self::Failure, Self::Rollback].get(usize::from(number)).copied()
    }

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Rollback => "rollback",
        }
    }
}

/// An update that is to be logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// The device's name on the chain, 1 to 64 bytes, for everybody to read.
    pub device: String,
    /// SHA-256 of the image.
    pub firmware_hash: B256,
    /// 1 to 16 of `0-9 A-Z a-z . + - _ ~`.
    pub version: String,
    /// The device's time, seconds since 1970; when it is signed, if left out.
    pub timestamp: Option<u64>,
    /// A content id (`cid`), or nothing.
    pub content_cid: Bytes,
    /// What became of it.
    pub outcome: Outcome,
}

impl Update {
    /// Whether it has the form that the contract takes.
    ///
    /// # Errors
    /// What is expected, and what is there.
    pub fn check(&self) -> Result<(), String> {
        let length = self.device.len();
        if !(1..=64).contains(&length) {
            return Err(format!("expected a device id of 1 to 64 bytes, got {length}"));
        }
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b".-+_~".contains(&c);
        if !(1..=16).contains(&self.version.len()) || !self.version.bytes().all(allowed) {
            let got = &self.version;
            return Err(format!(
                "expected a version of 1 to 16 of 0-9 A-Z a-z . + - _ ~, got {got}"
            ));
        }
        if self.firmware_hash.is_zero() {
            return Err("expected a firmware hash, got zeros".into());
        }
        if self.timestamp == Some(0) {
            return Err("expected a device time after 1970, got 0".into());
        }
        Ok(())
    }

    /// Whether `other`, which is under way or logged, is what this asks for.
    #[must_use]
    pub fn is_met_by(&self, other: &Self) -> bool {
        let timestamp = self.timestamp.or(other.timestamp);
        Self { timestamp, ..self.clone() } == *other
    }

    /// The contract's form of it, on top of `previous`.
    #[must_use]
    pub fn input(&self, previous: B256) -> UpdateInput {
        UpdateInput {
            deviceId: self.device.clone(),
            firmwareHash: self.firmware_hash,
            version: self.version.clone(),
            timestamp: self.timestamp.unwrap_or_default(),
            contentCid: self.content_cid.clone(),
            status: self.outcome.number(),
            previousUpdateHash: previous,
        }
    }
}

/// What an authority signs, 66 bytes, as the contract's `updateMessage` tells it.
#[must_use]
pub fn message(deployment: &Deployment, update: &UpdateInput) -> [u8; 66] {
    let fields = (
        keccak256(UPDATE),
        device_key(&update.deviceId),
        update.firmwareHash,
        keccak256(&update.version),
        U256::from(update.timestamp),
        keccak256(&update.contentCid),
        U256::from(update.status),
        update.previousUpdateHash,
    );
    deployment.typed("FirmwareUpdateLog", keccak256(fields.abi_encode()))
}

/// A device's name in events.
#[must_use]
pub fn device_key(device: &str) -> B256 {
    keccak256(device)
}

/// Why the contract refused, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// What is the matter.
    pub why: String,
    /// The next step.
    pub next: String,
}

/// A revert in words.
#[must_use]
pub fn refusal(data: &[u8]) -> Refusal {
    use FirmwareUpdateLog::FirmwareUpdateLogErrors as E;
    let (why, next) = match E::abi_decode(data) {
        Ok(E::NotAuthorised(e)) => not_authorised(e.authoriser, e.status),
        Ok(E::WrongPrevious(e)) => (
            format!(
                "another record of this device came first: expected previous {}, got {}",
                e.expected, e.got
            ),
            "read `firmlog chain history`, and log again if it still holds".into(),
        ),
        Ok(E::EnforcedPause(_)) => (
            "the contract is paused: its guardian stopped new records".into(),
            "log again when its admin has unpaused it; nothing was written".into(),
        ),
        Ok(E::FutureTimestamp(e)) => (
            format!(
                "the device's time is ahead: expected {} at most, got {}",
                e.latest, e.timestamp
            ),
            "set the device's clock right, or give its time with --time".into(),
        ),
        Ok(E::ZeroTimestamp(_)) => ("the device's time is 0".into(), "give it with --time".into()),
        Ok(E::ZeroHash(_)) => ("the firmware hash is 0".into(), "give the image itself".into()),
        Ok(E::DeviceIdLengthWrong(e)) => (
            format!("the device id has {} bytes, expected 1 to 64", e.length),
            "use a shorter pseudonym".into(),
        ),
        Ok(E::BadVersion(e)) => (
            format!("version {:?}: expected 1 to 16 of 0-9 A-Z a-z . + - _ ~", e.version),
            "shorten it".into(),
        ),
        Ok(E::BadCid(e)) => (
            format!("content id {}: expected a CIDv1 over SHA-256, raw or dag-pb", e.contentCid),
            "give it as `ipfs add --cid-version 1` prints it".into(),
        ),
        Ok(E::SignatureRefused(_)) => (
            "the authority's signature is not one over this update".into(),
            "check that chain.id and direct.contract are what the authority signs for".into(),
        ),
        Ok(other) => (format!("{other:?}"), "see contracts/src/IFirmwareUpdateLog.sol".into()),
        Err(_) => (
            unknown_refusal(data),
            "check that direct.contract is a FirmwareUpdateLog on this chain".into(),
        ),
    };
    Refusal { why, next }
}

fn not_authorised(who: Address, status: u8) -> (String, String) {
    let (what, powers) = match Outcome::of(status) {
        Some(Outcome::Rollback) => ("rollbacks", "mayRollBack"),
        _ => ("updates", "mayLog"),
    };
    (
        format!("{who} is not enrolled for {what}"),
        format!("the registrar calls enrolAuthoriser for it, with {powers}; or set [authority]"),
    )
}

#[cfg(test)]
mod tests {
    use alloy::sol_types::SolError;

    use super::*;

    fn update() -> Update {
        Update {
            device: "pump-42".into(),
            firmware_hash: B256::repeat_byte(1),
            version: "1.2.3".into(),
            timestamp: None,
            content_cid: Bytes::new(),
            outcome: Outcome::Success,
        }
    }

    #[test]
    fn what_the_contract_would_refuse_is_refused_before() {
        assert_eq!(update().check(), Ok(()));
        let wrong = [
            Update { device: String::new(), ..update() },
            Update { device: "x".repeat(65), ..update() },
            Update { version: "1 2".into(), ..update() },
            Update { version: "1".repeat(17), ..update() },
            Update { firmware_hash: B256::ZERO, ..update() },
            Update { timestamp: Some(0), ..update() },
        ];
        for update in wrong {
            assert!(update.check().is_err(), "{update:?}");
        }
    }

    #[test]
    fn dir_1_an_update_without_a_time_is_met_by_one_with_it() {
        let timed = |t| Update { timestamp: Some(t), ..update() };
        assert!(update().is_met_by(&timed(7)) && update().is_met_by(&update()));
        assert!(timed(7).is_met_by(&timed(7)) && !timed(7).is_met_by(&timed(8)));
        let other = Update { outcome: Outcome::Failure, ..timed(7) };
        assert!(!update().is_met_by(&other));
    }

    #[test]
    fn a_refusal_says_both_sides_and_the_next_step() {
        let (expected, got) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let told = refusal(&FirmwareUpdateLog::WrongPrevious { expected, got }.abi_encode());
        assert!(told.why.contains(&expected.to_string()) && told.why.contains(&got.to_string()));
        assert!(told.next.contains("chain history"));
        let authoriser = Address::repeat_byte(9);
        for (status, power) in [(0, "mayLog"), (1, "mayLog"), (2, "mayRollBack")] {
            let error = FirmwareUpdateLog::NotAuthorised { authoriser, status };
            let told = refusal(&error.abi_encode());
            assert!(told.why.contains(&authoriser.to_string()), "{told:?}");
            assert!(told.next.contains(power), "{told:?}");
        }
        assert!(refusal(&[]).why.contains("without a reason"));
        assert!(refusal(&[1, 2, 3, 4]).why.contains("0x01020304"));
    }
}
