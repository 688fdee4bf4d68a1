//! `chain history`, `chain verify`: what was logged of a device, and whether its image is that.
//!
//! ```text
//! ✓ chain    3 records lead, hash by hash, to the contract's newest
//! ✓ events   one event for each record, and no other
//! ✓ image    is what record 2 (version 1.2.4) installed, the newest that did not fail
//! ```

use std::path::PathBuf;

use clap::Args;
use firmlog_anchor::contract::Address;
use firmlog_anchor::direct::cid;
use firmlog_anchor::direct::history::{History, Line};
use serde_json::{Value, json};

use super::super::anchor::ConfigArgs;
use super::follow;
use crate::Context;
use crate::answer::{Answer, counted, hex};
use crate::command::trust::sha256_of;
use crate::error::{Exit, Result};

/// What no history shows.
const NOT_SHOWN: [&str; 3] = [
    "what the device runs: the chain says who logged what, and a file on this computer is the \
     device's image only if it was read from the device",
    "that the devices' clocks were right",
    "finality and state beyond what the providers say: whoever controls a quorum of them can lie",
];

/// Arguments of `chain history`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog chain history pump-42 --config chain.toml")]
pub(crate) struct HistoryArgs {
    /// The device's id on the chain
    device: String,
    #[command(flatten)]
    config: ConfigArgs,
    /// Read all events again from the contract's first block
    #[arg(long)]
    reread: bool,
}

/// Arguments of `chain verify`.
#[derive(Args)]
#[command(after_help = "\
Read the image out of the device: that a file here is what runs there is not shown otherwise.

Example:
  firmlog chain verify pump-42 --config chain.toml --image read-from-pump-42.bin")]
pub(crate) struct VerifyArgs {
    /// The device's id on the chain
    device: String,
    #[command(flatten)]
    config: ConfigArgs,
    /// The image that was read from the device
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// Read all events again from the contract's first block
    #[arg(long)]
    reread: bool,
}

/// One thing that was checked; `holds` is nothing where it is not settled yet.
struct Checked {
    name: &'static str,
    holds: Option<bool>,
    words: String,
}

/// Runs `chain history`.
pub(super) fn history(args: &HistoryArgs, context: &Context) -> Result<Answer> {
    let history = follow(&args.config, &args.device, args.reread, context)?;
    let checked = checks(&history);
    let (verdict, exit) = verdict(&history, &checked);
    let mut text: String = history.records.iter().map(told).collect();
    text.push_str(&lines(&checked));
    let json = document(&history, &checked, verdict);
    Ok(Answer::new("chain-history", json, text).exit(exit))
}

/// Runs `chain verify`.
pub(super) fn verify(args: &VerifyArgs, context: &Context) -> Result<Answer> {
    let image = sha256_of(&args.image)?.0;
    let history = follow(&args.config, &args.device, args.reread, context)?;
    let mut checked = checks(&history);
    if history.count > 0 {
        checked.push(compare(&history, &image));
    }
    let (verdict, exit) = verdict(&history, &checked);
    let mut json = document(&history, &checked, verdict);
    json["image_hash"] = format!("0x{}", hex(&image)).into();
    let text = format!(
        "{}image {}\n{}\nnot shown: {}\n",
        lines(&checked),
        hex(&image),
        verdict.to_uppercase(),
        NOT_SHOWN.join("; ")
    );
    Ok(Answer::new("chain-verify", json, text).exit(exit))
}

fn checks(history: &History) -> Vec<Checked> {
    if history.count == 0 && history.findings.is_empty() {
        return Vec::new();
    }
    let records = counted(history.count, "record", "records");
    let check = |name, holds, good: String, bad: &str| {
        let words = if holds == Some(true) { good } else { bad.to_owned() };
        Checked { name, holds, words }
    };
    let pending = history.records.iter().filter(is_pending).count() as u64;
    let later =
        format!("{} not in a final block yet", counted(pending, "record is", "records are"));
    // Events that are held back say something of a provider, nothing against a record.
    let events = if history.has_all_events() { Some(true) } else { None };
    vec![
        check(
            "chain",
            Some(history.is_chain()),
            format!("{records} lead, hash by hash, to the contract's newest; computed here"),
            "the records are not one chain of hashes",
        ),
        check(
            "events",
            events,
            "one event for each record, and no other".into(),
            "events and records are not one to one: --reread, or ask other providers",
        ),
        check(
            "content",
            Some(history.agrees()),
            "events and records say the same".into(),
            "an event and its record say different things",
        ),
        check(
            "final",
            (pending == 0).then_some(true),
            format!("all are final at block #{}", history.finalized),
            &later,
        ),
    ]
}

