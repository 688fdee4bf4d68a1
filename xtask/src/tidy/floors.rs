//! Dependencies point down, never up; the lowest floors know no runtime.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Source;
use crate::vectors::metadata;

/// Each crate's floor. A crate depends on strictly lower floors only; `firmlog`, the program,
/// stands on the server.
const FLOORS: &[(&str, u8)] = &[
    ("firmlog-tlog", 0),
    ("firmlog-statement", 0),
    ("firmlog-verify", 1),
    ("firmlog-agent", 1),
    ("firmlog-clock", 2),
    ("firmlog-capi", 2),
    ("firmlog-keys", 2),
    ("firmlog-log", 2),
    ("firmlog-anchor", 2),
    ("firmlog-index", 2),
    ("firmlog-server", 3),
    ("firmlog", 4),
];

/// Runs on devices, as floors 0 and 1 do.
const ON_DEVICES: &str = "firmlog-capi";

/// What floors 0 and 1 must do without, because a device does.
const RUNTIME: &[&str] = &[
    "anyhow",
    "aws-lc-rs",
    "axum",
    "getrandom",
    "hyper",
    "reqwest",
    "rusqlite",
    "rustix",
    "rustls",
    "tokio",
    "tracing",
];

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("no packages in cargo metadata")?;
    let mut findings = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        if !manifest.contains("/crates/") {
            continue;
        }
        match floor(name) {
            None => findings.push(format!("{name}: has no floor in xtask/src/tidy/floors.rs")),
            Some(floor) => findings.extend(package_findings(name, floor, package)),
        }
    }
    findings.extend(sources.iter().filter_map(no_std_finding));
    Ok(findings)
}

fn package_findings(name: &str, own: u8, package: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    let dependencies = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
    // Tests may look up and down: what ships may not.
    for dependency in dependencies.iter().filter(|d| d["kind"] != "dev") {
        let other = dependency["name"].as_str().unwrap_or_default();
        if let Some(floor) = floor(other).filter(|floor| *floor >= own) {
            findings.push(format!(
                "{name} (floor {own}) must not depend on {other} (floor {floor}): only lower ones"
            ));
        }
        if (own <= 1 || name == ON_DEVICES) && RUNTIME.contains(&other) {
            findings.push(format!("{name} (floor {own}) must not depend on {other}: no runtime"));
        }
    }
    findings
}

fn no_std_finding(source: &Source) -> Option<String> {
    let low = ["tlog", "statement", "verify", "agent", "capi"];
    let is_low = low.iter().any(|name| source.path == format!("crates/{name}/src/lib.rs"));
    let lacks = is_low && !source.text.contains("no_std");
    lacks.then(|| format!("{}: what runs on devices is #![no_std]", source.path))
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}
