//! What the operator decides about a log.

use std::path::PathBuf;
use std::time::Duration;

/// Who may append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Statements signed by a key that the log's own entries have enrolled.
    Signed,
    /// Any bytes. Duplicates are recognised within the last [`Config::dedup_window`] entries only.
    Any,
}

/// Where a log lives and how it runs. [`Config::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory: tiles, bundles, write-ahead log, state.
    pub dir: PathBuf,
    /// The never-fork record; best on another volume than the data, and never restored from backup.
    pub record_path: PathBuf,
    /// The log's name, first line of its checkpoints.
    pub origin: String,
    /// Who may append.
    pub registration: Registration,
    /// Size of a write-ahead segment in bytes; a batch never exceeds it. Two exist at rest.
    pub segment_bytes: u64,
    /// How many of the newest entries are at least searched for duplicates in memory. A log of
    /// signed statements finds older ones on disk, and keeps at least four times
    /// 2^[`Config::leaf_run_bits`] in memory.
    pub dedup_window: usize,
    /// The shortest run of leaf hashes has two to the power of this many entries: 8 to 16.
    pub leaf_run_bits: u8,
    /// Bytes that may wait for the sequencer before submissions are refused as busy.
    pub queue_bytes_max: usize,
    /// Submissions that may wait for the sequencer before more are refused as busy.
    pub queue_len_max: usize,
    /// The most bundle bytes committed at once.
    pub batch_bytes_max: usize,
    /// Bytes of entries not yet durable as tiles at which the sequencer waits for the flusher.
    pub backlog_bytes_max: usize,
    /// Least time between two rounds of the flusher while it is not behind. A round syncs what it
    /// wrote, and commits wait behind that for some milliseconds.
    pub flush_interval: Duration,
    /// A snapshot of the registration state is written when this many entries were added.
    pub snapshot_entries: u64,
}

impl Config {
    /// A log with default limits.
    pub fn new(
        dir: impl Into<PathBuf>,
        record_path: impl Into<PathBuf>,
        origin: impl Into<String>,
        registration: Registration,
    ) -> Self {
        Self {
            dir: dir.into(),
            record_path: record_path.into(),
            origin: origin.into(),
            registration,
            segment_bytes: 32 << 20,
            dedup_window: 1 << 18,
            leaf_run_bits: 16,
            queue_bytes_max: 32 << 20,
            queue_len_max: 1 << 16,
            batch_bytes_max: 4 << 20,
            backlog_bytes_max: 64 << 20,
            flush_interval: Duration::from_secs(2),
            snapshot_entries: 1 << 20,
        }
    }
}
