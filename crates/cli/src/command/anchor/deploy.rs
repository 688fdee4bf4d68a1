//! `anchor deploy`, `anchor register`: once for a chain, once for a log.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use firmlog_anchor::config::Config;
use firmlog_anchor::contract::log_id;
use firmlog_anchor::deploy::{Plan, deploy as put, register as enter};
use firmlog_anchor::{Sending, Wallet};
use serde_json::json;

use super::{ConfigArgs, anchor_error, authority, providers, relay, wait_for, wallet};
use crate::Context;
use crate::answer::{Answer, table, unhex};
use crate::error::{Error, Result};

/// Arguments of `anchor deploy`.
#[derive(Args)]
#[command(after_help = "\
The deployer's key is powerless afterwards: the council, through the timelock, gives and takes roles.
Interrupted, it goes on where it was: run it again. Done, it tells the addresses again.

Example:
  firmlog anchor deploy --config anchor.toml --member 0x90F79bf6EB2c4f870365E785982E1f101E93b906 \\
    --member 0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65 --threshold 2 \\
    --registrar 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \\
    --revoker 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC \\
    --guardian 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    sender: SenderArgs,
    /// Member of the council: an account, or verifier and key as ERC-7913 has them; again for more
    #[arg(long = "member", value_name = "HEX", required_unless_present = "p256_members")]
    members: Vec<String>,
    /// Member of the council: a P-256 key, x and y; again for more
    #[arg(long = "member-p256", value_name = "HEX")]
    p256_members: Vec<String>,
    /// How many members must sign
    #[arg(long, value_name = "K")]
    threshold: u64,
    /// Seconds between a decision of the council and its effect
    #[arg(long, value_name = "S", default_value_t = 172_800)]
    timelock_delay: u64,
    /// Seconds between the announcement of another authority and its effect
    #[arg(long, value_name = "S", default_value_t = 172_800)]
    rotation_delay: u64,
    /// Account that registers logs, announces authorities, enrols writers of the direct log
    #[arg(long, value_name = "ADDRESS")]
    registrar: String,
    /// Account that takes authorities and writers away
    #[arg(long, value_name = "ADDRESS")]
    revoker: String,
    /// Account that pauses the direct log
    #[arg(long, value_name = "ADDRESS")]
    guardian: String,
}

/// Arguments of `anchor register`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog anchor register --config anchor.toml --origin log.example.org/pumps \\
    --key registrar.json --passphrase-file registrar.pass")]
pub(crate) struct RegisterArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    sender: SenderArgs,
    /// The log's origin: the first line of its checkpoints
    #[arg(long)]
    origin: String,
}

/// Who sends.
#[derive(Args)]
pub(crate) struct SenderArgs {
    /// Ethereum keystore of the account that sends; left out, the relay's
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// File with its passphrase
    #[arg(long, value_name = "FILE", requires = "key")]
    passphrase_file: Option<PathBuf>,
}

impl SenderArgs {
    fn open(&self, config: &Config) -> Result<Wallet> {
        match &self.key {
            Some(path) => wallet(path, self.passphrase_file.as_deref()),
            None => relay(config),
        }
    }
}

/// Runs `anchor deploy`.
pub(super) fn deploy(args: &DeployArgs, context: &Context) -> Result<Answer> {
    let config = args.config.read()?;
    let plan = plan(args)?;
    let sender = args.sender.open(&config)?;
    let made = sending(&config, &sender, |sending| {
        wait_for(put(sending, &plan, |what| context.talk.progress(what)))
    })??;
    context.talk.progress_end();
    let addresses = [
        ("anchor", made.anchor),
        ("updates", made.updates),
        ("manager", made.manager),
        ("timelock", made.timelock),
        ("council", made.council),
        ("p256_verifier", made.p256),
    ];
    let mut json = json!({"chain_id": config.chain.id, "from_block": made.from_block});
    for (name, address) in addresses {
        json[name] = address.to_string().into();
    }
    let text = format!(
        "{}\nput into {}:\n\n  [chain]\n  contract = \"{}\"\n  from_block = {}\n",
        table(addresses.map(|(name, address)| (name, address.to_string()))),
        args.config.config.display(),
        made.anchor,
        made.from_block
    );
    Ok(Answer::new("anchor-deploy", json, text))
}

