//! `cargo xtask crash`: kills released servers under load and looks for what is missing.

use crate::{bench, sh};

/// Runs the command; `--rounds N` and `--seed S` are passed on.
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let firmlog = bench::build()?;
    let mut command = sh::command(firmlog.with_file_name("firmlog-bench"));
    command.arg("crash").arg("--firmlog").arg(&firmlog).arg("--dir").arg(bench::data_dir("crash"));
    sh::run(command.args(args))
}
