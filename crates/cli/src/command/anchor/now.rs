//! `anchor now`: the newest checkpoint, into a final block.

use std::time::{Duration, Instant};

use clap::Args;
use firmlog_anchor::config::Config;
use firmlog_anchor::journal::Anchored;
use firmlog_anchor::{Authority, Client as Anchors, Covered, Status, Waiting, Wallet};
use firmlog_keys::AwsLc;
use firmlog_tlog::merkle::{BuildError, Hash, TreeSize, consistency_proof};
use firmlog_tlog::tile::NodesError;
use firmlog_verify::checkpoint::verify_checkpoint;
use serde_json::json;

use super::{ConfigArgs, anchor_error, authority, providers, relay, wait_for};
use crate::Context;
use crate::answer::{Answer, table};
use crate::error::{Error, Exit, Result};
use crate::http::Client;
use crate::scan::{head_error, newest_checkpoint};
use crate::submit::{LogArgs, trust_root};

/// What an anchor does not say, whoever asks.
pub(super) const NOT_SHOWN: [&str; 3] = [
    "that what the log's entries say is true",
    "that everybody is shown this tree (witnesses speak to that)",
    "finality beyond what the providers say: whoever controls a quorum of them can lie",
];

/// Arguments of `anchor now`.
#[derive(Args)]
#[command(after_help = "\
Interrupted, it goes on where it was: run it again.

Example:
  firmlog anchor now --config anchor.toml --log https://log.example --trust log.trust")]
pub(crate) struct NowArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    log: LogArgs,
    /// Seconds until it stops waiting (exit 3); the next run goes on
    #[arg(long, value_name = "S", default_value_t = 3600)]
    wait: u64,
}

/// Runs the command.
pub(super) fn run(args: &NowArgs, context: &Context) -> Result<Answer> {
    let config = args.config.read()?;
    let relay = relay(&config)?;
    let by = authority(&config, || Ok(relay.clone()))?;
    let http = Client::new(&args.log.log, context)?;
    let note = newest_checkpoint(&http)?;
    drive(&config, &args.log, &note, (relay, by), args.wait, context)
}

/// Anchors one checkpoint of the log.
pub(super) fn drive(
    config: &Config,
    log: &LogArgs,
    note: &str,
    (relay, by): (Wallet, Authority),
    wait: u64,
    context: &Context,
) -> Result<Answer> {
    let root = trust_root(&log.trust)?;
    let http = Client::new(&log.log, context)?;
    let head = verify_checkpoint(note.as_bytes(), &root, &AwsLc).map_err(head_error)?.head;
    let settings = config.settings(root.origin())?;
    let mut anchors = Anchors::open(settings, providers(config)?, relay, by)?;
    anchors.want(note)?;
    let until = Instant::now() + Duration::from_secs(wait);
    let poll = Duration::from_millis(config.timing.poll_ms);
    let mut told = String::new();
    loop {
        let mut status = wait_for(anchors.step())?.map_err(|e| anchor_error(&e))?;
        if let Status::NeedsProof { old, new } = status {
            match proof(&http, old, new) {
                Ok(hashes) => {
                    anchors.prove(old, new, hashes);
                    continue;
                }
                // The log cannot prove what it does not have.
                Err(error) if error.exit != Exit::Network && new > head.size => {
                    status = anchors.contract_ahead(new).map_err(|e| anchor_error(&e))?;
                }
                Err(error) => return Err(error),
            }
        }
        match &status {
            Status::Final(anchored) if anchored.target.size >= head.size.0 => {
                context.talk.progress_end();
                return Ok(final_answer(anchored));
            }
            Status::Covered(covered) => {
                context.talk.progress_end();
                return Ok(covered_answer(head.size, covered));
            }
            Status::Refused(finding) => {
                context.talk.progress_end();
                let dir = config.relay.dir.join("findings");
                return Err(Error::new("E-CONTRADICTION", &finding.summary)
                    .exit(Exit::Against)
                    .help(format!("both sides are kept in {}", dir.display())));
            }
            Status::Waiting(waiting) => blocked(waiting)?,
            _ => {}
        }
        let line = status.to_string();
        context.talk.progress(&line);
        if line != told {
            context.talk.detail(&line);
            told = line;
        }
        if Instant::now() >= until {
            context.talk.progress_end();
            return Ok(unfinished(&anchors, &status));
        }
        std::thread::sleep(anchors.pause(poll));
    }
}

