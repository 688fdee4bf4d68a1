//! The Go oracle: the Go sumdb `note` and `tlog` packages behind a small program of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{python, stamped};
use crate::sh;

const SOURCES: &str = "oracles/go";
/// Go's own toolchain as a Python wheel, pinned by hash, for machines without a recent Go.
const LOCK: &str = "xtask/pins/go.lock";
/// The oldest Go that builds the oracle.
const OLDEST: (u32, u32) = (1, 24);

/// The built oracle.
pub(super) fn oracle() -> PathBuf {
    sh::setup_dir().join("bin/go-oracle")
}

pub(super) fn missing() -> Option<String> {
    let sources = sources().unwrap_or_default();
    if !oracle().exists() {
        return Some("the Go oracle is not built".into());
    }
    (!stamped(&stamp(), &sources)).then(|| format!("{SOURCES} changed since it was built"))
}

pub(super) fn install() -> Result<()> {
    let sources = sources()?;
    let go = toolchain()?;
    let mut build = Command::new(go);
    build.current_dir(sh::root().join(SOURCES)).env("GOTOOLCHAIN", "local");
    build.env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly -trimpath -buildvcs=false");
    sh::run(build.arg("build").arg("-o").arg(oracle()).arg("."))?;
    Ok(fs::write(stamp(), sources)?)
}

fn stamp() -> PathBuf {
    sh::setup_dir().join("bin/go-oracle.sources")
}

/// The go command: the one on `PATH` if it is recent enough, else the pinned wheel's.
fn toolchain() -> Result<PathBuf> {
    for go in [sh::find("go"), Some(wheel())].into_iter().flatten() {
        if version(&go).is_some_and(|version| version >= OLDEST) {
            return Ok(go);
        }
    }
    sh::say("no Go 1.24 or newer on PATH; installing the pinned wheel");
    python::install_pinned(LOCK)?;
    Ok(wheel())
}

fn wheel() -> PathBuf {
    python::venv().join("bin/go")
}

/// The first two numbers of `go version go1.26.6 linux/amd64`.
fn version(go: &Path) -> Option<(u32, u32)> {
    let output = Command::new(go).env("GOTOOLCHAIN", "local").arg("version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.split(' ').nth(2)?.strip_prefix("go")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// All sources in one string, in the order of their names: the stamp of what was built.
fn sources() -> Result<String> {
    let dir = sh::root().join(SOURCES);
    let mut files: Vec<PathBuf> = fs::read_dir(&dir)
        .with_context(|| format!("failed to read {SOURCES}"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.is_file());
    files.sort();
    let mut all = String::new();
    for file in files {
        all.push_str(&format!("// {}\n", file.file_name().unwrap_or_default().display()));
        all.push_str(&fs::read_to_string(&file)?);
    }
    Ok(all)
}
