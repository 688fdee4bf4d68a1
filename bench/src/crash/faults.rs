//! Every storage step of the log fails in turn, in each way a disk can fail.
//!
//! ```text
//! wal write 3 · failed but persisted · then power cut → reopened at 412, 380 promised, all there
//! ```
//!
//! The log runs in this process on a disk in memory that knows what is visible
//! and what is durable. Each case: create, append, let one step fail, take the
//! process or the power away, reopen, and settle the ledger; then append again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use firmlog_keys::{Algorithm, AwsLc, FileKey, NoteKey};
use firmlog_log::fault::{Fault, FaultDisk, FaultKind, Op};
use firmlog_log::{Batch, Config, Log, Reader, Registration};
use firmlog_tlog::merkle::leaf_hash;
use firmlog_tlog::note;
use firmlog_tlog::note::NoteSigner;
use firmlog_tlog::tile::TilePath;

use super::ledger::{Ledger, Resources, Violation};
use crate::load::work::SplitMix;
use crate::rig::genesis::genesis;

const ORIGIN: &str = "log.example/faults";
/// Batches appended in each life of a log.
const BATCHES: u64 = 24;
/// Entries of the largest batch.
const BATCH_MAX: u64 = 40;

/// What the cases found together.
#[derive(Debug, Clone, Default)]
pub struct FaultReport {
    /// Cases played.
    pub cases: u64,
    /// Cases in which the step was reached and failed.
    pub struck: u64,
    /// Entries acknowledged.
    pub acknowledged: u64,
    /// What was broken, with the case that showed it.
    pub violations: Vec<(String, Violation)>,
}

/// One way to fail.
#[derive(Debug, Clone)]
struct Case {
    op: Op,
    path: &'static str,
    nth: u64,
    kind: FaultKind,
    power_cut: bool,
    seed: u64,
}

/// Plays every kind of fault at the first `depth` steps of every kind.
///
/// # Errors
/// If a log cannot be created or reopened for a reason other than a broken promise.
pub fn play(seed: u64, depth: u64) -> anyhow::Result<FaultReport> {
    let mut report = FaultReport::default();
    let mut random = SplitMix(seed);
    for case in cases(depth, &mut random) {
        let name = format!("{case:?}");
        play_case(&case, &mut report).with_context(|| format!("in case {name}"))?;
    }
    Ok(report)
}

fn cases(depth: u64, random: &mut SplitMix) -> Vec<Case> {
    let steps = [
        (Op::Write, "wal"),
        (Op::Sync, "wal"),
        (Op::Preallocate, "wal"),
        (Op::Name, "wal"),
        (Op::Write, "record"),
        (Op::Sync, "record"),
        (Op::Write, "tile"),
        (Op::Name, "tile"),
        (Op::Name, "checkpoint"),
        (Op::Any, ""),
    ];
    let kinds = [
        FaultKind::Failed,
        FaultKind::FailedPersisted,
        FaultKind::Torn,
        FaultKind::NoSpace,
        FaultKind::PowerCut,
    ];
    let mut cases = Vec::new();
    for (op, path) in steps {
        for kind in kinds {
            for nth in 0..depth {
                for power_cut in [false, true] {
                    let seed = random.next_u64();
                    cases.push(Case { op, path, nth, kind, power_cut, seed });
                }
            }
        }
    }
    cases
}

