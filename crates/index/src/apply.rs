//! Applying entries: rows and the covered mark move in one transaction.

mod device;
mod twice;

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::everybody;
use crate::finding::{NewFinding, insert as insert_finding};
use crate::query::stored;
use crate::{Error, Index, Record, extract};

/// Interned names remembered during one batch, so that a batch of one fleet looks each up once.
const NAMES_REMEMBERED: usize = 1024;

/// One entry to apply.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Position in the log.
    pub index: u64,
    /// Entry bytes.
    pub entry: &'a [u8],
    /// When the log received it, Unix milliseconds.
    pub seen_ms: u64,
}

/// One entry to apply, already read.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Position in the log.
    pub index: u64,
    /// What the view keeps of it; `None` for bytes that are no statement.
    pub record: Option<Record>,
    /// When the log received it, Unix milliseconds.
    pub seen_ms: u64,
}

impl Index {
    /// Applies consecutive entries, all or none, and says how many findings they raised.
    ///
    /// Bytes that are not a statement get no row: they are found by index or leaf hash through
    /// the log itself.
    ///
    /// # Errors
    /// [`Error::NotNext`] if the first index is not [`Index::covered`] or one is skipped.
    pub fn apply(&self, inputs: &[Input<'_>]) -> Result<u64, Error> {
        let read = |input: &Input<'_>| Applied {
            index: input.index,
            record: extract(input.entry),
            seen_ms: input.seen_ms,
        };
        self.apply_records(&inputs.iter().map(read).collect::<Vec<_>>())
    }

    /// [`Index::apply`] for entries already read.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub fn apply_records(&self, entries: &[Applied]) -> Result<u64, Error> {
        let mut writer = self.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch::new(&transaction)?;
        for entry in entries {
            batch.mark_seen(entry)?;
            batch.apply(entry.index, entry.record.as_ref())?;
        }
        let findings = batch.finish()?;
        transaction.commit()?;
        Ok(findings)
    }

    /// Covers the entries before `index` without rows: they are pruned and cannot be read.
    ///
    /// # Errors
    /// Storage errors. An index below [`Index::covered`] changes nothing.
    pub fn skip_to(&self, index: u64) -> Result<(), Error> {
        let writer = self.writer();
        writer.execute(
            "UPDATE meta SET value = max(value, ?1) WHERE key = 'covered'",
            [stored(index)],
        )?;
        Ok(())
    }
}

struct Batch<'c> {
    connection: &'c Connection,
    next: u64,
    findings: u64,
    seen_ms: Option<u64>,
    names: HashMap<String, i64>,
}

impl<'c> Batch<'c> {
    fn new(connection: &'c Connection) -> Result<Self, Error> {
        let next = crate::covered(connection)?;
        let seen_ms: Option<i64> = connection
            .prepare_cached("SELECT ms FROM seen ORDER BY idx DESC LIMIT 1")?
            .query_row([], |row| row.get(0))
            .optional()?;
        let seen_ms = seen_ms.map(i64::cast_unsigned);
        Ok(Self { connection, next, findings: 0, seen_ms, names: HashMap::new() })
    }

    /// A row where the time changes.
    fn mark_seen(&mut self, entry: &Applied) -> Result<(), Error> {
        if self.seen_ms == Some(entry.seen_ms) {
            return Ok(());
        }
        self.seen_ms = Some(entry.seen_ms);
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO seen VALUES (?1, ?2)")?
            .execute((stored(entry.index), stored(entry.seen_ms)))?;
        Ok(())
    }

    fn apply(&mut self, index: u64, record: Option<&Record>) -> Result<(), Error> {
        if index != self.next {
            return Err(Error::NotNext { expected: self.next, got: index });
        }
        self.next += 1;
        let Some(record) = record else { return Ok(()) };
        let issuer = self.name(&record.issuer)?;
        // A device's new statement has a new number, so its bytes need not be looked for.
        let twice = record.seq.is_none() && self.twice(index, record)?;
        let device = self.device(index, issuer, record)?;
        self.entry(index, issuer, device, record)?;
        if twice { Ok(()) } else { self.by_kind(index, record) }
    }

    fn finish(self) -> Result<u64, Error> {
        self.connection
            .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'covered'")?
            .execute([stored(self.next)])?;
        Ok(self.findings)
    }

    fn name(&mut self, text: &str) -> Result<i64, Error> {
        if let Some(id) = self.names.get(text) {
            return Ok(*id);
        }
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO name (text) VALUES (?1)")?
            .execute([text])?;
        let id = self
            .connection
            .prepare_cached("SELECT id FROM name WHERE text = ?1")?
            .query_row([text], |row| row.get(0))?;
        if self.names.len() < NAMES_REMEMBERED {
            self.names.insert(text.to_owned(), id);
        }
        Ok(id)
    }

