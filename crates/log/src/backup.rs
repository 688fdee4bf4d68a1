//! Backup of a running log, restore, and taking over data whose record was lost.
//!
//! ```text
//! backup   tiles, bundles, kept entries, received times, snapshot → sync → checkpoint
//! restore  the same files, and a write-ahead log that begins with the last, partial page
//! ```
//!
//! In scope: consistent copies. Out of scope: the never-fork record, which is never copied: a
//! restored log that is older than its record refuses to sign.
//!
//! Invariant: a backup's checkpoint is written last, so what has one is complete.

use std::io::ErrorKind::NotFound;
use std::path::Path;
use std::sync::Arc;

use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::TreeHead;
use firmlog_tlog::note::VerifierKey;
use firmlog_tlog::tile::{Bundle, TileId, TilePath, WIDTH, tiles_of_tree};
use firmlog_verify::crypto::Crypto;

use crate::config::Config;
use crate::disk::{Disk, StdDisk};
use crate::error::LogError;
use crate::kept::{self, Pages};
use crate::reader::Reader;
use crate::received::Times;
use crate::record::Record;
use crate::recovery::{lock, start_wal};
use crate::sequencer::now_ms;
use crate::store::Store;
use crate::tail::Tail;
use crate::{received, recovery, snapshot};

/// Copies the published tree of a running log to an empty directory of this machine, durably.
///
/// # Errors
/// [`LogError::Exists`] if there is a checkpoint already; storage errors.
pub fn backup(reader: &Reader, dest: &Path) -> Result<TreeHead, LogError> {
    let disk = StdDisk::new(dest).map_err(LogError::io("open", dest))?;
    backup_on(reader, Arc::new(disk), dest)
}

/// As [`backup`], to another disk.
///
/// # Errors
/// As [`backup`].
pub fn backup_on(reader: &Reader, disk: Arc<dyn Disk>, dest: &Path) -> Result<TreeHead, LogError> {
    let to = Store::new(disk, dest.to_path_buf(), Tail::new(0), 0);
    let checkpoint = to.path(TilePath::Checkpoint);
    if to.disk.read(&checkpoint).is_ok() {
        return Err(LogError::Exists(checkpoint));
    }
    let published = reader.published();
    let from = reader.store();
    let size = published.head.size.0;
    copy_tree(&|resource| reader.resource(resource), size, from, &to)?;
    copy_state(from, &to, size)?;
    // What the flusher has not written yet is in memory only.
    for span in received::spans(size) {
        if let Some(bytes) = reader.received_file(span, size) {
            let path = received::path(&to, span, false);
            to.disk.write(&path, &bytes).map_err(LogError::io("write", &path))?;
        } else {
            copy_received(from, &to, span)?;
        }
    }
    to.disk.sync_all().map_err(LogError::io("sync", dest))?;
    let bytes = published.checkpoint.as_bytes();
    to.disk.replace(&checkpoint, bytes).map_err(LogError::io("write", &checkpoint))?;
    to.disk.sync_all().map_err(LogError::io("sync", dest))?;
    Ok(published.head)
}

/// Puts a backup in the place of a log that is not there, durably. The never-fork record is left
/// alone: opening decides whether the backup is new enough to sign.
///
/// # Errors
/// [`LogError::Exists`] if there is a log; [`LogError::Damaged`] naming what the backup lacks.
pub fn restore(src: &Path, config: &Config) -> Result<TreeHead, LogError> {
    let from = StdDisk::new(src).map_err(LogError::io("open", src))?;
    let to = StdDisk::new(&config.dir).map_err(LogError::io("open", &config.dir))?;
    restore_on(Arc::new(from), src, Arc::new(to), config)
}

