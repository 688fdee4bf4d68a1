//! Applying entries: rows and the covered mark move in one transaction.

mod twice;

use std::collections::HashMap;

use firmlog_statement::event::{EventType, Life};
use firmlog_verify::finding::FindingKind;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::everybody;
use crate::finding::{NewFinding, insert as insert_finding};
use crate::query::stored;
use crate::record::Runs;
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

struct DeviceState {
    id: i64,
    seq: Option<u64>,
    life: Option<EventType>,
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

    /// Finds or makes the device's row, and moves it on if the entry is its newest statement.
    fn device(&mut self, index: u64, issuer: i64, record: &Record) -> Result<Option<i64>, Error> {
        let Some(device) = &record.device else { return Ok(None) };
        let enrolled = self.name_of(record.enrols.as_deref())?;
        let state = match self.device_state(device)? {
            Some(state) => state,
            None => self.add_device(index, enrolled.unwrap_or(issuer), device)?,
        };
        let model = self.name_of(record.model.as_deref())?;
        if enrolled.is_some() {
            self.connection
                .prepare_cached("UPDATE device SET model = coalesce(?2, model) WHERE id = ?1")?
                .execute((state.id, model))?;
        }
        let Some(seq) = record.seq else { return Ok(Some(state.id)) };
        let fork = match state.seq {
            Some(known) if seq <= known => {
                !self.twice(index, record)? && self.forked(index, device, state.id, seq)?
            }
            _ => false,
        };
        if fork || state.seq.is_some_and(|known| seq <= known) {
            self.connection
                .prepare_cached(
                    "UPDATE device SET last_idx = ?2, entries = entries + 1, forks = forks + ?3
                     WHERE id = ?1",
                )?
                .execute((state.id, stored(index), fork))?;
        } else {
            if let Some(from) = record.lost_from {
                self.lost(index, device, seq, from)?;
            }
            let life = self.live(index, device, &state, record)?;
            self.advance_device(state.id, index, seq, model, life, record)?;
        }
        Ok(Some(state.id))
    }

    fn lost(&mut self, index: u64, device: &[u8; 32], seq: u64, from: u64) -> Result<(), Error> {
        self.findings += 1;
        let detail = format!(
            "the device lost its journal from statement {from} on and went on from this log's \
             account with {seq}: what it said in between and had not sent is gone"
        );
        let kind = FindingKind::JournalLost;
        let device = Some(device);
        let finding = NewFinding { kind, index, other_index: None, device, detail };
        insert_finding(self.connection, &finding)
    }

    /// Takes the steps a statement reports; those out of order are findings (STM-041). A life that
    /// is first seen in its middle is believed so far, and so is one that goes on after a gap;
    /// until a step tells, `log_gap` stands in its place.
    fn live(
        &mut self,
        index: u64,
        device: &[u8; 32],
        state: &DeviceState,
        record: &Record,
    ) -> Result<Life, Error> {
        let gap = Some(EventType::LogGap);
        let in_the_middle = state.seq.is_none() && record.seq != Some(0);
        let unknown = in_the_middle || record.lost_from.is_some() || state.life == gap;
        let mut life = Life::after(if unknown { gap } else { state.life });
        for step in &record.events {
            if life.last() == gap {
                life = Life::after(if step.is_operational() { gap } else { Some(*step) });
                continue;
            }
            let Err(violation) = life.observe(*step) else { continue };
            let found = violation.found.name();
            let detail = match violation.after {
                Some(after) => format!("the device reports {found} after {}", after.name()),
                None => format!("the device begins with {found}"),
            };
            self.findings += 1;
            insert_finding(
                self.connection,
                &NewFinding {
                    kind: FindingKind::SequenceViolation,
                    index,
                    other_index: None,
                    device: Some(device),
                    detail,
                },
            )?;
        }
        // It is out of use for good, whatever it reports later (STA-041).
        let out = Some(EventType::Decommissioned);
        let is_out = state.life == out || record.events.contains(&EventType::Decommissioned);
        Ok(if is_out { Life::after(out) } else { life })
    }

    fn device_state(&self, device: &[u8; 32]) -> Result<Option<DeviceState>, Error> {
        let state = self
            .connection
            .prepare_cached("SELECT id, seq, life FROM device WHERE device = ?1")?
            .query_row([device.as_slice()], |row| {
                let seq: Option<i64> = row.get(1)?;
                let life: Option<u16> = row.get(2)?;
                Ok(DeviceState {
                    id: row.get(0)?,
                    seq: seq.map(i64::cast_unsigned),
                    life: life.and_then(|code| EventType::from_code(code.into())),
                })
            })
            .optional()?;
        Ok(state)
    }

    fn add_device(&self, index: u64, issuer: i64, device: &[u8; 32]) -> Result<DeviceState, Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO device (device, issuer, first_idx, last_idx, entries)
                 VALUES (?1, ?2, ?3, ?3, 0)",
            )?
            .execute((device.as_slice(), issuer, stored(index)))?;
        Ok(DeviceState { id: self.connection.last_insert_rowid(), seq: None, life: None })
    }

    fn advance_device(
        &mut self,
        id: i64,
        index: u64,
        seq: u64,
        model: Option<i64>,
        life: Life,
        record: &Record,
    ) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "UPDATE device SET last_idx = ?2, entries = entries + 1, seq = ?3,
                   model = coalesce(?4, model), event = coalesce(?5, event), outcome = ?6,
                   life = ?7
                 WHERE id = ?1",
            )?
            .execute((
                id,
                stored(index),
                stored(seq),
                model,
                record.event.map(stored),
                record.outcome.map(stored),
                life.last().map(EventType::code),
            ))?;
        record.runs.as_ref().map_or(Ok(()), |runs| self.runs(id, runs))
    }

    fn runs(&mut self, id: i64, runs: &Runs) -> Result<(), Error> {
        let image = self.digest(runs.image.as_ref())?;
        let version = match self.name_of(runs.version.as_deref())? {
            Some(version) => Some(version),
            None => self.version_of_image(image)?,
        };
        self.connection
            .prepare_cached(
                "UPDATE device SET version = ?2, version_code = ?3, counter = ?4, image = ?5
                 WHERE id = ?1",
            )?
            .execute((id, version, runs.version_code.map(stored), runs.counter, image))?;
        Ok(())
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

    fn forked(&mut self, index: u64, device: &[u8; 32], id: i64, seq: u64) -> Result<bool, Error> {
        let other: Option<i64> = self
            .connection
            .prepare_cached("SELECT idx FROM entry WHERE device = ?1 AND seq = ?2 LIMIT 1")?
            .query_row((id, stored(seq)), |row| row.get(0))
            .optional()?;
        let Some(other) = other else { return Ok(false) };
        self.findings += 1;
        insert_finding(
            self.connection,
            &NewFinding {
                kind: FindingKind::ChainFork,
                index,
                other_index: Some(other.cast_unsigned()),
                device: Some(device),
                detail: format!(
                    "entries {other} and {index} are two different statements number {seq} \
                     signed by one device: its key is in two places, or it rewrote its history"
                ),
            },
        )?;
        Ok(true)
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
