//! What is kept beside the tiles, audited: received times and snapshots of the registration state.
//!
//! Neither is in the tree, so neither is proven. Times are only checked for being whole; a snapshot
//! decides what a restarted log admits, so it must be what the entries before it lead to.

use std::collections::VecDeque;
use std::convert::Infallible;

use firmlog_verify::registry::Registry;

use super::{Damage, damage};
use crate::admission::SignedLog;
use crate::error::LogError;
use crate::received;
use crate::snapshot;
use crate::store::Store;

/// The snapshots not compared yet, by size.
pub(super) struct Snapshots(VecDeque<u64>);

impl Snapshots {
    /// Those of `from` entries or more: what was pruned cannot be derived again. One of more
    /// entries than the log has was left by a crash, and a start removes it.
    pub(super) fn start(store: &Store, from: u64) -> Result<Self, LogError> {
        let sizes = snapshot::sizes(store)?;
        Ok(Self(sizes.into_iter().filter(|at| *at >= from.max(1)).collect()))
    }

    /// Compares the snapshot of `size` entries, if there is one, with the state after them.
    pub(super) fn compare(&mut self, store: &Store, size: u64, ours: &Registry) -> Option<Damage> {
        self.0.pop_front_if(|at| *at == size)?;
        let object = format!("state/registry-{size:020}");
        let Some(bytes) = snapshot::read(store, size) else {
            return Some(damage(&object, "a checksum that fits", "another"));
        };
        let Some(theirs) = SignedLog::decode(&bytes, size, 1) else {
            return Some(damage(&object, "a registration state", "other bytes"));
        };
        let same = encoded(ours) == encoded(&theirs.registry);
        let expected = format!("the state after {size} entries");
        (!same).then(|| damage(&object, &expected, "another state"))
    }
}

/// Says which spans have no whole file of their times, of those from entry `from` up to `size`.
pub(super) fn received_times(store: &Store, from: u64, size: u64) -> Result<Vec<Damage>, LogError> {
    let mut damages = Vec::new();
    for span in received::spans(size).filter(|span| received::is_needed(*span, from)) {
        let whole = received::written_at(store, span)?;
        if whole.is_none_or(|at| at < size && !received::is_final(span, at)) {
            let object = format!("state/received/{span:08}");
            let got = whole.map_or("none".to_owned(), |at| format!("one of {at} entries"));
            damages.push(damage(&object, &format!("a whole file of {size} entries"), &got));
        }
    }
    Ok(damages)
}

fn encoded(registry: &Registry) -> Vec<u8> {
    let mut out = Vec::new();
    let written = registry.encode_snapshot(|part| {
        out.extend_from_slice(part);
        Ok::<(), Infallible>(())
    });
    match written {
        Ok(()) => out,
    }
}
