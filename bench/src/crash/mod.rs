//! The crash harness: kill the server at random moments, and look for what is missing.
//!
//! ```text
//! 200 rounds, 200 kills, 1 204 511 acknowledged, 0 lost, 0 forks
//! ```
//!
//! In scope: real server processes killed under load, a full disk, and every
//! storage step of the log failing in turn. Out of scope: what a disk does to
//! its own cache when the power goes (the fault disk plays that in memory).
//!
//! Invariants looked for:
//! - Each acknowledged index returns the acknowledged bytes, under a proof that verifies.
//! - Each checkpoint ever seen is consistent with every later one.

pub mod client;
pub mod faults;
pub mod full;
pub mod ledger;
pub mod rounds;
pub mod writers;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use self::ledger::Violation;

/// What is to be played.
#[derive(Debug, Clone)]
pub struct Options {
    /// The product's binary.
    pub firmlog: PathBuf,
    /// Where logs are made.
    pub dir: PathBuf,
    /// Rounds of serve, write and kill.
    pub rounds: u64,
    /// Decides every random choice.
    pub seed: u64,
    /// Steps of each kind that fail in turn.
    pub fault_depth: u64,
}

/// Plays faults, a full disk, and the rounds; prints one line for each.
///
/// # Errors
/// If any promise was broken; the evidence is kept.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let dir = tempfile::Builder::new().prefix("crash-").tempdir_in(&options.dir)?;
    let played = play(options, dir.path());
    if played.is_err() {
        tell(&format!("evidence kept in {}", dir.keep().display()))?;
    }
    played
}

fn play(options: &Options, dir: &Path) -> anyhow::Result<()> {
    let mut broken = Vec::new();
    let faults = faults::play(options.seed, options.fault_depth).context("storage faults")?;
    broken.extend(faults.violations.iter().map(|(case, what)| (what.clone(), case.clone())));
    tell(&format!(
        "{} storage faults, {} struck, {} acknowledged, {}",
        faults.cases,
        faults.struck,
        faults.acknowledged,
        count(faults.violations.iter().map(|(_, what)| what))
    ))?;
    match full::play(&options.firmlog, dir).context("full disk")? {
        None => tell("full disk: left out, this user may not mount a small file system")?,
        Some(full) => {
            tell(&format!(
                "full disk, refused with {}, {} acknowledged, {}",
                full.refused_with,
                full.acknowledged,
                count(&full.violations)
            ))?;
            broken.extend(full.violations.into_iter().map(|what| (what, "full disk".into())));
        }
    }
    let rounds = rounds::play(&options.firmlog, dir, options.rounds, options.seed)?;
    tell(&format!(
        "{} rounds, {} kills, {} acknowledged, {}",
        rounds.rounds,
        rounds.kills,
        rounds.acknowledged,
        count(&rounds.violations)
    ))?;
    let seed = format!("rounds of seed {}", options.seed);
    broken.extend(rounds.violations.into_iter().map(|what| (what, seed.clone())));
    for (what, place) in &broken {
        tell(&format!("{what:?} ({place})"))?;
    }
    for what in &rounds.wrong {
        tell(&format!("wrong: {what} ({seed})"))?;
    }
    ensure!(broken.is_empty() && rounds.wrong.is_empty(), "a promise was broken");
    Ok(())
}

fn count<'a>(violations: impl IntoIterator<Item = &'a Violation>) -> String {
    let (mut lost, mut forks) = (0, 0);
    for violation in violations {
        match violation {
            Violation::Lost(_) => lost += 1,
            Violation::Fork(_) => forks += 1,
        }
    }
    format!("{lost} lost, {forks} forks")
}

fn tell(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("failed to print")
}