    fn name_of(&mut self, text: Option<&str>) -> Result<Option<i64>, Error> {
        text.map(|text| self.name(text)).transpose()
    }

    fn digest(&self, value: Option<&[u8; 32]>) -> Result<Option<i64>, Error> {
        let Some(value) = value else { return Ok(None) };
        let find = || {
            self.connection
                .prepare_cached("SELECT id FROM digest WHERE value = ?1")?
                .query_row([value.as_slice()], |row| row.get::<_, i64>(0))
                .optional()
        };
        if let Some(id) = find()? {
            return Ok(Some(id));
        }
        self.connection
            .prepare_cached("INSERT INTO digest (value) VALUES (?1)")?
            .execute([value.as_slice()])?;
        Ok(Some(self.connection.last_insert_rowid()))
    }

    /// A device that leaves the version's name out means what the first release calls its image.
    fn version_of_image(&self, image: Option<i64>) -> Result<Option<i64>, Error> {
        let Some(image) = image else { return Ok(None) };
        // Named, since an image that a fleet runs has as many entries as the fleet.
        let version: Option<Option<i64>> = self
            .connection
            .prepare_cached(
                "SELECT version FROM entry INDEXED BY entry_release
                 WHERE image = ?1 AND kind = 1 ORDER BY idx LIMIT 1",
            )?
            .query_row([image], |row| row.get(0))
            .optional()?;
        Ok(version.flatten())
    }

    /// Gives a release's name for its image to what devices said of it before.
    fn name_earlier(&self, image: Option<i64>, version: Option<i64>) -> Result<(), Error> {
        let (Some(image), Some(version)) = (image, version) else { return Ok(()) };
        let named = self
            .connection
            .prepare_cached(
                "UPDATE entry SET version = ?2 WHERE image = ?1 AND kind = 4 AND version IS NULL",
            )?
            .execute((image, version))?;
        if named > 0 {
            self.connection
                .prepare_cached(
                    "UPDATE device SET version = ?2 WHERE image = ?1 AND version IS NULL",
                )?
                .execute((image, version))?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        index: u64,
        issuer: i64,
        device: Option<i64>,
        record: &Record,
    ) -> Result<(), Error> {
        let subject = self.name(&record.subject)?;
        let image = self.digest(record.image.as_ref())?;
        let version = match self.name_of(record.version.as_deref())? {
            None if record.kind == Record::UPDATE => self.version_of_image(image)?,
            version => version,
        };
        let target = self.digest(record.target.as_ref())?;
        self.connection
            .prepare_cached(
                "INSERT INTO entry VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?
            .execute(rusqlite::params![
                stored(index),
                record.leaf.as_slice(),
                record.kind,
                issuer,
                subject,
                record.stated_ms.map(stored),
                record.event.map(stored),
                record.outcome.map(stored),
                record.initiator.map(stored),
                device,
                record.seq.map(stored),
                version,
                record.version_code.map(stored),
                record.counter,
                image,
                target,
            ])?;
        Ok(())
    }

    fn by_kind(&mut self, index: u64, record: &Record) -> Result<(), Error> {
        for kid in &record.keys {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO trust VALUES (?1, ?2)")?
                .execute((kid.as_slice(), stored(index)))?;
        }
        if let Some(digest) = &record.also {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO also VALUES (?1, ?2)")?
                .execute((digest.as_slice(), stored(index)))?;
        }
        if let Some(action) = &record.trust {
            everybody::record(self.connection, index, action)?;
        }
        match record.kind {
            Record::RELEASE => {
                let image = self.digest(record.image.as_ref())?;
                self.name_earlier(image, self.version_of_image(image)?)?;
                let model = self.name_of(record.model.as_deref())?;
                let leaf = self.digest(Some(&record.leaf))?;
                self.connection
                    .prepare_cached("INSERT INTO release VALUES (?1, ?2, ?3, ?4)")?
                    .execute((stored(index), &record.subject, model, leaf))?;
            }
            Record::APPROVAL => {
                if let Some(meaning) = record.meaning {
                    self.connection
                        .prepare_cached("INSERT INTO approval VALUES (?1, ?2)")?
                        .execute((stored(index), stored(meaning)))?;
                }
            }
            _ => {}
        }
        let Some((kind, detail)) = &record.reports else { return Ok(()) };
        self.findings += 1;
        insert_finding(
            self.connection,
            &NewFinding {
                kind: *kind,
                index,
                other_index: None,
                device: None,
                detail: detail.clone(),
            },
        )
    }
}
