//! The figures of `docs/benchmarks.md`, measured in turn with what is under them.
//!
//! In scope: which figures there are, their settings, the table. Out of scope:
//! starting servers and load (`rig`, `load`), the bare loops (`bare`).
//!
//! Invariant: product and baseline alternate in short rounds, so that a noisy
//! neighbour hits both; a figure is the median over rounds.

mod add;
mod anchor;
mod batch;
pub mod figure;
mod large;
mod proofs;
mod reads;
pub mod report;
mod signed;
pub mod stage;
pub mod table;
pub mod targets;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};

use self::figure::Target;
use self::report::Report;
use self::stage::Stage;
use self::targets as t;
use crate::rig::machine::wait_for_cheap_files;

type Measure = fn(&Stage, &mut Report) -> anyhow::Result<()>;

/// Measurements, with the figures each of them yields.
const GROUPS: [(&[Target], Measure); 7] = [
    (&[t::RAW_ADD, t::RAW_ADD_OF_ECHO], add::measure),
    (&[t::RAW_BATCH, t::RSS, t::BYTES_PER_ENTRY], batch::measure),
    (&[t::SIGNED_P256, t::SIGNED_P256_OF_BARE, t::RECEIPT_P99, t::FSCK], signed::measure_p256),
    (&[t::SIGNED_ED25519], signed::measure_ed25519),
    (&[t::PROOF_CHECKS], proofs::measure),
    (&[t::EVIDENCE_CHECK], anchor::measure),
    (&[t::TILE_READS], reads::measure),
];

/// Measured in a full run, or when asked for by name.
const LARGE: [(&[Target], Measure); 2] =
    [(&[t::COST_GROWTH], large::measure_cost), (&[t::RSS_LARGE], large::measure_memory)];

/// Measures every figure, or those of the group that `only` is in, and writes
/// the report to `json` after each.
///
/// # Errors
/// If there is no such figure, or one cannot be measured.
pub fn run(stage: &Stage, only: Option<&str>, json: Option<&Path>) -> anyhow::Result<Report> {
    wait_for_cheap_files(&stage.dir, Duration::from_secs(if stage.quick { 30 } else { 300 }));
    let mut report = Report::empty(&stage.dir, stage.quick);
    let mut groups: Vec<_> = GROUPS.to_vec();
    if !stage.quick || only.is_some() {
        groups.extend(LARGE);
    }
    groups.retain(|(targets, _)| {
        only.is_none_or(|only| targets.iter().any(|target| target.name == only))
    });
    ensure!(!groups.is_empty(), "no figure is called {}", only.unwrap_or_default());
    for (targets, measure) in groups {
        let known = report.figures.len();
        // A build or the group before may have left writes behind, and syncs would wait for them.
        rustix::fs::sync();
        measure(stage, &mut report)
            .with_context(|| format!("failed to measure {}", targets[0].name))?;
        for (name, figure) in &report.figures[known..] {
            crate::say(&format!("{name}: {}", table::summary(figure)));
        }
        if let Some(json) = json {
            report.write(json)?;
        }
    }
    Ok(report)
}
