//! `cargo xtask soup`: every crate that the device's C library is made of, as a table in
//! `docs/safety/soup.md`, from what cargo would build.
//!
//! ```text
//! | sha2 | 0.11.1 | MIT OR Apache-2.0 | ● | ● | ● | SHA-256 of records, … | RUSTSEC-2021-0100: … |
//! ```
//!
//! In scope: names, versions, licences, feature sets, and what was written down by hand for each
//! (`known`). Out of scope: whether an advisory touches a version, which `cargo xtask deny
//! advisories` asks RustSec's newest database.

mod known;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::sh;
use known::{ADVISORIES, PURPOSES, READ_AT};

const DOCUMENT: &str = "docs/safety/soup.md";
const BEGIN: &str = "<!-- soup: written by `cargo xtask soup`, do not edit -->\n";
const END: &str = "<!-- end of soup -->\n";

/// The sets of features that the list tells apart; the flash's sizes add no crate.
const SETS: [(&str, &str); 3] = [
    ("bare", "static,flash-4096-8"),
    ("p256", "static,p256,flash-4096-8"),
    ("install", "static,p256,install,flash-4096-8"),
];

/// The processor that the library is built for.
const TARGET: &str = "thumbv7em-none-eabihf";

/// A crate, and which of the sets link it.
struct Crate {
    version: String,
    licence: String,
    home: String,
    linked: [bool; SETS.len()],
}

/// Runs the command: `soup [--check | --advisories FOLDER]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    match args {
        [] => write(&written()?),
        [flag] if flag == "--check" => check(&written()?),
        [flag, folder] if flag == "--advisories" => advisories(Path::new(folder)),
        _ => bail!("usage: cargo xtask soup [--check | --advisories FOLDER]"),
    }
}

/// The document's text, and the same with a table of today.
fn written() -> Result<(String, String)> {
    let text = fs::read_to_string(sh::root().join(DOCUMENT))?;
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("no {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no {END}"))?;
    let fresh = format!("{before}{BEGIN}{}{END}{after}", table(&crates()?)?);
    Ok((text, fresh))
}

fn write((_, fresh): &(String, String)) -> Result<()> {
    Ok(fs::write(sh::root().join(DOCUMENT), fresh)?)
}

fn check((text, fresh): &(String, String)) -> Result<()> {
    if text == fresh {
        return Ok(());
    }
    bail!("{DOCUMENT} lists other crates than the library has; run `cargo xtask soup`")
}

/// Every crate by name and version, as cargo would build them.
fn crates() -> Result<BTreeMap<(String, String), Crate>> {
    let mut crates = BTreeMap::new();
    for (set, (_, features)) in SETS.iter().enumerate() {
        let mut tree = sh::cargo();
        tree.args(["tree", "--locked", "--package", "firmlog-capi", "--no-default-features"]);
        tree.args(["--features", features, "--edges", "normal", "--target", TARGET]);
        tree.args(["--prefix", "none", "--no-dedupe", "--format", "{p}|{l}|{r}|{f}"]);
        for line in sh::read(&mut tree)?.lines() {
            let mut cells = line.split('|').map(str::to_string);
            let (package, licence, home) = (cells.next(), cells.next(), cells.next());
            let package = package.context("a package")?;
            let features = cells.next().unwrap_or_default();
            if features.split(',').any(|it| matches!(it, "alloc" | "std")) {
                bail!("{package} has the features {features}: nothing on a device may allocate");
            }
            let (name, rest) = package.split_once(" v").context("its version")?;
            let version = rest.split(' ').next().unwrap_or(rest).to_string();
            let found =
                crates.entry((name.to_string(), version.clone())).or_insert_with(|| Crate {
                    version,
                    licence: licence.unwrap_or_default(),
                    home: home.unwrap_or_default(),
                    linked: [false; SETS.len()],
                });
            found.linked[set] = true;
        }
    }
    Ok(crates)
}

fn table(crates: &BTreeMap<(String, String), Crate>) -> Result<String> {
    let names: Vec<&str> = crates.keys().map(|(name, _)| name.as_str()).collect();
    if let Some((gone, _)) = PURPOSES.iter().find(|(name, _)| !names.contains(name)) {
        bail!("xtask/src/soup/known.rs tells of {gone}, which the library does not have");
    }
    let (commit, date) = READ_AT;
    let mut out = format!(
        "\nCrates for `{TARGET}`, by `Cargo.lock`. Advisories: RustSec's database of {date}, \
         commit `{}`.\n\n| Crate | Version | Licence | bare | p256 | install | For | Advisories \
         read |\n|---|---|---|---|---|---|---|---|\n",
        &commit[..12]
    );
    let release = release()?;
    out += &format!(
        "| `core`, `compiler_builtins` | of rustc {release} | MIT OR Apache-2.0 | ● | ● | ● | \
         Rust's library without an operating system | |\n"
    );
    for ((name, _), found) in crates {
        let purpose = PURPOSES.iter().find(|(known, _)| known == name);
        let (_, purpose) = purpose.with_context(|| {
            format!("xtask/src/soup/known.rs does not tell what {name} is for: look at it")
        })?;
        let read: Vec<String> = ADVISORIES
            .iter()
            .filter(|(about, ..)| about == name)
            .map(|(_, id, versions)| format!("{id}: {versions}"))
            .collect();
        let [bare, p256, install] = found.linked.map(|is_linked| if is_linked { "●" } else { "" });
        let own = name.starts_with("firmlog-");
        let shown = if own { name.clone() } else { format!("[{name}]({})", found.home) };
        let Crate { version, licence, .. } = found;
        out += &format!(
            "| {shown} | {version} | {licence} | {bare} | {p256} | {install} | {purpose} | {} |\n",
            read.join("; ")
        );
    }
    Ok(out + "\n")
}

/// The pinned compiler, whose own library is linked too.
fn release() -> Result<String> {
    let pinned = fs::read_to_string(sh::root().join("rust-toolchain.toml"))?;
    let channel = pinned.lines().find_map(|line| line.strip_prefix("channel = \""));
    Ok(channel.context("no channel")?.trim_end_matches('"').to_string())
}

/// Compares what was read with a checkout of RustSec's database: each advisory about one of these
/// crates must be written down, and none that is not there.
fn advisories(folder: &Path) -> Result<()> {
    let mut there = Vec::new();
    for (name, _) in crates()?.into_keys() {
        let Ok(files) = fs::read_dir(folder.join("crates").join(&name)) else { continue };
        for file in files {
            let file = file?.path();
            let id = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            there.push((name.clone(), id.to_string()));
        }
    }
    if !folder.join("crates").is_dir() {
        bail!("{} is no checkout of RustSec's advisory-db", folder.display());
    }
    there.sort();
    let known = ADVISORIES.iter().map(|(name, id, _)| (name.to_string(), id.to_string()));
    let known: Vec<(String, String)> = known.collect();
    if there == known {
        sh::say(format_args!("{} advisories, each read", there.len()));
        return Ok(());
    }
    bail!("read {known:?}, there are {there:?}: note the rest in xtask/src/soup/known.rs")
}
