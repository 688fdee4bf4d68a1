//! Creating a log, and opening one after any end the last run may have had.
//!
//! ```text
//! WAL segments      s0 ────────── s1 ──── next       (all records but a torn last one)
//! tiles, bundles    ──────┤ base = s0 rounded up to 256: durable before s0's predecessor went
//! never-fork record            signed.size ≤ next, and its root is that of our tree
//! ```
//!
//! In scope: finding the newest durable state, or refusing to. Out of scope: auditing what is below
//! `base` (`fsck`).
//!
//! Invariants:
//! - Only a torn last record is dropped. Whatever else does not fit is named, and the log does not
//!   start: nothing is repaired silently.
//! - The log signs again only if the tree it found is the recorded one or extends it.

use std::path::Path;
use std::sync::Arc;

use firmlog_statement::Parsed;
use firmlog_tlog::merkle::{
    CompactRange, Hash, LeafIndex, NodeSource as _, TreeSize, leaf_hash, node_hash, range_nodes,
    root,
};
use firmlog_tlog::tile::{Bundle, HEIGHT, WIDTH};
use firmlog_verify::crypto::Crypto;
use firmlog_verify::registry::Registry;

use crate::admission::{Admission, SignedLog};
use crate::config::{Config, Registration};
use crate::disk::Disk;
use crate::error::LogError;
use crate::received::Received;
use crate::record::{Record, Signed, origin_hash};
use crate::sequencer::{bundled_leaf, for_each_bundled, now_ms};
use crate::snapshot;
use crate::store::{Nodes, Store};
use crate::tail::{Tail, pages_below};
use crate::wal::{Replay, ReserveError, Wal};

/// What opening the log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Entries in the log.
    pub size: u64,
    /// The size of the last checkpoint that was signed before.
    pub signed_size: u64,
    /// Entries read back from the write-ahead log.
    pub replayed: u64,
    /// Whether a torn last record was dropped. Nobody had been told of its entries.
    pub torn_record_dropped: bool,
    /// Entries from which the registration state was rebuilt (the rest came from a snapshot).
    pub registry_replayed: u64,
}

/// Everything the threads start from.
pub(crate) struct Recovered {
    pub(crate) store: Store,
    pub(crate) wal: Wal,
    pub(crate) record: Record,
    pub(crate) range: CompactRange,
    pub(crate) admission: Admission,
    pub(crate) received: Received,
    pub(crate) base: u64,
    pub(crate) snapshot: u64,
    pub(crate) report: RecoveryReport,
    pub(crate) dir_lock: Box<dyn Send + Sync>,
}

/// Makes a new log with its genesis entry, and its never-fork record.
pub(crate) fn create(
    disk: &Arc<dyn Disk>,
    config: &Config,
    genesis: &[u8],
    crypto: &dyn Crypto,
) -> Result<(), LogError> {
    check_genesis(config, genesis, crypto)?;
    disk.create_dirs(&config.dir).map_err(LogError::io("create", &config.dir))?;
    let _lock = lock(disk.as_ref(), &config.dir.join("lock"))?;
    let wal_dir = config.dir.join("wal");
    let used = disk.list(&wal_dir).map_err(LogError::io("list", &wal_dir))?;
    if !used.is_empty() {
        return Err(LogError::Exists(wal_dir));
    }
    if disk.open(&config.record_path).is_ok() {
        return Err(LogError::Exists(config.record_path.clone()));
    }
    start_wal(disk, config, 0, &[(now_ms(), genesis.to_vec())])?;
    disk.sync_dir(&config.dir).map_err(LogError::io("sync", &config.dir))?;
    // Dying before this line leaves a log that does not start for want of its record, and that
    // has shown nothing to anybody.
    Record::create(disk.as_ref(), &config.record_path, &config.origin)
}

/// The first entry must name this log, and its own signer as an administrator.
pub(crate) fn check_genesis(
    config: &Config,
    genesis: &[u8],
    crypto: &dyn Crypto,
) -> Result<(), LogError> {
    let parsed = Parsed::parse(genesis).map_err(|e| LogError::Genesis(e.to_string()))?;
    let mut registry = Registry::new();
    let candidate =
        registry.check(&parsed, crypto).map_err(|e| LogError::Genesis(e.to_string()))?;
    let applied = registry.apply(&candidate, &parsed, LeafIndex(0));
    applied.map_err(|e| LogError::Genesis(e.to_string()))?;
    let rules = &registry.rules;
    if rules.origin != config.origin {
        return Err(LogError::OtherOrigin {
            expected: config.origin.clone(),
            got: rules.origin.clone(),
        });
    }
    if rules.any_bytes != (config.registration == Registration::Any) {
        let (expected, got) = (config.registration, rules.any_bytes);
        let text = format!("expected registration {expected:?}, got any bytes: {got}");
        return Err(LogError::Genesis(text));
    }
    Ok(())
}

