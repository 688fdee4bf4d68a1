//! Keeps the view up to date: a thread that applies new entries as the log publishes them.
//!
//! It runs at a lower priority than the rest of the process: a busy log lets its view lag, and
//! every answer from the view says by how much.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use firmlog_index::{Index, Input};
use firmlog_log::{LogError, Reader};
use firmlog_tlog::merkle::TreeSize;
use tokio::sync::watch;

/// Entries applied in one transaction.
const BATCH: usize = 2048;

/// How long to wait for new entries before looking whether to end.
const PATIENCE: Duration = Duration::from_millis(200);

/// The view rests this many times as long as its last transaction took, so that a steady load costs
/// few large transactions: a tenth of one core, and as little of the disk. One that is far behind
/// does not rest.
const REST: u32 = 9;
const REST_MIN: Duration = Duration::from_millis(25);
const REST_MAX: Duration = Duration::from_millis(500);

/// Pause after an error, which is usually a full disk.
const BACKOFF: Duration = Duration::from_secs(5);

/// How much lower than the rest this thread's priority is.
const NICE: i32 = 10;

/// Follows the log until `stop`; tells `covered` after each transaction.
pub(crate) fn follow(
    reader: &Reader,
    index: &Index,
    covered: &watch::Sender<u64>,
    stop: &Arc<AtomicBool>,
) {
    // Without the permission to be polite the view still works.
    let _ = rustix::process::nice(NICE);
    while !stop.load(Ordering::Acquire) {
        let start = Instant::now();
        match step(reader, index) {
            Ok((size, 0)) => {
                covered.send_replace(size);
                let _ = reader.wait_for(TreeSize(size + 1), PATIENCE);
            }
            Ok((size, added)) => {
                covered.send_replace(size);
                if added < BATCH as u64 {
                    std::thread::sleep((start.elapsed() * REST).clamp(REST_MIN, REST_MAX));
                }
            }
            Err(error) => {
                tracing::error!(%error, "the index does not follow the log");
                std::thread::sleep(BACKOFF);
            }
        }
    }
}

/// Applies one batch; says how far the view is and how far it moved.
fn step(reader: &Reader, index: &Index) -> Result<(u64, u64), FollowError> {
    let covered = index.covered()?;
    let size = reader.published().head.size.0;
    if covered >= size {
        return Ok((covered, 0));
    }
    let entries = match reader.entries(covered, BATCH) {
        Err(LogError::Pruned { min }) if min > covered => {
            for entry in reader.kept(covered, usize::MAX)? {
                index.skip_to(entry.index.0)?;
                let seen_ms = entry.received_ms.unwrap_or(0);
                index.apply(&[Input { index: entry.index.0, entry: &entry.bytes, seen_ms }])?;
            }
            index.skip_to(min)?;
            return Ok((min, min - covered));
        }
        entries => entries?,
    };
    let inputs: Vec<_> = entries
        .iter()
        .map(|entry| Input {
            index: entry.index.0,
            entry: &entry.bytes,
            seen_ms: entry.received_ms.unwrap_or(0),
        })
        .collect();
    let findings = index.apply(&inputs)?;
    if findings > 0 {
        tracing::warn!(findings, from = covered, "new entries raise findings");
    }
    let added = inputs.len() as u64;
    Ok((covered + added, added))
}

/// Why the view does not follow.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Index(#[from] firmlog_index::Error),
}

/// Rebuilds the view of `reader`'s log from its first kept entry; calls `progress` with entries
/// done and all entries.
///
/// # Errors
/// Storage errors of the log or of the view.
pub fn reindex(
    reader: &Reader,
    index: &Index,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, ReindexError> {
    index.reset().map_err(|error| ReindexError(error.into()))?;
    let size = reader.published().head.size.0;
    loop {
        let (covered, _) = step(reader, index).map_err(ReindexError)?;
        progress(covered, size);
        if covered >= size {
            return Ok(covered);
        }
    }
}

/// Why the view could not be rebuilt.
#[derive(Debug, thiserror::Error)]
#[error("rebuild the index: {0}")]
pub struct ReindexError(FollowError);
