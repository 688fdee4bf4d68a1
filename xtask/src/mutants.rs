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

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{setup, sh};

/// What is changed, in parts of about a hundred and thirty mutants. A row of a part is of its
/// files. Tests are not among them: one that is added finds more. Neither is what these files call:
/// a release runs all parts anew.
pub(crate) const PARTS: [&[&str]; 8] = [
    &[
        "crates/verify/src/registry/chunked.rs",
        "crates/verify/src/registry/heads.rs",
        "crates/verify/src/registry/mod.rs",
    ],
    &["crates/verify/src/registry/keys.rs", "crates/verify/src/registry/snapshot.rs"],
    &["crates/verify/src/registry/trust.rs"],
    &[
        "crates/verify/src/report/anchors.rs",
        "crates/verify/src/report/left_out.rs",
        "crates/verify/src/report/replay.rs",
        "crates/verify/src/report/rungs.rs",
        "crates/verify/src/report/times.rs",
        "crates/verify/src/report/words.rs",
    ],
    &["crates/verify/src/report/run.rs"],
    &[
        "crates/verify/src/report/judged.rs",
        "crates/verify/src/report/ledger.rs",
        "crates/verify/src/report/mod.rs",
        "crates/verify/src/report/released.rs",
        "crates/verify/src/report/standing.rs",
    ],
    &["crates/verify/src/standing/release.rs"],
    &[
        "crates/verify/src/standing/book.rs",
        "crates/verify/src/standing/keys.rs",
        "crates/verify/src/standing/mod.rs",
    ],
];

/// Which tests look for it, and over how many histories: first those that find most, then for what
/// they missed all that know of it: of the judge, which ask devices too, of the registry, of
/// reports, of a device's decision, and beside the code. Nothing else is built for a mutant.
const TESTS: [(&[&str], &str); 2] = [
    (&["--test=standing", "--test=report"], "40"),
    (&["--lib", "--test=install", "--test=standing", "--test=registry", "--test=report"], "60"),
];

const EXPLAINED: &str = "crates/verify/mutants.txt";

/// Runs one part, counted from 1.
pub(crate) fn run(part: usize) -> Result<()> {
    setup::ensure(&[setup::Part::CargoMutants])?;
    let dir = sh::root().join(format!("target/mutants/{part}"));
    let files = part.checked_sub(1).and_then(|at| PARTS.get(at)).context("no such part")?;
    begin(&dir, files)?;
    for (tests, histories) in TESTS {
        let mut command = mutants()?;
        for file in *files {
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
fn begin(dir: &Path, files: &[&str]) -> Result<()> {
    let trees = files.iter().map(|file| format!("HEAD:{file}"));
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
    use super::{PARTS, unexplained};

    #[test]
    fn every_file_is_in_one_part() {
        let mut parts: Vec<&str> = PARTS.concat();
        parts.sort_unstable();
        let mut files = Vec::new();
        for folder in ["registry", "report", "standing"] {
            let folder = format!("crates/verify/src/{folder}");
            for entry in std::fs::read_dir(crate::sh::root().join(&folder)).expect("a folder") {
                let name = entry.expect("an entry").file_name();
                files.push(format!("{folder}/{}", name.to_str().expect("a name")));
            }
        }
        files.sort_unstable();
        assert_eq!(parts, files);
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