/// Starts a write-ahead log at `first` that holds these entries with their received times, durably.
pub(crate) fn start_wal(
    disk: &Arc<dyn Disk>,
    config: &Config,
    first: u64,
    entries: &[(u64, Vec<u8>)],
) -> Result<(), LogError> {
    let origin = origin_hash(&config.origin);
    let dir = config.dir.join("wal");
    let mut wal = Wal::create(disk, &dir, config.segment_bytes, &origin, first)?;
    for (index, (received_ms, entry)) in (first..).zip(entries) {
        let too_large = |_| LogError::Genesis("an entry is larger than 65,535 bytes".into());
        wal.reserve(entry.len() + 2, index).map_err(|error| match error {
            ReserveError::Full => {
                LogError::io("allocate", &dir)(std::io::ErrorKind::StorageFull.into())
            }
            ReserveError::Failed(error) => error,
        })?;
        firmlog_tlog::tile::encode_entry(wal.begin(), entry).map_err(too_large)?;
        wal.commit(index, 1, *received_ms)?;
    }
    Ok(())
}

/// Finds the newest durable state.
pub(crate) fn recover(disk: &Arc<dyn Disk>, config: &Config) -> Result<Recovered, LogError> {
    let dir_lock = lock(disk.as_ref(), &config.dir.join("lock"))?;
    let (record, signed) = Record::open(disk.as_ref(), &config.record_path, &config.origin)?;
    let origin = origin_hash(&config.origin);
    let wal_dir = config.dir.join("wal");
    let mut records: Vec<(u64, u64, Vec<u8>)> = Vec::new();
    let (wal, replay) = Wal::open(disk, &wal_dir, config.segment_bytes, &origin, |batch| {
        records.push((batch.first, batch.received_ms, batch.entries.to_vec()));
        Ok(())
    })?;
    let base = replay.first.next_multiple_of(u64::from(WIDTH));
    // Without the entries up to `base` the first page cannot be rebuilt.
    let base = if replay.first == 0 { 0 } else { base };
    if replay.next < base {
        return Err(too_old(config, &signed, format!("only {} entries", replay.next)));
    }
    let min_index = read_min_index(disk.as_ref(), config)?;
    let store = Store::new(disk.clone(), config.dir.clone(), Tail::new(base), min_index);
    fill_upper_levels(&store, base)?;
    let mut range = frontier(&store, base)?;
    let mut received = Received::resume(&store, replay.first)?;
    for (first, received_ms, entries) in &records {
        received.note(*first, *received_ms);
        integrate(&store, &mut range, *first, base, entries);
    }
    drop(records);
    check_record(config, &store, &signed, &range)?;
    let (admission, snapshot) = rebuild_admission(&store, config, range.size().0)?;
    let report = report(&replay, &signed, &range, snapshot);
    Ok(Recovered {
        store,
        wal,
        record,
        range,
        admission,
        received,
        base,
        snapshot,
        report,
        dir_lock,
    })
}

/// Takes the lock of a directory or record.
pub(crate) fn lock(disk: &dyn Disk, path: &Path) -> Result<Box<dyn Send + Sync>, LogError> {
    disk.lock(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::WouldBlock => LogError::Locked(path.to_path_buf()),
        _ => LogError::io("lock", path)(e),
    })
}

/// The minimum index, 0 if the log was never pruned.
pub(crate) fn read_min_index(disk: &dyn Disk, config: &Config) -> Result<u64, LogError> {
    let path = config.dir.join("state/min-index");
    let bytes = match disk.read(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        other => other.map_err(LogError::io("read", &path))?,
    };
    let text = String::from_utf8_lossy(&bytes);
    text.strip_suffix('\n').and_then(|n| n.parse().ok()).ok_or_else(|| {
        LogError::damaged(path.display().to_string(), "a decimal number and a newline", text)
    })
}

fn report(replay: &Replay, signed: &Signed, range: &CompactRange, snapshot: u64) -> RecoveryReport {
    RecoveryReport {
        size: range.size().0,
        signed_size: signed.head.size.0,
        replayed: replay.next - replay.first,
        torn_record_dropped: replay.torn,
        registry_replayed: range.size().0 - snapshot,
    }
}

/// Puts the hashes of upper tiles that straddle `base` in memory: roots of full tiles on disk.
fn fill_upper_levels(store: &Store, base: u64) -> Result<(), LogError> {
    for tile_level in 1..HEIGHT {
        let hashes = pages_below(tile_level - 1, base);
        let first = pages_below(tile_level, base) * u64::from(WIDTH);
        for index in first..hashes {
            let mut hash = store.tile_root(tile_level - 1, index)?;
            let (mut level, mut at) = (tile_level * HEIGHT, index);
            store.tail_mut().put(level, at, &hash);
            while at & 1 == 1 && level % HEIGHT < HEIGHT - 1 {
                hash = node_hash(&store.node(level, at - 1)?, &hash);
                (level, at) = (level + 1, at >> 1);
                store.tail_mut().put(level, at, &hash);
            }
        }
    }
    Ok(())
}

