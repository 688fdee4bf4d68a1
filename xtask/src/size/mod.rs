//! `cargo xtask size`: what the agent takes of a small processor, against `firmware/budgets.toml`.
//!
//! ```text
//! flash                      bare   24,000 of 24,576   p256 …
//! ```
//!
//! Flash and static RAM are read from the images; stack, instructions and flash operations are
//! measured in QEMU. Instructions are not cycles: a real core takes more than one for loads,
//! branches, multiplications and waits for flash.

mod baseline;
mod release;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::firmware::{Emulator, blank_flash};
use crate::setup::{self, Part, board};
use crate::sh;

const USAGE: &str = "cargo xtask size [--baseline [--docs]] [--json FILE]";
/// The builds, and what each has in software.
const BUILDS: [&str; 3] = ["bare", "p256", "ed25519"];

/// What was measured of one build.
struct Build {
    name: &'static str,
    flash: u64,
    ram: u64,
    /// What the image told: `stack.peak`, `append.instructions`, …
    told: BTreeMap<String, u64>,
}

/// Runs the command.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let asked = Asked::read(args)?;
    setup::ensure(&[Part::Board])?;
    let dir = sh::root().join("target/size");
    fs::create_dir_all(&dir)?;
    let builds =
        BUILDS.into_iter().map(|name| measure(name, &dir)).collect::<Result<Vec<Build>>>()?;
    let baseline = if asked.baseline { Some(baseline::measure(&dir)?) } else { None };
    print(&builds);
    if let Some(baseline) = &baseline {
        println!("{baseline:#}");
        if asked.docs {
            table::write(&builds, baseline)?;
        }
    }
    if let Some(file) = asked.json {
        fs::write(file, format!("{:#}\n", figures(&builds, baseline.as_ref())?))?;
    }
    // Another compiler makes other code; what it takes says nothing of a change here.
    if !board::is_pinned() {
        sh::say("built by Debian's rustc: sizes are told, not held against the budgets");
        return Ok(());
    }
    judge(&builds)
}

/// What the command line asks for.
#[derive(Default)]
struct Asked {
    /// Libraries in C as well.
    baseline: bool,
    /// The tables in the documents anew.
    docs: bool,
    json: Option<PathBuf>,
}

impl Asked {
    fn read(args: &[String]) -> Result<Self> {
        let mut asked = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--baseline" => asked.baseline = true,
                "--docs" => asked.docs = true,
                "--json" => {
                    let file = args.next().with_context(|| format!("usage: {USAGE}"))?;
                    asked.json = Some(std::path::absolute(file)?);
                }
                _ => bail!("usage: {USAGE}"),
            }
        }
        // The tables have the libraries in them.
        ensure!(asked.baseline || !asked.docs, "usage: {USAGE}");
        Ok(asked)
    }
}

fn measure(name: &'static str, dir: &Path) -> Result<Build> {
    let mut build = board::cargo();
    build.args(["--quiet", "--package", "firmlog-measure"]);
    if name != "bare" {
        build.args(["--features", name]);
    }
    sh::run(&mut build)?;
    let (flash, ram) = sections(&board::built("size"))?;
    let file = dir.join(format!("{name}.flash"));
    blank_flash(&file)?;
    let mut told = told(&board::built("history"), &file)?;
    if name == "ed25519" {
        told.extend(release::measure(&board::built("release"), dir)?);
    }
    Ok(Build { name, flash, ram, told })
}

/// Runs an image on this flash, and gathers the numbers it tells until it is done.
fn told(image: &Path, flash: &Path) -> Result<BTreeMap<String, u64>> {
    let mut emulator = Emulator::start(image, flash, true)?;
    let mut told = BTreeMap::new();
    loop {
        let line = emulator.line()?;
        if line == "done" {
            break;
        }
        let (key, value) = line.split_once(' ').context("a line without a number")?;
        let value = value.parse().with_context(|| format!("the image said `{line}`"))?;
        told.insert(key.to_string(), value);
    }
    emulator.cut()?;
    Ok(told)
}

/// Bytes in flash (vectors, code, constants, initial data) and in static RAM.
fn sections(image: &Path) -> Result<(u64, u64)> {
    let listed = sh::read(sh::command("arm-none-eabi-size").arg("-A").arg(image))?;
    let size = |wanted: &[&str]| -> u64 {
        let rows = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row.first().is_some_and(|name| wanted.contains(name)))
            .filter_map(|row| row.get(1)?.parse::<u64>().ok())
            .sum()
    };
    let flash = size(&[".vector_table", ".text", ".rodata", ".data"]);
    ensure!(flash > 0, "no code in {}", image.display());
    Ok((flash, size(&[".data", ".bss"])))
}

/// Budget by table and key.
fn budget(table: &str, key: &str) -> Result<u64> {
    let text = fs::read_to_string(sh::root().join("firmware/budgets.toml"))?;
    let mut here = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            here = line == format!("[{table}]");
        } else if here
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            return Ok(value.trim().replace('_', "").parse()?);
        }
    }
    bail!("no budget {table}.{key}")
}

/// What is measured against what budget.
fn limits(build: &Build) -> Result<Vec<(String, u64, u64)>> {
    let told = |key: &str| -> Result<u64> {
        build.told.get(key).copied().with_context(|| format!("the image told no {key}"))
    };
    let row = |what: &str, got, most| (format!("{} {what}", build.name), got, most);
    let mut limits = vec![
        row("flash", build.flash, budget("flash", build.name)?),
        row("static RAM", build.ram, budget("ram", "static")?),
        row("stack", told("stack.peak")?, budget("ram", "stack")?),
        row("statement", told("statement.bytes.common")?, budget("statement", "common")?),
        row(
            "programs per page",
            told("append.programs.page")?,
            budget("journal", "programs_per_page")?,
        ),
    ];
    if build.told.contains_key("release.stack") {
        let stack = told("release.stack")?;
        limits.push(row("stack of a release's check", stack, budget("ram", "stack")?));
    }
    Ok(limits)
}

fn judge(builds: &[Build]) -> Result<()> {
    let mut over = Vec::new();
    for build in builds {
        let beyond = limits(build)?.into_iter().filter(|(_, got, most)| got > most);
        over.extend(beyond.map(|(what, got, most)| format!("{what}: {got} of {most}")));
    }
    ensure!(over.is_empty(), "over budget:\n  {}", over.join("\n  "));
    Ok(())
}

fn figures(builds: &[Build], baseline: Option<&Value>) -> Result<Value> {
    let mut all = serde_json::Map::new();
    for build in builds {
        let mut figures = serde_json::Map::new();
        figures.insert("flash_bytes".into(), build.flash.into());
        figures.insert("static_ram_bytes".into(), build.ram.into());
        figures.extend(build.told.iter().map(|(key, value)| (key.clone(), (*value).into())));
        all.insert(build.name.into(), Value::Object(figures));
    }
    let rustc = sh::read(sh::command("rustc").arg("--version"))?;
    let qemu = sh::read(sh::command("qemu-system-arm").arg("--version"))?;
    Ok(json!({
        "schema": "firmlog/size/v1",
        "rustc": rustc.trim(),
        "qemu": qemu.lines().next(),
        "target": board::TARGET,
        "builds": all,
        "baseline": baseline,
    }))
}

fn print(builds: &[Build]) {
    for build in builds {
        println!("{}", build.name);
        println!("  {:32}{:>12}", "flash, bytes", build.flash);
        println!("  {:32}{:>12}", "static RAM, bytes", build.ram);
        build.told.iter().for_each(|(key, value)| println!("  {key:32}{value:>12}"));
    }
}
