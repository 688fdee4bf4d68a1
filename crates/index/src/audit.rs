//! The view and the disclosures beside it, compared with the entries they are about.
//!
//! ```text
//! entries ─▶ a second view, beside the first ─▶ rows of one that are not in the other
//!         └▶ disclosures: does each open a commitment of its entry?
//! ```
//!
//! Out of scope: whether the entries are right, which the log itself tells.

use std::path::{Path, PathBuf};

use firmlog_statement::disclosure::{Disclosure, FieldId};
use firmlog_statement::{Digest, Parsed, leaf_hash};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use crate::apply::Input;
use crate::disclosed::Disclosed;
use crate::query::stored;
use crate::{Error, Index, schema};

/// Entries added to the second view at once.
const BATCH: usize = 4096;
/// Differences told of each table.
const TOLD: usize = 4;

/// A row that is not what the entries say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file and the table, entry or page.
    pub object: String,
    /// What the entries say.
    pub expected: String,
    /// What is there.
    pub got: String,
}

/// An audit under way: it is given every entry in order, then finished.
pub struct Audit {
    view: PathBuf,
    again: Index,
    covered: u64,
    batch: Vec<(u64, u64, Vec<u8>)>,
    kept: Connection,
    first: Option<u64>,
    next_kept: Option<u64>,
    found: Vec<Difference>,
}

impl Audit {
    /// Starts to audit the view at `view`. Needs room for a second view in `scratch`, an empty
    /// directory of the caller's.
    ///
    /// # Errors
    /// If a file cannot be read, or is not the view of the log named `origin`.
    pub fn start(view: &Path, origin: &str, scratch: &Path) -> Result<Self, Error> {
        let (covered, kept) = {
            let reader = read_only(view)?;
            schema::check(&reader, origin)?;
            (crate::covered(&reader)?, read_only(&schema::kept_path(view))?)
        };
        let again = Index::open(&scratch.join("again.db"), origin)?;
        Ok(Self {
            view: view.to_owned(),
            again,
            covered,
            batch: Vec::with_capacity(BATCH),
            kept,
            first: None,
            next_kept: None,
            found: Vec::new(),
        })
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn entry(&mut self, entry: &Input<'_>) -> Result<(), Error> {
        if self.first.is_none() {
            // What was pruned cannot be compared with anything.
            self.first = Some(entry.index);
            self.next_kept = self.kept_from(entry.index)?;
        }
        self.strangers(entry.index)?;
        if self.next_kept == Some(entry.index) {
            self.disclosures(entry)?;
            self.next_kept = self.kept_from(entry.index + 1)?;
        }
        if entry.index >= self.covered || self.first != Some(0) {
            return Ok(());
        }
        self.batch.push((entry.index, entry.seen_ms, entry.entry.to_vec()));
        if self.batch.len() == BATCH { self.apply() } else { Ok(()) }
    }

    /// Compares, and returns what differs; false if the view itself could not be compared, as the
    /// entries it starts with were pruned.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn finish(mut self) -> Result<(Vec<Difference>, bool), Error> {
        self.apply()?;
        self.strangers(u64::MAX)?;
        let comparable = self.covered == 0 || self.first == Some(0);
        if comparable {
            self.compare_views()?;
        }
        let kept = name_of(&schema::kept_path(&self.view));
        self.found.extend(structure(&self.kept, "main", kept));
        Ok((self.found, comparable))
    }

    fn compare_views(&mut self) -> Result<(), Error> {
        let view = name_of(&self.view);
        let ours = self.again.writer();
        let uri = format!("file:{}?mode=ro", escaped(&self.view));
        ours.execute("ATTACH DATABASE ?1 AS was", [uri])?;
        for table in schema::TABLES {
            let object = format!("{view} table {table}");
            self.found.extend(match compare(&ours, table) {
                Ok(rows) => rows.into_iter().map(|row| row.of(&object)).collect(),
                Err(error) => vec![Difference {
                    object,
                    expected: "rows that can be read".into(),
                    got: error.to_string(),
                }],
            });
        }
        self.found.extend(structure(&ours, "was", view));
        Ok(())
    }

    fn apply(&mut self) -> Result<(), Error> {
        let inputs: Vec<_> = self
            .batch
            .iter()
            .map(|(index, seen_ms, entry)| Input { index: *index, entry, seen_ms: *seen_ms })
            .collect();
        self.again.apply(&inputs)?;
        self.batch.clear();
        Ok(())
    }

