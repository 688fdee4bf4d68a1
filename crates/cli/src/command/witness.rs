//! `witness`: cosigns what it saw grow by appending, and nothing else.
//!
//! ```text
//! POST /add-checkpoint            one cosignature line, or 409 with the size it knows
//! GET  /<sha256(origin)>/checkpoint
//! ```
//!
//! Invariants:
//! - What it cosigned is on disk before the cosignature leaves ([`WitnessStore`]).
//! - A memory begins by `witness init` alone: one that is lost is never taken for one that is new.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use firmlog_log::LogError;
use firmlog_log::witness::WitnessStore;
use firmlog_server::WitnessServer;
use firmlog_tlog::note::{Algorithm, NoteSigner, VerifierKey};
use firmlog_tlog::policy::Policy;
use serde_json::json;

use crate::Context;
use crate::answer::Answer;
use crate::command::key::{self, Lock};
use crate::command::log::stopped;
use crate::command::log::upkeep::log_error;
use crate::error::{Error, Result};

/// Arguments of `witness`.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Example:
  firmlog witness init --state witness-state \\
    --log log.example.org/pumps+3058d744+ATZIxTtCtGwJOkvp5aZb15ku8gmw8l16UoMp8/229uyc
  firmlog witness --key witness.pem --name hospital.example/witness --state witness-state \\
    --log log.example.org/pumps+3058d744+ATZIxTtCtGwJOkvp5aZb15ku8gmw8l16UoMp8/229uyc"
)]
pub(crate) struct WitnessArgs {
    #[command(subcommand)]
    command: Option<WitnessCommand>,
    /// Ed25519 key: a file or pkcs11:…
    #[arg(long, value_name = "KEY", required = true)]
    key: Option<OsString>,
    /// Name it cosigns under
    #[arg(long, required = true)]
    name: Option<String>,
    /// Where it keeps what it cosigned, made by `witness init`; losing it means starting over under
    /// a new name
    #[arg(long, value_name = "DIR", required = true)]
    state: Option<PathBuf>,
    #[command(flatten)]
    logs: LogsArgs,
    /// Address it listens on
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    #[command(flatten)]
    lock: Lock,
}

#[derive(Subcommand)]
enum WitnessCommand {
    /// Begin the memory of logs that this witness never cosigned
    Init(InitArgs),
}

/// Arguments of `witness init`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog witness init --state witness-state --policy witnesses.policy")]
struct InitArgs {
    /// Where the witness will keep what it cosigned
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    #[command(flatten)]
    logs: LogsArgs,
}

/// Whose checkpoints are cosigned.
#[derive(Args)]
struct LogsArgs {
    /// Verifier key of a log to cosign; may be given again
    #[arg(long = "log", value_name = "VKEY", required_unless_present = "policy")]
    logs: Vec<String>,
    /// tlog-policy file whose logs are cosigned
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &WitnessArgs, context: &Context) -> Result<Answer> {
    match &args.command {
        Some(WitnessCommand::Init(args)) => init(args),
        None => serve(args, context),
    }
}

fn init(args: &InitArgs) -> Result<Answer> {
    let logs = logs(&args.logs)?;
    let origins: Vec<&str> = logs.iter().map(|(origin, _)| origin.as_str()).collect();
    WitnessStore::init(&args.state, &origins).map_err(|error| match error {
        LogError::Exists(_) => Error::new("E-EXISTS", format!("failed to {error}"))
            .help("this witness knows that log already: start it, or leave the log out here"),
        other => log_error(&other),
    })?;
    let state = args.state.display().to_string();
    let text = format!("{state} remembers nothing yet of {}\n", origins.join(", "));
    Ok(Answer::new("witness-init", json!({"state": state, "origins": origins}), text))
}

/// The first line on stdout says where it listens and under which key.
fn serve(args: &WitnessArgs, context: &Context) -> Result<Answer> {
    let (Some(key), Some(name), Some(state)) = (&args.key, &args.name, &args.state) else {
        return Err(Error::new("E-USAGE", "a witness needs --key, --name and --state"));
    };
    let signer = key::open(&key::uri(key)?, &args.lock)?
        .note_signer(name, Algorithm::CosignatureV1)
        .map_err(|e| Error::new("E-KEY", format!("failed to {e}")))?;
    let store = WitnessStore::open(state, logs(&args.logs)?).map_err(|e| log_error(&e))?;
    let vkey = signer.verifier_key().to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new("E-RUNTIME", e))?;
    crate::messages::listen(&context.talk);
    runtime.block_on(async {
        let stop = stopped()?;
        let server = WitnessServer::start(args.listen, store, Box::new(signer))
            .await
            .map_err(|e| Error::new("E-SERVER", format!("failed to {e}")))?;
        let address = server.address();
        let json = json!({"address": format!("http://{address}"), "vkey": vkey,
            "pid": std::process::id()});
        let text = format!("listening on http://{address} as {vkey}\n");
        let started = Answer::new("witness", json, text);
        context.talk.print(&started).map_err(|e| Error::new("E-IO", e))?;
        stop.await;
        server.stop().await;
        Ok::<(), Error>(())
    })?;
    Ok(Answer::new("witness", json!({"stopped": true}), "stopped\n"))
}

/// The logs of flags and policy, by origin.
fn logs(args: &LogsArgs) -> Result<Vec<(String, Vec<VerifierKey>)>> {
    let mut keys = Vec::new();
    for vkey in &args.logs {
        keys.push(VerifierKey::parse(vkey).map_err(|e| Error::form("verifier key", e))?);
    }
    if let Some(path) = &args.policy {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let policy =
            Policy::parse(&bytes).map_err(|e| Error::form(&path.display().to_string(), e))?;
        keys.extend(policy.logs().iter().map(|log| log.key));
    }
    Ok(keys.into_iter().map(|key| (key.name.to_string(), vec![key])).collect())
}
