//! What the threads of one log share.
//!
//! Invariant: what [`Shared::published`] returns was durable, in the WAL and in the never-fork
//! record, before it was put there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::{Duration, Instant};

use firmlog_tlog::note::NoteSigner;

use crate::admission::Admission;
use crate::batch::Published;
use crate::config::Config;
use crate::queue::Queue;
use crate::received::Received;
use crate::store::Store;

/// Signs checkpoints on the publisher's thread.
pub trait CheckpointSigner: NoteSigner + Send + Sync {}

impl<S: NoteSigner + Send + Sync> CheckpointSigner for S {}

/// The flusher looks at least this often whether it is behind.
const LOOK: Duration = Duration::from_millis(25);

type Listener = Box<dyn Fn(&Arc<Published>) + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    admission: RwLock<Admission>,
    published: RwLock<Arc<Published>>,
    received: Mutex<Received>,
    durable: AtomicU64,
    listeners: Mutex<Vec<Listener>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    failed: Option<String>,
    /// The flusher's last round failed, and so.
    stalled: Option<String>,
    closing: bool,
    size: u64,
}

/// Whether the sequencer may go on.
pub(crate) enum Room {
    Some,
    DiskFull,
    Failed(String),
}

/// What the flusher should do next.
pub(crate) enum Wake {
    Round,
    Last,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        store: Store,
        admission: Admission,
        received: Received,
        published: Published,
        durable: u64,
    ) -> Self {
        Self {
            queue: Queue::new(config.queue_bytes_max, config.queue_len_max),
            config,
            store,
            admission: RwLock::new(admission),
            published: RwLock::new(Arc::new(published)),
            received: Mutex::new(received),
            durable: AtomicU64::new(durable),
            listeners: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn admission(&self) -> RwLockReadGuard<'_, Admission> {
        self.admission.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn admission_mut(&self) -> RwLockWriteGuard<'_, Admission> {
        self.admission.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn published(&self) -> Arc<Published> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Entries that are durable as tiles and bundles.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Shows a checkpoint to the world.
    pub(crate) fn publish(&self, published: Published) {
        let published = Arc::new(published);
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = published.clone();
        self.state().size = published.head.size.0;
        self.changed.notify_all();
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().for_each(|listener| listener(&published));
    }

    pub(crate) fn listen(&self, listener: Listener) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Waits until the published size is at least `size`; false if it is not in time.
    pub(crate) fn wait_for(&self, size: u64, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        let mut state = self.state();
        while state.size < size {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || state.failed.is_some() || state.closing {
                return false;
            }
            state = self.wait(state, left);
        }
        true
    }

    /// Makes the log read-only until it is reopened. The first reason is kept.
    pub(crate) fn fail(&self, why: &str) {
        tracing::error!(why, "storage failed, the log is read-only until restart");
        self.state().failed.get_or_insert_with(|| why.to_owned());
        self.changed.notify_all();
        self.store.leaves.stop();
    }

    /// Why the log is read-only, if it is.
    pub(crate) fn failed(&self) -> Option<String> {
        self.state().failed.clone()
    }

    /// Why the flusher makes no progress, if it does not.
    pub(crate) fn stalled(&self) -> Option<String> {
        self.state().stalled.clone()
    }

    /// Waits while too much is not durable as tiles.
    pub(crate) fn wait_for_room(&self) -> Room {
        let mut state = self.state();
        loop {
            if let Some(why) = &state.failed {
                return Room::Failed(why.clone());
            }
            if self.store.tail().bytes() <= self.config.backlog_bytes_max {
                return Room::Some;
            }
            if state.stalled.is_some() {
                return Room::DiskFull;
            }
            state = self.wait(state, Duration::from_millis(50));
        }
    }

    /// Waits until the flusher has reason for a round that starts after `last`.
    pub(crate) fn wait_for_flush(&self, last: Instant, flushed_size: u64) -> Wake {
        let mut state = self.state();
        loop {
            if state.closing || state.failed.is_some() {
                return Wake::Last;
            }
            let behind = self.store.tail().bytes() > self.config.backlog_bytes_max / 8;
            let rested = last.elapsed() >= self.config.flush_interval;
            if state.size > flushed_size && (rested || (behind && state.stalled.is_none())) {
                return Wake::Round;
            }
            // Publishing does not wake the flusher on its own account: it looks now and then, so
            // that a busy log pays nothing for it.
            let nap = (self.config.flush_interval / 8).min(LOOK) + Duration::from_millis(1);
            drop(state);
            std::thread::park_timeout(nap);
            state = self.state();
        }
    }

    /// Notes that entries below `durable` are durable as tiles and bundles.
    pub(crate) fn flushed(&self, durable: u64) {
        self.durable.store(durable, Ordering::Release);
        self.changed.notify_all();
        self.store.leaves.grown(durable);
    }

    /// Notes that the flusher could not finish a round, and why.
    pub(crate) fn stall(&self, why: String) {
        self.state().stalled = Some(why);
        self.changed.notify_all();
    }

    /// Notes that the flusher finished a round.
    pub(crate) fn unstall(&self) {
        self.state().stalled = None;
        self.changed.notify_all();
    }

    pub(crate) fn close(&self) {
        self.state().closing = true;
        self.changed.notify_all();
        self.store.leaves.stop();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, for_: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, for_).unwrap_or_else(PoisonError::into_inner).0
    }
}
