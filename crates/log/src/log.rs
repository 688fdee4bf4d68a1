//! The open log: its threads, and the handles to it.
//!
//! In scope: create, open, close, and submitting. Out of scope: what the threads do (`sequencer`,
//! `flusher`).

use std::sync::{Arc, mpsc};
use std::thread::{Builder, JoinHandle};

use firmlog_tlog::merkle::{LeafIndex, TreeHead};
use firmlog_tlog::tile::TilePath;
use firmlog_verify::crypto::Crypto;

use crate::admission::Added;
use crate::batch::{Batch, Committed, Published, Reply};
use crate::check::Checker;
use crate::config::{Config, Registration};
use crate::disk::{Disk, StdDisk};
use crate::error::{AppendError, LogError};
use crate::flusher::Flusher;
use crate::publisher::{self, Publisher};
use crate::queue::Job;
use crate::reader::Reader;
use crate::recovery::{self, Recovered, RecoveryReport};
use crate::sequencer::Sequencer;
use crate::shared::{CheckpointSigner, Shared};
use crate::store::Store;
use crate::wal::Segments;
use crate::{backup, leaves, received, snapshot};

/// Name of the thread that ends last but for the one that makes runs of leaf hashes.
const FLUSHER: &str = "log-flusher";

/// An open log. Dropping it closes it: what waits is still appended, tiles become durable.
pub struct Log {
    shared: Arc<Shared>,
    crypto: Arc<dyn Crypto>,
    segments: Segments,
    threads: Vec<JoinHandle<()>>,
    _dir_lock: Box<dyn Send + Sync>,
}

/// Submits batches. Cheap to clone.
#[derive(Clone)]
pub struct Appender {
    shared: Arc<Shared>,
}

impl Log {
    /// Makes a new log whose entry 0 is `genesis`, and its never-fork record. Signs nothing yet.
    ///
    /// # Errors
    /// [`LogError::Exists`] if there is a log or a record already; [`LogError::Genesis`] if the
    /// first entry is not fit to be one; storage errors.
    pub fn create(config: &Config, genesis: &[u8], crypto: &dyn Crypto) -> Result<(), LogError> {
        Self::create_on(std_disk(config)?, config, genesis, crypto)
    }

    /// As [`Log::create`], on another disk.
    ///
    /// # Errors
    /// As [`Log::create`].
    pub fn create_on(
        disk: Arc<dyn Disk>,
        config: &Config,
        genesis: &[u8],
        crypto: &dyn Crypto,
    ) -> Result<(), LogError> {
        recovery::create(&disk, config, genesis, crypto)
    }

    /// Opens a log, recovering from whatever end the last run had, and publishes a checkpoint.
    ///
    /// # Errors
    /// [`LogError::RecordMissing`] without a never-fork record, [`LogError::WouldFork`] if the data
    /// is older than it, [`LogError::Damaged`] naming what does not fit, [`LogError::Locked`].
    pub fn open(
        config: Config,
        signer: Box<dyn CheckpointSigner>,
        crypto: Arc<dyn Crypto>,
    ) -> Result<(Self, RecoveryReport), LogError> {
        Self::open_on(std_disk(&config)?, config, signer, crypto)
    }

