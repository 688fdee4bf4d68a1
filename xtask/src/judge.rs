//! `cargo xtask judge --planted`: each fault that once made the product say better than the log
//! bears, put back into a copy, and the test that finds it.
//!
//! ```text
//! J3   found by standing::cases::j03_nothing_brings_a_recalled_release_back
//! ```
//!
//! In scope: one small change a fault. Out of scope: mutants of any other kind (cargo-mutants).
//!
//! Invariants:
//! - The copy is of the commit, below target/; nothing here is changed.
//! - A change that does not build, or whose place is gone, is an error: it shows nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::sh;

/// One fault of `planted.json`.
struct Planted {
    id: String,
    file: String,
    /// What stands there, once.
    sound: String,
    /// The fault in its place.
    fault: String,
    package: String,
    /// Test binary, and the tests of it that are run; one of them must fail.
    binary: String,
    test: String,
}

/// Runs the command: `judge --planted [ID …]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let [flag, only @ ..] = args else { bail!("usage: cargo xtask judge --planted [J3 …]") };
    ensure!(flag == "--planted", "usage: cargo xtask judge --planted [J3 …]");
    let all = faults()?;
    let wanted = |it: &&Planted| only.is_empty() || only.contains(&it.id);
    let planted: Vec<&Planted> = all.iter().filter(wanted).collect();
    ensure!(!planted.is_empty(), "no such fault; there are J1 to J{}", all.len());
    let tree = copy()?;
    let mut missed = Vec::new();
    for it in &planted {
        if !found(&tree, it).with_context(|| it.id.clone())? {
            missed.push(it.id.as_str());
        }
    }
    let found = planted.len() - missed.len();
    sh::say(format_args!("{found} of {} planted faults found", planted.len()));
    ensure!(missed.is_empty(), "no test finds {}", missed.join(", "));
    Ok(())
}

fn faults() -> Result<Vec<Planted>> {
    let all: Vec<Value> = serde_json::from_str(include_str!("../planted.json"))?;
    let text = |it: &Value, name: &str| it[name].as_str().map(str::to_owned).context("a text");
    let fault = |it: &Value| {
        Ok(Planted {
            id: text(it, "id")?,
            file: text(it, "file")?,
            sound: text(it, "sound")?,
            fault: text(it, "fault")?,
            package: text(it, "package")?,
            binary: text(it, "binary")?,
            test: text(it, "test")?,
        })
    };
    all.iter().map(fault).collect()
}

/// The commit, in a folder of its own.
fn copy() -> Result<PathBuf> {
    let tree = sh::root().join("target/judge/tree");
    if tree.exists() {
        std::fs::remove_dir_all(&tree)?;
    }
    let mut clone = std::process::Command::new("git");
    clone.args(["clone", "--quiet", "--shared", "."]).arg(&tree).current_dir(sh::root());
    sh::run(&mut clone)?;
    Ok(tree)
}

/// The file of a fault's one place, as it is.
fn sound(tree: &Path, it: &Planted) -> Result<String> {
    let sound = std::fs::read_to_string(tree.join(&it.file)).with_context(|| it.file.clone())?;
    let places = sound.matches(&it.sound).count();
    ensure!(places == 1, "{}: `{}` stands {places} times in {}", it.id, it.sound, it.file);
    Ok(sound)
}

/// Whether the test fails with the fault. That it passes without is what `cargo xtask test` shows.
fn found(tree: &Path, it: &Planted) -> Result<bool> {
    let path = tree.join(&it.file);
    let sound = sound(tree, it)?;
    std::fs::write(&path, sound.replace(&it.sound, &it.fault))?;
    let (package, binary, test) = (&*it.package, &*it.binary, &*it.test);
    let cargo = |more: &[&str]| {
        let mut cargo = sh::cargo();
        cargo.args(["test", "--quiet", "--package", package, "--test", binary]).args(more);
        cargo.current_dir(tree).env("CARGO_TARGET_DIR", sh::root().join("target/judge/target"));
        cargo.env("FIRMLOG_HISTORIES", "150").env("RUSTFLAGS", "-Awarnings");
        cargo
    };
    sh::run(&mut cargo(&["--no-run"])).context("the fault does not build")?;
    let output = cargo(&["--", test]).output().context("cargo")?;
    std::fs::write(&path, sound)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = said.contains("test result: FAILED");
    let by = if failed { "found by" } else { "NOT FOUND by" };
    sh::say(format_args!("{:<4} {by} {package} {binary} {test}", it.id));
    Ok(failed)
}

#[cfg(test)]
mod tests {
    use super::{faults, sound};

    #[test]
    fn each_fault_has_one_place() {
        let all = faults().expect("the table");
        let ids: Vec<String> = (1..=22).map(|n| format!("J{n}")).collect();
        assert_eq!(all.iter().map(|it| it.id.clone()).collect::<Vec<_>>(), ids);
        for it in &all {
            sound(&crate::sh::root(), it).expect("stands there once");
        }
    }
}
