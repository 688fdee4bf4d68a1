//! `anchor verify`: everything that was anchored, against what the log shows now.
//!
//! ```text
//! ✓ history      12 anchors are all that led to the contract's head
//! ✓ anchored     12 anchored trees are prefixes of the log's newest tree
//! ✓ head         the contract's head of 48930 entries is covered by the checkpoint of 48990
//! ```
//!
//! Over the network, by a quorum of providers. Out of scope: checking an anchor offline.

use clap::Args;
use firmlog_anchor::contract::tree_head;
use firmlog_anchor::finding::{Finding, Kind};
use firmlog_anchor::history::History;
use firmlog_keys::AwsLc;
use firmlog_tlog::merkle::{TreeHead, verify_consistency};
use firmlog_verify::checkpoint::verify_checkpoint;
use serde_json::{Value, json};

use super::now::{NOT_SHOWN, proof};
use super::show::{follow, head_json};
use super::{ConfigArgs, anchor_error};
use crate::Context;
use crate::answer::Answer;
use crate::error::{Exit, Result};
use crate::http::Client;
use crate::scan::{head_error, newest_checkpoint};
use crate::submit::{LogArgs, trust_root};

/// Arguments of `anchor verify`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog anchor verify --config anchor.toml --log https://log.example --trust log.trust")]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    log: LogArgs,
}

struct Line {
    name: &'static str,
    holds: Option<bool>,
    words: String,
}

fn line(name: &'static str, holds: Option<bool>, words: String) -> Line {
    Line { name, holds, words }
}

/// Runs the command.
pub(super) fn run(args: &VerifyArgs, context: &Context) -> Result<Answer> {
    let config = args.config.read()?;
    let root = trust_root(&args.log.trust)?;
    let http = Client::new(&args.log.log, context)?;
    let (history, head) = follow(&config, root.origin())?;
    // After the contract: a log that grew since then still covers what was anchored.
    let note = newest_checkpoint(&http)?;
    let newest = verify_checkpoint(note.as_bytes(), &root, &AwsLc).map_err(head_error)?.head;
    let mut lines = vec![match history.check_complete(&head) {
        Ok(()) => line(
            "history",
            Some(true),
            format!("{} anchors are all that led to the contract's head", history.events.len()),
        ),
        Err(why) => line("history", None, format!("events are missing: {why}")),
    }];
    let (against, problem) = compare(&http, &history, &newest)?;
    lines.push(match &problem {
        None => line(
            "anchored",
            Some(true),
            format!("{} anchored trees are prefixes of the newest tree", history.events.len()),
        ),
        Some(why) => line("anchored", Some(false), why.clone()),
    });
    let anchored = tree_head(&head);
    let lag = newest.size.0.saturating_sub(anchored.size.0);
    lines.push(line(
        "head",
        (anchored.size.0 > 0).then_some(anchored.size <= newest.size),
        format!(
            "{} of {} entries are anchored by a final block, {lag} are not",
            anchored.size, newest.size
        ),
    ));
    if let Some(theirs) = against {
        let finding = Finding {
            kind: Kind::Contradiction,
            summary: problem.unwrap_or_default(),
            ours: json!({"checkpoint": note}),
            theirs,
        };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let kept = finding.keep(&config.relay.dir, now.unwrap_or_default().as_secs());
        let path = kept.map_err(|e| anchor_error(&e))?;
        context.talk.say(format_args!("both sides are kept in {}", path.display()));
    }
    Ok(answer(&lines, &head_json(&head), &history))
}

/// The first anchored tree that the newest one does not extend, with why.
fn compare(
    http: &Client,
    history: &History,
    newest: &TreeHead,
) -> Result<(Option<Value>, Option<String>)> {
    for placed in &history.events {
        let old = placed.event.head();
        if old.size > newest.size {
            let why = format!(
                "a tree of {} entries is anchored, the log shows {}: it was rewound",
                old.size, newest.size
            );
            return Ok((Some(json!(placed)), Some(why)));
        }
        let hashes = if old.size.0 == 0 || old.size == newest.size {
            Vec::new()
        } else {
            proof(http, old.size, newest.size)?
        };
        if let Err(error) = verify_consistency(&old, newest, &hashes) {
            let why = format!(
                "the anchored tree of {} entries is no prefix of the log: {error}",
                old.size
            );
            return Ok((Some(json!(placed)), Some(why)));
        }
    }
    Ok((None, None))
}

fn answer(lines: &[Line], head: &Value, history: &History) -> Answer {
    let mut text = String::new();
    for line in lines {
        let mark = match line.holds {
            Some(true) => '✓',
            Some(false) => '✗',
            None => '◷',
        };
        text.push_str(&format!("{mark} {:<12} {}\n", line.name, line.words));
    }
    let against = lines.iter().any(|line| line.holds == Some(false));
    let open = lines.iter().any(|line| line.holds.is_none());
    let (verdict, exit) = match (against, open) {
        (true, _) => ("altered", Exit::Against),
        (false, true) => ("verified so far", Exit::Incomplete),
        (false, false) => ("verified", Exit::Proven),
    };
    let mut not_shown = NOT_SHOWN.to_vec();
    not_shown.push("entries after the newest anchor");
    text.push_str(&format!("{}\nnot shown: {}\n", verdict.to_uppercase(), not_shown.join("; ")));
    let list: Vec<Value> = lines
        .iter()
        .map(|l| json!({"name": l.name, "holds": l.holds, "detail": l.words}))
        .collect();
    let json = json!({"verdict": verdict, "findings": list, "head": head,
        "anchors": history.events.len(), "not_shown": not_shown});
    Answer::new("anchor-verify", json, text).exit(exit)
}
