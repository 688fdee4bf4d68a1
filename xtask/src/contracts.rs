//! `cargo xtask contracts`: the Solidity contracts, built, measured and tested.
//!
//! ```text
//! cargo xtask contracts [--gas-json FILE]   check everything
//! cargo xtask contracts --write             write abi/ and the README's gas table anew
//! ```
//!
//! In scope: the fixtures that forge compares with, the freshness of what is committed, gas as the
//! receipts of a real node tell it, the deployment script and what cast reads back. Out of scope:
//! what is installed (`setup`), the client.
//!
//! Invariant: whatever is compared comes from the run itself; forge's own summary ends the output.

mod artefacts;
mod cast;
mod deployed;
mod figures;
mod gas;
mod node;
mod powers;
mod views;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::setup::{self, Part};
use crate::sh;

/// What to do with committed files that a run makes anew.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A difference is an error.
    Check,
    /// Write them.
    Write,
}

/// Runs the command.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut mode = Mode::Check;
    let mut gas_json = None;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match (arg.as_str(), rest.as_slice().first()) {
            ("--write", _) => mode = Mode::Write,
            ("--gas-json", Some(file)) => {
                gas_json = Some(PathBuf::from(file));
                rest.next();
            }
            _ => bail!("usage: cargo xtask contracts [--write] [--gas-json FILE]"),
        }
    }
    setup::ensure(&[Part::Contracts])?;
    fixtures()?;
    build(mode)?;
    artefacts::run(mode)?;
    gas::run(mode, gas_json.as_deref())?;
    deployed::run()?;
    test()
}

/// The figures of gas by their names in the bench JSON; builds what they are measured with.
pub(crate) fn figures() -> Result<serde_json::Map<String, serde_json::Value>> {
    setup::ensure(&[Part::Contracts])?;
    fixtures()?;
    build(Mode::Check)?;
    figures::report(&gas::measure()?)
}

fn folder() -> PathBuf {
    sh::root().join("contracts")
}

fn fixtures() -> Result<()> {
    sh::say("fixtures from crates/tlog");
    let mut write = sh::cargo();
    write.args(["run", "--quiet", "-p", "firmlog-tlog", "--example", "contract_fixtures", "--"]);
    sh::run(write.arg(folder().join("fixtures")))
}

fn build(mode: Mode) -> Result<()> {
    let mut format = forge()?;
    format.arg("fmt");
    if mode == Mode::Check {
        format.arg("--check");
    }
    sh::run(&mut format)?;
    sh::run(forge()?.args(["build", "--deny", "warnings"]).stdout(std::io::stderr()))
}

fn test() -> Result<()> {
    sh::run(forge()?.args(["test", "--show-progress"]))
}

/// forge in `contracts/`, with npm's compiler and no colours.
fn forge() -> Result<Command> {
    let mut forge = Command::new(setup::foundry("forge")?);
    forge.current_dir(folder()).env("FOUNDRY_SOLC", setup::solidity_compiler());
    forge.env("NO_COLOR", "1").env("FOUNDRY_DISABLE_NIGHTLY_WARNING", "1");
    Ok(forge)
}

fn read_json(file: &Path) -> Result<serde_json::Value> {
    Ok(serde_json::from_str(&std::fs::read_to_string(file)?)?)
}
