//! `cargo xtask nightly [PART …]`: what takes too long for every change, and what it came to.
//!
//! ```text
//! histories   passed in 312 s, of this tree
//! crash       passed in 2410 s, of another tree: crates/log differs
//! fuzz        not run
//! ```
//!
//! In scope: running a part, and its row in docs/nightly.md. Out of scope: what the parts do.
//!
//! Invariants:
//! - A row is of a commit: with changes in what a part covers it does not run.
//! - A row names the digest of what the part covers, so that anybody sees which change made it old.
//! - A part that fails gets its row too.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::{agent_kill, bench, chaos, crash, fuzz, judge, mutants, power, sh};

/// What is run beside `.ci/run`.
struct Part {
    name: String,
    /// Folders and files on which its outcome depends.
    covers: &'static [&'static str],
    about: &'static str,
    run: Box<dyn Fn() -> Result<()>>,
}

/// What the faults are put into and what finds them: nothing of the anchor client's own tests.
const PLANTED: &[&str] = &[
    "crates/agent",
    "crates/anchor/src",
    "crates/capi",
    "crates/cli",
    "crates/clock",
    "crates/index",
    "crates/keys",
    "crates/log",
    "crates/server",
    "crates/statement",
    "crates/tlog",
    "crates/verify",
    "xtask/planted.json",
];

/// The judge and what it reads.
const JUDGED: &[&str] = &["crates/verify", "crates/statement", "crates/tlog"];

fn parts() -> Vec<Part> {
    let part = |name: &str, covers, about, run: Box<dyn Fn() -> Result<()>>| Part {
        name: name.to_owned(),
        covers,
        about,
        run,
    };
    let args = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (planted, killed) = (args(&["--planted"]), args(&["--release", "--rounds", "100"]));
    let (forked, cut) = (args(&["--rounds", "200"]), args(&["--histories", "100000"]));
    let (smoke, quick) = (args(&["--smoke"]), args(&[]));
    let again = args(&["--rounds", "100"]);
    let mut all = vec![
        part(
            "histories",
            JUDGED,
            "20,000 histories of a log, each through 16 subsets",
            Box::new(histories),
        ),
        part(
            "planted",
            PLANTED,
            "each of 22 faults of trust put back, and found by a test",
            Box::new(move || judge::run(&planted)),
        ),
        part(
            "crash",
            &["crates/log", "crates/server", "crates/tlog", "crates/cli/src"],
            "100 rounds of kill −9 under load",
            Box::new(move || crash::run(&killed)),
        ),
        part(
            "chaos",
            &["crates/anchor", "contracts/src"],
            "200 rounds of kills, forks and lies at the anchor client",
            Box::new(move || chaos::run(&forked)),
        ),
        part(
            "agent-kill",
            &["crates/agent", "crates/cli/src"],
            "100 rounds of kills of a device's daemon on a bad link",
            Box::new(move || agent_kill::run(&again)),
        ),
        part(
            "power",
            &["crates/agent", "crates/statement", "sim"],
            "power cuts in 100,000 histories of a device's journal",
            Box::new(move || power::run(&cut)),
        ),
        part(
            "fuzz",
            &["crates", "fuzz"],
            "every fuzz target for a minute",
            Box::new(move || fuzz::run(&smoke)),
        ),
        part(
            "bench",
            &["crates"],
            "the figures of docs/benchmarks.md",
            Box::new(move || bench::run(&quick)),
        ),
    ];
    let mutated = (1..).zip(mutants::PARTS).map(|(n, files)| {
        let about = "mutants of its files, of standing, registry and report";
        part(&format!("mutants-{n}"), files, about, Box::new(move || mutants::run(n)))
    });
    all.extend(mutated);
    all
}

