//! Records: as an event tells one, as the contract stores it, and the hash over it, computed here.
//!
//! ```text
//! hash = keccak256(previous ‖ device key ‖ nonce ‖ firmware ‖ content ‖ version ‖ device time ‖
//!                  block time ‖ authoriser's number ‖ codec ‖ status)      eleven words of 32 bytes
//! ```
//!
//! In scope: the two forms and what must be equal in them. Out of scope: getting them.

use alloy::primitives::{Address, B256, Bytes, Log, keccak256};
use alloy::sol_types::SolEvent;
use serde::{Deserialize, Serialize};

use super::contract::{FirmwareUpdateLog, Outcome, UpdateRecord};

/// A record without its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The record's number of its device, from 0.
    pub nonce: u64,
    /// Hash of the record before; zero for the first.
    pub previous: B256,
    /// SHA-256 of the image.
    pub firmware_hash: B256,
    /// As its authoriser wrote it.
    pub version: String,
    /// The device's time, seconds since 1970.
    pub timestamp: u64,
    /// The block's time, seconds since 1970.
    pub logged_at: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Who said so.
    pub authorised_by: Address,
    /// A content id, or nothing.
    pub content_cid: Bytes,
}

impl Record {
    /// As the contract tells it; nothing if its status is none that there is.
    #[must_use]
    pub fn told(nonce: u64, told: &UpdateRecord) -> Option<Self> {
        Some(Self {
            nonce,
            previous: told.previousUpdateHash,
            firmware_hash: told.firmwareHash,
            version: told.version.clone(),
            timestamp: told.timestamp,
            logged_at: told.loggedAt,
            outcome: Outcome::of(told.status)?,
            authorised_by: told.authorizedBy,
            content_cid: told.contentCid.clone(),
        })
    }

    /// Its hash on top of `previous`, by the authoriser's number; nothing if version or content id
    /// are none that the contract could have stored.
    #[must_use]
    pub fn hash(&self, previous: B256, device_key: B256, number: u32) -> Option<B256> {
        let (codec, digest) = match self.content_cid.as_ref() {
            [] => (0, [0; 32]),
            [1, codec @ (0x55 | 0x70), 0x12, 0x20, digest @ ..] => {
                (*codec, <[u8; 32]>::try_from(digest).ok()?)
            }
            _ => return None,
        };
        let mut version = [0; 32];
        version
            .get_mut(..16)?
            .get_mut(..self.version.len())?
            .copy_from_slice(self.version.as_bytes());
        let words = [
            previous.0,
            device_key.0,
            word(self.nonce),
            self.firmware_hash.0,
            digest,
            version,
            word(self.timestamp),
            word(self.logged_at),
            word(number.into()),
            word(codec.into()),
            word(self.outcome.number().into()),
        ];
        Some(keccak256(words.concat()))
    }
}

fn word(number: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}

/// A `FirmwareUpdateLogged` event; its record's block time is what the block says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Keccak-256 of the device's name.
    pub device_key: B256,
    /// The record's hash, as the contract computed it.
    pub update_hash: B256,
    /// What was recorded.
    pub record: Record,
}

impl Event {
    /// Reads the event out of a log line, if it is one of this contract; `logged_at` is its block's
    /// time.
    #[must_use]
    pub fn read(log: &Log, contract: Address, logged_at: u64) -> Option<Self> {
        if log.address != contract {
            return None;
        }
        let event = FirmwareUpdateLog::FirmwareUpdateLogged::decode_log(log).ok()?.data;
        Some(Self {
            device_key: event.deviceKey,
            update_hash: event.updateHash,
            record: Record {
                nonce: event.nonce,
                previous: event.previousUpdateHash,
                firmware_hash: event.firmwareHash,
                version: event.version,
                timestamp: event.timestamp,
                logged_at,
                outcome: Outcome::of(event.status)?,
                authorised_by: event.authorizedBy,
                content_cid: event.contentCid,
            },
        })
    }
}

/// An event and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// What was said.
    #[serde(flatten)]
    pub event: Event,
    /// By which transaction.
    pub tx: B256,
    /// In which block.
    pub block_number: u64,
    /// That block's hash.
    pub block_hash: B256,
    /// Its place among the block's events.
    pub log_index: u64,
}

/// What comes of our own transaction, in its receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// Keccak-256 of the device's name.
    pub device_key: B256,
    /// The new record's hash.
    pub update_hash: B256,
    /// The record before it.
    pub previous: B256,
    /// The record's number of its device, from 0.
    pub nonce: u64,
}

impl Logged {
    pub(crate) fn read(log: &Log, contract: Address) -> Option<Self> {
        let event = Event::read(log, contract, 0)?;
        Some(Self {
            device_key: event.device_key,
            update_hash: event.update_hash,
            previous: event.record.previous,
            nonce: event.record.nonce,
        })
    }
}
