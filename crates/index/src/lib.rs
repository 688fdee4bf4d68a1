//! The queryable view of the log: one SQLite file, rebuilt from the log at any time, and beside it
//! one for disclosures, which are nowhere else.
//!
//! ```text
//! $ sqlite3 index.db "SELECT idx, kind, issuer, version FROM entries ORDER BY idx DESC LIMIT 2"
//! 48211|update|acme.example/devices|4.2.1
//! 48210|release|acme.example/fw|4.2.1
//! ```
//!
//! In scope: who, what, which device, which file, when seen; disclosures, which may be erased;
//! findings a reader of every entry can make on its own (a forked device chain).
//! Out of scope: proofs and trust. Nothing the view says is evidence; the entry it points at is.
//!
//! Invariants:
//! - The view covers exactly the entries `0..covered()`; a transaction moves that mark and its
//!   rows together, so a crash loses whole batches, never half of one.
//! - Rebuilding from the same entries gives the same rows. Only disclosures are not in the log:
//!   they are durable before [`Index::disclose`] returns, and stay when the view is rebuilt.
//! - The view itself is not synced while in use. After a loss of power it is thrown away on opening
//!   and starts from entry 0 ([`Index::starts_over`]); a killed process loses nothing.
//! - Memory is bounded: every query has a limit, caches are fixed.

mod apply;
mod audit;
mod disclosed;
mod everybody;
mod extract;
mod finding;
mod marker;
mod query;
mod record;
mod schema;
mod search;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::marker::Marker;

pub use apply::{Applied, Input};
pub use audit::{Audit, Difference};
pub use disclosed::Disclosed;
pub use extract::extract;
pub use finding::Finding;
pub use query::{DeviceRow, EntryFilter, EntryRow, FleetCount, Page, ReleaseRow};
pub use record::{Chain, Record, Runs};
pub use search::{Hit, Query, detect};

/// Read connections kept open; more are opened and closed again under load.
const READERS_KEPT: usize = 4;

/// Why the index could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read or written.
    #[error("use the index file: {0}")]
    Storage(#[from] rusqlite::Error),
    /// The files beside it could not be read or written.
    #[error("use the files beside the index: {0}")]
    Files(#[from] std::io::Error),
    /// The file belongs to another program or to a newer version of this one.
    #[error("open the index: it has format {found}, this program writes {expected}; reindex it")]
    Format {
        /// Format this program writes.
        expected: i64,
        /// Format found in the file.
        found: i64,
    },
    /// The file is the view of another log.
    #[error("open the index: it belongs to log {found:?}, not {expected:?}")]
    OtherLog {
        /// Origin asked for.
        expected: String,
        /// Origin in the file.
        found: String,
    },
    /// Values were erased, but may still be in the write-ahead file.
    #[error("empty the write-ahead file of the disclosures: it is being read; erase again")]
    StillRead,
    /// Entries were offered out of order.
    #[error("apply entries: expected index {expected}, got {got}")]
    NotNext {
        /// The index the view needs next.
        expected: u64,
        /// The index it was given.
        got: u64,
    },
}

/// The view. Cheap to share behind an `Arc`; one writer, several readers.
pub struct Index {
    path: PathBuf,
    kept: PathBuf,
    marker: Marker,
    starts_over: bool,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Index {
    /// Opens or creates the view of the log named `origin` at `path`.
    ///
    /// # Errors
    /// [`Error::Format`] and [`Error::OtherLog`] when the file is not this log's view.
    pub fn open(path: &Path, origin: &str) -> Result<Self, Error> {
        let marker = Marker::of(path);
        let starts_over = marker.is_stale()?;
        if starts_over {
            marker.discard()?;
        }
        let kept = schema::kept_path(path);
        let mut writer = Connection::open(path)?;
        schema::prepare(&mut writer, &kept, origin)?;
        marker.set()?;
        Ok(Self {
            path: path.to_owned(),
            kept,
            marker,
            starts_over,
            writer: Mutex::new(writer),
            readers: Mutex::default(),
        })
    }

    /// True if the view was in use when the machine last went down, and so was thrown away.
    pub fn starts_over(&self) -> bool {
        self.starts_over
    }

    /// The number of leading entries the view covers.
    pub fn covered(&self) -> Result<u64, Error> {
        self.read(covered)
    }

    /// Forgets every row that can be rebuilt from the log; disclosures stay.
    pub fn reset(&self) -> Result<(), Error> {
        let mut writer = self.writer();
        let origin: String =
            writer.query_row("SELECT value FROM meta WHERE key = 'origin'", [], |r| r.get(0))?;
        schema::reset(&mut writer, &origin)
    }

    /// Where the file is, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read<T>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => self.open_reader()?,
        };
        let answer = ask(&connection);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT {
            readers.push(connection);
        }
        answer
    }

    fn open_reader(&self) -> Result<Connection, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&self.path, flags)?;
        schema::tune_reader(&reader, &self.kept)?;
        Ok(reader)
    }
}

impl Drop for Index {
    /// Leaves a synced view behind. Where that fails, the marker stays and says so.
    fn drop(&mut self) {
        let moved = |schema: &str| {
            let checkpoint = format!("PRAGMA {schema}.wal_checkpoint(TRUNCATE)");
            self.writer().query_row(&checkpoint, [], |row| row.get::<_, bool>(0)) == Ok(false)
        };
        // Disclosures are durable as they are; moved, they are in one file, which people copy.
        let _ = moved("kept");
        if moved("main") {
            let _ = self.marker.clear();
        }
    }
}

pub(crate) fn covered(connection: &Connection) -> Result<u64, Error> {
    let size: Option<i64> = connection
        .prepare_cached("SELECT value FROM meta WHERE key = 'covered'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(size.unwrap_or(0).cast_unsigned())
}
