//! Settings of the client: one TOML file.
//!
//! ```toml
//! [chain]
//! id = 31337
//! contract = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
//! providers = ["http://127.0.0.1:8545"]
//!
//! [relay]
//! key = "relay.json"
//! passphrase_file = "relay.pass"
//! dir = "anchor"
//!
//! [authority]
//! kind = "secp256k1"
//! key = "authority.json"
//! passphrase_file = "authority.pass"
//!
//! [fees]
//! max_gwei = 50
//! ```
//!
//! Paths are relative to the file. Provider URLs may carry access keys: the file may be a secret.
//!
//! Invariants: a key that does not exist is refused; secrets are paths, never values.

mod authority;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::primitives::Address;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::contract::Deployment;
use crate::error::AnchorError;
use crate::fees::Limits;
use crate::provider::Providers;
use crate::relay::Settings;

pub use authority::{AuthorityKey, AuthorityKind, SignerKey};

const GWEI: f64 = 1e9;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Chain, contract, providers.
    pub chain: Chain,
    /// The account that sends and pays.
    pub relay: Relay,
    /// Who speaks for the log; left out, the relay's account does.
    #[serde(default)]
    pub authority: AuthorityKey,
    /// Updates one by one.
    pub direct: Option<Direct>,
    /// What may be paid.
    pub fees: Fees,
    /// Clocks.
    #[serde(default)]
    pub timing: Timing,
}

/// What reading a chain takes: the same file, or one with `[chain]` alone. An auditor has no relay.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// Chain, contract, providers.
    pub chain: Chain,
    /// Clocks.
    #[serde(default)]
    pub timing: Timing,
    #[serde(rename = "relay")]
    _relay: Option<IgnoredAny>,
    #[serde(rename = "authority")]
    _authority: Option<IgnoredAny>,
    #[serde(rename = "fees")]
    _fees: Option<IgnoredAny>,
}

/// `[chain]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// EIP-155 chain id; providers on another chain are not listened to.
    pub id: u64,
    /// Where the contract is; left out before it is deployed.
    pub contract: Option<Address>,
    /// The block it was deployed in, where its history starts.
    #[serde(default)]
    pub from_block: u64,
    /// JSON-RPC over HTTP.
    pub providers: Vec<String>,
    /// How many must say the same; left out, a majority.
    pub quorum: Option<usize>,
    /// Whether a quorum outvotes others; if not, one other answer stops progress.
    #[serde(default)]
    pub outvote: bool,
}

/// `[relay]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// Ethereum keystore (version 3).
    pub key: PathBuf,
    /// File with its passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// Journal, evidence, findings.
    pub dir: PathBuf,
}

/// `[direct]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Direct {
    /// Where `FirmwareUpdateLog` is.
    pub contract: Address,
    /// The block it was deployed in, where its history starts.
    #[serde(default)]
    pub from_block: u64,
    /// Journal, index, findings.
    pub dir: PathBuf,
}

/// `[fees]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fees {
    /// The most offered for each gas.
    pub max_gwei: f64,
    /// The tip.
    #[serde(default = "Fees::tip")]
    pub tip_gwei: f64,
    /// The most gas one transaction may use.
    #[serde(default = "Fees::gas")]
    pub gas_max: u64,
}

impl Fees {
    fn tip() -> f64 {
        1.0
    }

    fn gas() -> u64 {
        1_000_000
    }
}

