//! `cargo xtask agent-kill`: kills the device's daemon at random moments, behind a bad link to a
//! real log, and looks for what it acknowledged.

use crate::sh;

/// Runs the command; `--rounds N` and `--seed S` are passed on.
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let mut command = sh::cargo();
    command.args(["test", "--quiet", "--package", "firmlog", "--test", "agent_kill", "--"]);
    sh::run(command.args(args))
}
