//! `cargo xtask setup`: what the other commands need, installed once and pinned.
//!
//! ```text
//! have   debian
//! miss   python  .setup/venv differs from xtask/pins/python.lock
//! later  fuzz    cargo-fuzz 0.13.2 is not in .setup/cargo
//! ```
//!
//! A bare Debian machine with a Rust toolchain, a C compiler and root is enough to start from. On
//! other systems the Debian packages are named and left to the reader; the rest installs the same.
//!
//! Invariants:
//! - Beyond Debian packages nothing is written outside `.setup/` and `contracts/node_modules/`.
//! - A second run changes nothing and takes less than two seconds.

pub(crate) mod board;
mod debian;
mod golang;
mod npm;
mod python;
mod tools;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::sh;

/// One thing a command needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// Programs from Debian packages that the tests and the demo call.
    Debian,
    /// The virtual environment with the Python oracles and schemathesis.
    Python,
    /// The Go oracle, built; Go itself too, if there is none or it is too old.
    GoOracle,
    /// The Solidity compiler, Foundry and OpenZeppelin; Node too, if there is none.
    Contracts,
    /// A Roughtime server that is not ours.
    Roughtime,
    /// `cargo fuzz`, and the C++ compiler libFuzzer is built with.
    CargoFuzz,
    /// `cargo deny`.
    CargoDeny,
    /// `cargo mutants`.
    CargoMutants,
    /// cbindgen, which writes the C header, and what C programs are compiled and checked with.
    C,
    /// The emulated board, its compilers, and Rust for its processor.
    Board,
    /// A C library's headers for the board, for other people's code.
    Baseline,
}

/// What `cargo xtask test` needs.
pub(crate) const FOR_TESTS: [Part; 7] = [
    Part::Debian,
    Part::Python,
    Part::GoOracle,
    Part::Contracts,
    Part::Roughtime,
    Part::C,
    Part::Board,
];

const ALL: [Part; 11] = [
    Part::Debian,
    Part::Python,
    Part::GoOracle,
    Part::Contracts,
    Part::Roughtime,
    Part::C,
    Part::Board,
    Part::Baseline,
    Part::CargoFuzz,
    Part::CargoDeny,
    Part::CargoMutants,
];

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Debian => "debian",
            Part::Python => "python",
            Part::GoOracle => "go",
            Part::Contracts => "contracts",
            Part::Roughtime => "roughtime",
            Part::CargoFuzz => "fuzz",
            Part::CargoDeny => "deny",
            Part::CargoMutants => "mutants",
            Part::C => "c",
            Part::Board => "board",
            Part::Baseline => "baseline",
        }
    }

    /// What is missing, in a few words; nothing when all is there.
    fn missing(self) -> Option<String> {
        match self {
            Part::Debian => debian::missing(debian::FOR_TESTS),
            Part::Python => python::missing(),
            Part::GoOracle => golang::missing(),
            Part::Contracts => npm::missing(),
            Part::Roughtime => tools::missing(tools::ROUGHTIME),
            Part::CargoFuzz => tools::missing(tools::FUZZ).or(debian::missing(debian::FOR_FUZZ)),
            Part::CargoDeny => tools::missing(tools::DENY),
            Part::CargoMutants => tools::missing(tools::MUTANTS),
            Part::Board => board::missing(),
            Part::Baseline => board::no_libc(),
            Part::C => tools::missing(tools::HEADER).or(debian::missing(debian::FOR_C)),
        }
    }

    fn install(self) -> Result<()> {
        match self {
            Part::Debian => debian::install(debian::FOR_TESTS),
            Part::Python => python::install(),
            Part::GoOracle => golang::install(),
            Part::Contracts => npm::install(),
            Part::Roughtime => tools::install(tools::ROUGHTIME),
            Part::CargoFuzz => {
                debian::install(debian::FOR_FUZZ)?;
                tools::install(tools::FUZZ)
            }
            Part::CargoDeny => tools::install(tools::DENY),
            Part::CargoMutants => tools::install(tools::MUTANTS),
            Part::Board => board::install(),
            Part::Baseline => debian::packages_by_name(&["libnewlib-arm-none-eabi"]),
            Part::C => {
                debian::install(debian::FOR_C)?;
                tools::install(tools::HEADER)
            }
        }
    }
}

