//! The virtual environment: Python oracles and schemathesis, every file pinned by its hash.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::{debian, stamped};
use crate::sh;

/// Every package with every file's hash; written by [`relock`].
const LOCK: &str = "xtask/pins/python.lock";
/// What the lock is made from: exact versions of what the oracles and `test` call.
const INPUT: &str = "oracles/python/requirements.txt";

pub(super) fn venv() -> PathBuf {
    sh::setup_dir().join("venv")
}

pub(super) fn interpreter() -> PathBuf {
    venv().join("bin/python3")
}

pub(super) fn missing() -> Option<String> {
    let lock = fs::read_to_string(sh::root().join(LOCK)).unwrap_or_default();
    if !interpreter().exists() {
        return Some("no virtual environment in .setup/venv".into());
    }
    (!stamped(&stamp(), &lock)).then(|| format!(".setup/venv differs from {LOCK}"))
}

pub(super) fn install() -> Result<()> {
    let lock = fs::read_to_string(sh::root().join(LOCK)).with_context(|| format!("no {LOCK}"))?;
    create()?;
    pip(&["install", "--require-hashes", "--no-deps", "-r", LOCK])?;
    // Written last: an interrupted install is done again.
    Ok(fs::write(stamp(), lock)?)
}

/// Installs one pinned file beside the rest, without its dependencies.
pub(super) fn install_pinned(lock: &str) -> Result<()> {
    if !interpreter().exists() {
        create()?;
    }
    pip(&["install", "--require-hashes", "--no-deps", "-r", lock])
}

/// Writes the lock anew from its inputs; for people who change a version.
pub(super) fn relock() -> Result<()> {
    let tool = sh::setup_dir().join("relock");
    sh::run(sh::command("python3").args(["-m", "venv"]).arg(&tool))?;
    sh::run(sh::command(tool.join("bin/pip")).args(["-q", "install", "pip-tools==7.6.2"]))?;
    let mut compile = sh::command(tool.join("bin/pip-compile"));
    compile.args(["-q", "--generate-hashes", "--strip-extras", "--no-header", "--no-annotate"]);
    compile.args(["--no-emit-index-url", "--no-emit-find-links", "-o", LOCK]);
    sh::run(compile.arg(INPUT))
}

fn stamp() -> PathBuf {
    venv().join("firmlog.lock")
}

fn create() -> Result<()> {
    if venv().exists() {
        fs::remove_dir_all(venv())?;
    }
    if make_venv().is_err() {
        // Debian splits `venv` from `python3`, and leaves half a folder behind without it.
        debian::packages_by_name(&["python3-venv"])?;
        drop(fs::remove_dir_all(venv()));
        make_venv()?;
    }
    Ok(())
}

fn make_venv() -> Result<()> {
    let mut python = sh::command("python3");
    sh::run(python.args(["-m", "venv"]).arg(venv()).stdout(Stdio::null()))
}

fn pip(args: &[&str]) -> Result<()> {
    for attempt in 1..=3 {
        let mut pip = sh::command(interpreter());
        pip.args(["-m", "pip", "-q", "--disable-pip-version-check"]).args(args);
        match sh::run(pip.stdout(std::io::stderr())) {
            Ok(()) => return Ok(()),
            Err(error) => sh::say(format_args!("pip, try {attempt} of 3: {error:#}")),
        }
    }
    bail!("failed to install Python packages into .setup/venv")
}
