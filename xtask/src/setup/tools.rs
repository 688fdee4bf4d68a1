//! Cargo subcommands and other tools, built from crates.io at a pinned version into `.setup/cargo`.

use std::path::PathBuf;

use anyhow::Result;

use crate::sh;

/// A cargo tool: its package (and program) name, and its version.
pub(super) type Tool = (&'static str, &'static str);

pub(super) const FUZZ: Tool = ("cargo-fuzz", "0.13.2");
pub(super) const DENY: Tool = ("cargo-deny", "0.20.2");
pub(super) const MUTANTS: Tool = ("cargo-mutants", "27.1.0");
/// Not a cargo tool but built like one: the Roughtime server that tests ask.
pub(super) const ROUGHTIME: Tool = ("roughenough-server", "2.2.0");
pub(super) const HEADER: Tool = ("cbindgen", "0.29.4");

pub(super) fn bin() -> PathBuf {
    sh::setup_dir().join("cargo/bin")
}

pub(super) fn missing(tool: Tool) -> Option<String> {
    let (name, version) = tool;
    (!marker(tool).exists()).then(|| format!("{name} {version} is not in .setup/cargo"))
}

pub(super) fn install(tool: Tool) -> Result<()> {
    let (name, version) = tool;
    if missing(tool).is_none() {
        return Ok(());
    }
    sh::say(format_args!("building {name} {version}; this takes some minutes, once"));
    let mut install = sh::cargo();
    install.args(["install", "--quiet", "--locked", "--force", name, "--version", version]);
    install.arg("--root").arg(sh::setup_dir().join("cargo"));
    if tool == ROUGHTIME {
        // It answers a few questions in tests: half the time goes into optimising it otherwise.
        install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_PROFILE_RELEASE_LTO", "off");
        install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256");
    }
    // Beside the workspace's own target folder, not in it: other flags, other lock.
    let target = sh::setup_dir().join(format!("cargo-target-{name}"));
    install.env("CARGO_TARGET_DIR", &target);
    sh::run(&mut install)?;
    std::fs::remove_dir_all(target).ok();
    Ok(std::fs::write(marker(tool), "")?)
}

fn marker((name, version): Tool) -> PathBuf {
    sh::setup_dir().join(format!("cargo/{name}-{version}"))
}