/// Runs the command: without names it tells what stands.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let all = parts();
    if args.is_empty() {
        return tell(&all);
    }
    for name in args {
        ensure!(all.iter().any(|it| it.name == *name), "unknown part `{name}`; known: {}", {
            all.iter().map(|it| &*it.name).collect::<Vec<_>>().join(", ")
        });
    }
    let mut failed = Vec::new();
    for part in all.iter().filter(|it| args.contains(&it.name)) {
        let dirty = git(&["status", "--porcelain", "--"], part.covers)?;
        ensure!(dirty.is_empty(), "commit or undo first, a row is of a commit:\n{dirty}");
        // Of the tree that is run: commits may follow meanwhile.
        let tree = (git(&["rev-parse", "--short=10", "HEAD"], &[])?, digest(part)?);
        sh::say(format_args!("{}: {}", part.name, part.about));
        let started = Instant::now();
        let result = (part.run)();
        record(part, tree, started.elapsed().as_secs(), result.is_ok())?;
        if let Err(error) = result {
            sh::say(format_args!("{}: {error:#}", part.name));
            failed.push(part.name.clone());
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn histories() -> Result<()> {
    let mut cargo = sh::cargo();
    cargo.args(["test", "--package", "firmlog-verify", "--test", "standing", "histories"]);
    sh::run(cargo.env("FIRMLOG_HISTORIES", "20000"))
}

/// A row of docs/nightly.md.
struct Row {
    part: String,
    commit: String,
    digest: String,
    day: String,
    seconds: String,
    result: String,
}

const HEAD: &str = "# Nightly\n\n\
What takes too long for every change, as it came out last. `cargo xtask nightly PART` writes a row; \
without a part it tells which rows are of this tree. *Covers* is the digest of the folders on which \
the outcome depends (`xtask/src/nightly.rs` names them).\n\n\
| Part | Commit | Covers | Day | Seconds | Result |\n|---|---|---|---|---|---|\n";

fn path() -> PathBuf {
    sh::root().join("docs/nightly.md")
}

/// The rows of docs/nightly.md, or why it cannot be read.
fn rows() -> Result<Vec<Row>> {
    let text = match fs::read_to_string(path()) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("docs/nightly.md"),
    };
    let rows =
        text.strip_prefix(HEAD).context("docs/nightly.md does not begin as it is written")?;
    rows.lines().map(row).collect()
}

fn row(line: &str) -> Result<Row> {
    let cells: Vec<String> =
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let [part, commit, digest, day, seconds, result] =
        cells.try_into().ok().context("six cells")?;
    Ok(Row { part, commit, digest, day, seconds, result })
}

fn record(
    part: &Part,
    (commit, digest): (String, String),
    seconds: u64,
    passed: bool,
) -> Result<()> {
    let mut all = rows()?;
    all.retain(|it| it.part != part.name);
    all.push(Row {
        part: part.name.clone(),
        commit,
        digest,
        day: sh::read(sh::command("date").args(["-u", "+%F"]))?.trim().to_owned(),
        seconds: seconds.to_string(),
        result: if passed { "passed" } else { "FAILED" }.to_owned(),
    });
    all.sort_by(|a, b| a.part.cmp(&b.part));
    let lines = all.iter().map(|it| {
        let Row { part, commit, digest, day, seconds, result } = it;
        format!("| {part} | {commit} | {digest} | {day} | {seconds} | {result} |\n")
    });
    Ok(fs::write(path(), HEAD.to_owned() + &lines.collect::<String>())?)
}

/// What stands, and of which tree.
fn tell(all: &[Part]) -> Result<()> {
    let rows = rows()?;
    for part in all {
        let state = match rows.iter().find(|row| row.part == part.name) {
            None => "not run".to_owned(),
            Some(it) => {
                let tree = if it.digest == digest(part)? { "this tree" } else { "another tree" };
                format!("{} in {} s on {}, of {tree}", it.result, it.seconds, it.day)
            }
        };
        println!("{:<11} {state}: {}", part.name, part.about);
    }
    Ok(())
}

/// What `tidy` finds wrong with docs/nightly.md.
pub(crate) fn check() -> Vec<String> {
    let known = parts();
    match rows() {
        Ok(rows) => rows
            .iter()
            .filter(|row| !known.iter().any(|it| it.name == row.part))
            .map(|row| format!("docs/nightly.md: there is no part `{}`", row.part))
            .collect(),
        Err(error) => vec![format!("docs/nightly.md: {error:#}")],
    }
}

/// A digest of what a part covers, in the commit.
fn digest(part: &Part) -> Result<String> {
    let listed = git(&["ls-tree", "-r", "HEAD", "--"], part.covers)?;
    if listed.is_empty() {
        bail!("{}: {} are not in the commit", part.name, part.covers.join(", "));
    }
    let file = sh::root().join("target/nightly-covers");
    fs::write(&file, listed)?;
    let digest = git(&["hash-object", "target/nightly-covers"], &[])?;
    Ok(digest.get(..12).context("a digest")?.to_owned())
}

fn git(args: &[&str], paths: &[&str]) -> Result<String> {
    let said = sh::read(sh::command("git").args(args).args(paths))?;
    Ok(said.trim().to_owned())
}
