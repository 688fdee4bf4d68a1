//! Mutants of what decides trust: small faults in standing, registry and report, of which a test
//! must find each, or crates/verify/mutants.txt say why none can.
//!
//! ```text
//! crates/verify/src/registry/heads.rs: replace Heads::branches -> usize with 1
//!     Told in a message only.
//! ```
//!
//! In scope: running cargo-mutants over them, in parts, and comparing. Out of scope: the mutants
//! themselves.
//!
//! A part that was ended goes on where it stopped, and one whose sources did not change asks again
//! only for what no test found: a test that is added finds more, never less. Removing
//! target/mutants begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{setup, sh};

/// In how many parts.
pub(crate) const SHARDS: usize = 8;

/// What is changed.
const EXAMINED: [&str; 3] = [
    "crates/verify/src/standing/**",
    "crates/verify/src/registry/**",
    "crates/verify/src/report/**",
];

/// Which tests look for it, and over how many histories: first those that find most, then for what
/// they missed all that know of it: of the judge, which ask devices too, of the registry, of
/// reports, of a device's decision, and beside the code. Nothing else is built for a mutant.
const TESTS: [(&[&str], &str); 2] = [
    (&["--test=standing", "--test=report"], "40"),
    (&["--lib", "--test=install", "--test=standing", "--test=registry", "--test=report"], "60"),
];

const EXPLAINED: &str = "crates/verify/mutants.txt";

/// The mutants' own folders, of which a row is. Tests are not among them: one that is added finds
/// more. Neither is what these folders call: a release runs all parts anew.
pub(crate) const SOURCES: &[&str] =
    &["crates/verify/src/standing", "crates/verify/src/registry", "crates/verify/src/report"];

/// Runs one part, counted from 1.
pub(crate) fn run(part: usize) -> Result<()> {
    setup::ensure(&[setup::Part::CargoMutants])?;
    let dir = sh::root().join(format!("target/mutants/{part}"));
    begin(&dir)?;
    let files = files(part)?;
    if files.is_empty() {
        // Without a file all of the crate would be changed.
        sh::say(format_args!("no file's first mutant is in this part"));
        return Ok(());
    }
    for (tests, histories) in TESTS {
        let mut command = mutants()?;
        for file in &files {
            command.args(["--file", file]);
        }
        for test in tests {
            command.args(["--cargo-arg", test]);
        }
        command.args(["--iterate", "--no-shuffle", "--profile", "mutants", "--cap-lints", "true"]);
        command.arg("--output").arg(&dir);
        command.env("CARGO_TARGET_DIR", sh::root().join("target/mutants/target"));
        command.env("FIRMLOG_HISTORIES", histories).env("RUST_BACKTRACE", "0");
        // 2: some were missed; 3: some took too long, as good as found: a test that hangs is seen.
        let status = command.status().context("cargo mutants")?;
        ensure!(matches!(status.code(), Some(0 | 2 | 3)), "cargo mutants ended with {status}");
    }
    // Where nothing was left to ask there is no list.
    let missed = fs::read_to_string(dir.join("mutants.out/missed.txt")).unwrap_or_default();
    let unexplained = unexplained(&missed, &explained()?);
    for it in &unexplained {
        sh::say(format_args!("no test finds: {it}"));
    }
    ensure!(unexplained.is_empty(), "{} mutants survive unexplained", unexplained.len());
    Ok(())
}

/// cargo-mutants on the judge's crate.
fn mutants() -> Result<Command> {
    let mut command = sh::cargo();
    command.args(["mutants", "--package", "firmlog-verify", "--colors", "never"]);
    setup::with_tools(&mut command)?;
    Ok(command)
}

/// Forgets what was found in other sources than these.
fn begin(dir: &Path) -> Result<()> {
    let trees = SOURCES.iter().map(|source| format!("HEAD:{source}"));
    let sources = sh::read(sh::command("git").arg("rev-parse").args(trees))?;
    let of = dir.join("sources");
    if fs::read_to_string(&of).is_ok_and(|it| it == sources) {
        return Ok(());
    }
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir)?;
    Ok(fs::write(of, sources)?)
}

/// The files of a part: those whose first mutant stands in its share of all.
fn files(part: usize) -> Result<BTreeSet<String>> {
    let mut list = mutants()?;
    for glob in EXAMINED {
        list.args(["--file", glob]);
    }
    let list = sh::read(list.arg("--list"))?;
    Ok(share(&list.lines().collect::<Vec<_>>(), part))
}

fn share(list: &[&str], part: usize) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let first = |(at, line): (usize, &&str)| {
        let file = line.split_once(':').map_or(*line, |(file, _)| file).to_owned();
        let is_first = seen.insert(file.clone());
        let of = at.saturating_mul(SHARDS).checked_div(list.len()).unwrap_or_default();
        (is_first && of.saturating_add(1) == part).then_some(file)
    };
    list.iter().enumerate().filter_map(first).collect()
}

/// How many mutants of each text may survive.
fn explained() -> Result<BTreeMap<String, usize>> {
    let text = fs::read_to_string(sh::root().join(EXPLAINED)).context(EXPLAINED)?;
    let mut counts = BTreeMap::new();
    for line in text.lines().filter(|it| it.starts_with("crates/")) {
        *counts.entry(line.trim().to_owned()).or_default() += 1;
    }
    Ok(counts)
}

/// Survivors that the file does not explain. Where a mutant stands in its file does not count.
fn unexplained(missed: &str, explained: &BTreeMap<String, usize>) -> Vec<String> {
    let mut left = explained.clone();
    let unexplained = |line: &&str| match left.get_mut(&placeless(line)) {
        Some(count) if *count > 0 => {
            *count = count.saturating_sub(1);
            false
        }
        _ => true,
    };
    missed.lines().filter(unexplained).map(str::to_owned).collect()
}

/// `file:line:column: text` without line and column.
fn placeless(line: &str) -> String {
    let (file, rest) = line.split_once(':').unwrap_or((line, ""));
    let text = rest.splitn(3, ':').nth(2).unwrap_or_default();
    format!("{file}:{text}")
}

#[cfg(test)]
mod tests {
    use super::{SHARDS, share, unexplained};

    #[test]
    fn every_file_is_in_one_part() {
        let lines: Vec<String> = (0..40).map(|n| format!("f{}.rs:{n}:1: x", n / 3)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let parts: Vec<_> = (1..=SHARDS).map(|part| share(&lines, part)).collect();
        assert_eq!(parts.iter().map(std::collections::BTreeSet::len).sum::<usize>(), 14);
        assert!(parts.iter().all(|part| !part.is_empty()));
    }

    #[test]
    fn survivors_are_explained_by_text_and_number() {
        let missed = "crates/a.rs:10:5: replace f with g\ncrates/a.rs:12:5: replace f with g\n";
        let one = [("crates/a.rs: replace f with g".to_owned(), 1)].into();
        assert_eq!(unexplained(missed, &one), ["crates/a.rs:12:5: replace f with g"]);
        let two = [("crates/a.rs: replace f with g".to_owned(), 2)].into();
        assert!(unexplained(missed, &two).is_empty());
    }
}
