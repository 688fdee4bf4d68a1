//! `cargo xtask crash`: kills servers under load and looks for what is missing.

use crate::{bench, sh};

/// Runs the command; with `--release` on the program as it is released. `--rounds N` and `--seed S`
/// are passed on.
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let (release, args): (Vec<_>, Vec<_>) = args.iter().partition(|arg| *arg == "--release");
    let firmlog = if release.is_empty() {
        sh::build(&["firmlog", "firmlog-bench"])?;
        sh::firmlog("debug")
    } else {
        bench::build()?
    };
    let mut command = sh::command(firmlog.with_file_name("firmlog-bench"));
    command.arg("crash").arg("--firmlog").arg(&firmlog).arg("--dir").arg(bench::data_dir("crash"));
    sh::run(command.args(args))
}
