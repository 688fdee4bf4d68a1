//! `cargo xtask chaos`: the anchor client among kills, forks, fee spikes and lies, on a real node.

use anyhow::Result;

use crate::{setup, sh};

/// Runs the command; `--rounds N` and `--seed S` are passed on.
pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::ensure(&[setup::Part::Contracts])?;
    let mut chaos = sh::cargo();
    chaos.args(["test", "--package", "firmlog-anchor", "--test", "chaos", "--"]).args(args);
    sh::run(chaos.env("FIRMLOG_ANVIL", setup::foundry("anvil")?))
}
