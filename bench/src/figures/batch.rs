//! Raw batches, and the server's memory and storage after them.

use super::figure::median;
use super::report::Report;
use super::stage::Stage;
use super::targets::{BYTES_PER_ENTRY, RAW_BATCH, RSS};
use crate::bare::{append_and_sync, hash_sha256};
use crate::rig::log::{Kind, ServedLog};

/// Connections that send batches.
const CONNECTIONS: usize = 8;
/// One leaf hash and one node hash an entry: what no log can do without.
const HASHED_BYTES: usize = 65;

/// Measures throughput, memory and storage of one log.
///
/// # Errors
/// If a server cannot be started, or answers with failures.
pub(super) fn measure(stage: &Stage, report: &mut Report) -> anyhow::Result<()> {
    let mut log = ServedLog::start(&stage.firmlog, &stage.dir, Kind::Any)?;
    let (mut batches, mut syncs, mut hashes) = (vec![], vec![], vec![]);
    for _ in 0..stage.rounds() {
        let load = stage.load(&log.server, CONNECTIONS);
        batches.push(stage.loader.run("batch", &load, &["--dup-chance", "0"])?.entries_per_s);
        syncs.push(append_and_sync(&stage.dir, 64 << 10, stage.duration() / 4)?.per_s);
        hashes.push(hash_sha256(HASHED_BYTES, stage.duration() / 4).per_s());
    }
    let size = log.head()?.size.0;
    let batch = RAW_BATCH
        .measured(
            median(&batches),
            "two SHA-256 of 65 bytes an entry, one core, /s",
            median(&hashes) / 2.0,
        )
        .with("bare_fdatasync_of_64_kib_per_s", median(&syncs))
        .with("connections", CONNECTIONS)
        .with("entries_of_a_batch", 1000)
        .with("rounds", stage.rounds())
        .with("seconds", stage.seconds());
    report.add(&RAW_BATCH, batch);
    let usage = log.server.usage();
    let rss = RSS
        .measured(
            usage.rss_kib as f64 / 1024.0,
            "highest at any time, MiB",
            usage.rss_peak_kib as f64 / 1024.0,
        )
        .with("entries", size)
        .with("devices", 0);
    report.add(&RSS, rss);
    log.stop()?;
    let stored = log.place.stored()?;
    let overhead = |bytes: u64| (bytes as f64 - stored.entry_bytes as f64) / stored.entries as f64;
    let storage = BYTES_PER_ENTRY
        .measured(
            overhead(stored.file_bytes),
            "tlog-tiles: length, leaf hash, upper tiles, B",
            34.13,
        )
        .with("entries", stored.entries)
        .with("bytes_of_entries", stored.entry_bytes)
        .with("in_disk_blocks", overhead(stored.block_bytes))
        .with("write_ahead_log_bytes_apart", stored.wal_bytes);
    report.add(&BYTES_PER_ENTRY, storage);
    Ok(())
}
