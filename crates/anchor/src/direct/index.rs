//! The index of events: one SQLite file, read again from the chain at any time.
//!
//! ```text
//! $ sqlite3 updates.db "SELECT nonce, version, block_number FROM events ORDER BY block_number"
//! 0|1.2.3|21000042
//! ```
//!
//! In scope: the file. Out of scope: what goes into it (`follow`), what it is compared with
//! (`history`). Nothing in it is evidence: it is what providers said.
//!
//! Invariants:
//! - Events and the mark up to where they were read change in one transaction: a process that dies
//!   leaves whole ranges.
//! - Events above the final mark go when the block they were read up to is not on the chain.
//! - Memory is bounded: events are read in pages.

use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::contract::Outcome;
use super::record::{Event, Placed, Record};
use crate::contract::Deployment;
use crate::error::AnchorError;

/// The form of the file.
pub const FORMAT: &str = "firmlog/direct-index/v1";

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    format TEXT NOT NULL, chain_id INTEGER NOT NULL, contract BLOB NOT NULL,
    from_block INTEGER NOT NULL,
    final_block INTEGER, final_hash BLOB, head_block INTEGER, head_hash BLOB
) STRICT;
CREATE TABLE IF NOT EXISTS events (
    block_number INTEGER NOT NULL, log_index INTEGER NOT NULL,
    block_hash BLOB NOT NULL, tx BLOB NOT NULL,
    device_key BLOB NOT NULL, nonce INTEGER NOT NULL,
    update_hash BLOB NOT NULL, previous BLOB NOT NULL, firmware_hash BLOB NOT NULL,
    version TEXT NOT NULL, timestamp INTEGER NOT NULL, logged_at INTEGER NOT NULL,
    outcome INTEGER NOT NULL, authorised_by BLOB NOT NULL, content_cid BLOB NOT NULL,
    PRIMARY KEY (block_number, log_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_device ON events (device_key, nonce);
";

/// Up to which block something was read, and that block's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The block's number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// The open index.
#[derive(Debug)]
pub struct Index {
    connection: Connection,
    path: PathBuf,
    pub(super) deployment: Deployment,
    pub(super) from_block: u64,
}

impl Index {
    /// Opens `updates.db` in `dir`, or makes it. One that starts later than `from_block` is begun
    /// afresh.
    ///
    /// # Errors
    /// Storage; [`AnchorError::Damaged`] for a file that is none, or of another contract.
    pub fn open(dir: &Path, deployment: Deployment, from_block: u64) -> Result<Self, AnchorError> {
        let findings = dir.join("findings");
        std::fs::create_dir_all(&findings).map_err(AnchorError::io("create", &findings))?;
        let path = dir.join("updates.db");
        let damaged = |why: String| {
            let why = format!("{why}; remove it, and it is read from the chain again");
            AnchorError::damaged(&path, why)
        };
        let connection = Connection::open(&path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.execute_batch(SCHEMA).map_err(|e| damaged(e.to_string()))?;
        let mut index = Self { connection, path: path.clone(), deployment, from_block };
        let sql = "SELECT format, chain_id, contract, from_block FROM meta";
        let kept = index
            .connection
            .query_row(sql, [], |row| {
                let id = row.get::<_, i64>(1)?.cast_unsigned();
                let contract: Blob<20> = row.get(2)?;
                Ok((row.get::<_, String>(0)?, id, contract, row.get::<_, i64>(3)?))
            })
            .optional()
            .map_err(|e| damaged(e.to_string()))?;
        let Some((format, chain_id, contract, from)) = kept else {
            index.clear()?;
            return Ok(index);
        };
        if (format.as_str(), chain_id, Address::from(contract.0))
            != (FORMAT, deployment.chain_id, deployment.contract)
        {
            let got = format!("{format} of {} on chain {chain_id}", Address::from(contract.0));
            return Err(damaged(format!("expected {FORMAT} of {deployment:?}, got {got}")));
        }
        if from.cast_unsigned() > from_block {
            index.clear()?;
        } else {
            index.from_block = from.cast_unsigned();
        }
        Ok(index)
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets everything: the next reading starts at the first block.
    ///
    /// # Errors
    /// Storage.
    pub fn clear(&mut self) -> Result<(), AnchorError> {
        let all = self.connection.transaction()?;
        all.execute_batch("DELETE FROM events; DELETE FROM meta;")?;
        all.execute(
            "INSERT INTO meta (id, format, chain_id, contract, from_block) VALUES (1, ?, ?, ?, ?)",
            params![
                FORMAT,
                self.deployment.chain_id.cast_signed(),
                self.deployment.contract.as_slice(),
                self.from_block.cast_signed()
            ],
        )?;
        Ok(all.commit()?)
    }

    /// The newest block that was final when it was read; nothing before the first.
    ///
    /// # Errors
    /// Storage.
    pub fn final_mark(&self) -> Result<Option<Mark>, AnchorError> {
        self.mark("SELECT final_block, final_hash FROM meta")
    }

    /// The newest block that was read.
    ///
    /// # Errors
    /// Storage.
    pub fn head_mark(&self) -> Result<Option<Mark>, AnchorError> {
        self.mark("SELECT head_block, head_hash FROM meta")
    }

    fn mark(&self, sql: &str) -> Result<Option<Mark>, AnchorError> {
        let read = |row: &Row<'_>| {
            let number: Option<i64> = row.get(0)?;
            let hash: Option<Blob<32>> = row.get(1)?;
            Ok(number.zip(hash))
        };
        let found = self.connection.query_row(sql, [], read)?;
        Ok(found.map(|(number, hash)| Mark { number: number.cast_unsigned(), hash: hash.0.into() }))
    }

    /// Adds the events up to a block, and marks it.
    pub(super) fn add(
        &mut self,
        events: &[Placed],
        to: Mark,
        is_final: bool,
    ) -> Result<(), AnchorError> {
        let all = self.connection.transaction()?;
        {
            let mut insert = all.prepare_cached(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            for placed in events {
                let (event, record) = (&placed.event, &placed.event.record);
                insert.execute(params![
                    placed.block_number.cast_signed(),
                    placed.log_index.cast_signed(),
                    placed.block_hash.as_slice(),
                    placed.tx.as_slice(),
                    event.device_key.as_slice(),
                    record.nonce.cast_signed(),
                    event.update_hash.as_slice(),
                    record.previous.as_slice(),
                    record.firmware_hash.as_slice(),
                    record.version,
                    record.timestamp.cast_signed(),
                    record.logged_at.cast_signed(),
                    record.outcome.number(),
                    record.authorised_by.as_slice(),
                    record.content_cid.as_ref(),
                ])?;
            }
        }
        let (number, hash) = (to.number.cast_signed(), to.hash);
        all.execute("UPDATE meta SET head_block = ?, head_hash = ?", params![number, hash.0])?;
        if is_final {
            all.execute(
                "UPDATE meta SET final_block = ?, final_hash = ?",
                params![number, hash.0],
            )?;
        }
        Ok(all.commit()?)
    }

    /// Blocks that were read have become final.
    pub(super) fn settle(&mut self, to: Mark) -> Result<(), AnchorError> {
        let settled = params![to.number.cast_signed(), to.hash.0];
        self.connection.execute("UPDATE meta SET final_block = ?, final_hash = ?", settled)?;
        Ok(())
    }

    /// Takes back what was read above the final mark; how many events that were.
    pub(super) fn roll_back(&mut self) -> Result<usize, AnchorError> {
        let all = self.connection.transaction()?;
        let gone = all.execute(
            "DELETE FROM events WHERE block_number > (SELECT coalesce(final_block, -1) FROM meta)",
            [],
        )?;
        all.execute("UPDATE meta SET head_block = final_block, head_hash = final_hash", [])?;
        all.commit()?;
        Ok(gone)
    }

    /// How many events there are, and of how many devices.
    ///
    /// # Errors
    /// Storage.
    pub fn size(&self) -> Result<(u64, u64), AnchorError> {
        let sql = "SELECT count(*), count(DISTINCT device_key) FROM events";
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let (events, devices) = self.connection.query_row(sql, [], read)?;
        Ok((events.cast_unsigned(), devices.cast_unsigned()))
    }

    /// Events of a device whose numbers are in `from..to`, at most `max`, by number and place.
    ///
    /// # Errors
    /// Storage.
    pub fn events(
        &self,
        device_key: B256,
        from: u64,
        to: u64,
        max: usize,
    ) -> Result<Vec<Placed>, AnchorError> {
        let end = i64::try_from(to).unwrap_or(i64::MAX);
        let sql = "SELECT * FROM events WHERE device_key = ? AND nonce >= ? AND nonce < ?
                   ORDER BY nonce, block_number, log_index LIMIT ?";
        let mut select = self.connection.prepare_cached(sql)?;
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let asked = params![device_key.as_slice(), from.cast_signed(), end, max];
        let rows = select.query_map(asked, placed)?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    }
}

fn placed(row: &Row<'_>) -> rusqlite::Result<Placed> {
    let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let hash = |at: usize| row.get::<_, Blob<32>>(at).map(|blob| B256::from(blob.0));
    let outcome = u8::try_from(number(12)?).ok().and_then(Outcome::of);
    let outcome = outcome.ok_or(rusqlite::Error::IntegralValueOutOfRange(12, 0))?;
    Ok(Placed {
        block_number: number(0)?,
        log_index: number(1)?,
        block_hash: hash(2)?,
        tx: hash(3)?,
        event: Event {
            device_key: hash(4)?,
            update_hash: hash(6)?,
            record: Record {
                nonce: number(5)?,
                previous: hash(7)?,
                firmware_hash: hash(8)?,
                version: row.get(9)?,
                timestamp: number(10)?,
                logged_at: number(11)?,
                outcome,
                authorised_by: Address::from(row.get::<_, Blob<20>>(13)?.0),
                content_cid: Bytes::from(row.get::<_, Vec<u8>>(14)?),
            },
        },
    })
}

/// A blob of one length.
struct Blob<const N: usize>([u8; N]);

impl<const N: usize> FromSql for Blob<N> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        let wrong = || FromSqlError::InvalidBlobSize { expected_size: N, blob_size: bytes.len() };
        bytes.try_into().map(Self).map_err(|_| wrong())
    }
}
