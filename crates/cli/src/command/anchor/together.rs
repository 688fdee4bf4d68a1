//! `anchor request|sign|submit`: k of n people who need not share a machine.
//!
//! ```text
//! request.json ─▶ each signs ─▶ alice.json, bob.json ─▶ submit ─▶ final
//! ```
//!
//! In scope: files in and out. Out of scope: their forms (`firmlog_anchor::request`), whose
//! signature it is (`firmlog_anchor::threshold`).
//!
//! Invariants:
//! - Nobody signs a checkpoint that their own trust root does not vouch for.
//! - A signature of something else is refused before anything is sent.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use firmlog_anchor::Authority;
use firmlog_anchor::config::{AuthorityKind, SignerKey};
use firmlog_anchor::request::{MAX_BYTES, PartialSignature, Request};
use firmlog_anchor::threshold::Threshold;
use firmlog_keys::AwsLc;
use firmlog_verify::checkpoint::verify_checkpoint;
use serde_json::json;

use super::deploy::address;
use super::{ConfigArgs, held_key, now, relay};
use crate::Context;
use crate::answer::{Answer, table};
use crate::error::{Error, Result};
use crate::http::Client;
use crate::scan::{head_error, newest_checkpoint};
use crate::submit::{LogArgs, trust_root};

/// Arguments of `anchor request`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog anchor request --config anchor.toml --log https://log.example --trust log.trust \\
    --out request.json")]
pub(crate) struct RequestArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    log: LogArgs,
    /// Where the request goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `anchor sign`.
#[derive(Args)]
#[command(after_help = "\
The checkpoint must be one that the trust root vouches for. Read what it says before you send it back.

Example:
  firmlog anchor sign request.json --trust log.trust --key alice.json \\
    --passphrase-file alice.pass --out alice.signature.json")]
pub(crate) struct SignArgs {
    /// The request
    request: PathBuf,
    /// Trust root file that pins the log
    #[arg(long, env = "FIRMLOG_TRUST", value_name = "FILE")]
    trust: PathBuf,
    /// Ethereum keystore, or with --verifier a P-256 key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File with its passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The contract that checks signatures of this P-256 key
    #[arg(long, value_name = "ADDRESS")]
    verifier: Option<String>,
    /// Where the signature goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `anchor submit`.
#[derive(Args)]
#[command(after_help = "\
Keys that the settings name sign too. Interrupted, it goes on where it was: run it again.

Example:
  firmlog anchor submit request.json alice.signature.json bob.signature.json \\
    --config anchor.toml --log https://log.example --trust log.trust")]
pub(crate) struct SubmitArgs {
    /// The request
    request: PathBuf,
    /// Signatures that came back
    signatures: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    log: LogArgs,
    /// Seconds until it stops waiting (exit 3); the next run goes on
    #[arg(long, value_name = "S", default_value_t = 3600)]
    wait: u64,
}

/// Runs `anchor request`.
pub(super) fn request(args: &RequestArgs, context: &Context) -> Result<Answer> {
    let config = args.config.read()?;
    if config.authority.kind != AuthorityKind::Threshold {
        return Err(Error::new("E-CONFIG", "the authority signs by itself")
            .expected("authority.kind \"threshold\"", "another")
            .help("firmlog anchor now needs no request"));
    }
    let root = trust_root(&args.log.trust)?;
    let note = newest_checkpoint(&Client::new(&args.log.log, context)?)?;
    verify_checkpoint(note.as_bytes(), &root, &AwsLc).map_err(head_error)?;
    let signers = config.authority.signers(held_key)?;
    let request = Request::new(config.deployment()?, &signers, &note)?;
    write(&args.out, request.encode().as_bytes())?;
    told("anchor-request", &args.out, &request)
}

/// Runs `anchor sign`.
pub(super) fn sign(args: &SignArgs) -> Result<Answer> {
    let request = read_request(&args.request)?;
    let root = trust_root(&args.trust)?;
    verify_checkpoint(request.checkpoint.as_bytes(), &root, &AwsLc).map_err(head_error)?;
    let one = SignerKey {
        passphrase_file: args.passphrase_file.clone(),
        verifier: args.verifier.as_deref().map(address).transpose()?,
        ..SignerKey::default()
    };
    let key = held_key(&one, &args.key)?;
    let (signer, digest) = (key.signer(), request.asked()?.digest);
    let signature = key.sign(digest)?;
    // Also refuses a key that is of no signer.
    request.authority()?.add_signature(signer.clone(), digest, signature.clone())?;
    let one = PartialSignature::new(digest, signer, signature);
    write(&args.out, one.encode().as_bytes())?;
    told("anchor-sign", &args.out, &request)
}

/// Runs `anchor submit`.
pub(super) fn submit(args: &SubmitArgs, context: &Context) -> Result<Answer> {
    let config = args.config.read()?;
    let request = read_request(&args.request)?;
    let (wanted, got) = (config.deployment()?, request.deployment());
    if wanted != got {
        return Err(stale("the request is for another contract").expected(
            format!("{} on chain {}", wanted.contract, wanted.chain_id),
            format!("{} on chain {}", got.contract, got.chain_id),
        ));
    }
    let mut signers = match config.authority.kind {
        AuthorityKind::Threshold => config.authority.signers(held_key)?,
        _ => request.authority()?,
    };
    if signers.name() != request.authority()?.name() {
        return Err(stale("the request asks another authority")
            .expected(signers.name(), request.authority()?.name()));
    }
    for path in &args.signatures {
        add(&mut signers, &request, path)?;
    }
    let by = (relay(&config)?, Authority::Threshold(signers));
    now::drive(&config, &args.log, &request.checkpoint, by, args.wait, context)
}

fn add(signers: &mut Threshold, request: &Request, path: &Path) -> Result<()> {
    let one = PartialSignature::parse(&read(path)?)?;
    let asked = request.asked()?;
    if one.digest != asked.digest {
        let what = format!("{} is a signature of something else", path.display());
        return Err(stale(what)
            .expected(format!("{} for {} entries", asked.digest, asked.size), one.digest));
    }
    signers.add_signature(one.signer, one.digest, one.signature)?;
    Ok(())
}

fn stale(message: impl std::fmt::Display) -> Error {
    Error::new("E-REQUEST", message)
        .help("have the signers sign this request, or make a new one: firmlog anchor request")
}

fn told(command: &'static str, out: &Path, request: &Request) -> Result<Answer> {
    let asked = request.asked()?;
    let (needed, of) = (request.threshold, request.signers.len());
    let rows = [
        ("written", out.display().to_string()),
        ("log", asked.origin.clone()),
        ("checkpoint", format!("{} entries, root {}", asked.size, asked.root)),
        ("contract", format!("{} on chain {}", request.contract, request.chain_id)),
        ("signers", format!("{needed} of {of}")),
        ("digest", asked.digest.to_string()),
    ];
    let json = json!({"file": out.display().to_string(), "origin": asked.origin,
        "size": asked.size.to_string(), "root": asked.root, "digest": asked.digest,
        "chain_id": request.chain_id, "contract": request.contract,
        "threshold": needed, "signers": request.signers});
    Ok(Answer::new(command, json, table(rows)))
}

fn read_request(path: &Path) -> Result<Request> {
    Ok(Request::parse(&read(path)?)?)
}

/// No more than such a file can have.
fn read(path: &Path) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).map_err(|e| Error::io("read", path, e))?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_BYTES as u64 + 1), &mut bytes)
        .map_err(|e| Error::io("read", path, e))?;
    Ok(bytes)
}

/// Never over a file that is there.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|e| Error::io("write", path, e))
}
