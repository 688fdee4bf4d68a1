//! `chain log`: one update, into a final block.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use firmlog_anchor::direct::client::{Known, Refused, Wanted};
use firmlog_anchor::direct::contract::{Outcome, Update};
use firmlog_anchor::direct::record::Logged;
use firmlog_anchor::direct::{Client, Progress, cid};
use firmlog_anchor::journal::Done;
use firmlog_anchor::{AnchorError, Waiting};
use serde_json::{Value, json};

use super::super::anchor::{ConfigArgs, anchor_error, authority, providers, relay, wait_for};
use crate::Context;
use crate::answer::{Answer, table};
use crate::command::trust::sha256_of;
use crate::error::{Error, Exit, Result};
use crate::submit::digest;

/// Said before anything is sent.
const PUBLIC: &str = "the device id, version and time are on the chain in clear, for everybody and \
                      for ever; a serial or UDI must not be the id on a public chain: use a salted \
                      pseudonym";

/// What a record does not say.
const NOT_SHOWN: [&str; 3] = [
    "that the device runs this firmware: the chain says who logged it, not what a device does",
    "that the device's clock was right",
    "finality beyond what the providers say: whoever controls a quorum of them can lie",
];

/// Arguments of `chain log`.
#[derive(Args)]
#[command(after_help = "\
The device id, version and time are public on the chain for ever; on a public chain the id must be a
salted pseudonym. Interrupted, it goes on where it was: run it again. What the device's newest record
says already is not logged again without --again.

Example:
  firmlog chain log pump-42 --config chain.toml --image pump-1.2.3.bin --version 1.2.3")]
