//! The thread that makes runs, behind everything else.
//!
//! ```text
//! tiles 256 × 8 KiB ──sort──▶ 16-…  ×16 ──merge──▶ 20-…  ×16 ──merge──▶ 24-…
//! ```
//!
//! In scope: making runs from tiles and from each other. Out of scope: their file (`run`).
//!
//! Where we may die: anywhere. A run counts once its header stands, and the header fits one table
//! and one tree only. Nothing is synced; a bucket that a loss of power took is noticed when it is
//! read, and its run made again.
//!
//! Invariants:
//! - Tiles are believed only if their hashes lead to the node of the tree above them.
//! - Memory is that of the shortest run while it is sorted, and of one bucket of sixteen while
//!   runs are merged.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use firmlog_tlog::merkle::{Hash, node_hash};

use super::Job;
use super::run::{self, FAN_BITS, Key, MIN_BITS, Run, Writer, buckets};
use crate::error::LogError;
use crate::shared::Shared;
use crate::store::Store;
use crate::tail::NodePage;

/// After a failure.
const RETRY: Duration = Duration::from_secs(5);

/// Makes runs of `base` bits from tiles, and longer ones from those, until the log closes.
pub(crate) fn keep(shared: &Arc<Shared>, base: u8) {
    let (store, leaves) = (&shared.store, &shared.store.leaves);
    let mut gone = Vec::new();
    while let Some(job) = leaves.next(base, &gone) {
        match make(store, job) {
            Ok(Some(run)) => {
                for old in leaves.install(run) {
                    run::remove(store, old.bits(), old.number());
                }
            }
            Ok(None) => {}
            Err(error) => match job {
                Job::Build { bits, number } if was_pruned(store, bits, number, &error) => {
                    tracing::warn!(
                        first = number << bits,
                        "leaf hashes were pruned: what may be among them is never answered"
                    );
                    gone.push(number);
                }
                _ => {
                    tracing::warn!(%error, "a run of leaf hashes could not be made, trying again");
                    leaves.rest(RETRY);
                }
            },
        }
    }
}

/// Whether the tiles of a block are missing because they were pruned.
fn was_pruned(store: &Store, bits: u8, number: u64, error: &LogError) -> bool {
    let missing =
        matches!(error, LogError::Io { source, .. } if source.kind() == ErrorKind::NotFound);
    missing && number << bits < store.min_index()
}

pub(super) fn make(store: &Store, job: Job) -> Result<Option<Run>, LogError> {
    match job {
        Job::Build { bits, number } => build(store, bits, number).map(Some),
        Job::Merge { bits, number } => merge(store, bits, number),
    }
}

fn build(store: &Store, bits: u8, number: u64) -> Result<Run, LogError> {
    let (mut keys, mut row) = (Vec::with_capacity(1 << bits), Vec::new());
    let pages = 1u64 << (bits - MIN_BITS);
    for page in number * pages..(number + 1) * pages {
        let tile = store.read_tile(0, page)?;
        row.push(NodePage::from_tile(&tile).root());
        for leaf in tile.as_chunks::<32>().0 {
            keys.push(Key::new(&Hash(*leaf), keys.len() as u32));
        }
    }
    while row.len() > 1 {
        row = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    let root = store.node(bits, number)?;
    if row.first() != Some(&root) {
        let object = format!("tiles of entries {} to {}", number << bits, (number + 1) << bits);
        return Err(LogError::damaged(object, format!("hashes below {root}"), "others"));
    }
    keys.sort_unstable();
    let mut writer = Writer::create(store, bits, number)?;
    writer.buckets(buckets(bits), &keys)?;
    writer.finish(&root)
}

/// Bucket by bucket; `None` if the log closes meanwhile, or a part is to be made again first.
fn merge(store: &Store, bits: u8, number: u64) -> Result<Option<Run>, LogError> {
    let Some(parts) = store.leaves.parts(bits, number) else { return Ok(None) };
    let part_bits = bits - FAN_BITS;
    let root = store.node(bits, number)?;
    let mut writer = Writer::create(store, bits, number)?;
    let mut keys = Vec::new();
    for at in 0..buckets(part_bits) {
        if store.leaves.is_stopped() {
            return Ok(None);
        }
        keys.clear();
        for (part, run) in (0u32..).zip(&parts) {
            let Ok(bucket) = run.bucket(at) else {
                store.leaves.discard(run.first());
                return Ok(None);
            };
            let moved = |key: Key| Key { place: part << part_bits | key.place, ..key };
            keys.extend(bucket.into_iter().map(moved));
        }
        keys.sort_unstable();
        writer.buckets(1 << FAN_BITS, &keys)?;
    }
    writer.finish(&root).map(Some)
}
