//! The one thread that orders entries.
//!
//! ```text
//! take all that waits → admit → WAL write + sync → integrate ─┐
//!                          (publisher)  sign → record write + sync → publish → reply
//! ```
//!
//! In scope: the first line. Out of scope: signatures of statements (`check`, before), checkpoints
//! and replies (`publisher`, beside: the next batch syncs while this one's checkpoint does), tiles
//! (`flusher`, after).
//!
//! What is durable where we may die:
//! - before the WAL sync: nothing; nobody was told anything, and a torn record is dropped;
//! - after it: the entries; recovery signs a checkpoint that covers them.
//!
//! Invariants:
//! - What goes to the publisher is durable in the WAL.
//! - A storage step that fails makes the log read-only until it is reopened: what the disk holds
//!   is then unknown, and a second sync would prove nothing. The one exception is a full disk found
//!   while reserving room, before any byte of the batch was written.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{SendError, SyncSender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use firmlog_tlog::merkle::{CompactRange, Hash};

use crate::admission::Added;
use crate::batch::Outcome;
use crate::error::{AppendError, LogError};
use crate::publisher::Sequenced;
use crate::queue::{Gather, Job};
use crate::shared::{Room, Shared};
use crate::wal::{ReserveError, Wal};

/// Batches of several clients start at least this far apart, unless [`ENOUGH`] entries wait. A
/// commit costs the machine about the same however many it serves (docs/design/003).
const GATHER: Duration = Duration::from_millis(2);

/// Entries that are worth a commit of their own.
const ENOUGH: usize = 32;

/// Entries integrated under one lock of the tail, so that readers wait well below a millisecond.
const INTEGRATE_STEP: usize = 1024;

pub(crate) struct Sequencer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) wal: Wal,
    pub(crate) range: CompactRange,
    pub(crate) added: Added,
    pub(crate) publisher: SyncSender<Sequenced>,
}

impl Sequencer {
    /// Runs until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let limit = self.shared.config.batch_bytes_max.min(self.wal.batch_bytes_max());
        // When to take the next batch, if the last one had several clients' submissions.
        let mut gather = None;
        loop {
            let mut jobs = Vec::new();
            if !self.shared.queue.take(limit, gather, &mut jobs) {
                return;
            }
            gather = (jobs.len() > 1)
                .then(|| Gather { until: Instant::now() + GATHER, entries: ENOUGH });
            let result = match self.shared.wait_for_room() {
                Room::Some => self.sequence(&jobs),
                Room::DiskFull => Err(AppendError::DiskFull),
                Room::Failed(why) => Err(AppendError::FailedStorage(why)),
            };
            self.pass_on(jobs, result);
        }
    }

    fn pass_on(&self, jobs: Vec<Job>, result: Result<Vec<Outcome>, AppendError>) {
        let grown = (!self.added.leaves.is_empty()).then(|| self.range.head());
        let refused = match result {
            // Duplicates take their turn too: what they are duplicates of may not be published yet.
            Ok(outcomes) => match self.publisher.send(Sequenced { jobs, outcomes, grown }) {
                Ok(()) => return,
                Err(SendError(sequenced)) => (sequenced.jobs, AppendError::Closed),
            },
            Err(error) => (jobs, error),
        };
        let (jobs, error) = refused;
        jobs.into_iter().for_each(|job| job.reply.done(Err(error.clone())));
    }

    fn sequence(&mut self, jobs: &[Job]) -> Result<Vec<Outcome>, AppendError> {
        let bytes = jobs.iter().map(|job| job.batch.bytes().len()).sum();
        self.wal.reserve(bytes, self.range.size().0).map_err(|error| match error {
            ReserveError::Full => AppendError::DiskFull,
            ReserveError::Failed(error) => self.fail(&error),
        })?;
        let outcomes = self.admit(jobs);
        if !self.added.leaves.is_empty() {
            self.commit().map_err(|error| self.fail(&error))?;
        }
        Ok(outcomes)
    }

    /// Decides on every entry and lays those that are appended out for the WAL.
    fn admit(&mut self, jobs: &[Job]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(jobs.iter().map(|j| j.batch.len()).sum());
        self.added.start(self.range.size().0);
        let buf = self.wal.begin();
        let mut admission = self.shared.admission_mut();
        for job in jobs {
            admission.admit(&self.shared.store, &job.batch, &mut self.added, buf, &mut outcomes);
        }
        outcomes
    }

    fn commit(&mut self) -> Result<(), LogError> {
        let (first, count) = (self.added.first, self.added.leaves.len() as u32);
        let received_ms = now_ms();
        self.wal.commit(first, count, received_ms)?;
        self.shared.received().note(first, received_ms);
        self.integrate();
        Ok(())
    }

    fn integrate(&mut self) {
        let Self { shared, wal, range, added, .. } = self;
        let mut rest = wal.entries();
        for leaves in added.leaves.chunks(INTEGRATE_STEP) {
            let mut tail = shared.store.tail_mut();
            for leaf in leaves {
                let (bundled, after) = split_bundled(rest);
                rest = after;
                tail.push_entry(bundled);
                range.push(*leaf, |level, index, hash| tail.put(level, index, hash));
            }
        }
    }

    fn fail(&self, error: &LogError) -> AppendError {
        let why = error.to_string();
        self.shared.fail(&why);
        AppendError::FailedStorage(why)
    }
}

/// The first entry of bundled bytes with its length, and the rest.
pub(crate) fn split_bundled(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((len, _)) = bytes.split_first_chunk::<2>() else { return (bytes, &[]) };
    bytes.split_at_checked(2 + usize::from(u16::from_be_bytes(*len))).unwrap_or((bytes, &[]))
}

/// Calls `visit` for each entry of bundled bytes until it breaks.
pub(crate) fn for_each_bundled<B>(
    mut bytes: &[u8],
    mut visit: impl FnMut(&[u8]) -> ControlFlow<B>,
) -> ControlFlow<B> {
    while !bytes.is_empty() {
        let (bundled, rest) = split_bundled(bytes);
        bytes = rest;
        visit(bundled)?;
    }
    ControlFlow::Continue(())
}

/// The log's clock, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

/// The leaf hash of an entry as it is in a bundle.
pub(crate) fn bundled_leaf(bundled: &[u8]) -> Hash {
    firmlog_tlog::merkle::leaf_hash(bundled.get(2..).unwrap_or_default())
}
