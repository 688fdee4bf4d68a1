//! Findings: disagreements, kept whole on disk before anybody is told.
//!
//! ```text
//! <dir>/findings/contradiction-5be1….json    {"kind", "summary", "ours", "theirs", "found_s"}
//! ```
//!
//! Invariant: the same finding has the same name, and is written once.

use std::path::{Path, PathBuf};

use alloy::hex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::AnchorError;
use crate::journal::{pretty, replace};

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Checkpoint and contract have trees of which neither extends the other.
    Contradiction,
    /// The contract has a larger tree than the log shows.
    ContractAhead,
    /// The chain took an anchor and refused it.
    Reverted,
    /// An anchor changed nothing: its head was there already.
    NoEffect,
    /// A provider said something else than the others about what is final.
    ProviderDissent,
    /// Our nonce went to a transaction that is not ours.
    NonceTaken,
    /// What was final is not on the chain any more.
    FinalityBroken,
    /// The contract has a record of which the providers show no event.
    EventMissing,
    /// The providers show an event of which the contract has no record.
    EventSurplus,
    /// Event and record of the same number say different things.
    RecordDiffers,
    /// Records do not lead to the hash that the contract has.
    ChainBroken,
}

impl Kind {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Contradiction => "contradiction",
            Self::ContractAhead => "contract-ahead",
            Self::Reverted => "reverted",
            Self::NoEffect => "no-effect",
            Self::ProviderDissent => "provider-dissent",
            Self::NonceTaken => "nonce-taken",
            Self::FinalityBroken => "finality-broken",
            Self::EventMissing => "event-missing",
            Self::EventSurplus => "event-surplus",
            Self::RecordDiffers => "record-differs",
            Self::ChainBroken => "chain-broken",
        }
    }
}

/// Something that must not be, with both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// One sentence.
    pub summary: String,
    /// What we have.
    pub ours: Value,
    /// What the other side has.
    pub theirs: Value,
}

#[derive(Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    found_s: u64,
}

impl Finding {
    /// Puts it on disk; where it is.
    ///
    /// # Errors
    /// Storage.
    pub fn keep(&self, dir: &Path, found_s: u64) -> Result<PathBuf, AnchorError> {
        let name = hex::encode(Sha256::digest(pretty(self)));
        let name = format!("{}-{}.json", self.kind.word(), name.get(..16).unwrap_or_default());
        let path = dir.join("findings").join(name);
        if !path.exists() {
            replace(&path, pretty(&Kept { finding: self, found_s }).as_bytes(), || {})?;
        }
        Ok(path)
    }
}
