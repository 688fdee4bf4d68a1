//! Questions the view answers by itself: entries, devices, releases, fleet.
//!
//! Pages run from the newest to the oldest; a cursor is the last index already seen.

use firmlog_statement::event::EventType;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use crate::{Error, Index, Record};

/// One page of rows and where the next one starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// At most the asked-for number of rows.
    pub rows: Vec<T>,
    /// Pass it back to go on; `None` at the end.
    pub next: Option<u64>,
}

impl<T> Page<T> {
    pub(crate) fn of(rows: Vec<T>, limit: usize, cursor: impl Fn(&T) -> u64) -> Self {
        let next = if rows.len() < limit { None } else { rows.last().map(cursor) };
        Self { rows, next }
    }
}

/// Which entries to list. Every given part must match.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Statement kind, 0 to 6.
    pub kind: Option<u8>,
    /// Device.
    pub device: Option<[u8; 32]>,
    /// Issuer, exactly.
    pub issuer: Option<String>,
    /// Subject, exactly.
    pub subject: Option<String>,
    /// SHA-256 of the firmware image.
    pub image: Option<[u8; 32]>,
    /// Leaf hash of the entry these are about.
    pub target: Option<[u8; 32]>,
    /// Version as people write it.
    pub version: Option<String>,
    /// Outcome number.
    pub outcome: Option<u64>,
    /// Initiator kind number.
    pub initiator: Option<u64>,
    /// First seen at or after, Unix milliseconds.
    pub seen_from_ms: Option<u64>,
    /// First seen before, Unix milliseconds.
    pub seen_until_ms: Option<u64>,
}

/// One entry as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRow {
    /// Position in the log.
    pub index: u64,
    /// What the view keeps of the entry.
    pub record: Record,
    /// When this server first saw it, Unix milliseconds.
    pub seen_ms: Option<u64>,
}

/// What the view knows of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its id.
    pub device: [u8; 32],
    /// Issuer name its key was enrolled under.
    pub issuer: String,
    /// Model, once stated.
    pub model: Option<String>,
    /// Index of the entry that first named it.
    pub first_index: u64,
    /// Index of its newest entry.
    pub last_index: u64,
    /// Number of its statements, forks included.
    pub entries: u64,
    /// Newest place in its chain.
    pub seq: Option<u64>,
    /// Version it last said it runs.
    pub version: Option<String>,
    /// The same as an ordered number.
    pub version_code: Option<u64>,
    /// Anti-rollback counter it last stated.
    pub counter: Option<u64>,
    /// Image it last said it runs.
    pub image: Option<[u8; 32]>,
    /// Last lifecycle event.
    pub event: Option<u64>,
    /// Last outcome.
    pub outcome: Option<u64>,
    /// Number of entries that contradict an earlier one.
    pub forks: u64,
    /// Whether it reported that it was taken out of use.
    pub is_decommissioned: bool,
}

/// One release as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRow {
    /// Its entry.
    pub entry: EntryRow,
    /// Number of devices that last said they run its image.
    pub devices: u64,
}

/// How many devices of a model last said they run a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetCount {
    /// Model.
    pub model: String,
    /// Version as people write it.
    pub version: String,
    /// Number of devices.
    pub devices: u64,
}

const ENTRY: &str = "SELECT e.idx, e.leaf, e.kind, i.text, s.text, e.stated_ms, e.event, e.outcome,
  e.initiator, d.device, e.seq, v.text, e.version_code, e.counter, g.value, t.value,
  (SELECT ms FROM seen WHERE seen.idx <= e.idx ORDER BY seen.idx DESC LIMIT 1),
  coalesce(rm.text, dm.text), a.meaning
FROM entry AS e
JOIN name AS i ON i.id = e.issuer
JOIN name AS s ON s.id = e.subject
LEFT JOIN device AS d ON d.id = e.device
LEFT JOIN name AS dm ON dm.id = d.model
LEFT JOIN name AS v ON v.id = e.version
LEFT JOIN digest AS g ON g.id = e.image
LEFT JOIN digest AS t ON t.id = e.target
LEFT JOIN release AS r ON r.idx = e.idx
LEFT JOIN name AS rm ON rm.id = r.model
LEFT JOIN approval AS a ON a.idx = e.idx";

const DEVICE: &str = "SELECT d.device, i.text, m.text, d.first_idx, d.last_idx, d.entries, d.seq,
  v.text, d.version_code, d.counter, g.value, d.event, d.outcome, d.forks, d.life
FROM device AS d
JOIN name AS i ON i.id = d.issuer
LEFT JOIN name AS m ON m.id = d.model
LEFT JOIN name AS v ON v.id = d.version
LEFT JOIN digest AS g ON g.id = d.image";

