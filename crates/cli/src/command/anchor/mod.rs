//! `anchor`: checkpoints into a contract on an EVM chain, and what the contract says of them.
//!
//! ```text
//! firmlog anchor now --config anchor.toml --log https://log.example --trust log.trust
//! final  48930 entries in block #21000042 (0x5be1…), transaction 0x9f2c…
//! ```
//!
//! In scope: arguments, keys, what is printed. Out of scope: what follows what (`firmlog-anchor`).
//!
//! Invariants:
//! - Passphrases come from files or a prompt; provider URLs are read from the file and never shown.
//! - Interrupted commands go on where they stopped, by the journal.

mod audit;
mod deploy;
mod extend;
mod now;
mod show;
mod together;
mod verify;

use std::future::Future;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use firmlog_anchor::config::{Config, SignerKey};
use firmlog_anchor::provider::Providers;
use firmlog_anchor::threshold::HeldKey;
use firmlog_anchor::{AnchorError, Authority, Wallet};
use firmlog_keys::uri::KeyUri;
use firmlog_keys::{Key, KeyError, read_passphrase};
use firmlog_statement::{PublicKey, Signer};
use serde_json::json;

use crate::Context;
use crate::answer::{Answer, table};
use crate::command::key::{self, Lock, access_error, exposed_error};
use crate::error::{Error, Exit, Result};

/// `anchor`
#[derive(Subcommand)]
pub(crate) enum AnchorCommand {
    /// Make a key for an account
    Key(KeyArgs),
    /// Put the contract on a chain, governed by a council
    Deploy(deploy::DeployArgs),
    /// Register a log under its authority, once
    Register(deploy::RegisterArgs),
    /// Anchor the log's newest checkpoint and wait until that is final
    Now(now::NowArgs),
    /// Ask the signers of an authority of k of n for their signatures of the newest checkpoint
    Request(together::RequestArgs),
    /// Sign what a request asks for
    Sign(together::SignArgs),
    /// Anchor a request's checkpoint with the signatures that came back
    Submit(together::SubmitArgs),
    /// Where the job under way stands, and what the contract has
    Status(show::StatusArgs),
    /// Every anchor of the log, from the contract's events
    History(show::HistoryArgs),
    /// Compare everything that was anchored with what the log shows now
    Verify(verify::VerifyArgs),
    /// Tell who can do what in the deployed contracts, and whether their code is ours
    AuditContract(audit::AuditArgs),
    /// Lead a bundle's anchors on to a block that a trust root pins
    Extend(extend::ExtendArgs),
}

/// Arguments of `anchor key`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog anchor key relay.json --passphrase-file relay.pass")]
pub(crate) struct KeyArgs {
    /// Where the Ethereum keystore goes
    file: PathBuf,
    /// File with the passphrase, readable by its owner only
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
}

