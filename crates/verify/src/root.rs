//! Trust roots: what an auditor or a device pins before believing anything.
//!
//! ```text
//! firmlog trust root v1
//! genesis 5ae1c14a7e1d1c52c15d1d5e08f1a1b7a7b0b7b0d3c9b9f2f4d1c3e2a1908070
//! evm-contract 1 0x5fbdb2315678afecb367f032d93f642f64180aa3
//! evm-block 1 23000000 0x07b2…
//!
//! log log.example.org/pumps+3d8cd3a1+AW… https://log.example.org/pumps
//! witness hospital witness.example/h+9d2f6c11+BP…
//! quorum hospital
//! ```
//!
//! The first two lines pin the log's first entry, and with it every key the log ever enrolled;
//! lines before the blank one pin where it is anchored ([`EvmPins`]), and may be left out; what
//! follows is a tlog-policy file with exactly one log.
//!
//! Invariants:
//! - `TrustRoot::parse(r.encode()) == r`; only the policy's comments and spacing are not kept.
//! - A trust root without a log, with two, or without a genesis hash does not parse.
//!
//! [tlog-policy]: https://c2sp.org/tlog-policy

use alloc::format;
use alloc::string::String;

use firmlog_tlog::merkle::Hash;
use firmlog_tlog::note::VerifierKey;
use firmlog_tlog::policy::{Log, Policy};

use crate::evm::EvmPins;
use crate::refusal::refusals;

/// The first line.
pub const HEADER: &str = "firmlog trust root v1";

refusals! {
    /// Why a trust root was refused.
    TrustRootError {
        HeaderMissing = 1: "the first line is not `firmlog trust root v1`",
        GenesisMalformed = 2: "the second line is not `genesis` and 64 lowercase hex digits",
        BlankLineMissing = 3: "no blank line comes before the policy",
        PolicyMalformed = 4: "what follows the blank line is not a tlog-policy",
        NotOneLog = 5: "the policy does not name exactly one log",
        NotUtf8 = 6: "the trust root is not UTF-8",
        EvmPinMalformed = 7: "an `evm-` line is malformed, or pins the same again",
    }
}

/// Whom to believe: one log by key and first entry, its witnesses, and where it is anchored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRoot {
    genesis: Hash,
    policy: Policy,
    log: Log,
    evm: EvmPins,
}

impl TrustRoot {
    /// Pins a log by the policy that names it and the leaf hash of its first entry.
    ///
    /// # Errors
    /// [`TrustRootError::NotOneLog`].
    pub fn new(genesis: Hash, policy: Policy) -> Result<Self, TrustRootError> {
        let [log] = policy.logs() else { return Err(TrustRootError::NotOneLog) };
        let log = log.clone();
        Ok(Self { genesis, policy, log, evm: EvmPins::default() })
    }

    /// The same, with contracts and blocks of EVM chains pinned.
    #[must_use]
    pub fn with_evm(self, evm: EvmPins) -> Self {
        Self { evm, ..self }
    }

    /// Parses a trust root file.
    ///
    /// # Errors
    /// A [`TrustRootError`] naming the line that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustRootError> {
        let text = core::str::from_utf8(bytes).map_err(|_| TrustRootError::NotUtf8)?;
        let (header, rest) = text.split_once('\n').ok_or(TrustRootError::HeaderMissing)?;
        if header != HEADER {
            return Err(TrustRootError::HeaderMissing);
        }
        let (genesis, rest) = rest.split_once('\n').ok_or(TrustRootError::GenesisMalformed)?;
        let genesis = genesis.strip_prefix("genesis ").and_then(Hash::from_hex);
        let genesis = genesis.ok_or(TrustRootError::GenesisMalformed)?;
        let (evm, policy) = parse_evm(rest)?;
        let policy =
            Policy::parse(policy.as_bytes()).map_err(|_| TrustRootError::PolicyMalformed)?;
        Ok(Self::new(genesis, policy)?.with_evm(evm))
    }

    /// The trust root file.
    #[must_use]
    pub fn encode(&self) -> String {
        format!("{HEADER}\ngenesis {}\n{}\n{}", self.genesis, self.evm, self.policy)
    }

    /// Leaf hash of the log's entry 0.
    #[must_use]
    pub const fn genesis(&self) -> &Hash {
        &self.genesis
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.log.key.name.as_str()
    }

    /// The log's checkpoint key.
    #[must_use]
    pub const fn log_key(&self) -> &VerifierKey {
        &self.log.key
    }

    /// The witnesses and their quorum.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Contracts and blocks of EVM chains that are pinned.
    #[must_use]
    pub const fn evm(&self) -> &EvmPins {
        &self.evm
    }
}

/// The lines up to the blank one, and what follows it.
fn parse_evm(mut rest: &str) -> Result<(EvmPins, &str), TrustRootError> {
    let mut pins = EvmPins::default();
    loop {
        let (line, tail) = rest.split_once('\n').ok_or(TrustRootError::BlankLineMissing)?;
        match line {
            "" => return Ok((pins, tail)),
            _ if !line.starts_with("evm-") => return Err(TrustRootError::BlankLineMissing),
            _ if !pins.take(line) => return Err(TrustRootError::EvmPinMalformed),
            _ => rest = tail,
        }
    }
}