pub(crate) struct LogArgs {
    /// The device's id on the chain, 1 to 64 bytes
    #[arg(required_unless_present = "resume")]
    device: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// The firmware image, hashed here
    #[arg(long, value_name = "FILE", required_unless_present_any = ["resume", "hash"])]
    image: Option<PathBuf>,
    /// Its SHA-256, where the image is not at hand
    #[arg(long, value_name = "HEX", conflicts_with = "image")]
    hash: Option<String>,
    /// Version, 1 to 16 of 0-9 A-Z a-z . + - _ ~
    #[arg(long, required_unless_present = "resume")]
    version: Option<String>,
    /// Where the image or its manifest can be fetched: a CIDv1 over SHA-256, raw or dag-pb
    #[arg(long)]
    cid: Option<String>,
    /// What became of it; a rollback takes a power of its own
    #[arg(long, value_enum, default_value_t = Status::Success)]
    status: Status,
    /// The device's time, in seconds since 1970; left out, now
    #[arg(long, value_name = "S")]
    time: Option<u64>,
    /// Log it also if the device's newest record says the same
    #[arg(long)]
    again: bool,
    /// Finish what is under way and log nothing new
    #[arg(long, conflicts_with_all = ["device", "image", "hash", "version", "cid", "time", "again"])]
    resume: bool,
    /// Seconds until it stops waiting (exit 3); the next run goes on
    #[arg(long, value_name = "S", default_value_t = 3600)]
    wait: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Status {
    Success,
    Failure,
    Rollback,
}

/// Runs the command.
pub(super) fn run(args: &LogArgs, context: &Context) -> Result<Answer> {
    let config = args.config.read()?;
    let settings = config.direct_settings().map_err(|e| anchor_error(&e))?;
    let update = if args.resume { None } else { Some(update(args)?) };
    let relay = relay(&config)?;
    let by = authority(&config, || Ok(relay.clone()))?;
    let account_dir = Some(config.relay.dir.clone());
    let mut client = Client::open(settings, account_dir, providers(&config)?, relay, by)
        .map_err(|e| anchor_error(&e))?;
    context.talk.say(format_args!("warning: {PUBLIC}"));
    match update {
        Some(update) => client.want(update, args.again).map_err(|e| not_wanted(&e))?,
        None if client.under_way().is_none() => {
            let json = json!({"state": "idle"});
            return Ok(Answer::new("chain-log", json, "nothing is under way\n"));
        }
        None => {}
    }
    let until = Instant::now() + Duration::from_secs(args.wait);
    let poll = Duration::from_millis(config.timing.poll_ms);
    let device = client.under_way().map(|wanted| wanted.update.device.clone()).unwrap_or_default();
    let mut told = String::new();
    loop {
        let progress = wait_for(client.step())?.map_err(|e| anchor_error(&e))?;
        let line = progress.to_string();
        match progress {
            Progress::Final(done) => return finish(context, final_answer(&done)),
            Progress::Known(known) => return finish(context, known_answer(&device, &known)),
            Progress::Refused(refused) => return finish(context, Err(not_taken(&refused))),
            Progress::Waiting(ref waiting) => blocked(waiting)?,
            _ => {}
        }
        context.talk.progress(&line);
        if line != told {
            context.talk.detail(&line);
            told.clone_from(&line);
        }
        if Instant::now() >= until {
            return finish(context, Ok(unfinished(&client, &progress)));
        }
        std::thread::sleep(client.pause(poll));
    }
}

fn finish(context: &Context, answer: Result<Answer>) -> Result<Answer> {
    context.talk.progress_end();
    answer
}

fn update(args: &LogArgs) -> Result<Update> {
    let hash = match (&args.image, &args.hash) {
        (Some(path), _) => sha256_of(path)?,
        (None, Some(text)) => digest(text.strip_prefix("0x").unwrap_or(text))?,
        (None, None) => return Err(Error::form("--image", "missing")),
    };
    let content_cid = match &args.cid {
        Some(text) => cid::parse(text).map_err(|why| {
            Error::form("--cid", why).help("`ipfs add --cid-version 1` prints such an id")
        })?,
        None => Default::default(),
    };
    Ok(Update {
        device: args.device.clone().unwrap_or_default(),
        firmware_hash: hash.0.into(),
        version: args.version.clone().unwrap_or_default(),
        timestamp: args.time,
        content_cid,
        outcome: match args.status {
            Status::Success => Outcome::Success,
            Status::Failure => Outcome::Failure,
            Status::Rollback => Outcome::Rollback,
        },
    })
}

fn not_wanted(error: &AnchorError) -> Error {
    let help = match error {
        AnchorError::Busy { .. } => "finish it first: firmlog chain log --resume",
        AnchorError::Update(_) => "nothing was sent",
        _ => return anchor_error(error),
    };
    let code = if matches!(error, AnchorError::Busy { .. }) { "E-BUSY" } else { "E-UPDATE" };
    Error::new(code, format!("failed to {error}")).help(help)
}

/// The contract's word, and what it cost.
fn not_taken(refused: &Refused) -> Error {
    let refusal = &refused.refusal;
    let cost = refused.tx.map_or("nothing was sent".to_owned(), |tx| {
        format!("transaction {tx} was reverted and paid for; both sides are among the findings")
    });
    let error = Error::new("E-REFUSED", format!("the contract refused: {}; {cost}", refusal.why));
    let exit = if refused.tx.is_some() { Exit::Against } else { Exit::CannotRun };
    error.exit(exit).help(&refusal.next)
}

/// What no waiting removes.
fn blocked(waiting: &Waiting) -> Result<()> {
    let help = match waiting {
        Waiting::Contract(_) => "check direct.contract and fees.gas_max",
        Waiting::Funds(_) => "send the account some of the chain's coin",
        _ => return Ok(()),
    };
    Err(Error::new("E-CHAIN-BLOCKED", waiting).help(help))
}

fn final_answer(done: &Done<Wanted, Logged>) -> Result<Answer> {
    let (update, seen) = (&done.target.update, &done.seen);
    let Some(event) = seen.event else {
        return Err(Error::new("E-ANCHOR", "the journal's final record has no event"));
    };
    let fee_wei = u128::from(seen.gas_used) * u128::from(seen.gas_price_wei);
    let rows = [
        ("✓ final", format!("record {} of {}", event.nonce, update.device)),
        ("firmware", format!("{} version {}", update.firmware_hash, update.version)),
        ("status", update.outcome.word().to_owned()),
        ("record hash", event.update_hash.to_string()),
        ("transaction", seen.tx.to_string()),
        ("block", format!("#{} {}", seen.block_number, seen.block_hash)),
        ("gas", format!("{}, {fee_wei} wei in all", seen.gas_used)),
    ];
    let mut json = json!({
        "state": "final",
        "device": update.device,
        "nonce": event.nonce,
        "firmware_hash": update.firmware_hash,
        "version": update.version,
        "status": update.outcome.word(),
        "timestamp": update.timestamp,
        "content_cid": cid::encode(&update.content_cid),
        "update_hash": event.update_hash,
        "previous_update_hash": event.previous,
        "tx": seen.tx,
        "block_number": seen.block_number,
        "block_hash": seen.block_hash,
        "gas_used": seen.gas_used,
        "fee_wei": fee_wei.to_string(),
    });
    said(&mut json);
    let text = format!("{}not shown: {}\n", table(rows), NOT_SHOWN.join("; "));
    Ok(Answer::new("chain-log", json, text))
}

fn known_answer(device: &str, known: &Known) -> Result<Answer> {
    let record = &known.record;
    let by = known.tx.map_or_else(|| record.authorised_by.to_string(), |tx| tx.to_string());
    let mut json = json!({
        "state": "known",
        "device": device,
        "nonce": record.nonce,
        "firmware_hash": record.firmware_hash,
        "version": record.version,
        "status": record.outcome.word(),
        "timestamp": record.timestamp,
        "update_hash": known.update_hash,
        "tx": known.tx,
        "authorised_by": record.authorised_by,
    });
    said(&mut json);
    let text = format!(
        "✓ known  record {} of {device} says this already and is final, by {by}\n\
         log it once more with --again\nnot shown: {}\n",
        record.nonce,
        NOT_SHOWN.join("; ")
    );
    Ok(Answer::new("chain-log", json, text))
}

fn said(json: &mut Value) {
    json["warning"] = PUBLIC.into();
    json["not_shown"] = json!(NOT_SHOWN);
}

/// Time is up; nothing is lost.
fn unfinished(client: &Client, progress: &Progress) -> Answer {
    let why = match progress {
        Progress::Waiting(waiting) => waiting.word(),
        _ => client.state().stage(),
    };
    let flight = client.state().flight.as_ref().and_then(|flight| flight.attempts.last());
    let json = json!({"state": why, "stage": client.state().stage(),
        "tx": flight.map(|attempt| attempt.tx), "says": progress.to_string()});
    let text = format!("◷ {progress}\nrun the command again to go on\n");
    let exit = if why == "providers-silent" { Exit::Network } else { Exit::Incomplete };
    Answer::new("chain-log", json, text).exit(exit)
}
