//! Opened commitments, in a durable file beside the view: no rebuild brings them back.

use rusqlite::TransactionBehavior;

use crate::query::stored;
use crate::{Error, Index};

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
    /// Keeps opened commitments of entry `index`. Keeping one twice changes nothing.
    pub fn disclose(&self, index: u64, opened: &[Disclosed]) -> Result<(), Error> {
        let mut writer = self.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for one in opened {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO disclosure VALUES (?1, ?2, ?3, ?4, ?5)")?
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

    /// Erases the opened commitments of entry `index`; says how many there were.
    pub fn erase(&self, index: u64) -> Result<usize, Error> {
        let writer = self.writer();
        let erased = writer.execute("DELETE FROM disclosure WHERE idx = ?1", [stored(index)])?;
        // The value must be gone from the write-ahead file too, not only from the table.
        writer.query_row("PRAGMA kept.wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(erased)
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
