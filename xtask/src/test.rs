//! `cargo xtask test`: every test, with the foreign oracles it needs, the contracts', and the API
//! fuzzer after them.
//!
//! `cargo test`'s own output passes through unchanged. A test that lacks an oracle prints a line
//! that starts with `skipped:`; where `CI` is set that fails the run, elsewhere it is counted.

use anyhow::{Result, bail};

use crate::{api_test, contracts, firmware, header, setup, sh, size, soup};

/// Runs the command: `test [--no-api | --only-api]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (tests, api) = match args {
        [] => (true, true),
        [flag] if flag == "--no-api" => (true, false),
        [flag] if flag == "--only-api" => (false, true),
        _ => bail!("usage: cargo xtask test [--no-api | --only-api]"),
    };
    setup::ensure(&setup::FOR_TESTS)?;
    // The API fuzzer starts the `firmlog` that the tests build for themselves.
    if tests {
        bare()?;
        header::run(&["--check".to_string()])?;
        soup::run(&["--check".to_string()])?;
        cargo_test()?;
        contracts::run(&[])?;
        firmware::run(&[])?;
        size::run(&[])?;
    } else {
        sh::run(sh::cargo().args(["build", "--package", "firmlog"]))?;
    }
    if api { api_test::run() } else { Ok(()) }
}

/// What a device takes builds without an allocator.
fn bare() -> Result<()> {
    let features = ["--no-default-features", "--features", "rustcrypto"];
    let check = ["check", "--package", "firmlog-agent", "--package", "firmlog-verify"];
    sh::run(sh::cargo().args(check).args(features))
}

fn cargo_test() -> Result<()> {
    let mut skipped = Vec::new();
    let mut test = sh::cargo();
    // Passing tests' output is shown too: that is where `skipped:` lines would hide.
    test.args(["test", "--workspace", "--", "--show-output"]).envs(setup::oracle_env());
    sh::tee(&mut test, |line| {
        if line.trim_start().starts_with("skipped:") {
            skipped.push(line.trim().to_string());
        }
    })?;
    if skipped.is_empty() {
        return Ok(());
    }
    skipped.sort();
    skipped.dedup();
    sh::say(format_args!("{} checks were skipped:\n  {}", skipped.len(), skipped.join("\n  ")));
    if std::env::var_os("CI").is_some() {
        bail!("nothing may be skipped where CI is set");
    }
    Ok(())
}
