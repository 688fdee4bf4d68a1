//! `anchor status`, `anchor history`: what the journal and the contract say.

use clap::Args;
use firmlog_anchor::config::Config;
use firmlog_anchor::contract::{Deployment, Head, read_head};
use firmlog_anchor::history::{History, finalized};
use firmlog_anchor::journal::{State, read};
use serde_json::{Value, json};

use super::{ConfigArgs, anchor_error, providers, wait_for};
use crate::answer::{Answer, counted, table};
use crate::error::{Error, Exit, Result};

/// Arguments of `anchor status`.
#[derive(Args)]
#[command(after_help = "Example:\n  firmlog anchor status --config anchor.toml")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Arguments of `anchor history`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog anchor history --config anchor.toml --origin log.example.org/pumps")]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The log's origin; left out, the journal's
    #[arg(long)]
    origin: Option<String>,
}

/// Runs `anchor status`.
pub(super) fn status(args: &StatusArgs) -> Result<Answer> {
    let config = args.config.read()?;
    let state = read(&config.relay.dir).map_err(|e| anchor_error(&e))?;
    let Some(state) = state else {
        let json = json!({"stage": "idle", "journal": null});
        return Ok(Answer::new("anchor-status", json, "nothing was anchored from here yet\n"));
    };
    let all = providers(&config)?;
    let owner = &state.owner;
    let deployment = Deployment { chain_id: owner.chain_id, contract: owner.contract };
    let head = wait_for(read_head(&all, deployment, &owner.origin, "latest".into()))?;
    let (contract, words) = match &head {
        Ok(head) => (head_json(head), format!("{} entries, anchor {}", head.size, head.seq)),
        Err(error) => (json!({"unknown": error.to_string()}), format!("unknown: {error}")),
    };
    let mut json = json!({"stage": state.stage(), "contract": contract});
    json["journal"] = journal_json(&state);
    let mut rows = vec![("stage", state.stage().to_owned()), ("log", owner.origin.clone())];
    if let Some(target) = &state.target {
        rows.push(("wanted", format!("{} entries", target.size)));
    }
    if let Some(newest) = state.flight.as_ref().and_then(|flight| flight.attempts.last()) {
        rows.push(("in flight", format!("{} entries in {}", newest.target.size, newest.tx)));
    }
    if let Some(done) = &state.done {
        let place = format!("{} entries in block #{}", done.target.size, done.seen.block_number);
        rows.push(("final", place));
    }
    rows.push(("contract", words));
    let findings = findings(&config);
    rows.push(("findings", findings.to_string()));
    json["findings"] = findings.into();
    Ok(Answer::new("anchor-status", json, table(rows)))
}

fn journal_json(state: &State) -> Value {
    let newest = state.flight.as_ref().and_then(|flight| flight.attempts.last());
    json!({
        "origin": state.owner.origin,
        "account": state.owner.account,
        "wanted": state.target.as_ref().map(|target| target.size.to_string()),
        "in_flight": newest.map(|attempt| json!({
            "size": attempt.target.size.to_string(),
            "tx": attempt.tx,
            "nonce": state.flight.as_ref().map(|flight| flight.nonce),
            "attempts": state.flight.as_ref().map(|flight| flight.attempts.len()),
            "sent": attempt.sent,
        })),
        "final": state.done.as_ref().map(|done| json!({
            "size": done.target.size.to_string(),
            "tx": done.seen.tx,
            "block_number": done.seen.block_number,
            "block_hash": done.seen.block_hash,
            "evidence": done.evidence,
        })),
    })
}

pub(super) fn head_json(head: &Head) -> Value {
    json!({"size": head.size.to_string(), "root": head.root, "seq": head.seq,
        "authority": head.authority, "accumulator": head.accumulator})
}

fn findings(config: &Config) -> usize {
    std::fs::read_dir(config.relay.dir.join("findings")).map_or(0, Iterator::count)
}

/// Runs `anchor history`.
pub(super) fn history(args: &HistoryArgs) -> Result<Answer> {
    let config = args.config.read()?;
    let origin = match &args.origin {
        Some(origin) => origin.clone(),
        None => {
            let state = read(&config.relay.dir).map_err(|e| anchor_error(&e))?;
            state.map(|state| state.owner.origin).ok_or_else(|| {
                Error::new("E-ORIGIN", "there is no journal to take the log's origin from")
                    .help("give it as --origin")
            })?
        }
    };
    let (history, head) = follow(&config, &origin)?;
    let complete = history.check_complete(&head);
    let mut text = String::new();
    for placed in &history.events {
        let event = placed.event;
        text.push_str(&format!(
            "{:>6}  {:>12} entries  block #{}  {}  {}\n",
            event.seq, event.size, placed.block_number, event.time, placed.tx
        ));
    }
    let anchors = counted(history.events.len() as u64, "anchor", "anchors");
    let (mark, words, exit) = match &complete {
        Ok(()) => ("✓", "they are all that led to the contract's head".to_owned(), Exit::Proven),
        Err(why) => ("✗", format!("they are not all: {why}"), Exit::Incomplete),
    };
    text.push_str(&format!("{mark} {anchors} up to block #{}; {words}\n", history.next_block - 1));
    let json = json!({"origin": origin, "complete": complete.is_ok(), "head": head_json(&head),
        "next_block": history.next_block, "anchors": history.events});
    Ok(Answer::new("anchor-history", json, text).exit(exit))
}

/// Reads the history on, and the head at the block where it ends.
pub(super) fn follow(config: &Config, origin: &str) -> Result<(History, Head)> {
    let deployment = config.deployment().map_err(|e| anchor_error(&e))?;
    let (all, dir) = (providers(config)?, &config.relay.dir);
    let from = config.chain.from_block;
    let mut history = History::open(dir, deployment, origin, from).map_err(|e| anchor_error(&e))?;
    let work = async {
        // The head first: what is read after it covers it.
        let at = finalized(&all).await?;
        let head = read_head(&all, deployment, origin, format!("0x{at:x}")).await?;
        history.follow_to(&all, dir, at).await?;
        Ok(head)
    };
    let head = wait_for(work)?.map_err(|e| anchor_error(&e))?;
    Ok((history, head))
}
