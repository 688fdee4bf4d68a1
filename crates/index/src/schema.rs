//! Tables of the view, and how a connection to it is tuned.
//!
//! ```text
//! main   meta name digest device entry release approval trust
//!        everybody admin manufacturer also finding seen                       rebuilt by reindex
//!        entries                                                             a view for people
//! kept   disclosure erased                           not in the log: a file of its own, durable
//! ```
//!
//! Digests and names are interned: a fleet of a million devices runs a handful of images under a
//! handful of issuers. Unsigned 64-bit values past `i64::MAX` are stored as `i64::MAX`; the
//! entry itself has the exact value.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::Error;

/// Increased when a table changes; an older or newer file is refused, and reindexed.
pub(crate) const FORMAT: i64 = 7;

/// Marks the file as ours for `file(1)` and for us: "FLOG".
const APPLICATION_ID: i64 = 0x464c_4f47;

const KEPT: &str = "
CREATE TABLE IF NOT EXISTS kept.disclosure (
  idx INTEGER NOT NULL,     -- entry whose commitment this opens
  field INTEGER NOT NULL,
  salt BLOB NOT NULL,
  value BLOB NOT NULL,
  text TEXT NOT NULL,       -- value as people write it, for search
  PRIMARY KEY (idx, field)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kept.disclosure_text ON disclosure(text, idx);
CREATE TABLE IF NOT EXISTS kept.erased (
  idx INTEGER NOT NULL,     -- entry of which this field is not kept again
  field INTEGER NOT NULL,
  PRIMARY KEY (idx, field)
) WITHOUT ROWID;
";

/// Copies the disclosures to other pages. Those that go are overwritten (`secure_delete`), whatever
/// their unused parts still hold.
const AGAIN: &str = "
DROP INDEX kept.disclosure_text;
CREATE TABLE kept.disclosure_again (
  idx INTEGER NOT NULL,
  field INTEGER NOT NULL,
  salt BLOB NOT NULL,
  value BLOB NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (idx, field)
) WITHOUT ROWID;
CREATE INDEX kept.disclosure_text ON disclosure_again(text, idx);
INSERT INTO kept.disclosure_again SELECT * FROM kept.disclosure ORDER BY idx, field;
DROP TABLE kept.disclosure;
ALTER TABLE kept.disclosure_again RENAME TO disclosure;
";

const REBUILT: &str = "
CREATE TABLE seen (
  idx INTEGER PRIMARY KEY,  -- first entry received at ms, and all up to the next row
  ms INTEGER NOT NULL       -- Unix milliseconds, the log's clock
);
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE digest (id INTEGER PRIMARY KEY, value BLOB NOT NULL UNIQUE);
CREATE TABLE device (
  id INTEGER PRIMARY KEY,
  device BLOB NOT NULL UNIQUE,
  issuer INTEGER NOT NULL REFERENCES name(id),
  model INTEGER REFERENCES name(id),
  first_idx INTEGER NOT NULL,
  last_idx INTEGER NOT NULL,
  entries INTEGER NOT NULL,
  seq INTEGER,
  version INTEGER REFERENCES name(id),
  version_code INTEGER,
  counter INTEGER,
  image INTEGER REFERENCES digest(id),
  event INTEGER,
  outcome INTEGER,
  life INTEGER,             -- last event that moved its update on
  chain INTEGER,            -- first eight bytes of what its next statement names
  forks INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX device_fleet ON device(model, version);
CREATE TABLE entry (
  idx INTEGER PRIMARY KEY,
  leaf BLOB NOT NULL,
  kind INTEGER NOT NULL,
  issuer INTEGER NOT NULL REFERENCES name(id),
  subject INTEGER NOT NULL REFERENCES name(id),
  stated_ms INTEGER,
  event INTEGER,
  outcome INTEGER,
  initiator INTEGER,
  device INTEGER REFERENCES device(id),
  seq INTEGER,
  version INTEGER REFERENCES name(id),
  version_code INTEGER,
  counter INTEGER,
  image INTEGER REFERENCES digest(id),
  target INTEGER REFERENCES digest(id)
);
CREATE INDEX entry_leaf ON entry(leaf);
CREATE INDEX entry_device ON entry(device, seq, idx) WHERE device IS NOT NULL;
CREATE INDEX entry_image ON entry(image, idx) WHERE image IS NOT NULL;
CREATE INDEX entry_target ON entry(target, idx) WHERE target IS NOT NULL;
CREATE INDEX entry_release ON entry(image, idx) WHERE kind = 1;
CREATE INDEX entry_version ON entry(version_code, idx) WHERE kind = 1;
CREATE INDEX entry_kind ON entry(kind, idx) WHERE kind <> 4;
CREATE INDEX entry_outcome ON entry(outcome, idx) WHERE outcome > 0;
CREATE TABLE release (
  idx INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  model INTEGER REFERENCES name(id),
  leaf INTEGER NOT NULL REFERENCES digest(id)
);
CREATE INDEX release_name ON release(name, idx);
CREATE TABLE approval (
  idx INTEGER PRIMARY KEY,
  meaning INTEGER NOT NULL
);
CREATE TABLE trust (
  kid BLOB NOT NULL,        -- key thumbprint
  idx INTEGER NOT NULL,     -- Trust statement that enrols, replaces or revokes it
  PRIMARY KEY (kid, idx)
) WITHOUT ROWID;
CREATE TABLE everybody (
  idx INTEGER PRIMARY KEY   -- Trust statement that every question depends on
);
CREATE TABLE admin (kid BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE manufacturer (issuer TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE also (
  digest BLOB NOT NULL,     -- the signature that this one takes the place of; of a withdrawal, the image
  idx INTEGER NOT NULL,
  PRIMARY KEY (digest, idx)
) WITHOUT ROWID;
CREATE TABLE finding (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  severity TEXT NOT NULL,
  idx INTEGER,
  other_idx INTEGER,
  device BLOB,
  detail TEXT NOT NULL
);
CREATE INDEX finding_device ON finding(device, id) WHERE device IS NOT NULL;
CREATE VIEW entries AS SELECT
  entry.idx AS idx,
  CASE entry.kind WHEN 0 THEN 'trust' WHEN 1 THEN 'release' WHEN 2 THEN 'approval'
    WHEN 3 THEN 'authorisation' WHEN 4 THEN 'update' WHEN 5 THEN 'annotation'
    WHEN 6 THEN 'audit' ELSE 'raw' END AS kind,
  lower(hex(entry.leaf)) AS leaf,
  issuer.text AS issuer, subject.text AS subject, lower(hex(device.device)) AS device,
  entry.seq AS seq, entry.event AS event, entry.outcome AS outcome,
  entry.initiator AS initiator, version.text AS version, entry.version_code AS version_code,
  lower(hex(image.value)) AS image,
  datetime(entry.stated_ms / 1000, 'unixepoch') AS stated_at,
  datetime((SELECT ms FROM seen WHERE seen.idx <= entry.idx ORDER BY seen.idx DESC LIMIT 1)
    / 1000, 'unixepoch') AS seen_at
FROM entry
JOIN name AS issuer ON issuer.id = entry.issuer
JOIN name AS subject ON subject.id = entry.subject
LEFT JOIN name AS version ON version.id = entry.version
LEFT JOIN device ON device.id = entry.device
LEFT JOIN digest AS image ON image.id = entry.image;
";

const DROPPED: &str = "
DROP VIEW IF EXISTS entries;
DROP TABLE IF EXISTS finding;
DROP TABLE IF EXISTS trust;
DROP TABLE IF EXISTS everybody;
DROP TABLE IF EXISTS admin;
DROP TABLE IF EXISTS manufacturer;
DROP TABLE IF EXISTS also;
DROP TABLE IF EXISTS approval;
DROP TABLE IF EXISTS release;
DROP TABLE IF EXISTS entry;
DROP TABLE IF EXISTS device;
DROP TABLE IF EXISTS digest;
DROP TABLE IF EXISTS name;
DROP TABLE IF EXISTS meta;
DROP TABLE IF EXISTS seen;
";

/// Tables that follow from the entries.
pub(crate) const TABLES: [&str; 14] = [
    "meta",
    "seen",
    "name",
    "digest",
    "device",
    "entry",
    "release",
    "approval",
    "trust",
    "everybody",
    "admin",
    "manufacturer",
    "also",
    "finding",
];

/// Where the disclosures beside the view at `path` are.
pub(crate) fn kept_path(path: &Path) -> PathBuf {
    path.with_extension("disclosures.db")
}

/// Checks that a file is the view of `origin`, in the format of this program.
pub(crate) fn check(connection: &Connection, origin: &str) -> Result<(), Error> {
    match connection.query_row("PRAGMA user_version", [], |row| row.get(0))? {
        FORMAT => check_origin(connection, origin),
        found => Err(Error::Format { expected: FORMAT, found }),
    }
}

/// Creates the tables in an empty file, or checks that the file is `origin`'s.
pub(crate) fn prepare(connection: &mut Connection, kept: &Path, origin: &str) -> Result<(), Error> {
    tune_writer(connection, kept)?;
    connection.execute_batch(KEPT)?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match found {
        0 => create(connection, origin),
        FORMAT => check_origin(connection, origin),
        _ => Err(Error::Format { expected: FORMAT, found }),
    }
}

/// Drops and recreates what can be rebuilt, in one transaction.
pub(crate) fn reset(connection: &mut Connection, origin: &str) -> Result<(), Error> {
    create(connection, origin)?;
    connection.execute_batch("PRAGMA incremental_vacuum;")?;
    Ok(())
}

/// Moves the disclosures to pages that never held anything else.
pub(crate) fn write_again(transaction: &Transaction<'_>) -> Result<(), Error> {
    Ok(transaction.execute_batch(AGAIN)?)
}

/// Settings of a connection that only reads.
pub(crate) fn tune_reader(connection: &Connection, kept: &Path) -> Result<(), Error> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    attach(connection, kept)?;
    connection.execute_batch("PRAGMA query_only = 1; PRAGMA cache_size = -2048;")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn tune_writer(connection: &Connection, kept: &Path) -> Result<(), Error> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    attach(connection, kept)?;
    // The view is never synced: the log's commits would wait for its pages. `lib` has what follows.
    connection.execute_batch(
        "PRAGMA main.auto_vacuum = INCREMENTAL;
         PRAGMA main.journal_mode = WAL; PRAGMA main.synchronous = OFF;
         PRAGMA kept.journal_mode = WAL; PRAGMA kept.synchronous = FULL;
         PRAGMA kept.secure_delete = ON; PRAGMA temp_store = MEMORY;
         PRAGMA main.cache_size = -16384; PRAGMA main.journal_size_limit = 67108864;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn attach(connection: &Connection, kept: &Path) -> Result<(), Error> {
    connection.execute("ATTACH DATABASE ?1 AS kept", [kept.to_string_lossy()])?;
    Ok(())
}

fn create(connection: &mut Connection, origin: &str) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(DROPPED)?;
    transaction.execute_batch(REBUILT)?;
    transaction.execute("INSERT INTO meta VALUES ('origin', ?1), ('covered', 0)", [origin])?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(())
}

fn check_origin(connection: &Connection, expected: &str) -> Result<(), Error> {
    let found: String =
        connection
            .query_row("SELECT value FROM meta WHERE key = 'origin'", [], |row| row.get(0))?;
    if found == expected {
        return Ok(());
    }
    Err(Error::OtherLog { expected: expected.to_owned(), found })
}