/// Runs the command: `setup [--check] [PART…]`.
///
/// Without names it installs what `test` needs; `cargo fuzz` and `cargo deny` are built when they
/// are first asked for, because each takes minutes; so is what only `size --baseline` needs.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut check = false;
    let mut relock = false;
    let mut parts = Vec::new();
    for arg in args {
        match arg.as_str() {
            "--check" => check = true,
            "--relock" => relock = true,
            name => match ALL.iter().find(|part| part.name() == name) {
                Some(part) => parts.push(*part),
                None => {
                    let known: Vec<&str> = ALL.iter().map(|part| part.name()).collect();
                    bail!("unknown part `{name}`; known: {}", known.join(", "))
                }
            },
        }
    }
    if relock {
        return python::relock();
    }
    if check {
        return tell(if parts.is_empty() { &ALL } else { &parts });
    }
    ensure(if parts.is_empty() { &FOR_TESTS } else { &parts })?;
    sh::say("everything is there");
    Ok(())
}

/// Installs the parts that are missing, in order.
pub(crate) fn ensure(parts: &[Part]) -> Result<()> {
    fs::create_dir_all(sh::setup_dir())?;
    for part in parts {
        if let Some(what) = part.missing() {
            sh::say(format_args!("setup {}: {what}", part.name()));
            part.install()?;
            if let Some(what) = part.missing() {
                bail!("setup {} ran to its end, but still: {what}", part.name());
            }
        }
    }
    Ok(())
}

/// The environment in which tests find the oracles and a node.
pub(crate) fn oracle_env() -> Vec<(&'static str, std::path::PathBuf)> {
    let mut found =
        vec![("FIRMLOG_GO_ORACLE", golang::oracle()), ("FIRMLOG_PYTHON", python::interpreter())];
    found.push(("FIRMLOG_ROUGHTIME", tools::bin().join("roughenough_server")));
    found.extend(npm::program("anvil").map(|node| ("FIRMLOG_ANVIL", node)));
    found
}

/// The virtual environment's program of this name.
pub(crate) fn python_program(name: &str) -> std::path::PathBuf {
    python::venv().join("bin").join(name)
}

/// Foundry's program of this name.
pub(crate) fn foundry(name: &str) -> Result<std::path::PathBuf> {
    npm::program(name).with_context(|| format!("no {name} in contracts/node_modules"))
}

/// What Foundry starts to compile Solidity.
pub(crate) fn solidity_compiler() -> std::path::PathBuf {
    npm::compiler()
}

/// cbindgen, as `setup` built it.
pub(crate) fn cbindgen() -> std::path::PathBuf {
    tools::bin().join("cbindgen")
}

/// Prepends `.setup/cargo/bin` to `PATH`, so that `cargo fuzz` and `cargo deny` are found.
pub(crate) fn with_tools(command: &mut std::process::Command) -> Result<()> {
    let mut path = vec![tools::bin()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    command.env("PATH", std::env::join_paths(path)?);
    Ok(())
}

fn tell(parts: &[Part]) -> Result<()> {
    let mut missing = 0;
    for part in parts {
        match part.missing() {
            None => println!("have   {}", part.name()),
            // Installed when `fuzz` or `deny` first ask for it.
            Some(what) if !FOR_TESTS.contains(part) => println!("later  {:8}{what}", part.name()),
            Some(what) => {
                missing += 1;
                println!("miss   {:8}{what}", part.name());
            }
        }
    }
    if missing > 0 {
        bail!("{missing} parts are missing; `cargo xtask setup` installs them");
    }
    Ok(())
}

/// Whether `stamp` holds exactly `wanted`: the mark of a finished install.
fn stamped(stamp: &Path, wanted: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|found| found == wanted)
}
