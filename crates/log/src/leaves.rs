//! Where each leaf hash is: what the log itself knows of the bytes that it holds.
//!
//! ```text
//! state/leaves/24-00000000   entries 0 .. 16777216, by leaf hash     ┐
//! state/leaves/20-00000016   the next 1048576                        ├ runs, on disk
//! state/leaves/16-00000272   the next 65536                          ┘
//! the newest entries         in the window of recent leaves          in memory
//! ```
//!
//! In scope: the set of runs, what they answer, and which is made next. Out of scope: the file of
//! a run (`run`), the thread that makes them (`keeper`), the newest entries (`window`).
//!
//! Invariants:
//! - A run follows from the tree alone, and names the node of the tree over its entries. It is
//!   never synced: one that is missing, torn, damaged or of another tree is made again.
//! - [`Leaves::find`] believes in a place only after it read that leaf hash in the tree, and says
//!   that a leaf hash is not there only of entries whose runs are whole. In doubt it says neither.
//! - A question reads one bucket of each run: at most 15 runs of each smaller size, and one for
//!   each 16,777,216 entries.

mod keeper;
mod run;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use firmlog_tlog::merkle::Hash;

use crate::error::LogError;
use crate::store::Store;
use run::{FAN_BITS, MAX_BITS, Run};

pub(crate) use keeper::keep;

/// The runs of one log.
#[derive(Default)]
pub(crate) struct Leaves {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By first entry; none overlap.
    runs: BTreeMap<u64, Arc<Run>>,
    /// Entries that are durable as tiles.
    durable: u64,
    stopped: bool,
}

/// What the runs say of a leaf hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// This entry has it.
    At(u64),
    /// No entry before this one has it; 0 if nothing can be said.
    NotBefore(u64),
}

/// A run to make next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    /// From the tiles.
    Build { bits: u8, number: u64 },
    /// From the runs of a size that it is made of.
    Merge { bits: u8, number: u64 },
}

impl Leaves {
    /// Where an entry with this leaf hash is.
    pub(crate) fn find(&self, store: &Store, leaf: &Hash) -> Place {
        let runs: Vec<Arc<Run>> = self.state().runs.values().cloned().collect();
        let (mut covered, mut sure) = (0, true);
        for run in runs {
            match find_in(&run, store, leaf) {
                Ok(Some(index)) => return Place::At(index),
                Ok(None) if run.first() == covered => covered = run.end(),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "a run of leaf hashes cannot be used");
                    sure = false;
                    if matches!(error, run::Unusable::Run(_)) {
                        self.discard(run.first());
                    }
                }
            }
        }
        Place::NotBefore(if sure { covered } else { 0 })
    }

    /// Takes up the runs on disk that are of this tree of `size` entries, and removes the others.
    pub(crate) fn load(&self, store: &Store, size: u64) -> Result<(), LogError> {
        let mut names = run::list(store)?;
        // Of two that overlap the longer one stays: it was made of the other.
        names.sort_unstable_by_key(|(bits, number)| (u8::MAX - bits, *number));
        for (bits, number) in names {
            let (first, end) = (number << bits, (number + 1) << bits);
            let taken = end > size || self.state().overlaps(first, end);
            match if taken { None } else { Run::open(store, bits, number) } {
                Some(run) => _ = self.state().runs.insert(first, Arc::new(run)),
                None => run::remove(store, bits, number),
            }
        }
        Ok(())
    }

    /// Notes that entries below `durable` are in tiles on disk.
    pub(crate) fn grown(&self, durable: u64) {
        self.state().durable = durable;
        self.changed.notify_all();
    }

    /// Ends the keeper.
    pub(crate) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// Forgets a run, so that it is made again.
    fn discard(&self, first: u64) {
        self.state().runs.remove(&first);
        self.changed.notify_all();
    }

    /// Puts a run in the place of those that it covers, and returns these.
    fn install(&self, run: Run) -> Vec<Arc<Run>> {
        let (first, end) = (run.first(), run.end());
        let mut state = self.state();
        let covered: Vec<u64> = state.runs.range(first..end).map(|(at, _)| *at).collect();
        let old = covered.iter().filter_map(|at| state.runs.remove(at)).collect();
        state.runs.insert(first, Arc::new(run));
        old
    }

    /// Waits until a run can be made; `None` once stopped. Blocks in `gone` are passed over.
    fn next(&self, base: u8, gone: &[u64]) -> Option<Job> {
        let mut state = self.state();
        while !state.stopped {
            if let Some(job) = state.job(base, gone) {
                return Some(job);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// Waits for this long, or until stopped.
    fn rest(&self, time: Duration) {
        let state = self.state();
        drop(self.changed.wait_timeout_while(state, time, |state| !state.stopped));
    }

    fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// The runs of a size that a longer one is made of, if all are here.
    fn parts(&self, bits: u8, number: u64) -> Option<Vec<Arc<Run>>> {
        let state = self.state();
        let numbers = number << FAN_BITS..(number + 1) << FAN_BITS;
        let part = |number: u64| state.runs.get(&(number << (bits - FAN_BITS)));
        numbers.map(|n| part(n).filter(|run| run.bits() + FAN_BITS == bits).cloned()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn overlaps(&self, first: u64, end: u64) -> bool {
        self.runs.range(..end).next_back().is_some_and(|(_, run)| run.end() > first)
    }

    fn job(&self, base: u8, gone: &[u64]) -> Option<Job> {
        self.merge().or_else(|| self.build(base, gone))
    }

    /// Sixteen runs of one size that make up a longer one.
    fn merge(&self) -> Option<Job> {
        let mut same = (0, 0, 0);
        for run in self.runs.values() {
            let (bits, number) = (run.bits() + FAN_BITS, run.number() >> FAN_BITS);
            let before = if (same.0, same.1) == (bits, number) { same.2 } else { 0 };
            same = (bits, number, before + 1);
            if same.2 == 1 << FAN_BITS && bits <= MAX_BITS {
                return Some(Job::Merge { bits, number });
            }
        }
        None
    }

    /// The first block of entries without a run.
    fn build(&self, bits: u8, gone: &[u64]) -> Option<Job> {
        let mut at = 0;
        loop {
            if let Some(run) = self.runs.get(&at) {
                at = run.end();
                continue;
            }
            let number = at >> bits;
            let end = (number + 1) << bits;
            if end > self.durable {
                return None;
            }
            if !gone.contains(&number) {
                return Some(Job::Build { bits, number });
            }
            at = end;
        }
    }
}

/// The place of a leaf hash among the entries of one run, believed once it was read in the tree.
fn find_in(run: &Run, store: &Store, leaf: &Hash) -> Result<Option<u64>, run::Unusable> {
    for index in run.candidates(leaf).map_err(run::Unusable::Run)? {
        if store.leaf(index).map_err(run::Unusable::Tree)? == *leaf {
            return Ok(Some(index));
        }
        // Another leaf with these 32 bits, or this one in a tile that was damaged since.
        store.check_leaf_page(index).map_err(run::Unusable::Tree)?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
