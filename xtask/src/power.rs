//! `cargo xtask power`: cuts the power of simulated devices and looks at their journals.

use crate::sh;

/// Runs the command; `--histories N` and `--seed S` are passed on.
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let mut command = sh::cargo();
    command.args(["run", "--quiet", "--release", "-p", "firmlog-sim", "--", "power"]);
    sh::run(command.args(args))
}