    /// As [`Log::open`], on another disk.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        config: Config,
        signer: Box<dyn CheckpointSigner>,
        crypto: Arc<dyn Crypto>,
    ) -> Result<(Self, RecoveryReport), LogError> {
        let recovered = recovery::recover(&disk, &config)?;
        let report = recovered.report.clone();
        let old_size = checkpoint_file_size(&recovered.store);
        let turn = received::next_turn(&recovered.store, recovered.range.size().0)?;
        let Recovered { store, wal, record, range, admission, received, base, snapshot, .. } =
            recovered;
        let nothing = Published { checkpoint: String::new(), head: TreeHead::empty(), time_ms: 0 };
        let shared = Shared::new(config, store, admission, received, nothing, base);
        let shared = Arc::new(shared);
        let segments = wal.segments();
        let added = Added::default();
        let mut publisher = Publisher { shared: shared.clone(), record, signer };
        publisher.publish(range.head())?;
        let (sender, inbox) = mpsc::sync_channel(publisher::WAITING_MAX);
        let sequencer = Sequencer { shared: shared.clone(), wal, range, added, publisher: sender };
        let flusher = Flusher::new(shared.clone(), segments.clone(), snapshot, old_size, turn);
        let mut threads = vec![
            spawn("log-sequencer", move || sequencer.run())?,
            spawn("log-publisher", move || publisher.run(&inbox))?,
            spawn(FLUSHER, move || flusher.run())?,
        ];
        if shared.config.registration == Registration::Signed {
            shared.store.leaves.grown(base);
            let (keeper, bits) = (shared.clone(), shared.config.leaf_run_bits.clamp(8, 16));
            threads.push(spawn("log-leaves", move || leaves::keep(&keeper, bits))?);
        }
        Ok((Self { shared, crypto, segments, threads, _dir_lock: recovered.dir_lock }, report))
    }

    /// A handle to submit with.
    #[must_use]
    pub fn appender(&self) -> Appender {
        Appender { shared: self.shared.clone() }
    }

    /// A handle to check entries with, before they are submitted.
    #[must_use]
    pub fn checker(&self) -> Checker {
        Checker::new(self.shared.clone(), self.crypto.clone())
    }

    /// A handle to read with.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.shared.clone())
    }

    /// Refuses reads below `min_index` from now on, and deletes the bundles that no proof about
    /// later entries needs. Hash tiles stay in a log of signed statements: they tell what was in
    /// it, so that nothing is taken in twice. In a log of any bytes those that no such proof needs
    /// go too. The statements that evidence about later entries rests on (who may speak, releases
    /// and what was said of them) stay readable with their proofs. Returns the index in effect:
    /// what recovery may still need is kept.
    ///
    /// # Errors
    /// Storage errors; the minimum index may be in effect by then.
    pub fn prune(&self, min_index: LeafIndex) -> Result<LeafIndex, LogError> {
        let store = &self.shared.store;
        // An audit starts from the checkpoint file, a restart from the write-ahead log.
        let mut min = min_index.0.min(checkpoint_file_size(store)).min(self.segments.oldest());
        if self.shared.admission().signed().is_some() {
            // Without the entries the registration state can come from a snapshot only.
            min = min.min(snapshot::sizes(store)?.into_iter().next_back().unwrap_or(0));
        }
        if min > store.min_index() {
            let keep_tiles = self.shared.config.registration == Registration::Signed;
            backup::prune(store, min, self.shared.durable(), keep_tiles)?;
        }
        Ok(LeafIndex(store.min_index()))
    }

    /// Appends what waits, makes tiles durable, and ends. Handles stay usable for reading.
    ///
    /// # Errors
    /// [`AppendError::FailedStorage`] if the log had failed: not everything may be durable.
    pub fn close(mut self) -> Result<(), AppendError> {
        self.end();
        self.shared.failed().map_or(Ok(()), |why| Err(AppendError::FailedStorage(why)))
    }

    fn end(&mut self) {
        // The sequencer empties its queue first, the publisher answers; then the flusher writes
        // what that added.
        self.shared.queue.close();
        for thread in self.threads.drain(..) {
            if thread.thread().name() == Some(FLUSHER) {
                self.shared.close();
                thread.thread().unpark();
            }
            if thread.join().is_err() {
                self.shared.fail("a thread of the log panicked");
            }
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.end();
    }
}

impl Appender {
    /// Queues a batch and returns at once; `reply` is called when it is durable or has failed.
    /// Entries of one batch are appended in order, in one commit.
    ///
    /// # Errors
    /// [`AppendError::Busy`] if the queue is full, [`AppendError::FailedStorage`],
    /// [`AppendError::Closed`]. `reply` is then dropped without being called.
    pub fn submit(&self, batch: Batch, reply: Box<dyn Reply>) -> Result<(), AppendError> {
        self.shared.queue.push(Job { batch, reply }).map_err(|(error, _)| error)
    }

    /// Appends a batch and waits for the answer.
    ///
    /// # Errors
    /// As [`Appender::submit`], and what the reply says.
    pub fn append(&self, batch: Batch) -> Result<Committed, AppendError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // The receiver waits below, so sending into room for one cannot fail.
        let reply = move |result| drop(sender.send(result));
        self.submit(batch, Box::new(reply))?;
        receiver.recv().unwrap_or(Err(AppendError::Closed))
    }
}

fn std_disk(config: &Config) -> Result<Arc<dyn Disk>, LogError> {
    Ok(Arc::new(StdDisk::new(&config.dir).map_err(LogError::io("open", &config.dir))?))
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LogError> {
    Builder::new().name(name.into()).spawn(run).map_err(LogError::Thread)
}

/// The size of the checkpoint file, whose partial tiles may be removed once there are newer ones.
fn checkpoint_file_size(store: &Store) -> u64 {
    let path = store.path(TilePath::Checkpoint);
    let Ok(bytes) = store.disk.read(&path) else { return 0 };
    let parsed = firmlog_tlog::checkpoint::Unverified::parse(&bytes);
    parsed.map_or(0, |c| c.claimed().size.0)
}
