//! Findings: what reading every entry shows, with the entries that show it. Their kinds, words and
//! severities are those of `firmlog_verify::finding`.

use firmlog_verify::finding::FindingKind;
use rusqlite::{Connection, Row};

use crate::{Error, Index, Page};

/// One finding as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Position among all findings, from 1.
    pub id: u64,
    /// [`FindingKind::word`].
    pub kind: String,
    /// `P1` to `P4` or `info`.
    pub severity: String,
    /// Entry that shows it.
    pub index: Option<u64>,
    /// The other entry, where two contradict each other.
    pub other_index: Option<u64>,
    /// Device concerned.
    pub device: Option<[u8; 32]>,
    /// One sentence.
    pub detail: String,
}

const COLUMNS: &str = "SELECT id, kind, severity, idx, other_idx, device, detail FROM finding";

impl Index {
    /// Findings, newest first, before `cursor`; about `device` only, if given.
    pub fn findings(
        &self,
        device: Option<&[u8; 32]>,
        cursor: Option<u64>,
        limit: usize,
    ) -> Result<Page<Finding>, Error> {
        self.read(|connection| {
            let before = cursor.map_or(i64::MAX, super::query::stored);
            let count = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = match device {
                Some(device) => connection
                    .prepare_cached(&format!(
                        "{COLUMNS} WHERE device = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
                    ))?
                    .query_map((device.as_slice(), before, count), finding)?
                    .collect::<Result<Vec<_>, _>>()?,
                None => connection
                    .prepare_cached(&format!("{COLUMNS} WHERE id < ?1 ORDER BY id DESC LIMIT ?2"))?
                    .query_map((before, count), finding)?
                    .collect::<Result<Vec<_>, _>>()?,
            };
            Ok(Page::of(rows, limit, |row| row.id))
        })
    }
}

pub(crate) struct NewFinding<'a> {
    pub(crate) kind: FindingKind,
    pub(crate) index: u64,
    pub(crate) other_index: Option<u64>,
    pub(crate) device: Option<&'a [u8; 32]>,
    pub(crate) detail: String,
}

pub(crate) fn insert(connection: &Connection, new: &NewFinding<'_>) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO finding (kind, severity, idx, other_idx, device, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            new.kind.word(),
            new.kind.severity().name(),
            super::query::stored(new.index),
            new.other_index.map(super::query::stored),
            new.device.map(|device| device.as_slice()),
            &new.detail,
        ))?;
    Ok(())
}

fn finding(row: &Row<'_>) -> rusqlite::Result<Finding> {
    Ok(Finding {
        id: row.get::<_, i64>(0)?.cast_unsigned(),
        kind: row.get(1)?,
        severity: row.get(2)?,
        index: row.get::<_, Option<i64>>(3)?.map(i64::cast_unsigned),
        other_index: row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned),
        device: row.get(5)?,
        detail: row.get(6)?,
    })
}
