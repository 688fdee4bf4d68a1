//! Gas, from the receipts of transactions that `script/Measure.s.sol` sends to a real node.
//!
//! ```text
//! anchor, at a million entries             57,314   65,000 at most
//! ```
//!
//! The script names the transaction that comes next by its sender's nonce; the figure is that
//! receipt's `gasUsed`, intrinsic gas and calldata included. A view is called by a meter inside a
//! transaction, and its event tells what the call took.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::node::Node;
use super::{Mode, figures, folder, forge, read_json};
use crate::sh;

const START: &str = "<!-- gas: written by `cargo xtask contracts --write`, do not edit -->\n";
const END: &str = "<!-- end of gas -->";

/// A measured thing: the script's label, what it is, the most it may cost.
struct Line {
    label: &'static str,
    what: &'static str,
    limit: Option<u64>,
}

const fn line(label: &'static str, what: &'static str, limit: u64) -> Line {
    Line { label, what, limit: if limit == 0 { None } else { Some(limit) } }
}

const LINES: &[Line] = &[
    line("anchor_head_only", "anchor, head only: sent by the authority, empty proof", 45_000),
    line("anchor_sent_at_1m", "anchor 900,000 → 1,000,000, sent by the authority", 65_000),
    line("anchor_at_1m", "anchor 900,000 → 1,000,000, secp256k1, relayed", 65_000),
    line("anchor_at_1m_worst", "the same from 899,999: the longest proof", 0),
    line("anchor_p256_at_1m", "anchor 900,000 → 1,000,000, P-256, relayed", 0),
    line("anchor_threshold_at_1m", "anchor 900,000 → 1,000,000, 2 of 3 accounts, relayed", 0),
    line("anchor_repeated", "the same head again", 0),
    line("register_log", "register a log, once", 0),
    line("inclusion_view_at_1m", "inclusion view at 1,000,000, execution only", 16_000),
    line("direct_first", "direct log with CID: a device's first update", 160_000),
    line("direct_later", "direct log with CID: later ones", 125_000),
    line("direct_signed_later", "the same, relayed with a P-256 signature", 0),
    line("direct_plain_later", "`logFirmwareUpdate` without CID, later", 0),
    line("seed_event_only", "comparison: the guide's step 1, event only", 0),
    line("seed_record_first", "comparison: the guide's step 4, first update", 0),
    line("seed_record_later", "comparison: the guide's step 4, later", 0),
    line("eas_attest", "comparison: EAS `attest` of the same content", 0),
];

/// Measures, holds the figures against their limits, and compares them with the committed ones.
pub(super) fn run(mode: Mode, json_file: Option<&Path>) -> Result<()> {
    let figures = measure()?;
    let mut over = Vec::new();
    for line in LINES {
        let gas = *figures.get(line.label).with_context(|| format!("no {}", line.label))?;
        let limit = line.limit.map(|limit| format!("{} at most", grouped(limit)));
        println!("{:52} {:>9}   {}", line.what, grouped(gas), limit.unwrap_or_default());
        over.extend(line.limit.filter(|limit| gas > *limit).map(|_| line.what));
    }
    ensure!(over.is_empty(), "more gas than allowed: {}", over.join("; "));
    if let Some(file) = json_file {
        fs::write(file, format!("{:#}\n", report(&figures)))?;
    }
    compare(mode, &figures)
}

/// Gas by the labels of the script, from a node of its own.
pub(super) fn measure() -> Result<BTreeMap<String, u64>> {
    let node = Node::start()?;
    let mut script = forge()?;
    script.args(["script", "script/Measure.s.sol:Measure", "--broadcast", "--slow"]);
    script.args(["--rpc-url", &node.url(), "--non-interactive", "--skip-simulation"]);
    sh::read(&mut script)?;
    let sent = read_json(&folder().join("broadcast/Measure.s.sol/31337/run-latest.json"))?;
    let labels = fs::read_to_string(folder().join("fixtures/gas-labels.txt"))?;
    labels.lines().map(|line| figure(line, &sent)).collect()
}