/// Its event is there, in a block that is not final.
fn is_pending(line: &&Line) -> bool {
    line.block_number.is_some() && !line.is_final
}

/// The image against what the newest record that did not fail says, computed here and as told.
fn compare(history: &History, image: &[u8; 32]) -> Checked {
    let name = "image";
    let is_it = |line: &&Line| line.record.firmware_hash.0 == *image;
    let installed = history.installed();
    let told = (!history.latest_firmware.is_zero()).then_some(history.latest_firmware);
    if installed.map(|line| line.record.firmware_hash) != told {
        let words = "the contract's latest firmware is not that of its own records".into();
        return Checked { name, holds: Some(false), words };
    }
    let of = |line: &Line| {
        let record = &line.record;
        format!("record {} (version {}, {})", record.nonce, record.version, record.outcome.word())
    };
    let newest = installed.map_or("no record that did not fail".to_owned(), of);
    let (holds, words) = if let Some(line) = installed.filter(is_it) {
        (true, format!("is what {} names, the newest that did not fail", of(line)))
    } else if let Some(line) = history.records.iter().rev().find(is_it) {
        (false, format!("is of {}; expected that of {newest}", of(line)))
    } else {
        (false, format!("is in no record of this device; expected that of {newest}"))
    };
    Checked { name, holds: Some(holds), words }
}

fn verdict(history: &History, checked: &[Checked]) -> (&'static str, Exit) {
    let any = |what: Option<bool>| checked.iter().any(|check| check.holds == what);
    if any(Some(false)) {
        ("altered", Exit::Against)
    } else if history.count == 0 {
        ("not found", Exit::Incomplete)
    } else if any(None) {
        ("verified so far", Exit::Incomplete)
    } else {
        ("verified", Exit::Proven)
    }
}

fn lines(checked: &[Checked]) -> String {
    if checked.is_empty() {
        return "nothing was logged under this device id\n".into();
    }
    let line = |check: &Checked| {
        let mark = match check.holds {
            Some(true) => '✓',
            Some(false) => '✗',
            None => '◷',
        };
        format!("{mark} {:<8} {}\n", check.name, check.words)
    };
    checked.iter().map(line).collect()
}

fn told(line: &Line) -> String {
    let record = &line.record;
    let block = line.block_number.map_or("no event".into(), |number| format!("block #{number}"));
    format!(
        "{:>4}  {:<16}  {:<8}  {}  {block}{}  by {}\n",
        record.nonce,
        record.version,
        record.outcome.word(),
        hex(record.firmware_hash.as_slice()),
        if line.is_final { "" } else { " (not final)" },
        record.authorised_by
    )
}

fn document(history: &History, checked: &[Checked], verdict: &str) -> Value {
    let records: Vec<Value> = history.records.iter().map(record_json).collect();
    let checks: Vec<Value> = checked
        .iter()
        .map(|check| json!({"name": check.name, "holds": check.holds, "says": check.words}))
        .collect();
    json!({
        "verdict": verdict,
        "device": history.device,
        "count": history.count,
        "newest_hash": history.newest_hash,
        "latest_firmware_hash": history.latest_firmware,
        "records": records,
        "checks": checks,
        "findings": history.findings,
        "block_number": history.block_number,
        "block_hash": history.block_hash,
        "finalized": history.finalized,
        "rolled_back": history.rolled_back,
        "not_shown": NOT_SHOWN,
    })
}

fn record_json(line: &Line) -> Value {
    let record = &line.record;
    let by: Address = record.authorised_by;
    json!({
        "nonce": record.nonce,
        "firmware_hash": record.firmware_hash,
        "version": record.version,
        "status": record.outcome.word(),
        "timestamp": record.timestamp,
        "logged_at": record.logged_at,
        "authorised_by": by,
        "content_cid": cid::encode(&record.content_cid),
        "update_hash": line.update_hash,
        "previous_update_hash": record.previous,
        "tx": line.tx,
        "block_number": line.block_number,
        "final": line.is_final,
    })
}