/// As [`restore`], between other disks.
///
/// # Errors
/// As [`restore`].
pub fn restore_on(
    from: Arc<dyn Disk>,
    src: &Path,
    to: Arc<dyn Disk>,
    config: &Config,
) -> Result<TreeHead, LogError> {
    let _lock = lock(to.as_ref(), &config.dir.join("lock"))?;
    let wal_dir = config.dir.join("wal");
    if !to.list(&wal_dir).map_err(LogError::io("list", &wal_dir))?.is_empty() {
        return Err(LogError::Exists(wal_dir));
    }
    let min_index = recovery::read_min_index(from.as_ref(), &at(config, src))?;
    let from = Store::new(from, src.to_path_buf(), Tail::new(0), min_index);
    let to = Store::new(to, config.dir.clone(), Tail::new(0), 0);
    let (head, checkpoint) = read_checkpoint(&from, &config.origin)?;
    let read = |resource: TilePath| {
        let path = from.path(resource);
        from.disk.read(&path).map_err(LogError::io("read", &path))
    };
    copy_tree(&read, head.size.0, &from, &to)?;
    copy_state(&from, &to, head.size.0)?;
    received::spans(head.size.0).try_for_each(|span| copy_received(&from, &to, span))?;
    let path = to.path(TilePath::Checkpoint);
    to.disk.replace(&path, checkpoint.as_bytes()).map_err(LogError::io("write", &path))?;
    to.disk.sync_all().map_err(LogError::io("sync", &config.dir))?;
    // The log exists from here on: recovery starts from a write-ahead log.
    let first = head.size.0 / u64::from(WIDTH) * u64::from(WIDTH);
    let width = (head.size.0 - first) as u16;
    let mut entries = Vec::new();
    if width > 0 {
        let resource = TilePath::Entries { index: first / u64::from(WIDTH), width };
        let bytes = read(resource)?;
        let bundle = Bundle::parse(&bytes, width).map_err(|e| {
            LogError::damaged(resource.to_string(), format!("{width} entries"), e.to_string())
        })?;
        let mut times = Times::default();
        for (index, entry) in (first..).zip(bundle.entries()) {
            // A backup has the time of every entry; one without was not made by `backup`.
            let received_ms = times.at(&from, index)?.unwrap_or_else(now_ms);
            entries.push((received_ms, entry.to_vec()));
        }
    }
    start_wal(&to.disk, config, first, &entries)?;
    to.disk.sync_all().map_err(LogError::io("sync", &config.dir))?;
    Ok(head)
}

/// Makes the never-fork record of data whose record was lost, from its checkpoint file.
///
/// Whoever calls this vouches that no newer copy of this log has ever signed. The log would not
/// notice a fork made this way; witnesses would.
///
/// # Errors
/// [`LogError::Exists`] if there is a record; [`LogError::Damaged`] if the checkpoint is not signed
/// by `log_key`.
pub fn adopt_record(
    config: &Config,
    log_key: &VerifierKey,
    crypto: &dyn Crypto,
) -> Result<TreeHead, LogError> {
    let disk = StdDisk::new(&config.dir).map_err(LogError::io("open", &config.dir))?;
    adopt_record_on(&disk, config, log_key, crypto)
}

/// As [`adopt_record`], on another disk.
///
/// # Errors
/// As [`adopt_record`].
pub fn adopt_record_on(
    disk: &dyn Disk,
    config: &Config,
    log_key: &VerifierKey,
    crypto: &dyn Crypto,
) -> Result<TreeHead, LogError> {
    let _lock = lock(disk, &config.dir.join("lock"))?;
    let path = config.dir.join("checkpoint");
    let bytes = disk.read(&path).map_err(LogError::io("read", &path))?;
    let verified = Unverified::parse(&bytes)
        .and_then(|c| c.verify_origin(crypto, log_key, &config.origin).map(|c| c.head()));
    let head = verified.map_err(|e| {
        LogError::damaged("checkpoint", "a checkpoint signed by the log's key", e.to_string())
    })?;
    Record::create(disk, &config.record_path, &config.origin)?;
    let (mut record, _) = Record::open(disk, &config.record_path, &config.origin)?;
    record.store(&head, &String::from_utf8_lossy(&bytes))?;
    Ok(head)
}

fn at(config: &Config, dir: &Path) -> Config {
    Config { dir: dir.to_path_buf(), ..config.clone() }
}

fn read_checkpoint(store: &Store, origin: &str) -> Result<(TreeHead, String), LogError> {
    let path = store.path(TilePath::Checkpoint);
    let bytes = store.disk.read(&path).map_err(LogError::io("read", &path))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let parsed = Unverified::parse(&bytes)
        .map_err(|e| LogError::damaged("checkpoint", "a signed checkpoint", e.to_string()))?;
    let claimed = parsed.claimed();
    if claimed.origin != origin {
        let got = claimed.origin.to_owned();
        return Err(LogError::OtherOrigin { expected: origin.into(), got });
    }
    Ok((claimed.head(), text))
}

