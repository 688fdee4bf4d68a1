//! Signatures on all cores.
//!
//! The reading thread runs ahead of the checks by up to [`AHEAD_BYTES`], so that no core rests
//! while it does what only one thread can: the ends of the tree and the write-ahead log.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use firmlog_statement::{Parsed, PublicKey};
use firmlog_verify::crypto::{Crypto, check_signature};

use super::{Damage, damage};
use crate::sequencer::split_bundled;

/// Entries of one page, and the key each must be signed with.
pub(super) struct Chunk {
    pub(super) object: String,
    pub(super) first: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) keys: Vec<Option<PublicKey>>,
}

/// Bytes of entries that may wait for their check.
const AHEAD_BYTES: usize = 8 << 20;

/// Chunks that wait, and the threads that check them.
pub(super) struct Pool<'scope> {
    queue: &'scope Queue,
    threads: Vec<ScopedJoinHandle<'scope, (u64, Vec<Damage>)>>,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// Waits for room and adds a chunk; one that is larger than all room waits for an empty queue.
    fn push(&self, chunk: Chunk) {
        let full = |state: &mut State| {
            let fits = state.bytes + chunk.bytes.len() <= AHEAD_BYTES;
            !fits && !state.chunks.is_empty() && !state.closed
        };
        let waited = self.changed.wait_while(self.lock(), full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.bytes += chunk.bytes.len();
        state.chunks.push_back(chunk);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for a chunk; none once the queue is closed and empty.
    fn pop(&self) -> Option<Chunk> {
        let idle = |state: &mut State| state.chunks.is_empty() && !state.closed;
        let waited = self.changed.wait_while(self.lock(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let chunk = state.chunks.pop_front()?;
        state.bytes -= chunk.bytes.len();
        drop(state);
        self.changed.notify_all();
        Some(chunk)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'scope> Pool<'scope> {
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        queue: &'env Queue,
        crypto: &'env dyn Crypto,
        threads: usize,
    ) -> Self {
        let threads = (0..threads).map(|_| scope.spawn(move || work(queue, crypto))).collect();
        Self { queue, threads }
    }

    /// Waits for room and queues a chunk.
    pub(super) fn submit(&self, chunk: Chunk) {
        self.queue.push(chunk);
    }

    /// Waits for all; returns how many signatures were checked, and what was wrong.
    pub(super) fn finish(self) -> (u64, Vec<Damage>) {
        self.queue.close();
        let mut all = (0, Vec::new());
        for thread in self.threads {
            match thread.join() {
                Ok((count, damages)) => {
                    all.0 += count;
                    all.1.extend(damages);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    }
}

/// Closes the queue if its thread panics: nobody waits for room that nobody makes.
struct CloseOnPanic<'a>(&'a Queue);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

fn work(queue: &Queue, crypto: &dyn Crypto) -> (u64, Vec<Damage>) {
    let _guard = CloseOnPanic(queue);
    let (mut count, mut damages) = (0, Vec::new());
    while let Some(chunk) = queue.pop() {
        let mut rest = chunk.bytes.as_slice();
        for (index, key) in (chunk.first..).zip(&chunk.keys) {
            let (bundled, after) = split_bundled(rest);
            rest = after;
            let Some(key) = key else { continue };
            count += 1;
            let parsed = Parsed::parse(bundled.get(2..).unwrap_or_default());
            if !parsed.is_ok_and(|p| check_signature(crypto, key, &p)) {
                let object = format!("{} entry {index}", chunk.object);
                damages.push(damage(&object, "a signature of its signer", "one that is not"));
            }
        }
    }
    (count, damages)
}