fn play_case(case: &Case, report: &mut FaultReport) -> anyhow::Result<()> {
    let key = FileKey::generate(Algorithm::Ed25519)?;
    let signer = key.note_signer(ORIGIN, note::Algorithm::Ed25519)?;
    let mut ledger = Ledger::new(*signer.verifier_key());
    let mut random = SplitMix(case.seed);
    let disk = FaultDisk::new();
    let key = signer.verifier_key();
    let genesis = genesis(ORIGIN, key, firmlog_statement::Registration::Any, signer.key())?;
    Log::create_on(Arc::new(disk.clone()), &config(), &genesis, &AwsLc)?;
    disk.inject(Fault {
        op: case.op,
        path: case.path.into(),
        nth: case.nth,
        times: 1,
        kind: case.kind,
    });
    let failed = live(&disk, &signer, &mut ledger, &mut random);
    let mut disk = if case.power_cut { disk.power_cut(case.seed) } else { disk.killed() };
    report.cases += 1;
    report.struck += u64::from(failed);
    // Twice more: what the first recovery wrote must itself survive.
    for _ in 0..2 {
        reopen(&disk, &signer, &mut ledger, &mut random)?;
        disk = if case.power_cut { disk.power_cut(case.seed ^ 1) } else { disk.killed() };
    }
    report.acknowledged += ledger.acknowledged();
    let found = ledger.violations().iter();
    report.violations.extend(found.map(|violation| (format!("{case:?}"), violation.clone())));
    Ok(())
}

/// Opens a log and appends until a step fails; true if one did.
fn live(
    disk: &FaultDisk,
    signer: &NoteKey<FileKey>,
    ledger: &mut Ledger,
    random: &mut SplitMix,
) -> bool {
    let opened =
        Log::open_on(Arc::new(disk.clone()), config(), Box::new(signer.clone()), Arc::new(AwsLc));
    let Ok((log, _)) = opened else { return true };
    let failed = append(&log, ledger, random).is_err();
    failed | log.close().is_err()
}

fn reopen(
    disk: &FaultDisk,
    signer: &NoteKey<FileKey>,
    ledger: &mut Ledger,
    random: &mut SplitMix,
) -> anyhow::Result<()> {
    let (log, _) =
        Log::open_on(Arc::new(disk.clone()), config(), Box::new(signer.clone()), Arc::new(AwsLc))
            .context("failed to reopen")?;
    ledger.settle_everything(&mut log.reader())?;
    append(&log, ledger, random).context("failed to append after recovery")?;
    ledger.settle_everything(&mut log.reader())?;
    Ok(())
}

fn append(log: &Log, ledger: &mut Ledger, random: &mut SplitMix) -> anyhow::Result<()> {
    let (appender, checker) = (log.appender(), log.checker());
    for _ in 0..BATCHES {
        let mut batch = Batch::default();
        let mut leaves = Vec::new();
        for _ in 0..=random.below(BATCH_MAX) {
            let entry = vec![random.next_u64() as u8; random.below(300) as usize + 9];
            let entry = [&random.next_u64().to_be_bytes(), entry.as_slice()].concat();
            checker.push(&mut batch, &entry)?;
            leaves.push(leaf_hash(&entry));
        }
        let committed = appender.append(batch)?;
        ledger.see(committed.published.checkpoint.as_bytes())?;
        ensure!(committed.outcomes.len() == leaves.len(), "an outcome is missing");
        for (outcome, leaf) in committed.outcomes.iter().zip(leaves) {
            let index = outcome.index().context("an entry was refused")?;
            ledger.promise(index.0, leaf);
        }
        // Sometimes the flusher gets a turn between two batches.
        if random.below(8) == 0 {
            std::thread::sleep(Duration::from_millis(3));
        }
    }
    Ok(())
}

fn config() -> Config {
    let mut config = Config::new("/data", "/record/record", ORIGIN, Registration::Any);
    config.segment_bytes = 64 << 10;
    config.flush_interval = Duration::from_millis(1);
    config.snapshot_entries = 128;
    config
}

impl Resources for Reader {
    fn fetch(&mut self, path: &TilePath) -> anyhow::Result<Vec<u8>> {
        self.resource(*path).with_context(|| format!("failed to read {path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_of_each_kind_breaks_no_promise() {
        let report = play(7, 1).unwrap();
        assert!(report.struck > 0 && report.acknowledged > 0);
        assert_eq!(report.violations, []);
    }
}
