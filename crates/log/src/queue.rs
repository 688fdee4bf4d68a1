//! The bounded queue before the sequencer.
//!
//! Invariants:
//! - Submitting never waits: a full queue refuses at once, so that a server can answer 503.
//! - The sequencer takes all that waits (up to a batch's limits) in one go. A submission that comes
//!   alone never waits for others; after a batch of several, the next gathers for a moment.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::batch::{Batch, Reply};
use crate::error::AppendError;

pub(crate) struct Job {
    pub(crate) batch: Batch,
    pub(crate) reply: Box<dyn Reply>,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    bytes_max: usize,
    len_max: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    entries: usize,
    /// The sequencer waits until this many entries are here; 0 while it does not wait.
    wanted: usize,
    closed: bool,
}

/// How long a batch may gather.
#[derive(Clone, Copy)]
pub(crate) struct Gather {
    pub(crate) until: Instant,
    /// So many are taken at once.
    pub(crate) entries: usize,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize, len_max: usize) -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), bytes_max, len_max }
    }

    /// Adds a job; gives it back with the reason if there is no room.
    pub(crate) fn push(&self, job: Job) -> Result<(), (AppendError, Job)> {
        let mut state = self.lock();
        if state.closed {
            return Err((AppendError::Closed, job));
        }
        let bytes = job.batch.bytes().len();
        let full = state.jobs.len() >= self.len_max || state.bytes + bytes > self.bytes_max;
        if full && !state.jobs.is_empty() {
            return Err((AppendError::Busy, job));
        }
        state.bytes += bytes;
        state.entries += job.batch.len();
        state.jobs.push_back(job);
        if state.wanted > 0 && state.entries >= state.wanted {
            state.wanted = 0;
            drop(state);
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for jobs and moves as many as fit `bytes_max`, at least one, to `out`.
    /// False once the queue is closed and empty.
    pub(crate) fn take(
        &self,
        bytes_max: usize,
        gather: Option<Gather>,
        out: &mut Vec<Job>,
    ) -> bool {
        let mut state = self.lock();
        while state.jobs.is_empty() {
            if state.closed {
                return false;
            }
            state.wanted = 1;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(gather) = gather {
            state = self.gather(state, gather);
        }
        let mut bytes = 0;
        while let Some(job) = state.jobs.front() {
            let (len, entries) = (job.batch.bytes().len(), job.batch.len());
            if !out.is_empty() && bytes + len > bytes_max {
                break;
            }
            bytes += len;
            state.bytes -= len;
            state.entries -= entries;
            out.extend(state.jobs.pop_front());
        }
        true
    }

    fn gather<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        gather: Gather,
    ) -> MutexGuard<'a, State> {
        while state.entries < gather.entries && !state.closed {
            let left = gather.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.wanted = gather.entries;
            let waited = self.filled.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.wanted = 0;
        state
    }

    /// Refuses new jobs; those that wait are still taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// How many submissions wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
