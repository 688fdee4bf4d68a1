//! The bare durable append: what one group commit must wait for.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

/// What a loop of append and fdatasync took.
#[derive(Debug, Clone, Copy)]
pub struct SyncLoop {
    /// Appends made durable a second, one after the other.
    pub per_s: f64,
    /// Median of one append and sync, in microseconds.
    pub p50_us: u64,
    /// 99 % of them.
    pub p99_us: u64,
}

/// Appends `bytes` bytes to a file in `dir` and syncs its data, for `duration`.
///
/// # Errors
/// If the file cannot be written.
pub fn append_and_sync(dir: &Path, bytes: usize, duration: Duration) -> anyhow::Result<SyncLoop> {
    let path = dir.join("bare-fdatasync");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("failed to open {}", path.display()))?;
    let data = vec![0xa5; bytes];
    let mut took_us = Vec::new();
    let start = Instant::now();
    while start.elapsed() < duration {
        let step = Instant::now();
        file.write_all(&data)?;
        file.sync_data()?;
        took_us.push(step.elapsed().as_micros() as u64);
    }
    let per_s = took_us.len() as f64 / start.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    took_us.sort_unstable();
    let at = |share: f64| took_us[((took_us.len() - 1) as f64 * share) as usize];
    Ok(SyncLoop { per_s, p50_us: at(0.5), p99_us: at(0.99) })
}