/// Copies every tile and bundle of a tree of `size` entries that was not pruned, and what pruning
/// kept of the others: tiles that are there although no proof needs them tell what was logged.
fn copy_tree(
    read: &dyn Fn(TilePath) -> Result<Vec<u8>, LogError>,
    size: u64,
    from: &Store,
    to: &Store,
) -> Result<(), LogError> {
    let (width, min_index) = (u64::from(WIDTH), from.min_index());
    let pages = Pages::list(from)?;
    pages.iter().try_for_each(|page| kept::copy(from, to, page))?;
    for index in min_index / width..size.div_ceil(width) {
        let resource = TilePath::Entries { index, width: (size - index * width).min(width) as u16 };
        let path = to.path(resource);
        to.disk.write(&path, &read(resource)?).map_err(LogError::io("write", &path))?;
    }
    let gone = |id: &TileId| is_prunable(*id, min_index, size) && !pages.need(*id);
    for id in tiles_of_tree(size) {
        let resource = TilePath::Hashes(id);
        let bytes = match read(resource) {
            Err(LogError::Io { source, .. }) if source.kind() == NotFound && gone(&id) => continue,
            bytes => bytes?,
        };
        let path = to.path(resource);
        to.disk.write(&path, &bytes).map_err(LogError::io("write", &path))?;
    }
    Ok(())
}

fn copy_received(from: &Store, to: &Store, span: u64) -> Result<(), LogError> {
    for turn in [false, true] {
        match from.disk.read(&received::path(from, span, turn)) {
            Err(e) if e.kind() == NotFound => {}
            read => {
                let bytes =
                    read.map_err(LogError::io("read", &received::path(from, span, turn)))?;
                let path = received::path(to, span, turn);
                to.disk.write(&path, &bytes).map_err(LogError::io("write", &path))?;
            }
        }
    }
    Ok(())
}

fn copy_state(from: &Store, to: &Store, size: u64) -> Result<(), LogError> {
    for at in snapshot::sizes(from)?.into_iter().filter(|at| *at <= size) {
        if let Some(bytes) = snapshot::read(from, at) {
            snapshot::write(to, at, &bytes)?;
        }
    }
    if from.min_index() > 0 {
        write_min_index(to, from.min_index())?;
    }
    Ok(())
}

/// Whether no proof about entries from `min_index` on, and no recovery, needs this tile: it lies
/// below, and the tile above, which has its root, is full.
pub(crate) fn is_prunable(id: TileId, min_index: u64, size: u64) -> bool {
    let span = u32::from(id.level + 1) * 8;
    let below = (id.index + 1).checked_shl(span).is_some_and(|end| end <= min_index);
    let above = TileId::in_tree(id.level + 1, id.index / u64::from(WIDTH), size);
    below && id.is_full() && above.is_some_and(|above| above.is_full())
}

/// Keeps the minimum index, not durable yet.
pub(crate) fn write_min_index(store: &Store, min_index: u64) -> Result<(), LogError> {
    let path = store.dir.join("state/min-index");
    let text = format!("{min_index}\n");
    store.disk.replace(&path, text.as_bytes()).map_err(LogError::io("write", &path))
}

/// Refuses every read below `min_index` from now on but of what is kept ([`kept`]), and deletes
/// what only such reads need.
/// `durable` bounds what is deleted; a crash in between leaves files that nobody reads.
pub(crate) fn prune(
    store: &Store,
    min_index: u64,
    durable: u64,
    keep_tiles: bool,
) -> Result<(), LogError> {
    let old = store.min_index();
    for page in old / u64::from(WIDTH)..min_index / u64::from(WIDTH) {
        kept::keep(store, page)?;
    }
    write_min_index(store, min_index)?;
    // Nothing goes before it is durable that it went.
    store.disk.sync_all().map_err(LogError::io("sync", &store.dir))?;
    store.set_min_index(min_index);
    for index in old / u64::from(WIDTH)..min_index / u64::from(WIDTH) {
        let path = store.path(TilePath::Entries { index, width: WIDTH });
        store.disk.remove(&path).map_err(LogError::io("remove", &path))?;
    }
    if keep_tiles {
        return Ok(());
    }
    let pages = Pages::list(store)?;
    for id in tiles_of_tree(min_index).filter(|id| is_prunable(*id, min_index, durable)) {
        if !is_prunable(id, old, durable) && !pages.need(id) {
            let path = store.path(TilePath::Hashes(id));
            store.disk.remove(&path).map_err(LogError::io("remove", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tiles_below_a_full_parent_go() {
        let tile = |level, index, width| TileId { level, index, width };
        assert!(is_prunable(tile(0, 255, 256), 65_536, 65_536));
        assert!(!is_prunable(tile(0, 255, 256), 65_535, 70_000));
        assert!(!is_prunable(tile(0, 256, 256), 70_000, 70_000));
        assert!(!is_prunable(tile(1, 0, 256), 65_536, 65_536));
    }
}
