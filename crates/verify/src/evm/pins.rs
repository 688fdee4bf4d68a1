//! What an auditor pins of EVM chains: contracts, and blocks known to be final.
//!
//! ```text
//! evm-contract 1 0x5fbdb2315678afecb367f032d93f642f64180aa3 0x9c41…
//! evm-block 1 23000000 0x07b2…
//! ```
//!
//! The first names a chain id, the contract and, if the auditor has it, the hash of its code; the
//! second a chain id, a block's number and its hash. They are lines of a trust root (`root`).

use alloc::vec::Vec;

use super::refusal::unhex;
use super::{Address, Hex, Word};

const CONTRACT: &str = "evm-contract";
const BLOCK: &str = "evm-block";

/// Pinned contracts and blocks, of any number of chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvmPins {
    /// Contracts whose anchors count; none twice.
    pub contracts: Vec<ContractPin>,
    /// Blocks known to be final; none twice.
    pub blocks: Vec<BlockPin>,
}

/// A `FirmwareAnchor` contract that an auditor trusts to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractPin {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// Where the contract is.
    pub address: Address,
    /// Keccak-256 of the code deployed there; without it the address alone is trusted.
    pub code_hash: Option<Word>,
}

/// A block that an auditor knows to be final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPin {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// The block's number.
    pub number: u64,
    /// The block's hash.
    pub hash: Word,
}

impl EvmPins {
    /// Parses lines as a trust root has them; nothing if one is not of this form, or there twice.
    #[must_use]
    pub fn parse(lines: &str) -> Option<Self> {
        let mut pins = Self::default();
        lines.lines().all(|line| pins.take(line)).then_some(pins)
    }

    /// Whether nothing is pinned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.contracts.is_empty() && self.blocks.is_empty()
    }

    /// Takes a line of a trust root. Whether it was one of ours, well-formed and new.
    pub(crate) fn take(&mut self, line: &str) -> bool {
        let mut words = line.split(' ');
        let (kind, chain) = (words.next(), words.next().and_then(number));
        let (Some(kind), Some(chain_id)) = (kind, chain) else { return false };
        match kind {
            CONTRACT => self.take_contract(chain_id, words).is_some(),
            BLOCK => self.take_block(chain_id, words).is_some(),
            _ => false,
        }
    }

    fn take_contract<'a>(
        &mut self,
        chain_id: u64,
        mut words: impl Iterator<Item = &'a str>,
    ) -> Option<()> {
        let address = unhex(words.next()?)?;
        let code_hash = match words.next() {
            Some(word) => Some(unhex(word)?),
            None => None,
        };
        let new = words.next().is_none() && self.contract(chain_id, &address).is_none();
        new.then(|| self.contracts.push(ContractPin { chain_id, address, code_hash }))
    }

    fn take_block<'a>(
        &mut self,
        chain_id: u64,
        mut words: impl Iterator<Item = &'a str>,
    ) -> Option<()> {
        let number = number(words.next()?)?;
        let hash = unhex(words.next()?)?;
        let mut same = self.blocks.iter().filter(|pin| pin.chain_id == chain_id);
        let new = words.next().is_none() && same.all(|pin| pin.number != number);
        new.then(|| self.blocks.push(BlockPin { chain_id, number, hash }))
    }

    /// The pin of the contract at this address.
    #[must_use]
    pub fn contract(&self, chain_id: u64, address: &Address) -> Option<&ContractPin> {
        self.contracts.iter().find(|pin| pin.chain_id == chain_id && pin.address == *address)
    }
}

/// A number without sign or leading zeros.
fn number(word: &str) -> Option<u64> {
    let plain = word.bytes().all(|digit| digit.is_ascii_digit());
    let shortest = word == "0" || !word.starts_with('0');
    if plain && shortest { word.parse().ok() } else { None }
}

impl core::fmt::Display for EvmPins {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for pin in &self.contracts {
            write!(f, "{CONTRACT} {} {}", pin.chain_id, Hex(&pin.address))?;
            if let Some(code_hash) = &pin.code_hash {
                write!(f, " {}", Hex(code_hash))?;
            }
            writeln!(f)?;
        }
        self.blocks.iter().try_for_each(|pin| {
            writeln!(f, "{BLOCK} {} {} {}", pin.chain_id, pin.number, Hex(&pin.hash))
        })
    }
}