fn frontier(store: &Store, base: u64) -> Result<CompactRange, LogError> {
    let mut nodes = Nodes(store);
    let hashes = range_nodes(TreeSize(base))
        .map(|id| nodes.node(id.level, id.index))
        .collect::<Result<Vec<Hash>, _>>()?;
    CompactRange::from_hashes(TreeSize(base), &hashes)
        .map_err(|e| LogError::damaged("tiles", "the frontier of the tree", e.to_string()))
}

fn integrate(store: &Store, range: &mut CompactRange, first: u64, base: u64, entries: &[u8]) {
    let mut index = first;
    let mut tail = store.tail_mut();
    let _ = for_each_bundled(entries, |bundled| {
        if index >= base {
            tail.push_entry(bundled);
            range.push(bundled_leaf(bundled), |level, at, hash| tail.put(level, at, hash));
        }
        index += 1;
        std::ops::ControlFlow::<()>::Continue(())
    });
}

/// Refuses data that is older than, or other than, what was signed.
fn check_record(
    config: &Config,
    store: &Store,
    signed: &Signed,
    range: &CompactRange,
) -> Result<(), LogError> {
    let size = range.size();
    if signed.head.size > size {
        return Err(too_old(config, signed, format!("only {size} entries")));
    }
    let ours = root(Nodes(store), signed.head.size)?;
    if ours != signed.head.root {
        return Err(too_old(config, signed, format!("root {ours} at that size")));
    }
    Ok(())
}

fn too_old(config: &Config, signed: &Signed, got: String) -> LogError {
    let record = config.record_path.clone();
    LogError::WouldFork { record, signed: signed.head, got }
}

/// The registration state after `size` entries, and the size of the snapshot it started from.
fn rebuild_admission(
    store: &Store,
    config: &Config,
    size: u64,
) -> Result<(Admission, u64), LogError> {
    let mut window = config.dedup_window;
    let mut admission = match config.registration {
        Registration::Any => Admission::any(window),
        Registration::Signed => {
            // More than can wait to become a run.
            window = window.max(4 << config.leaf_run_bits.clamp(8, 16));
            store.leaves.load(store, size / u64::from(WIDTH) * u64::from(WIDTH))?;
            newest_snapshot(store, window, size)?
        }
    };
    let from = match &admission {
        Admission::Any { .. } => size,
        Admission::Signed(signed) => signed.size,
    };
    remember_recent(store, &mut admission, size.saturating_sub(window as u64), from)?;
    for_each_entry(store, from, size, |index, leaf, entry| admission.replay(index, leaf, entry))?;
    Ok((admission, from))
}

/// Puts the leaves from `recent` on, of those before `size`, where duplicates are looked for.
fn remember_recent(
    store: &Store,
    admission: &mut Admission,
    recent: u64,
    size: u64,
) -> Result<(), LogError> {
    let (mut index, min_index) = (recent, store.min_index());
    while index < size {
        match store.node(0, index) {
            Ok(leaf) => admission.remember(index, &leaf),
            // A log of any bytes gives up leaf hashes with the entries.
            Err(_) if index < min_index => {
                admission.forget();
                index = min_index;
                continue;
            }
            Err(error) => return Err(error),
        }
        index += 1;
    }
    Ok(())
}

fn newest_snapshot(store: &Store, window: usize, size: u64) -> Result<Admission, LogError> {
    // One of entries that were never durable must not be taken for one of those that come to
    // stand in their place.
    snapshot::remove_above(store, size)?;
    for at in snapshot::sizes(store)?.into_iter().rev() {
        let signed = snapshot::read(store, at).and_then(|b| SignedLog::decode(&b, at, window));
        match signed {
            Some(signed) => return Ok(Admission::Signed(Box::new(signed))),
            None => tracing::warn!(size = at, "a registration snapshot is not whole, passed over"),
        }
    }
    Ok(Admission::Signed(Box::new(SignedLog::new(window))))
}

/// Calls `visit` for every entry from `from` to `size`, with its index and leaf hash.
pub(crate) fn for_each_entry(
    store: &Store,
    from: u64,
    size: u64,
    mut visit: impl FnMut(u64, Hash, &[u8]) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let width = u64::from(WIDTH);
    for page in from / width..size.div_ceil(width) {
        let first = page * width;
        let count = (size - first).min(width) as u16;
        let bytes = store.bundle(page, count)?;
        let bundle = Bundle::parse(&bytes, count).map_err(|e| {
            LogError::damaged(format!("bundle {page}"), format!("{count} entries"), e.to_string())
        })?;
        for (index, entry) in (first..).zip(bundle.entries()) {
            if index >= from {
                visit(index, leaf_hash(entry), entry)?;
            }
        }
    }
    Ok(())
}
