//! Is the code at an address ours? The bytes of `contracts/abi/`, with what a constructor fills in.
//!
//! ```text
//! deployed     … 7f 000000…7a69 46 14 …      PUSH32 chain id
//! committed    … 7f 000000…0000 46 14 …      `immutables` names the place
//! ```
//!
//! Sources are compiled without metadata (`contracts/foundry.toml`), so nothing else differs and no
//! byte is left out. In scope: comparing. Out of scope: that the committed bytes come from the
//! sources, which `cargo xtask contracts` shows.
//!
//! Invariants:
//! - Every byte is either compared with the committed one or belongs to an immutable.
//! - An immutable that follows from chain and address has that value; others are told.

use alloy::hex;
use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::eip712_domain;
use serde::{Deserialize, Serialize};

/// A contract that is deployed with ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Contract {
    /// Checkpoints.
    FirmwareAnchor,
    /// Single updates.
    FirmwareUpdateLog,
    /// Who has which role.
    AccessManager,
    /// When decisions take effect.
    TimelockController,
    /// Who decides.
    Council,
    /// Checks P-256 signatures of members and signers.
    ERC7913P256Verifier,
}

/// What a constructor fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    Separator,
    ChainId,
    This,
    HashedName,
    HashedVersion,
    Name,
    Version,
    RotationDelay,
    HasP256Precompile,
}

/// An immutable as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Immutable {
    /// What it is.
    pub name: &'static str,
    /// Its value.
    pub value: B256,
    /// What it must be, if that follows from chain and address.
    pub expected: Option<B256>,
}

/// What the code at an address is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Code {
    /// The committed bytes, with these immutables.
    Ours {
        /// One for each name.
        immutables: Vec<Immutable>,
    },
    /// None: an account, or nothing.
    Nothing,
    /// Something else.
    Other {
        /// Bytes that were committed.
        expected_bytes: usize,
        /// Bytes that are there.
        got_bytes: usize,
        /// The first that differs.
        first_difference: usize,
    },
}

/// A committed artefact; what is not named here is not needed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artefact {
    deployed_bytecode: String,
    immutables: Vec<Place>,
}

#[derive(Clone, Copy, Deserialize)]
struct Place {
    start: usize,
    length: usize,
}