    /// The first entry from `index` on that has disclosures.
    fn kept_from(&self, index: u64) -> Result<Option<u64>, Error> {
        let next: Option<i64> = self
            .kept
            .prepare_cached("SELECT idx FROM disclosure WHERE idx >= ?1 ORDER BY idx LIMIT 1")?
            .query_row([stored(index)], |row| row.get(0))
            .optional()?;
        Ok(next.map(i64::cast_unsigned))
    }

    /// Tells of disclosures before `end` whose entries were not shown.
    fn strangers(&mut self, end: u64) -> Result<(), Error> {
        while let Some(index) = self.next_kept.filter(|next| *next < end) {
            self.tell(index, "an entry that is here", "none");
            self.next_kept = self.kept_from(index + 1)?;
        }
        Ok(())
    }

    fn disclosures(&mut self, entry: &Input<'_>) -> Result<(), Error> {
        let leaf = leaf_hash(entry.entry);
        let commitments = Parsed::parse(entry.entry)
            .and_then(|parsed| parsed.decode())
            .map(|statement| *statement.commitments());
        for (opened, text) in self.kept_of(entry.index)? {
            let field = FieldId::from_code(opened.field.into());
            let value = String::from_utf8(opened.value).ok().filter(|value| *value == text);
            let opens = match (field, value, &commitments) {
                (Some(field), Some(value), Ok(commitments)) => {
                    let entry = Digest(leaf);
                    Disclosure { entry, field, salt: opened.salt, value }.opens(&leaf, commitments)
                }
                _ => false,
            };
            if !opens {
                let name = field.map_or("an unknown field", FieldId::name);
                self.tell(entry.index, "what opens a commitment of the entry", name);
            }
        }
        Ok(())
    }

    fn kept_of(&self, index: u64) -> Result<Vec<(Disclosed, String)>, Error> {
        let mut select = self
            .kept
            .prepare_cached("SELECT field, salt, value, text FROM disclosure WHERE idx = ?1")?;
        let rows = select.query_map([stored(index)], |row| {
            let opened = Disclosed { field: row.get(0)?, salt: row.get(1)?, value: row.get(2)? };
            Ok((opened, row.get(3)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn tell(&mut self, index: u64, expected: &str, got: &str) {
        let file = name_of(&schema::kept_path(&self.view));
        self.found.push(Difference {
            object: format!("{file} disclosure of entry {index}"),
            expected: expected.to_owned(),
            got: got.to_owned(),
        });
    }
}

/// A row that one of two views has.
struct Lone {
    /// True if it is the second view's: it should be there.
    wanted: bool,
    shown: String,
}

impl Lone {
    fn of(self, object: &str) -> Difference {
        let (this, other) = (self.shown, "no such row".to_owned());
        let (expected, got) = if self.wanted { (this, other) } else { (other, this) };
        Difference { object: object.to_owned(), expected, got }
    }
}

/// Rows that only one of the views has.
fn compare(connection: &Connection, table: &str) -> Result<Vec<Lone>, rusqlite::Error> {
    let mut out = Vec::new();
    for (wanted, these, those) in [(true, "main", "was"), (false, "was", "main")] {
        let mut select = connection.prepare(&format!(
            "SELECT * FROM {these}.{table} EXCEPT SELECT * FROM {those}.{table} LIMIT {TOLD}"
        ))?;
        let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
        let rows = select.query_map([], |row| Ok(Lone { wanted, shown: shown(&columns, row)? }))?;
        out.extend(rows.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(out)
}

/// A row as `column=value, …`, without what is null.
fn shown(columns: &[String], row: &Row<'_>) -> Result<String, rusqlite::Error> {
    let mut out = Vec::with_capacity(columns.len());
    for (at, column) in columns.iter().enumerate() {
        let value = match row.get_ref(at)? {
            ValueRef::Null => continue,
            ValueRef::Integer(value) => value.to_string(),
            ValueRef::Real(value) => value.to_string(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        out.push(format!("{column}={value}"));
    }
    Ok(out.join(", "))
}

/// What SQLite finds wrong with the pages of a file and its indexes.
fn structure(connection: &Connection, schema: &str, object: String) -> Option<Difference> {
    let query = format!("PRAGMA {schema}.integrity_check(1)");
    let got = match connection.query_row(&query, [], |row| row.get::<_, String>(0)) {
        Ok(said) if said == "ok" => return None,
        Ok(said) => said,
        Err(error) => error.to_string(),
    };
    Some(Difference { object, expected: "a sound SQLite file".into(), got })
}

fn read_only(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}

/// A path inside a SQLite URI.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
