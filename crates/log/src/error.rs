//! What can go wrong, grouped by whose it is: storage, configuration, the caller.

use std::io;
use std::path::{Path, PathBuf};

use firmlog_tlog::merkle::TreeHead;

/// Why the log could not start, read or maintain itself. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Storage: an operation on a file failed.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Storage: a stored object is not what was written.
    #[error("use {object}: expected {expected}, got {got}")]
    Damaged {
        /// The object: a file, a tile id, a byte offset.
        object: String,
        /// What it should be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// Storage: the tree is older than, or other than, what was signed last.
    #[error(
        "sign for this data: the never-fork record {} says size {}, root {}, but the data has {got}; \
         signing would fork the log. Bring back the newest data (the write-ahead log and the tiles), \
         or start a new log under a new origin", record.display(), signed.size, signed.root
    )]
    WouldFork {
        /// The record's file.
        record: PathBuf,
        /// The head that was signed last.
        signed: TreeHead,
        /// What the data has instead.
        got: String,
    },
    /// Configuration: the never-fork record is missing.
    #[error(
        "start without the never-fork record {}: expected a file, got none. It is made once, when \
         the log is created; after a loss, make sure no newer copy of this log ever signed, then \
         adopt the data explicitly", .0.display()
    )]
    RecordMissing(PathBuf),
    /// Configuration: a witness has no memory of a log. It would cosign any tree, also one that
    /// contradicts what it cosigned before.
    #[error(
        "cosign for {origin}: what was cosigned before should be in {}, and nothing is there",
        path.display()
    )]
    WitnessStateMissing {
        /// The log.
        origin: String,
        /// The file with the checkpoint cosigned last.
        path: PathBuf,
    },
    /// Configuration: something is there already.
    #[error("create {}: it exists already", .0.display())]
    Exists(PathBuf),
    /// Configuration: another process has the log open.
    #[error("lock {}: another process has this log open", .0.display())]
    Locked(PathBuf),
    /// Configuration: the data or record is of another log.
    #[error("open as {expected}: this is the log {got}")]
    OtherOrigin {
        /// The configured origin.
        expected: String,
        /// What the data names.
        got: String,
    },
    /// Configuration: the first entry is not a genesis statement this log can start with.
    #[error("accept the genesis statement: {0}")]
    Genesis(String),
    /// Caller: the entry or tile is below the minimum index.
    #[error("read below the minimum index {min}: pruned")]
    Pruned {
        /// The first index that is kept.
        min: u64,
    },
    /// Caller: beyond the published tree.
    #[error("read {what}: the published tree has {size} entries")]
    Beyond {
        /// What was asked for.
        what: String,
        /// The published size.
        size: u64,
    },
    /// The signer refused.
    #[error("sign the checkpoint: {0}")]
    Signer(String),
    /// A worker thread could not be started.
    #[error("start a thread: {0}")]
    Thread(#[source] io::Error),
}

impl LogError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_path_buf(), source }
    }

    pub(crate) fn damaged(
        object: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self::Damaged { object: object.into(), expected: expected.into(), got: got.into() }
    }
}

/// Why a batch was not appended. Nothing in it was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The queue is full, or the flusher is behind: try again later.
    #[error("append: the log is busy")]
    Busy,
    /// No space left; nothing of the batch was written. Try again when there is space.
    #[error("append: the disk is full")]
    DiskFull,
    /// Storage failed; the log is read-only until it is restarted. The entries may or may not be
    /// in the log after that; submitting them again is safe.
    #[error("append: storage failed and the log is read-only until restart: {0}")]
    FailedStorage(String),
    /// The log is shutting down.
    #[error("append: the log is closing")]
    Closed,
}
