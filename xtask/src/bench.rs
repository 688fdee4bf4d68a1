//! `cargo xtask bench`: builds the product and its benchmark as released, and measures.
//!
//! The figures of gas (`contracts`) join the others in the JSON; `--only gas` measures them alone.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::{bench_against, contracts, sh};

const USAGE: &str = "cargo xtask bench [--quick] [--json FILE] [--only FIGURE] [--docs]
       cargo xtask bench --against COMMIT --only FIGURE";

/// Runs the command.
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    if let [against, commit, only, figure] = args
        && (against.as_str(), only.as_str()) == ("--against", "--only")
    {
        return bench_against::run(commit, figure);
    }
    let mut figures = Vec::new();
    let (mut only, mut json) = (None, None);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let value = || anyhow::anyhow!("usage: {USAGE}");
        match arg.as_str() {
            "--quick" => figures.push(arg.clone()),
            "--only" => only = Some(rest.next().ok_or_else(value)?.as_str()),
            // Relative to where the caller is, not to the repository.
            "--json" => json = Some(std::path::absolute(rest.next().ok_or_else(value)?)?),
            "--docs" => figures.extend([arg.clone(), "docs/benchmarks.md".into()]),
            other => anyhow::bail!("unknown argument `{other}`\n\nusage: {USAGE}"),
        }
    }
    if only != Some("gas") {
        measure(figures, only, json.as_deref())?;
    }
    match (only, json) {
        (None, Some(json)) => add_gas(&json),
        (Some("gas"), json) => only_gas(json.as_deref()),
        _ => Ok(()),
    }
}

fn measure(args: Vec<String>, only: Option<&str>, json: Option<&Path>) -> anyhow::Result<()> {
    let firmlog = build()?;
    let mut command = sh::command(firmlog.with_file_name("firmlog-bench"));
    command.arg("figures").arg("--firmlog").arg(&firmlog).arg("--dir").arg(data_dir("bench"));
    command.args(args);
    command.args(only.iter().flat_map(|only| ["--only", only]));
    if let Some(json) = json {
        command.arg("--json").arg(json);
    }
    sh::run(&mut command)?;
    // Not before or between measurements: a file system that has just removed much is slow to
    // create files for a while.
    fs::remove_dir_all(data_dir("bench")).context("failed to remove the logs that were measured")
}

/// Adds the figures of gas to the report of the others.
fn add_gas(json: &Path) -> anyhow::Result<()> {
    let mut report: serde_json::Value = serde_json::from_str(&fs::read_to_string(json)?)?;
    let object = report.as_object_mut().context("the report is no object")?;
    object.extend(contracts::figures()?);
    Ok(fs::write(json, format!("{report:#}\n"))?)
}

fn only_gas(json: Option<&Path>) -> anyhow::Result<()> {
    let report = serde_json::Value::Object(contracts::figures()?);
    match json {
        Some(json) => fs::write(json, format!("{report:#}\n"))?,
        None => println!("{report:#}"),
    }
    Ok(())
}

/// Builds what is measured and what measures; returns the product's binary.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    // One after the other: together, cargo would build what they share with more features again.
    for package in ["firmlog", "firmlog-bench"] {
        sh::run(sh::cargo().args(["build", "--release", "--package", package]))?;
    }
    Ok(sh::firmlog("release"))
}

/// Logs are made on the disk the repository is on: a file system in memory has no fsync to pay for.
pub(crate) fn data_dir(of: &str) -> PathBuf {
    sh::root().join(format!("target/{of}-data"))
}