/// `[timing]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// Milliseconds between steps.
    pub poll_ms: u64,
    /// Milliseconds a provider has to answer.
    pub timeout_ms: u64,
    /// Milliseconds until what is not mined is sent again.
    pub resend_ms: u64,
    /// Seconds, and blocks, until fees are raised.
    pub stuck_s: u64,
    /// See `stuck_s`.
    pub stuck_blocks: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self { poll_ms: 4_000, timeout_ms: 10_000, resend_ms: 30_000, stuck_s: 60, stuck_blocks: 3 }
    }
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// [`AnchorError`] naming file and line.
    pub fn read(path: &Path) -> Result<Self, AnchorError> {
        let mut config: Self = parse(path)?;
        let dir = path.parent().unwrap_or(Path::new("."));
        let authority = &mut config.authority;
        let paths = [
            Some(&mut config.relay.key),
            config.relay.passphrase_file.as_mut(),
            Some(&mut config.relay.dir),
            authority.passphrase_file.as_mut(),
            config.direct.as_mut().map(|direct| &mut direct.dir),
        ];
        let signers = authority.signers.iter_mut();
        let signers = signers.flat_map(|one| [one.key.as_mut(), one.passphrase_file.as_mut()]);
        for path in paths.into_iter().chain(signers).flatten() {
            *path = dir.join(&path);
        }
        authority.dir = dir.to_owned();
        config.limits()?;
        if config.direct.as_ref().is_some_and(|direct| direct.dir == config.relay.dir) {
            let why = "direct.dir is relay.dir: each journal has a folder of its own";
            return Err(AnchorError::Config(why.into()));
        }
        Ok(config)
    }

    /// The providers under their rule.
    ///
    /// # Errors
    /// [`AnchorError::Config`].
    pub fn providers(&self) -> Result<Providers, AnchorError> {
        self.chain.providers(&self.timing)
    }

    /// Chain and contract.
    ///
    /// # Errors
    /// [`AnchorError::Config`] if no contract is named.
    pub fn deployment(&self) -> Result<Deployment, AnchorError> {
        self.chain.deployment()
    }

    /// Contract, first block and folder of direct mode.
    ///
    /// # Errors
    /// [`AnchorError::Config`] if there is none.
    pub fn direct(&self) -> Result<&Direct, AnchorError> {
        self.direct.as_ref().ok_or_else(|| {
            AnchorError::Config("[direct] is not set: contract, from_block and dir".into())
        })
    }

    /// What may be paid.
    ///
    /// # Errors
    /// [`AnchorError::Config`] for amounts that are none.
    pub fn limits(&self) -> Result<Limits, AnchorError> {
        let max_fee_wei = wei("fees.max_gwei", self.fees.max_gwei)?;
        let tip_wei = wei("fees.tip_gwei", self.fees.tip_gwei)?;
        if tip_wei > max_fee_wei {
            return Err(AnchorError::Config("fees.tip_gwei is above fees.max_gwei".into()));
        }
        Ok(Limits { max_fee_wei, tip_wei })
    }

    /// Everything a client of this log works by.
    ///
    /// # Errors
    /// As the parts.
    pub fn settings(&self, origin: &str) -> Result<Settings, AnchorError> {
        self.settings_of(self.deployment()?, origin, &self.relay.dir)
    }

    /// Everything a direct client works by.
    ///
    /// # Errors
    /// As the parts.
    pub fn direct_settings(&self) -> Result<Settings, AnchorError> {
        let direct = self.direct()?;
        let deployment = Deployment { chain_id: self.chain.id, contract: direct.contract };
        self.settings_of(deployment, "", &direct.dir)
    }

    fn settings_of(
        &self,
        deployment: Deployment,
        origin: &str,
        dir: &Path,
    ) -> Result<Settings, AnchorError> {
        Ok(Settings {
            deployment,
            origin: origin.to_owned(),
            dir: dir.to_path_buf(),
            limits: self.limits()?,
            stuck_s: self.timing.stuck_s,
            stuck_blocks: self.timing.stuck_blocks,
            resend: Duration::from_millis(self.timing.resend_ms),
            gas_max: self.fees.gas_max,
        })
    }
}

impl Reading {
    /// Reads the file.
    ///
    /// # Errors
    /// [`AnchorError`] naming file and line.
    pub fn read(path: &Path) -> Result<Self, AnchorError> {
        parse(path)
    }

    /// The providers under their rule.
    ///
    /// # Errors
    /// [`AnchorError::Config`].
    pub fn providers(&self) -> Result<Providers, AnchorError> {
        self.chain.providers(&self.timing)
    }
}

impl Chain {
    fn providers(&self, timing: &Timing) -> Result<Providers, AnchorError> {
        let timeout = Duration::from_millis(timing.timeout_ms);
        Providers::new(&self.providers, self.quorum, self.outvote, timeout)
    }