/// Runs `anchor register`.
pub(super) fn register(args: &RegisterArgs, context: &Context) -> Result<Answer> {
    let config = args.config.read()?;
    let deployment = config.deployment().map_err(|e| anchor_error(&e))?;
    let authority = authority(&config, || relay(&config))?.name().map_err(|e| anchor_error(&e))?;
    let sender = args.sender.open(&config)?;
    let is_new = sending(&config, &sender, |sending| {
        let work = enter(sending, &deployment, &args.origin, authority, |what| {
            context.talk.progress(what);
        });
        wait_for(work)
    })??;
    context.talk.progress_end();
    let id = log_id(&args.origin).to_string();
    let rows = [
        ("log", args.origin.clone()),
        ("log id", id.clone()),
        ("authority", authority.to_string()),
        ("registered", if is_new { "now" } else { "before" }.to_owned()),
    ];
    let json = json!({"origin": args.origin, "log_id": id, "authority": authority.to_string(),
        "new": is_new});
    Ok(Answer::new("anchor-register", json, table(rows)))
}

/// Runs `work` with what sending takes.
fn sending<T>(
    config: &Config,
    wallet: &Wallet,
    work: impl FnOnce(&Sending<'_>) -> Result<std::result::Result<T, firmlog_anchor::AnchorError>>,
) -> Result<Result<T>> {
    let providers = providers(config)?;
    let limits = config.limits().map_err(|e| anchor_error(&e))?;
    let sending = Sending {
        providers: &providers,
        wallet,
        chain_id: config.chain.id,
        limits: &limits,
        dir: &config.relay.dir,
        poll: Duration::from_millis(config.timing.poll_ms),
    };
    Ok(work(&sending)?.map_err(|e| anchor_error(&e)))
}

fn plan(args: &DeployArgs) -> Result<Plan> {
    let members: Result<Vec<_>> = args.members.iter().map(|text| member(text)).collect();
    let members = members?;
    let keys: Result<Vec<_>> = args.p256_members.iter().map(|text| key(text)).collect();
    let p256_members = keys?;
    let count = members.len() + p256_members.len();
    if args.threshold == 0 || args.threshold > count as u64 {
        return Err(Error::new("E-COUNCIL", "no council can decide like that")
            .expected(format!("a threshold of 1 to {count}"), args.threshold)
            .help("give --member once for each member"));
    }
    Ok(Plan {
        members,
        p256_members,
        threshold: args.threshold,
        timelock_delay_s: args.timelock_delay,
        rotation_delay_s: args.rotation_delay,
        registrar: address(&args.registrar)?,
        revoker: address(&args.revoker)?,
        guardian: address(&args.guardian)?,
    })
}

fn key(text: &str) -> Result<[u8; 64]> {
    let bytes = text.strip_prefix("0x").and_then(unhex).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Error::form(text, "not a P-256 key: expected 0x and 64 bytes, x and y"))
}

pub(super) fn member(text: &str) -> Result<firmlog_anchor::contract::Bytes> {
    let bytes = text.strip_prefix("0x").and_then(unhex).filter(|bytes| bytes.len() >= 20);
    let bytes = bytes.ok_or_else(|| {
        Error::form(text, "neither an account nor an ERC-7913 signer: 0x and 20 bytes or more")
    })?;
    Ok(bytes.into())
}

pub(super) fn address(text: &str) -> Result<firmlog_anchor::contract::Address> {
    text.parse().map_err(|_| Error::form(text, "not an account: expected 0x and 40 hex digits"))
}