impl Index {
    /// Entries that match, newest first, before `cursor`.
    pub fn entries(
        &self,
        filter: &EntryFilter,
        cursor: Option<u64>,
        limit: usize,
    ) -> Result<Page<EntryRow>, Error> {
        let mut wanted = Wanted::default();
        wanted.filter(filter);
        wanted.add("e.idx < ?", Value::Integer(cursor.map_or(i64::MAX, stored)));
        let sql = format!("{ENTRY} {} ORDER BY e.idx DESC LIMIT {limit}", wanted.clause());
        self.read(|connection| {
            let rows = connection
                .prepare_cached(&sql)?
                .query_map(params_from_iter(&wanted.values), entry)?
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Page::of(rows, limit, |row| row.index))
        })
    }

    /// The entry at `index`, if it is a statement and covered.
    pub fn entry(&self, index: u64) -> Result<Option<EntryRow>, Error> {
        self.read(|connection| {
            let row = connection
                .prepare_cached(&format!("{ENTRY} WHERE e.idx = ?1"))?
                .query_row([stored(index)], entry)
                .optional()?;
            Ok(row)
        })
    }

    /// The index of the entry with this leaf hash; the first one, should there be two.
    pub fn index_of(&self, leaf: &[u8; 32]) -> Result<Option<u64>, Error> {
        self.read(|connection| {
            let index: Option<i64> = connection
                .prepare_cached("SELECT idx FROM entry WHERE leaf = ?1 ORDER BY idx LIMIT 1")?
                .query_row([leaf.as_slice()], |row| row.get(0))
                .optional()?;
            Ok(index.map(i64::cast_unsigned))
        })
    }

    /// What the view knows of `device`.
    pub fn device(&self, device: &[u8; 32]) -> Result<Option<DeviceRow>, Error> {
        self.read(|connection| {
            let row = connection
                .prepare_cached(&format!("{DEVICE} WHERE d.device = ?1"))?
                .query_row([device.as_slice()], device_row)
                .optional()?;
            Ok(row)
        })
    }

    /// Releases that begin, newest first, before `cursor`; of this name only, if given.
    pub fn releases(
        &self,
        name: Option<&str>,
        cursor: Option<u64>,
        limit: usize,
    ) -> Result<Page<ReleaseRow>, Error> {
        let mut wanted = Wanted::default();
        wanted.add("e.kind = ?", Value::Integer(i64::from(Record::RELEASE)));
        wanted
            .add("e.target IS NULL AND e.idx < ?", Value::Integer(cursor.map_or(i64::MAX, stored)));
        if let Some(name) = name {
            wanted.add("s.text = ?", Value::Text(name.to_owned()));
        }
        let sql = format!("{ENTRY} {} ORDER BY e.idx DESC LIMIT {limit}", wanted.clause());
        self.read(|connection| {
            let entries = connection
                .prepare_cached(&sql)?
                .query_map(params_from_iter(&wanted.values), entry)?
                .collect::<Result<Vec<_>, _>>()?;
            let rows = entries
                .into_iter()
                .map(|entry| release(connection, entry))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Page::of(rows, limit, |row| row.entry.index))
        })
    }

    /// The release at `index`.
    pub fn release(&self, index: u64) -> Result<Option<ReleaseRow>, Error> {
        self.read(|connection| {
            let row = connection
                .prepare_cached(&format!("{ENTRY} WHERE e.idx = ?1 AND e.kind = 1"))?
                .query_row([stored(index)], entry)
                .optional()?;
            row.map(|entry| release(connection, entry)).transpose()
        })
    }

    /// Devices per model and version, most first.
    pub fn fleet(&self, model: Option<&str>, limit: usize) -> Result<Vec<FleetCount>, Error> {
        self.read(|connection| {
            let rows = connection
                .prepare_cached(
                    "SELECT m.text, coalesce(v.text, ''), count(*) AS devices FROM device AS d
                     JOIN name AS m ON m.id = d.model LEFT JOIN name AS v ON v.id = d.version
                     WHERE ?1 IS NULL OR m.text = ?1
                     GROUP BY d.model, d.version ORDER BY devices DESC, 1, 2 LIMIT ?2",
                )?
                .query_map((model, stored(limit as u64)), |row| {
                    Ok(FleetCount {
                        model: row.get(0)?,
                        version: row.get(1)?,
                        devices: row.get::<_, i64>(2)?.cast_unsigned(),
                    })
                })?
                .collect::<Result<Vec<_>, _>>()?;
            Ok(rows)
        })
    }
}

