//! Devices: what each last said, whether its chain holds, and the order of its steps.

use firmlog_statement::event::{EventType, Life};
use firmlog_verify::finding::FindingKind;
use rusqlite::OptionalExtension;

use super::Batch;
use crate::finding::{NewFinding, insert as insert_finding};
use crate::query::stored;
use crate::record::Runs;
use crate::{Error, Record};

struct DeviceState {
    id: i64,
    seq: Option<u64>,
    life: Option<EventType>,
    /// What its next statement names, as far as that is known.
    chain: Option<u64>,
    forks: u64,
}

impl DeviceState {
    /// Whether this is the next statement by its number, and names another past.
    fn is_beside(&self, seq: u64, record: &Record) -> bool {
        let next = self.seq.map_or(0, |known| known.saturating_add(1));
        let names = record.chain.and_then(|chain| chain.prev);
        // After a fork there are two chains, and the first of them is known.
        seq == next && self.forks == 0 && self.chain.zip(names).is_some_and(|(a, b)| a != b)
    }
}

impl Batch<'_> {
    /// Finds or makes the device's row, and moves it on if the entry is its newest statement.
    pub(super) fn device(
        &mut self,
        index: u64,
        issuer: i64,
        record: &Record,
    ) -> Result<Option<i64>, Error> {
        let Some(device) = &record.device else { return Ok(None) };
        let enrolled = self.name_of(record.enrols.as_deref())?;
        let state = match self.device_state(device)? {
            Some(state) => state,
            None => self.add_device(index, enrolled.unwrap_or(issuer), device)?,
        };
        let model = self.name_of(record.model.as_deref())?;
        if enrolled.is_some() {
            let seed = record.chain.map(|chain| chain.last.cast_signed());
            self.connection
                .prepare_cached(
                    "UPDATE device SET model = coalesce(?2, model), chain = coalesce(?3, chain)
                     WHERE id = ?1",
                )?
                .execute((state.id, model, seed))?;
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
            if state.is_beside(seq, record) {
                self.beside(index, device, state.id, seq)?;
            }
            if let Some(from) = record.lost_from {
                self.lost(index, device, seq, from)?;
            }
            let life = self.live(index, device, &state, record)?;
            self.advance_device(state.id, index, seq, model, life, record)?;
        }
        Ok(Some(state.id))
    }

    /// A device went on from another past than this log has of it.
    fn beside(&mut self, index: u64, device: &[u8; 32], id: i64, seq: u64) -> Result<(), Error> {
        self.findings += 1;
        let detail = format!(
            "statement {seq} of the device names another one before it than this log has: its key \
             is in two places, or it rewrote its history, or it was enrolled with another seed"
        );
        let (kind, device) = (FindingKind::ChainFork, Some(device));
        let finding = NewFinding { kind, index, other_index: None, device, detail };
        insert_finding(self.connection, &finding)?;
        self.connection
            .prepare_cached("UPDATE device SET forks = forks + 1 WHERE id = ?1")?
            .execute([id])?;
        Ok(())
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
            .prepare_cached("SELECT id, seq, life, chain, forks FROM device WHERE device = ?1")?
            .query_row([device.as_slice()], |row| {
                let seq: Option<i64> = row.get(1)?;
                let life: Option<u16> = row.get(2)?;
                Ok(DeviceState {
                    id: row.get(0)?,
                    seq: seq.map(i64::cast_unsigned),
                    life: life.and_then(|code| EventType::from_code(code.into())),
                    chain: row.get::<_, Option<i64>>(3)?.map(i64::cast_unsigned),
                    forks: row.get::<_, i64>(4)?.cast_unsigned(),
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
        let id = self.connection.last_insert_rowid();
        Ok(DeviceState { id, seq: None, life: None, chain: None, forks: 0 })
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
                   life = ?7, chain = ?8
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
                record.chain.map(|chain| chain.last.cast_signed()),
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
}
