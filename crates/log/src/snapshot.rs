//! Snapshots of the registration state, so that a start does not replay the whole log.
//!
//! ```text
//! state/registry-00000000000001048576     state after that many entries: crc32c, then the state
//! ```
//!
//! Invariants:
//! - A snapshot is a cache: one that is not whole is passed over, and the entries are replayed.
//! - It becomes durable with the flusher's next sync; older ones go only after that.

use std::path::PathBuf;

use crate::error::LogError;
use crate::store::Store;

/// Writes a snapshot of the state after `size` entries. Durable with the flusher's next sync.
pub(crate) fn write(store: &Store, size: u64, bytes: &[u8]) -> Result<(), LogError> {
    let path = path(store, size);
    let mut framed = Vec::with_capacity(bytes.len() + 4);
    framed.extend_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
    framed.extend_from_slice(bytes);
    store.disk.replace(&path, &framed).map_err(LogError::io("write", &path))
}

/// Removes snapshots of fewer than `size` entries; what stays is only untidy.
pub(crate) fn remove_below(store: &Store, size: u64) {
    for old in sizes(store).unwrap_or_default() {
        if old < size {
            let _ = store.disk.remove(&path(store, old));
        }
    }
}

/// Removes snapshots of more than `size` entries, durably.
pub(crate) fn remove_above(store: &Store, size: u64) -> Result<(), LogError> {
    for above in sizes(store)?.into_iter().filter(|at| *at > size) {
        let path = path(store, above);
        store.disk.remove(&path).map_err(LogError::io("remove", &path))?;
        store.disk.sync_dir(&store.dir.join("state")).map_err(LogError::io("sync", &path))?;
    }
    Ok(())
}

/// Sizes of the snapshots on disk, ascending.
pub(crate) fn sizes(store: &Store) -> Result<Vec<u64>, LogError> {
    let dir = store.dir.join("state");
    let names = store.disk.list(&dir).map_err(LogError::io("list", &dir))?;
    let mut sizes: Vec<u64> =
        names.iter().filter_map(|n| n.strip_prefix("registry-")?.parse().ok()).collect();
    sizes.sort_unstable();
    Ok(sizes)
}

/// Reads a snapshot; `None` if it is not whole (it may have been written as the power went).
pub(crate) fn read(store: &Store, size: u64) -> Option<Vec<u8>> {
    let framed = store.disk.read(&path(store, size)).ok()?;
    let (crc, bytes) = framed.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*crc) == crc32c::crc32c(bytes)).then(|| bytes.to_vec())
}

fn path(store: &Store, size: u64) -> PathBuf {
    store.dir.join(format!("state/registry-{size:020}"))
}