/// `NONCE LABEL` and the receipt of the transaction with this nonce.
fn figure(line: &str, sent: &Value) -> Result<(String, u64)> {
    let (nonce, label) = line.split_once(' ').context("a label without nonce")?;
    let nonce: u64 = nonce.parse()?;
    let all = sent["transactions"].as_array().context("no transactions")?;
    let transaction = all
        .iter()
        .find(|t| number(&t["transaction"]["nonce"]) == Some(nonce))
        .with_context(|| format!("no transaction {nonce} for {label}"))?;
    let receipts = sent["receipts"].as_array().context("no receipts")?;
    let receipt = receipts
        .iter()
        .find(|r| r["transactionHash"] == transaction["hash"])
        .with_context(|| format!("no receipt for {label}"))?;
    ensure!(number(&receipt["status"]) == Some(1), "{label} was reverted");
    let metered = label.ends_with("_view_at_1m").then(|| number(&receipt["logs"][0]["data"]));
    let gas = metered.unwrap_or_else(|| number(&receipt["gasUsed"]));
    Ok((label.to_string(), gas.with_context(|| format!("no gas for {label}"))?))
}

fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// Every label, and the figure that is made of one.
fn report(figures: &BTreeMap<String, u64>) -> Value {
    let mut report: serde_json::Map<String, Value> =
        figures.iter().map(|(label, gas)| (format!("gas_{label}"), json!(gas))).collect();
    let anchor = figures.get("anchor_at_1m").copied().unwrap_or_default();
    let each = anchor as f64 / f64::from(figures::BATCH);
    report.insert("gas_per_update_at_100k".into(), json!(each));
    Value::Object(report)
}

fn compare(mode: Mode, figures: &BTreeMap<String, u64>) -> Result<()> {
    fill(mode, &folder().join("README.md"), &table(figures))?;
    fill(mode, &sh::root().join("docs/benchmarks.md"), &figures::table(figures)?)
}

/// Writes or compares the part of a page between the marks.
fn fill(mode: Mode, page: &Path, table: &str) -> Result<()> {
    let name = page.display();
    let text = fs::read_to_string(page)?;
    let (head, rest) = text.split_once(START).with_context(|| format!("no gas table in {name}"))?;
    let (_, tail) = rest.split_once(END).with_context(|| format!("no end of gas in {name}"))?;
    let fresh = format!("{head}{START}{table}{END}{tail}");
    if mode == Mode::Write {
        return Ok(fs::write(page, fresh)?);
    }
    if fresh != text {
        bail!("gas changed; `cargo xtask contracts --write` renews the table in {name}");
    }
    Ok(())
}

fn table(figures: &BTreeMap<String, u64>) -> String {
    let mut table = String::from("| What | Gas | At most |\n|---|---:|---:|\n");
    for line in LINES {
        let gas = figures.get(line.label).map_or_else(String::new, |gas| grouped(*gas));
        let limit = line.limit.map_or_else(String::new, grouped);
        table.push_str(&format!("| {} | {gas} | {limit} |\n", line.what));
    }
    table
}

/// `1234567` → `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{figure, grouped, number};
    use serde_json::json;

    #[test]
    fn numbers_are_read_and_grouped() {
        assert_eq!(number(&json!("0x0")), Some(0));
        assert_eq!(number(&json!("0x00ff")), Some(255));
        assert_eq!(number(&json!(7)), None);
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn a_label_finds_its_receipt() {
        let sent = json!({
            "transactions": [{"hash": "0xa", "transaction": {"nonce": "0x2"}}],
            "receipts": [{"transactionHash": "0xa", "status": "0x1", "gasUsed": "0x64"}],
        });
        assert_eq!(figure("2 x", &sent).expect("found"), ("x".to_string(), 100));
        assert!(figure("3 x", &sent).is_err());
    }
}