/// The consistency proof between two of the log's trees, from its tiles.
pub(super) fn proof(http: &Client, old: TreeSize, new: TreeSize) -> Result<Vec<Hash>> {
    consistency_proof(http.nodes(new), old, new).map_err(|error| match error {
        BuildError::Source(NodesError::Fetch(error)) => error,
        other => Error::form("consistency proof from tiles", other),
    })
}

/// What no waiting removes.
fn blocked(waiting: &Waiting) -> Result<()> {
    let help = match waiting {
        Waiting::NotRegistered => "the registrar runs: firmlog anchor register",
        Waiting::Signatures { .. } => {
            "collect them: firmlog anchor request, sign, submit; or name more keys in \
             [[authority.signers]]"
        }
        Waiting::Authority { .. } => {
            "set [authority] to the key the log is registered under, or have it rotated"
        }
        Waiting::Contract(_) => "check chain.contract, and the log's state: firmlog anchor status",
        Waiting::Funds(_) => "send the account some of the chain's coin",
        _ => return Ok(()),
    };
    Err(Error::new("E-ANCHOR-BLOCKED", waiting).help(help))
}

fn final_answer(anchored: &Anchored) -> Answer {
    let (target, seen) = (&anchored.target, &anchored.seen);
    let fee_wei = u128::from(seen.gas_used) * u128::from(seen.gas_price_wei);
    let time = seen.event.map_or(0, |event| event.time);
    let rows = [
        ("✓ final", format!("{} entries, root {}", target.size, target.root)),
        ("block", format!("#{} {}", seen.block_number, seen.block_hash)),
        ("block time", format!("{time} (seconds since 1970)")),
        ("transaction", seen.tx.to_string()),
        ("gas", format!("{}, {fee_wei} wei in all", seen.gas_used)),
        ("evidence", if anchored.evidence { "kept" } else { "not complete yet" }.to_owned()),
    ];
    let json = json!({
        "state": "final",
        "size": target.size.to_string(),
        "root": target.root,
        "checkpoint_hash": target.checkpoint_hash,
        "tx": seen.tx,
        "block_number": seen.block_number,
        "block_hash": seen.block_hash,
        "block_time": time,
        "seq": seen.event.map(|event| event.seq),
        "gas_used": seen.gas_used,
        "fee_wei": fee_wei.to_string(),
        "evidence": anchored.evidence,
        "not_shown": NOT_SHOWN,
    });
    let text = format!("{}not shown: {}\n", table(rows), NOT_SHOWN.join("; "));
    Answer::new("anchor-now", json, text)
}

fn covered_answer(size: TreeSize, covered: &Covered) -> Answer {
    let json = json!({
        "state": "covered",
        "size": size.0.to_string(),
        "anchored_size": covered.size.to_string(),
        "root": covered.root,
        "seq": covered.seq,
        "not_shown": NOT_SHOWN,
    });
    let text = format!(
        "✓ covered  the contract's final head of {} entries extends this checkpoint of {size}\n\
         not shown: {}\n",
        covered.size,
        NOT_SHOWN.join("; ")
    );
    Answer::new("anchor-now", json, text)
}

/// Time is up; nothing is lost.
fn unfinished(anchors: &Anchors, status: &Status) -> Answer {
    let why = match status {
        Status::Waiting(waiting) => waiting.word(),
        other => other.word(),
    };
    let json = json!({"state": why, "stage": anchors.state().stage(), "says": status.to_string()});
    let text = format!("◷ {status}\nrun the command again to go on\n");
    let exit = if why == "providers-silent" { Exit::Network } else { Exit::Incomplete };
    Answer::new("anchor-now", json, text).exit(exit)
}
