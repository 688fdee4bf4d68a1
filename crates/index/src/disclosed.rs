//! Opened commitments, in a durable file beside the view: no rebuild brings them back.

use rusqlite::TransactionBehavior;

use crate::query::stored;
use crate::{Error, Index, schema};

/// One opened commitment of an entry. The caller has checked it against the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosed {
    /// Field id, as hashed into the commitment.
    pub field: u16,
    /// Salt, as hashed into the commitment.
    pub salt: [u8; 16],
    /// Value, as hashed into the commitment.
    pub value: Vec<u8>,
}

impl Index {
    /// Keeps opened commitments of entry `index`, but those that were erased. Keeping one twice
    /// changes nothing.
    pub fn disclose(&self, index: u64, opened: &[Disclosed]) -> Result<(), Error> {
        let mut writer = self.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for one in opened {
            transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO disclosure SELECT ?1, ?2, ?3, ?4, ?5
                     WHERE NOT EXISTS (SELECT 1 FROM erased WHERE idx = ?1 AND field = ?2)",
                )?
                .execute((
                    stored(index),
                    one.field,
                    one.salt.as_slice(),
                    &one.value,
                    String::from_utf8_lossy(&one.value),
                ))?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Erases the opened commitments of `fields` of entry `index`, for good: what is disclosed of
    /// them again is not kept. Says how many there were. The other disclosures are written anew, as
    /// pages that were split may hold copies of a value which SQLite does not overwrite; so this
    /// takes time and room on disk for all of them.
    ///
    /// # Errors
    /// [`Error::StillRead`] if a reader kept the write-ahead file from being emptied: the values
    /// are in no answer any more, but still in that file. Erase again.
    pub fn erase(&self, index: u64, fields: &[u16]) -> Result<usize, Error> {
        let mut writer = self.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut erased = 0;
        for field in fields {
            let which = (stored(index), field);
            transaction.execute("INSERT OR IGNORE INTO erased VALUES (?1, ?2)", which)?;
            erased += transaction
                .execute("DELETE FROM disclosure WHERE idx = ?1 AND field = ?2", which)?;
        }
        if erased > 0 {
            schema::write_again(&transaction)?;
        }
        transaction.commit()?;
        // Also when nothing was there: whoever erased before may have died at this line.
        let busy: bool =
            writer.query_row("PRAGMA kept.wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy { Err(Error::StillRead) } else { Ok(erased) }
    }

    /// The opened commitments of entry `index`, by field.
    pub fn disclosed(&self, index: u64) -> Result<Vec<Disclosed>, Error> {
        self.read(|connection| {
            let rows = connection
                .prepare_cached("SELECT field, salt, value FROM disclosure WHERE idx = ?1")?
                .query_map([stored(index)], |row| {
                    Ok(Disclosed { field: row.get(0)?, salt: row.get(1)?, value: row.get(2)? })
                })?
                .collect::<Result<Vec<_>, _>>()?;
            Ok(rows)
        })
    }
}