impl Contract {
    /// As the sources call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FirmwareAnchor => "FirmwareAnchor",
            Self::FirmwareUpdateLog => "FirmwareUpdateLog",
            Self::AccessManager => "AccessManager",
            Self::TimelockController => "TimelockController",
            Self::Council => "Council",
            Self::ERC7913P256Verifier => "ERC7913P256Verifier",
        }
    }

    /// Compares the code at `address`.
    #[must_use]
    pub fn compare(self, code: &[u8], chain_id: u64, address: Address) -> Code {
        if is_account(code) {
            return Code::Nothing;
        }
        let (mut committed, places) = self.committed();
        let mut immutables: Vec<Immutable> = Vec::new();
        for (place, what) in places.iter().zip(self.filled()) {
            let bytes = place.start..place.start + place.length;
            let (Some(to), Some(from)) = (committed.get_mut(bytes.clone()), code.get(bytes)) else {
                break;
            };
            let (name, expected) = (what.name(), what.expected(self, chain_id, address));
            let value = B256::left_padding_from(from);
            match immutables.iter().find(|known| known.name == name) {
                // Places of one immutable that differ show as a difference there.
                Some(known) => to.copy_from_slice(known.value.as_slice()),
                None => {
                    to.copy_from_slice(expected.unwrap_or(value).as_slice());
                    let value = expected.unwrap_or(value);
                    immutables.push(Immutable { name, value, expected });
                }
            }
        }
        if committed == code {
            return Code::Ours { immutables };
        }
        let first = committed.iter().zip(code).position(|(ours, theirs)| ours != theirs);
        Code::Other {
            expected_bytes: committed.len(),
            got_bytes: code.len(),
            first_difference: first.unwrap_or(committed.len().min(code.len())),
        }
    }

    /// Committed bytes, and the places that are zero in them.
    fn committed(self) -> (Vec<u8>, Vec<Place>) {
        let artefact: Option<Artefact> = serde_json::from_str(self.artefact()).ok();
        let read =
            artefact.and_then(|it| Some((hex::decode(it.deployed_bytecode).ok()?, it.immutables)));
        read.unwrap_or_default()
    }

    fn artefact(self) -> &'static str {
        match self {
            Self::FirmwareAnchor => include_str!("../../../../contracts/abi/FirmwareAnchor.json"),
            Self::FirmwareUpdateLog => {
                include_str!("../../../../contracts/abi/FirmwareUpdateLog.json")
            }
            Self::AccessManager => include_str!("../../../../contracts/abi/AccessManager.json"),
            Self::TimelockController => {
                include_str!("../../../../contracts/abi/TimelockController.json")
            }
            Self::Council => include_str!("../../../../contracts/abi/Council.json"),
            Self::ERC7913P256Verifier => {
                include_str!("../../../../contracts/abi/ERC7913P256Verifier.json")
            }
        }
    }

    /// What stands at each place, in the places' order. The tests deploy each and compare.
    fn filled(self) -> &'static [Filled] {
        use Filled as F;
        match self {
            Self::FirmwareAnchor => &[
                F::Name,
                F::Version,
                F::RotationDelay,
                F::HasP256Precompile,
                F::RotationDelay,
                F::This,
                F::Separator,
                F::HashedName,
                F::HashedVersion,
                F::ChainId,
                F::HasP256Precompile,
            ],
            Self::FirmwareUpdateLog => &[
                F::Name,
                F::Version,
                F::HasP256Precompile,
                F::HasP256Precompile,
                F::This,
                F::Separator,
                F::HashedName,
                F::HashedVersion,
                F::ChainId,
            ],
            Self::Council => &[
                F::Name,
                F::Version,
                F::This,
                F::Separator,
                F::HashedName,
                F::HashedVersion,
                F::ChainId,
            ],
            Self::AccessManager | Self::TimelockController | Self::ERC7913P256Verifier => &[],
        }
    }
}

impl Filled {
    fn name(self) -> &'static str {
        match self {
            Self::Separator => "EIP-712 domain separator",
            Self::ChainId => "chain id",
            Self::This => "own address",
            Self::HashedName => "hash of the EIP-712 name",
            Self::HashedVersion => "hash of the EIP-712 version",
            Self::Name => "EIP-712 name",
            Self::Version => "EIP-712 version",
            Self::RotationDelay => ROTATION_DELAY,
            Self::HasP256Precompile => P256_PRECOMPILE,
        }
    }

    fn expected(self, contract: Contract, chain_id: u64, address: Address) -> Option<B256> {
        let name = contract.name();
        Some(match self {
            Self::Separator => eip712_domain! {
                name: name,
                version: VERSION,
                chain_id: chain_id,
                verifying_contract: address,
            }
            .separator(),
            Self::ChainId => U256::from(chain_id).into(),
            Self::This => address.into_word(),
            Self::HashedName => keccak256(name),
            Self::HashedVersion => keccak256(VERSION),
            Self::Name => short(name),
            Self::Version => short(VERSION),
            Self::RotationDelay | Self::HasP256Precompile => return None,
        })
    }
}

/// The EIP-712 version of all our contracts.
const VERSION: &str = "1";

/// Seconds between the announcement of another authority and its effect.
pub(crate) const ROTATION_DELAY: &str = "rotation delay";

/// Whether P-256 is checked by the chain (1), or in Solidity (0).
pub(crate) const P256_PRECOMPILE: &str = "P-256 precompile";

/// A string of up to 31 bytes in one word, its length last.
fn short(text: &str) -> B256 {
    let mut word = [0; 32];
    for (to, from) in word.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    word[31] = text.len() as u8;
    word.into()
}

/// No code, or the pointer of an account that borrows some (EIP-7702): a key can act for it.
pub(crate) fn is_account(code: &[u8]) -> bool {
    code.is_empty() || (code.len() == 23 && code.starts_with(&[0xef, 0x01, 0x00]))
}
