//! Reading a log: checkpoints, tiles, entries and proofs of its published tree.
//!
//! In scope: everything up to the published size. Out of scope: what is appended but not
//! published, which no reader ever sees.

use std::sync::Arc;
use std::time::Duration;

use firmlog_tlog::merkle::{self, BuildError, Hash, LeafIndex, TreeSize, leaf_hash};
use firmlog_tlog::tile::{TileId, TilePath, WIDTH, width_in_tree};

use crate::batch::Published;
use crate::error::LogError;
use crate::kept;
use crate::received::{self, Times};
use crate::recovery::for_each_entry;
use crate::shared::Shared;
use crate::store::Nodes;

/// Reads a log. Cheap to clone; usable from any thread, also after the log was closed.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// One entry as followers of the log take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub index: LeafIndex,
    /// Its leaf hash.
    pub leaf: Hash,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// When the log received it, by the log's clock, in milliseconds since 1970.
    pub received_ms: Option<u64>,
}

/// How the log is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Entries published.
    pub size: u64,
    /// Entries durable as tiles; those between are durable in the write-ahead log.
    pub tiles_size: u64,
    /// Submissions that wait.
    pub queued: usize,
    /// Bytes of entries that only memory and the write-ahead log hold.
    pub backlog_bytes: usize,
    /// Why the log is read-only, if it is.
    pub failed: Option<String>,
    /// Why tiles cannot be written at the moment, if they cannot.
    pub stalled: Option<String>,
    /// The first index that is kept.
    pub min_index: u64,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The newest checkpoint.
    #[must_use]
    pub fn published(&self) -> Arc<Published> {
        self.shared.published()
    }

    /// The bytes of any tile-log resource of the published tree.
    ///
    /// # Errors
    /// [`LogError::Beyond`] if the tree does not have it, [`LogError::Pruned`], storage errors.
    pub fn resource(&self, resource: TilePath) -> Result<Vec<u8>, LogError> {
        match resource {
            TilePath::Checkpoint => Ok(self.published().checkpoint.clone().into_bytes()),
            TilePath::Hashes(id) => self.tile(id),
            TilePath::Entries { index, width } => self.bundle(index, width),
        }
    }

    /// The bytes of a tile of the published tree.
    ///
    /// # Errors
    /// As [`Reader::resource`].
    pub fn tile(&self, id: TileId) -> Result<Vec<u8>, LogError> {
        self.check_width(id.level, id.index, id.width, || id.path())?;
        self.shared.store.tile(id)
    }

    /// The bytes of a bundle of the published tree.
    ///
    /// # Errors
    /// As [`Reader::resource`].
    pub fn bundle(&self, index: u64, width: u16) -> Result<Vec<u8>, LogError> {
        let name = || TilePath::Entries { index, width }.to_string();
        self.check_width(0, index, width, name)?;
        self.shared.store.bundle(index, width)
    }

    /// One entry. Below the minimum index there are only those that pruning kept.
    ///
    /// # Errors
    /// As [`Reader::resource`].
    pub fn entry(&self, index: LeafIndex) -> Result<Vec<u8>, LogError> {
        self.check_index(index)?;
        self.shared.store.entry(index.0)
    }

    /// The leaf hash of an entry.
    ///
    /// # Errors
    /// As [`Reader::resource`].
    pub fn leaf(&self, index: LeafIndex) -> Result<Hash, LogError> {
        self.check_index(index)?;
        self.shared.store.node(0, index.0)
    }

    /// The received times of a span as its file has them, while they are in memory.
    pub(crate) fn received_file(&self, span: u64, size: u64) -> Option<Vec<u8>> {
        self.shared.received().file(span, size)
    }

    /// When the log received an entry, by its own clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// As [`Reader::resource`].
    pub fn received_ms(&self, index: LeafIndex) -> Result<Option<u64>, LogError> {
        self.check_index(index)?;
        if let Some(ms) = self.shared.received().at(index.0) {
            return Ok(Some(ms));
        }
        received::lookup(&self.shared.store, index.0)
    }

    /// Up to `max` entries from `from` on, for followers such as the index.
    ///
    /// # Errors
    /// As [`Reader::resource`].
    pub fn entries(&self, from: u64, max: usize) -> Result<Vec<Entry>, LogError> {
        let size = self.published().head.size.0;
        let end = size.min(from.saturating_add(max as u64));
        let mut out = Vec::with_capacity(end.saturating_sub(from) as usize);
        let mut times = Times::default();
        for_each_entry(&self.shared.store, from, end, |index, leaf, bytes| {
            let received_ms = match self.shared.received().at(index) {
                Some(ms) => Some(ms),
                None => times.at(&self.shared.store, index)?,
            };
            out.push(Entry { index: LeafIndex(index), leaf, bytes: bytes.to_vec(), received_ms });
            Ok(())
        })?;
        Ok(out)
    }

    /// Up to `max` of the entries that were kept when those around them were pruned, from `from`
    /// on and below the minimum index.
    ///
    /// # Errors
    /// As [`Reader::resource`].
    pub fn kept(&self, from: u64, max: usize) -> Result<Vec<Entry>, LogError> {
        let store = &self.shared.store;
        let (min, width) = (store.min_index(), u64::from(WIDTH));
        let partial = Some(min / width).filter(|_| !min.is_multiple_of(width));
        let pages = kept::Pages::list(store)?;
        let mut out = Vec::new();
        for page in pages.iter().filter(|page| (page + 1) * width <= min).chain(partial) {
            if (page + 1) * width <= from || out.len() >= max {
                continue;
            }
            for (index, bytes) in kept::read(store, page)? {
                if index >= from && out.len() < max {
                    let received_ms = received::lookup(store, index)?;
                    let (index, leaf) = (LeafIndex(index), leaf_hash(&bytes));
                    out.push(Entry { index, leaf, bytes, received_ms });
                }
            }
        }
        Ok(out)
    }

    /// The inclusion proof of an entry in a published tree.
    ///
    /// # Errors
    /// [`LogError::Beyond`], [`LogError::Pruned`], storage errors.
    pub fn inclusion(&self, index: LeafIndex, size: TreeSize) -> Result<Vec<Hash>, LogError> {
        self.check_size(size)?;
        let proof = merkle::inclusion_proof(Nodes(&self.shared.store), index, size);
        proof.map_err(|e| self.proof_error(e, || format!("the proof of entry {index} in {size}")))
    }

    /// The consistency proof between two published trees.
    ///
    /// # Errors
    /// As [`Reader::inclusion`].
    pub fn consistency(&self, old: TreeSize, new: TreeSize) -> Result<Vec<Hash>, LogError> {
        self.check_size(new)?;
        let proof = merkle::consistency_proof(Nodes(&self.shared.store), old, new);
        proof.map_err(|e| self.proof_error(e, || format!("the proof from {old} to {new}")))
    }

    /// The root of a published tree.
    ///
    /// # Errors
    /// As [`Reader::inclusion`].
    pub fn root(&self, size: TreeSize) -> Result<Hash, LogError> {
        self.check_size(size)?;
        merkle::root(Nodes(&self.shared.store), size)
    }

    /// The first index whose entry is kept.
    #[must_use]
    pub fn min_index(&self) -> u64 {
        self.shared.store.min_index()
    }

    /// Waits until at least `size` entries are published. False if they are not in time, or never
    /// will be because the log failed or closed.
    #[must_use]
    pub fn wait_for(&self, size: TreeSize, timeout: Duration) -> bool {
        self.shared.wait_for(size.0, timeout)
    }

    /// Calls `listener` for each checkpoint from now on, on the publisher's thread: it should only
    /// wake somebody.
    pub fn on_publish(&self, listener: impl Fn(&Arc<Published>) + Send + Sync + 'static) {
        self.shared.listen(Box::new(listener));
    }

    /// How the log is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = &self.shared;
        Status {
            size: self.published().head.size.0,
            tiles_size: shared.durable(),
            queued: shared.queue.len(),
            backlog_bytes: shared.store.tail().bytes(),
            failed: shared.failed(),
            stalled: shared.stalled(),
            min_index: self.min_index(),
        }
    }

    pub(crate) fn store(&self) -> &crate::store::Store {
        &self.shared.store
    }

    fn check_index(&self, index: LeafIndex) -> Result<(), LogError> {
        let size = self.published().head.size.0;
        if index.0 < size {
            return Ok(());
        }
        Err(LogError::Beyond { what: format!("entry {index}"), size })
    }

    fn check_size(&self, asked: TreeSize) -> Result<(), LogError> {
        let size = self.published().head.size;
        if asked <= size {
            return Ok(());
        }
        Err(LogError::Beyond { what: format!("a tree of {asked} entries"), size: size.0 })
    }

    /// Full tiles must be full; a partial one may be any prefix of what the tree has: sizes
    /// between two of ours were published as well.
    fn check_width(
        &self,
        level: u8,
        index: u64,
        width: u16,
        name: impl Fn() -> String,
    ) -> Result<(), LogError> {
        let size = self.published().head.size.0;
        let have = width_in_tree(level, index, size).unwrap_or(0);
        if (1..=WIDTH).contains(&width) && width <= have {
            return Ok(());
        }
        Err(LogError::Beyond { what: name(), size })
    }

    fn proof_error(&self, error: BuildError<LogError>, what: impl Fn() -> String) -> LogError {
        match error {
            BuildError::Source(error) => error,
            _ => LogError::Beyond { what: what(), size: self.published().head.size.0 },
        }
    }
}
