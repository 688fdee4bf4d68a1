//! The `Trust` statements that every question depends on, and everything found by what a gatherer
//! wants.

use firmlog_statement::{Thumbprint, TrustAction};
use firmlog_tlog::merkle::LeafIndex;
use firmlog_verify::gather::{Everybody, Wanted};
use rusqlite::{Connection, OptionalExtension, ToSql};

use crate::query::stored;
use crate::{Error, Index, Record};

/// Records whether a `Trust` statement is one of them.
pub(crate) fn record(
    connection: &Connection,
    index: u64,
    action: &TrustAction,
) -> Result<(), Error> {
    let mut known = Known { connection, failed: None };
    let concerns = known.concerns(action);
    if let Some(error) = known.failed {
        return Err(error.into());
    }
    if concerns {
        connection
            .prepare_cached("INSERT OR IGNORE INTO everybody VALUES (?1)")?
            .execute([stored(index)])?;
    }
    Ok(())
}

/// What the view knows of administrators; the first failure is kept.
struct Known<'c> {
    connection: &'c Connection,
    failed: Option<rusqlite::Error>,
}

impl Known<'_> {
    fn kept<T: Default>(&mut self, result: rusqlite::Result<T>) -> T {
        result.unwrap_or_else(|error| {
            self.failed.get_or_insert(error);
            T::default()
        })
    }
}

impl Everybody for Known<'_> {
    fn is_admin(&mut self, kid: &Thumbprint) -> bool {
        let found = self
            .connection
            .prepare_cached("SELECT 1 FROM admin WHERE kid = ?1")
            .and_then(|mut it| it.query_row([kid.0.as_slice()], |_| Ok(())).optional());
        self.kept(found).is_some()
    }

    fn admin(&mut self, kid: Thumbprint) {
        let done = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO admin VALUES (?1)")
            .and_then(|mut it| it.execute([kid.0.as_slice()]));
        self.kept(done);
    }

    fn is_new_manufacturer(&mut self, issuer: &str) -> bool {
        let done = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO manufacturer VALUES (?1)")
            .and_then(|mut it| it.execute([issuer]));
        self.kept(done) > 0
    }
}

impl Index {
    /// The entries before `size` that fit, oldest first.
    ///
    /// # Errors
    /// Storage errors.
    pub fn find(&self, wanted: &Wanted, size: u64) -> Result<Vec<LeafIndex>, Error> {
        let digest = "(SELECT id FROM digest WHERE value = ?1)";
        match wanted {
            Wanted::Everybody => {
                self.places("SELECT idx FROM everybody WHERE idx < ?1", &[&stored(size)])
            }
            Wanted::Trust(kid) => self.places(
                "SELECT idx FROM trust WHERE kid = ?1 AND idx < ?2 ORDER BY idx",
                &[&kid.0.as_slice(), &stored(size)],
            ),
            Wanted::Leaf(leaf) => self.places(
                "SELECT idx FROM entry WHERE leaf = ?1 AND idx < ?2 ORDER BY idx",
                &[&leaf.0.as_slice(), &stored(size)],
            ),
            Wanted::About(leaf) => self.places(
                &format!(
                    "SELECT idx FROM entry WHERE target = {digest} AND kind IN (1, 2, 3, 5)
                     AND idx < ?2
                     UNION SELECT idx FROM also WHERE digest = ?1 AND idx < ?2 ORDER BY idx"
                ),
                &[&leaf.0.as_slice(), &stored(size)],
            ),
            Wanted::Image(image) => self.places(
                &format!(
                    "SELECT idx FROM entry INDEXED BY entry_release WHERE image = {digest}
                     AND kind = 1 AND target IS NULL AND idx < ?2
                     UNION SELECT idx FROM also WHERE digest = ?1 AND idx < ?2 ORDER BY idx"
                ),
                &[&image.as_slice(), &stored(size)],
            ),
            Wanted::Version(issuer, version) => self.places(
                "SELECT idx FROM entry WHERE version_code = ?1 AND kind = 1 AND target IS NULL
                 AND issuer = (SELECT id FROM name WHERE text = ?2) AND idx < ?3 ORDER BY idx",
                &[&stored(*version), issuer, &stored(size)],
            ),
            Wanted::Device(device) => self.places(
                &format!(
                    "SELECT idx FROM entry WHERE device = (SELECT id FROM device WHERE device = ?1)
                     AND kind = {} AND idx < ?2 ORDER BY idx",
                    Record::UPDATE
                ),
                &[&device.0.as_slice(), &stored(size)],
            ),
        }
    }

    fn places(&self, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<LeafIndex>, Error> {
        self.read(|connection| {
            let rows = connection
                .prepare_cached(sql)?
                .query_map(values, |row| row.get::<_, i64>(0))?
                .map(|index| index.map(|index| LeafIndex(index.cast_unsigned())))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(rows)
        })
    }
}
