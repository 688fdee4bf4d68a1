//! `cargo xtask bench`: builds the product and its benchmark as released, and measures.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::sh;

const USAGE: &str = "cargo xtask bench [--quick] [--json FILE] [--only FIGURE] [--docs]";

/// Runs the command.
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let firmlog = build()?;
    let mut command = sh::command(firmlog.with_file_name("firmlog-bench"));
    command.arg("figures").arg("--firmlog").arg(&firmlog).arg("--dir").arg(data_dir("bench"));
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--quick" => drop(command.arg(arg)),
            "--only" => drop(command.arg(arg).args(rest.next())),
            // Relative to where the caller is, not to the repository.
            "--json" => {
                let file = rest.next().ok_or_else(|| anyhow::anyhow!("usage: {USAGE}"))?;
                command.arg(arg).arg(std::path::absolute(file)?);
            }
            "--docs" => drop(command.arg(arg).arg("docs/benchmarks.md")),
            other => anyhow::bail!("unknown argument `{other}`\n\nusage: {USAGE}"),
        }
    }
    sh::run(&mut command)?;
    // Not before or between measurements: a file system that has just removed much is slow to
    // create files for a while.
    std::fs::remove_dir_all(data_dir("bench"))
        .context("failed to remove the logs that were measured")
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