/// The settings.
#[derive(Args)]
pub(crate) struct ConfigArgs {
    /// Chain, contract, providers, keys, fees
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the command.
pub(crate) fn run(command: &AnchorCommand, context: &Context) -> Result<Answer> {
    match command {
        AnchorCommand::Key(args) => new_key(args),
        AnchorCommand::Deploy(args) => deploy::deploy(args, context),
        AnchorCommand::Register(args) => deploy::register(args, context),
        AnchorCommand::Now(args) => now::run(args, context),
        AnchorCommand::Request(args) => together::request(args, context),
        AnchorCommand::Sign(args) => together::sign(args),
        AnchorCommand::Submit(args) => together::submit(args, context),
        AnchorCommand::Status(args) => show::status(args),
        AnchorCommand::History(args) => show::history(args),
        AnchorCommand::Verify(args) => verify::run(args, context),
        AnchorCommand::AuditContract(args) => audit::run(args),
        AnchorCommand::Extend(args) => extend::run(args, context),
    }
}

fn new_key(args: &KeyArgs) -> Result<Answer> {
    let passphrase = passphrase(&args.file, Some(&args.passphrase_file))?;
    let wallet = Wallet::create(&args.file, &passphrase).map_err(|e| anchor_error(&e))?;
    let address = wallet.address().to_string();
    let rows = [
        ("keystore", format!("{} (mode 0600)", args.file.display())),
        ("account", address.clone()),
    ];
    let json = json!({"file": args.file.display().to_string(), "account": address});
    Ok(Answer::new("anchor-key", json, table(rows)))
}

impl ConfigArgs {
    pub(super) fn read(&self) -> Result<Config> {
        Config::read(&self.config).map_err(|e| anchor_error(&e))
    }
}

/// Opens a keystore, asking for its passphrase where a person is there.
fn wallet(path: &Path, passphrase_file: Option<&Path>) -> Result<Wallet> {
    let passphrase = passphrase(path, passphrase_file)?;
    firmlog_keys::access::open(path).map_err(|e| access_error(path, e))?;
    Wallet::open(path, &passphrase).map_err(|e| anchor_error(&e))
}

pub(super) fn relay(config: &Config) -> Result<Wallet> {
    wallet(&config.relay.key, config.relay.passphrase_file.as_deref())
}

/// The log's authority; `relay` is the account that sends, if that is what speaks for it.
pub(super) fn authority(
    config: &Config,
    relay: impl FnOnce() -> Result<Wallet>,
) -> Result<Authority> {
    config.authority.open(
        || Ok(relay()?.address()),
        wallet,
        |name, base, passphrase_file| {
            let uri = key::uri(name.as_ref())?.resolved(base);
            let key = key::open(&uri, &Lock::from_file(passphrase_file.map(Path::to_owned)))?;
            Ok(Box::new(key))
        },
        held_key,
    )
}

/// Opens the key of one of k of n.
fn held_key(one: &SignerKey, path: &Path) -> Result<HeldKey> {
    let Some(verifier) = one.verifier else {
        return wallet(path, one.passphrase_file.as_deref()).map(HeldKey::Secp256k1);
    };
    let uri = KeyUri::File(path.into());
    let key = key::open(&uri, &Lock::from_file(one.passphrase_file.clone()))?;
    let (Key::File(key), PublicKey::P256(point)) = (&key, key.public_key()) else {
        return Err(Error::new("E-KEY", format!("{}: not a P-256 key", path.display()))
            .help("leave the verifier out for a keystore (secp256k1)"));
    };
    let key = key.clone();
    let sign = Box::new(move |digest: &[u8; 32]| key.sign_digest(digest));
    Ok(HeldKey::P256 { verifier, point, sign })
}

fn passphrase(path: &Path, file: Option<&Path>) -> Result<Vec<u8>> {
    use std::io::IsTerminal;
    if let Some(file) = file {
        return read_passphrase(file).map(|text| text.to_vec()).map_err(|e| {
            if let KeyError::Exposed(exposed) = &e {
                return exposed_error(file, exposed);
            }
            let why = std::error::Error::source(&e).map_or_else(String::new, |s| format!(": {s}"));
            Error::new("E-PASSPHRASE", format!("{}: failed to {e}{why}", file.display()))
        });
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::new("E-PASSPHRASE", "the keystore needs a passphrase")
            .help("there is no terminal to ask on; set passphrase_file beside the key"));
    }
    rpassword::prompt_password(format!("passphrase of {}: ", path.display()))
        .map(String::into_bytes)
        .map_err(|e| Error::new("E-PASSPHRASE", format!("failed to read the passphrase: {e}")))
}

pub(super) fn providers(config: &Config) -> Result<Providers> {
    config.providers().map_err(|e| anchor_error(&e))
}

/// Runs what talks to providers. The log's HTTP client blocks, and must stay outside.
pub(super) fn wait_for<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Error::new("E-RUNTIME", e))?;
    Ok(runtime.block_on(work))
}

impl From<AnchorError> for Error {
    fn from(error: AnchorError) -> Self {
        anchor_error(&error)
    }
}

/// An error of the client, with the next step.
pub(super) fn anchor_error(error: &AnchorError) -> Error {
    let cause = std::error::Error::source(error).map_or_else(String::new, |e| format!(": {e}"));
    let cause = if matches!(error, AnchorError::Providers(_)) { String::new() } else { cause };
    let message = match error {
        AnchorError::Io { .. } => format!("failed to {error}"),
        _ => format!("failed to {error}{cause}"),
    };
    match error {
        AnchorError::Config(_) | AnchorError::OtherJournal { .. } => {
            Error::new("E-CONFIG", message).help("docs/spec/anchor.md tells every setting")
        }
        AnchorError::Key { .. } => Error::new("E-KEY", message),
        AnchorError::Locked(_) => Error::new("E-LOCKED", message)
            .help("another firmlog anchors from this folder; wait for it"),
        AnchorError::Io { .. } | AnchorError::Index(_) => Error::new("E-IO", message),
        AnchorError::Providers(_) => {
            Error::network(message).help("check chain.providers; one that disagrees is named above")
        }
        AnchorError::Checkpoint(_) => Error::new("E-CHECKPOINT", message).exit(Exit::Against),
        AnchorError::Proof(_) => Error::new("E-PROOF", message).exit(Exit::Against),
        _ => Error::new("E-ANCHOR", message),
    }
}