    /// Chain and contract.
    ///
    /// # Errors
    /// [`AnchorError::Config`] if no contract is named.
    pub fn deployment(&self) -> Result<Deployment, AnchorError> {
        let contract = self.contract.ok_or_else(|| {
            AnchorError::Config("chain.contract is not set: `anchor deploy` prints it".into())
        })?;
        Ok(Deployment { chain_id: self.id, contract })
    }
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, AnchorError> {
    let text = fs::read_to_string(path).map_err(AnchorError::io("read", path))?;
    toml::from_str(&text).map_err(|e| AnchorError::damaged(path, told(&text, &e)))
}

/// The line and what is wrong with it; the line itself may hold an access key.
fn told(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
}

fn wei(key: &str, gwei: f64) -> Result<u64, AnchorError> {
    let wei = gwei * GWEI;
    if wei.is_finite() && (0.0..1e18).contains(&wei) {
        return Ok(wei.round() as u64);
    }
    Err(AnchorError::Config(format!("{key} is {gwei}: expected 0 to 1,000,000,000")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
[chain]
id = 31337
providers = [\"http://127.0.0.1:8545/secret\"]
[relay]
key = \"relay.json\"
dir = \"anchor\"
[fees]
max_gwei = 1.5
";

    fn read(text: &str) -> Result<Config, AnchorError> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("anchor.toml");
        fs::write(&path, text).expect("writes");
        Config::read(&path)
    }

    #[test]
    fn what_is_left_out_has_safe_defaults() {
        let config = read(FILE).expect("reads");
        assert_eq!(config.authority.kind, AuthorityKind::Sender);
        assert!(config.relay.key.is_absolute() && config.relay.key.ends_with("relay.json"));
        let limits = config.limits().expect("limits");
        assert_eq!((limits.max_fee_wei, limits.tip_wei), (1_500_000_000, 1_000_000_000));
        assert!(!config.chain.outvote);
        assert_eq!(config.providers().expect("one").name(0), "127.0.0.1:8545");
        assert!(config.deployment().is_err());
    }

    #[test]
    fn direct_mode_has_a_contract_and_a_folder_of_its_own() {
        assert!(read(FILE).expect("reads").direct_settings().is_err());
        let contract = Address::repeat_byte(5);
        let direct = |dir| format!("{FILE}[direct]\ncontract = \"{contract}\"\ndir = \"{dir}\"\n");
        let config = read(&direct("updates")).expect("reads");
        let settings = config.direct_settings().expect("settings");
        assert_eq!(settings.deployment, Deployment { chain_id: 31337, contract });
        assert!(settings.origin.is_empty() && settings.dir.ends_with("updates"));
        assert!(settings.dir.is_absolute());
        assert!(read(&direct("anchor")).is_err());
    }

    #[test]
    fn what_does_not_exist_or_cannot_be_is_refused() {
        for (from, to) in [
            ("id = 31337", "id = 31337\nprovider = \"x\""),
            ("max_gwei = 1.5", "max_gwei = -1.0"),
            ("max_gwei = 1.5", "max_gwei = 0.5"),
            ("max_gwei = 1.5", ""),
            ("id = 31337", "id = 31337\ncontract = \"0x12\""),
        ] {
            assert!(read(&FILE.replace(from, to)).is_err(), "{to}");
        }
        let config = read(&FILE.replace("http://", "ftp://")).expect("reads");
        let told = config.providers().expect_err("not HTTP").to_string();
        assert!(!told.contains("secret"), "{told}");
        let told = read(&FILE.replace("providers", "provider")).expect_err("no such key");
        assert!(told.to_string().contains("line 3"), "{told}");
        assert!(!told.to_string().contains("secret"), "{told}");
    }

    #[test]
    fn an_auditor_needs_the_chain_alone_and_may_have_all() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("anchor.toml");
        let chain = FILE.split("[relay]").next().expect("a part");
        for text in [FILE, chain] {
            fs::write(&path, text).expect("writes");
            let reading = Reading::read(&path).expect("reads");
            assert_eq!(reading.providers().expect("one").name(0), "127.0.0.1:8545");
        }
        fs::write(&path, format!("{chain}[rely]\n")).expect("writes");
        assert!(Reading::read(&path).is_err());
    }
}
