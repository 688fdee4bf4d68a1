//! `cargo xtask vectors`: writes the test vectors anew, each crate its own, by its example
//! `…_vectors`.
//!
//! The same files are read by every implementation, so they are kept in the repository and a change
//! to one must be seen in review: `--check` fails when regenerating changes or adds a file.
//! Evidence of anchors comes from a node, whose clock and keys are fixed.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{setup, sh};

/// How such an example's name ends; the crate comes before it, for cargo wants names unique.
const SUFFIX: &str = "_vectors";

/// Runs the command: `vectors [--check]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => bail!("usage: cargo xtask vectors [--check]"),
    };
    setup::ensure(&[setup::Part::Contracts])?;
    let before = changed()?;
    for (package, example) in writers()? {
        sh::say(format_args!("vectors of {package}"));
        let mut write = sh::cargo();
        write.args(["run", "--quiet", "-p", &package, "--example", &example]);
        sh::run(write.envs(setup::oracle_env()))?;
    }
    let after = changed()?;
    if check && !after.is_empty() {
        let blame = if before == after { "not committed" } else { "changed by regenerating" };
        bail!("files under vectors/ are {blame}:\n{after}");
    }
    Ok(())
}

/// The workspace's packages with an example that writes vectors, and its name.
fn writers() -> Result<Vec<(String, String)>> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("no packages in cargo metadata")?;
    let mut writers = Vec::new();
    for package in packages {
        let targets = package["targets"].as_array().map_or(&[][..], Vec::as_slice);
        for target in targets.iter().filter(|target| target["kind"][0] == "example") {
            let (package, name) = (package["name"].as_str(), target["name"].as_str());
            let writer = package.zip(name.filter(|name| name.ends_with(SUFFIX)));
            writers.extend(writer.map(|(package, name)| (package.to_string(), name.to_string())));
        }
    }
    Ok(writers)
}

fn changed() -> Result<String> {
    if !Path::new(&sh::root()).join(".git").exists() {
        return Ok(String::new());
    }
    sh::read(sh::command("git").args(["status", "--porcelain", "--", "vectors"]))
}

/// `cargo metadata` of the workspace, without its dependencies.
pub(crate) fn metadata() -> Result<Value> {
    let text = sh::read(sh::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    Ok(serde_json::from_str(&text)?)
}
