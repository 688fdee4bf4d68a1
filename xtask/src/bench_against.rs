//! `cargo xtask bench --against COMMIT --only FIGURE`: the same figure of two trees, in alternating
//! rounds of one run.
//!
//! ```text
//! round 3   26702 before, 26340 now: 0.986
//! signed_p256_per_s: 0.998 of what it was, median of 5 rounds
//! ```
//!
//! In scope: building another commit beside this one, and the ratio. Out of scope: the figures,
//! which each tree's own benchmark measures.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{bench, sh};

/// Rounds; which tree begins takes turns.
const ROUNDS: usize = 5;

/// Compares a figure with that of another commit.
pub(crate) fn run(commit: &str, figure: &str) -> Result<()> {
    let (before, now) = (build(commit)?, bench::build()?);
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let (old, new) = match round % 2 {
            1 => {
                let old = measure(&before, figure)?;
                (old, measure(&now, figure)?)
            }
            _ => {
                let new = measure(&now, figure)?;
                (measure(&before, figure)?, new)
            }
        };
        ensure!(old > 0.0, "{figure} was {old}");
        ratios.push(new / old);
        println!("round {round}   {old:.0} before, {new:.0} now: {:.3}", new / old);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ROUNDS / 2).context("no rounds")?;
    println!("{figure}: {median:.3} of what it was, median of {ROUNDS} rounds");
    Ok(())
}

/// Another commit as released, in folders of its own.
fn build(commit: &str) -> Result<PathBuf> {
    let tree = sh::root().join("target/against/tree");
    if tree.exists() {
        std::fs::remove_dir_all(&tree)?;
    }
    let mut clone = sh::command("git");
    sh::run(clone.args(["clone", "--quiet", "--shared", "."]).arg(&tree))?;
    let mut checkout = sh::command("git");
    sh::run(checkout.args(["checkout", "--quiet", commit]).current_dir(&tree))?;
    let target = sh::root().join("target/against/target");
    for package in ["firmlog", "firmlog-bench"] {
        let mut cargo = sh::cargo();
        cargo.args(["build", "--release", "--package", package]).current_dir(&tree);
        sh::run(cargo.env("CARGO_TARGET_DIR", &target))?;
    }
    Ok(target.join("release/firmlog"))
}

/// One quick measurement by a tree's own benchmark.
fn measure(firmlog: &Path, figure: &str) -> Result<f64> {
    let (dir, json) = (bench::data_dir("against"), sh::root().join("target/against/figures.json"));
    let mut command = sh::command(firmlog.with_file_name("firmlog-bench"));
    command.arg("figures").arg("--firmlog").arg(firmlog).arg("--dir").arg(&dir);
    command.args(["--quick", "--only", figure, "--json"]).arg(&json);
    sh::read(&mut command)?;
    std::fs::remove_dir_all(&dir)?;
    let report: Value = serde_json::from_str(&std::fs::read_to_string(json)?)?;
    report[figure]["value"].as_f64().with_context(|| format!("no figure {figure}"))
}