/// Unsigned values past `i64::MAX` are stored as `i64::MAX`.
pub(crate) fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[derive(Default)]
struct Wanted {
    clauses: Vec<&'static str>,
    values: Vec<Value>,
}

impl Wanted {
    fn add(&mut self, clause: &'static str, value: Value) {
        self.clauses.push(clause);
        self.values.push(value);
    }

    fn clause(&self) -> String {
        format!("WHERE {}", self.clauses.join(" AND "))
    }

    fn filter(&mut self, filter: &EntryFilter) {
        let number = |value: u64| Value::Integer(stored(value));
        if let Some(kind) = filter.kind {
            self.add("e.kind = ?", Value::Integer(i64::from(kind)));
        }
        if let Some(device) = filter.device {
            let clause = "e.device = (SELECT id FROM device WHERE device = ?)";
            self.add(clause, Value::Blob(device.to_vec()));
        }
        if let Some(issuer) = &filter.issuer {
            let clause = "e.issuer = (SELECT id FROM name WHERE text = ?)";
            self.add(clause, Value::Text(issuer.clone()));
        }
        if let Some(subject) = &filter.subject {
            let clause = "e.subject = (SELECT id FROM name WHERE text = ?)";
            self.add(clause, Value::Text(subject.clone()));
        }
        if let Some(image) = filter.image {
            let clause = "e.image = (SELECT id FROM digest WHERE value = ?)";
            self.add(clause, Value::Blob(image.to_vec()));
        }
        if let Some(target) = filter.target {
            let clause = "e.target = (SELECT id FROM digest WHERE value = ?)";
            self.add(clause, Value::Blob(target.to_vec()));
        }
        if let Some(version) = &filter.version {
            let clause = "e.version = (SELECT id FROM name WHERE text = ?)";
            self.add(clause, Value::Text(version.clone()));
        }
        if let Some(outcome) = filter.outcome {
            self.add("e.outcome = ?", number(outcome));
        }
        if let Some(initiator) = filter.initiator {
            self.add("e.initiator = ?", number(initiator));
        }
        // Entries are seen in order, so a time is a place in the log.
        if let Some(from) = filter.seen_from_ms {
            let clause = "e.idx >= coalesce(
                (SELECT min(idx) FROM seen WHERE ms >= ?), 9223372036854775807)";
            self.add(clause, number(from));
        }
        if let Some(until) = filter.seen_until_ms {
            let clause = "e.idx < coalesce(
                (SELECT min(idx) FROM seen WHERE ms >= ?), 9223372036854775807)";
            self.add(clause, number(until));
        }
    }
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<EntryRow> {
    let record = Record {
        leaf: row.get(1)?,
        kind: row.get(2)?,
        issuer: row.get(3)?,
        subject: row.get(4)?,
        stated_ms: unsigned(row, 5)?,
        event: unsigned(row, 6)?,
        outcome: unsigned(row, 7)?,
        initiator: unsigned(row, 8)?,
        device: row.get(9)?,
        seq: unsigned(row, 10)?,
        version: row.get(11)?,
        version_code: unsigned(row, 12)?,
        counter: row.get(13)?,
        image: row.get(14)?,
        target: row.get(15)?,
        model: row.get(17)?,
        meaning: unsigned(row, 18)?,
        ..Record::default()
    };
    Ok(EntryRow {
        index: row.get::<_, i64>(0)?.cast_unsigned(),
        record,
        seen_ms: unsigned(row, 16)?,
    })
}

fn device_row(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned());
    Ok(DeviceRow {
        device: row.get(0)?,
        issuer: row.get(1)?,
        model: row.get(2)?,
        first_index: number(3)?,
        last_index: number(4)?,
        entries: number(5)?,
        seq: unsigned(row, 6)?,
        version: row.get(7)?,
        version_code: unsigned(row, 8)?,
        counter: unsigned(row, 9)?,
        image: row.get(10)?,
        event: unsigned(row, 11)?,
        outcome: unsigned(row, 12)?,
        forks: number(13)?,
        is_decommissioned: row.get::<_, Option<u16>>(14)? == Some(EventType::Decommissioned.code()),
    })
}

fn release(connection: &Connection, entry: EntryRow) -> Result<ReleaseRow, Error> {
    let devices: i64 = match entry.record.image {
        None => 0,
        Some(image) => connection
            .prepare_cached(
                "SELECT count(*) FROM device
                 WHERE image = (SELECT id FROM digest WHERE value = ?1)",
            )?
            .query_row([image.as_slice()], |row| row.get(0))?,
    };
    Ok(ReleaseRow { entry, devices: devices.cast_unsigned() })
}
