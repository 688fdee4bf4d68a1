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

use std::collections::BTreeMap;

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

/// Which tests look for it: those of the judge, which ask devices too, of the registry, of reports.
const TESTS: [&str; 7] = ["--lib", "--test", "standing", "--test", "registry", "--test", "report"];

const EXPLAINED: &str = "crates/verify/mutants.txt";

/// Runs one part, counted from 1.
pub(crate) fn run(part: usize) -> Result<()> {
    setup::ensure(&[setup::Part::CargoMutants])?;
    let dir = sh::root().join(format!("target/mutants/{part}"));
    std::fs::create_dir_all(&dir)?;
    let mut command = sh::cargo();
    command.args(["mutants", "--package", "firmlog-verify", "--no-shuffle", "--colors", "never"]);
    command.args(["--shard", &format!("{}/{SHARDS}", part.saturating_sub(1))]);
    command.args(["--profile", "mutants", "--cap-lints", "true"]);
    command.arg("--output").arg(&dir);
    for glob in EXAMINED {
        command.args(["--file", glob]);
    }
    command.arg("--").args(TESTS);
    setup::with_tools(&mut command)?;
    command.env("CARGO_TARGET_DIR", sh::root().join("target/mutants/target"));
    command.env("FIRMLOG_HISTORIES", "60");
    // 2: some were missed; 3: some took too long, which a test that hangs is as good as finding.
    let status = command.status().context("cargo mutants")?;
    ensure!(matches!(status.code(), Some(0 | 2 | 3)), "cargo mutants ended with {status}");
    let missed = std::fs::read_to_string(dir.join("mutants.out/missed.txt"))?;
    let unexplained = unexplained(&missed, &explained()?);
    for it in &unexplained {
        sh::say(format_args!("no test finds: {it}"));
    }
    ensure!(unexplained.is_empty(), "{} mutants survive unexplained", unexplained.len());
    Ok(())
}

/// How many mutants of each text may survive.
fn explained() -> Result<BTreeMap<String, usize>> {
    let text = std::fs::read_to_string(sh::root().join(EXPLAINED)).context(EXPLAINED)?;
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
    use super::unexplained;

    #[test]
    fn survivors_are_explained_by_text_and_number() {
        let missed = "crates/a.rs:10:5: replace f with g\ncrates/a.rs:12:5: replace f with g\n";
        let one = [("crates/a.rs: replace f with g".to_owned(), 1)].into();
        assert_eq!(unexplained(missed, &one), ["crates/a.rs:12:5: replace f with g"]);
        let two = [("crates/a.rs: replace f with g".to_owned(), 2)].into();
        assert!(unexplained(missed, &two).is_empty());
    }
}
