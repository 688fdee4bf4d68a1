//! Entries that the log holds twice.

use firmlog_verify::finding::FindingKind;
use rusqlite::OptionalExtension as _;

use super::Batch;
use crate::finding::{NewFinding, insert as insert_finding};
use crate::{Error, Record};

impl Batch<'_> {
    /// Whether the log has these very bytes before: they say nothing new, and the log should have
    /// refused them.
    pub(super) fn twice(&mut self, index: u64, record: &Record) -> Result<bool, Error> {
        let first: Option<i64> = self
            .connection
            .prepare_cached("SELECT idx FROM entry WHERE leaf = ?1 ORDER BY idx LIMIT 1")?
            .query_row([record.leaf.as_slice()], |row| row.get(0))
            .optional()?;
        let Some(first) = first else { return Ok(false) };
        self.findings += 1;
        insert_finding(
            self.connection,
            &NewFinding {
                kind: FindingKind::DuplicateEntry,
                index,
                other_index: Some(first.cast_unsigned()),
                device: record.device.as_ref(),
                detail: format!(
                    "the log holds entry {first} once more at {index}, which it should have \
                     refused; the first place counts"
                ),
            },
        )?;
        Ok(true)
    }
}
