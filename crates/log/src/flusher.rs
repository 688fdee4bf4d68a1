//! The thread that writes tiles and bundles behind the sequencer.
//!
//! ```text
//! step:  some full bundles and tiles, received times → sync → let go of memory → recycle WAL
//! round: steps … → the rest with the partial ones → sync → checkpoint file → … → prepare a spare
//! ```
//!
//! In scope: files under `tile/`, `checkpoint`, `state/`. Out of scope: acknowledging anything.
//!
//! Invariants:
//! - Files are written in place. Until the sync has returned, memory serves readers and the WAL
//!   covers a crash: recovery writes the same bytes again.
//! - Few files are synced one by one, so that nothing else on the file system is waited for; many,
//!   all at once by `syncfs`.
//! - The checkpoint file never covers what is not durable as tiles, so that a plain file server
//!   over the directory is a correct tile log, only a little behind.
//! - A failed write is tried again in the next round, in smaller steps: on a disk that is nearly
//!   full, what fits becomes durable, and the WAL gives back the room that it no longer needs. A
//!   failed sync is not tried again: the pages it lost look clean. The log turns read-only, and a
//!   restart rebuilds the tiles from the WAL.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use firmlog_tlog::tile::{TileId, TilePath, WIDTH, width_in_tree};

use crate::disk::DiskFile;
use crate::error::LogError;
use crate::received;
use crate::shared::{Shared, Wake};
use crate::snapshot;
use crate::store::Store;
use crate::tail::pages_below;
use crate::wal::Segments;

pub(crate) struct Flusher {
    shared: Arc<Shared>,
    segments: Segments,
    /// Size of the checkpoint file last written, and the partial files that belong to it.
    size: u64,
    partials: Vec<PathBuf>,
    snapshot: u64,
    /// Which of the two files of received times is written next.
    turn: bool,
    /// Bytes of entries that one step writes, or one bundle if that is more.
    step_bytes: usize,
}

impl Flusher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        segments: Segments,
        snapshot: u64,
        old_size: u64,
        turn: bool,
    ) -> Self {
        let partials = partials(old_size).map(|p| shared.store.path(p)).collect();
        let step_bytes = step_bytes_max(&shared);
        Self { shared, segments, size: 0, partials, snapshot, turn, step_bytes }
    }

    /// Runs until the log closes; the last round leaves everything durable as tiles.
    pub(crate) fn run(mut self) {
        let mut last = Instant::now();
        loop {
            let wake = self.shared.wait_for_flush(last, self.size);
            last = Instant::now();
            if self.shared.failed().is_some() {
                return;
            }
            self.attempt(matches!(wake, Wake::Last));
            if matches!(wake, Wake::Last) {
                return;
            }
        }
    }

    fn attempt(&mut self, last: bool) {
        match self.round(last) {
            Ok(()) => {
                self.step_bytes = step_bytes_max(&self.shared);
                self.shared.unstall();
            }
            Err(Stop::Failed(error)) => self.shared.fail(&error.to_string()),
            Err(Stop::Retry(error)) => {
                tracing::warn!(%error, "tiles could not be written, trying again");
                self.step_bytes /= 2;
                self.shared.stall(error.to_string());
            }
        }
    }

    fn round(&mut self, last: bool) -> Result<(), Stop> {
        let published = self.shared.published();
        let size = published.head.size.0;
        let full = pages_below(0, size) * u64::from(WIDTH);
        let mut upto = self.step(full);
        while upto < full {
            self.write_step(upto)?;
            upto = self.step(full);
        }
        let mut files = Files::new(&self.shared.store, full);
        self.write_full(full, &mut files)?;
        let new_partials = self.write_partials(size, &mut files)?;
        let spans = self.write_received(size, &mut files)?;
        let snapshot = self.write_snapshot(last)?;
        files.sync(snapshot.is_some()).map_err(Stop::Failed)?;
        let path = self.shared.store.path(TilePath::Checkpoint);
        let disk = &self.shared.store.disk;
        disk.replace(&path, published.checkpoint.as_bytes())
            .map_err(LogError::io("write", &path))?;
        self.size = size;
        self.tidy(new_partials, snapshot);
        self.settle(full, size, &spans)?;
        Ok(self.segments.prepare()?)
    }

    /// The size, a multiple of 256 and at most `full`, up to which the next step goes.
    fn step(&self, full: u64) -> u64 {
        let tail = self.shared.store.tail();
        let (first, end) = (tail.first_page(), full / u64::from(WIDTH));
        let mut bytes = 0;
        for index in first..end {
            bytes += tail.entry_page(index).map_or(0, |page| page.held());
            if bytes > self.step_bytes && index > first {
                return index * u64::from(WIDTH);
            }
        }
        full
    }

    /// Makes a part of the full pages durable. The checkpoint file stays as it is.
    fn write_step(&mut self, upto: u64) -> Result<(), Stop> {
        let mut files = Files::new(&self.shared.store, upto);
        self.write_full(upto, &mut files)?;
        let spans = self.write_received(upto, &mut files)?;
        files.sync(false).map_err(Stop::Failed)?;
        self.settle(upto, upto, &spans)
    }

    /// Lets go of what has just become durable: full pages up to `durable`, and received times up
    /// to `size`, in these spans.
    fn settle(&mut self, durable: u64, size: u64, spans: &[u64]) -> Result<(), Stop> {
        let store = &self.shared.store;
        self.turn = !self.turn;
        for span in spans.iter().filter(|s| received::is_final(**s, size)) {
            // What cannot be removed now is only untidy.
            let _ = store.disk.remove(&received::path(store, *span, self.turn));
        }
        let released = store.tail_mut().release(durable);
        store.remember(released);
        self.shared.received().release(size);
        self.shared.flushed(durable);
        // Segments go only now: until here they were what a crash would have needed.
        Ok(self.segments.recycle(durable)?)
    }

    fn write_full(&self, durable: u64, files: &mut Files<'_>) -> Result<(), LogError> {
        let store = &self.shared.store;
        let first = store.tail().first_page();
        for index in first..durable / u64::from(WIDTH) {
            let Some(page) = store.tail().entry_page(index).cloned() else { continue };
            let path = store.path(TilePath::Entries { index, width: WIDTH });
            files.write(path, &page.bytes)?;
        }
        let tiles = store.tail().full_tiles(&[], durable);
        for (id, nodes) in tiles {
            let path = store.path(TilePath::Hashes(id));
            files.write(path, &nodes.tile(WIDTH))?;
        }
        Ok(())
    }

    fn write_partials(&self, size: u64, files: &mut Files<'_>) -> Result<Vec<PathBuf>, LogError> {
        let store = &self.shared.store;
        let mut out = Vec::new();
        for resource in partials(size) {
            let bytes = match resource {
                TilePath::Entries { index, width } => store.bundle(index, width)?,
                TilePath::Hashes(id) => store.tile(id)?,
                TilePath::Checkpoint => continue,
            };
            let path = store.path(resource);
            files.write(path.clone(), &bytes)?;
            out.push(path);
        }
        Ok(out)
    }

    /// Writes the spans of received times that grew, and returns them.
    fn write_received(&self, size: u64, files: &mut Files<'_>) -> Result<Vec<u64>, LogError> {
        let store = &self.shared.store;
        let encoded = self.shared.received().files(self.size.min(self.shared.durable()), size);
        let mut spans = Vec::with_capacity(encoded.len());
        for (span, bytes) in encoded {
            files.write(received::path(store, span, self.turn), &bytes)?;
            spans.push(span);
        }
        Ok(spans)
    }

    /// Writes a snapshot of the registration state if it is due; returns its size.
    fn write_snapshot(&self, last: bool) -> Result<Option<u64>, LogError> {
        let (size, state) = {
            let admission = self.shared.admission();
            let grown = admission.size().saturating_sub(self.snapshot);
            let due = grown >= self.shared.config.snapshot_entries || (last && grown > 0);
            if !due {
                return Ok(None);
            }
            (admission.size(), admission.snapshot())
        };
        let Some(state) = state else { return Ok(None) };
        snapshot::write(&self.shared.store, size, &state)?;
        Ok(Some(size))
    }

    /// Removes what the new files replace. What cannot be removed now is only untidy.
    fn tidy(&mut self, new_partials: Vec<PathBuf>, snapshot: Option<u64>) {
        let disk = &self.shared.store.disk;
        let old = std::mem::replace(&mut self.partials, new_partials);
        for path in old.iter().filter(|p| !self.partials.contains(p)) {
            if let Err(error) = disk.remove(path) {
                tracing::warn!(path = %path.display(), %error, "an old partial tile stays");
            }
        }
        if let Some(size) = snapshot {
            snapshot::remove_below(&self.shared.store, self.snapshot);
            self.snapshot = size;
        }
    }
}

/// What one step writes at most: a part of what may wait, so that a round in several steps frees
/// memory and segments as it goes.
fn step_bytes_max(shared: &Shared) -> usize {
    shared.config.backlog_bytes_max / 4
}

/// Full bundles of one step up to which its files are synced one by one.
const FEW: u64 = 128;

/// What one step writes, until it is durable.
struct Files<'a> {
    store: &'a Store,
    /// The files to sync one by one; `None` if there are too many.
    open: Option<Vec<(PathBuf, Box<dyn DiskFile>)>>,
}

impl<'a> Files<'a> {
    fn new(store: &'a Store, durable: u64) -> Self {
        let pages = (durable / u64::from(WIDTH)).saturating_sub(store.tail().first_page());
        Self { store, open: (pages <= FEW).then(Vec::new) }
    }

    fn write(&mut self, path: PathBuf, bytes: &[u8]) -> Result<(), LogError> {
        let disk = &self.store.disk;
        match &mut self.open {
            None => disk.write(&path, bytes).map_err(LogError::io("write", &path)),
            Some(open) => {
                let file = disk.create(&path, bytes).map_err(LogError::io("write", &path))?;
                open.push((path, file));
                Ok(())
            }
        }
    }

    /// Makes all of them durable, with their names; with `others`, whatever else was written too.
    fn sync(self, others: bool) -> Result<(), LogError> {
        let Store { disk, dir, .. } = self.store;
        let Some(open) = self.open.filter(|_| !others) else {
            return disk.sync_all().map_err(LogError::io("sync", dir));
        };
        for (path, file) in &open {
            file.sync().map_err(LogError::io("sync", path))?;
        }
        let dirs: BTreeSet<&Path> = open
            .iter()
            .flat_map(|(path, _)| path.ancestors().skip(1).take_while(|d| d.starts_with(dir)))
            .collect();
        dirs.into_iter().try_for_each(|d| disk.sync_dir(d).map_err(LogError::io("sync", d)))
    }
}

/// The partial tiles and the partial bundle of a tree of `size` entries.
pub(crate) fn partials(size: u64) -> impl Iterator<Item = TilePath> {
    let tiles = (0..8u8).filter_map(move |level| {
        let index = pages_below(level, size);
        let width = width_in_tree(level, index, size)?;
        Some(TilePath::Hashes(TileId { level, index, width }))
    });
    let index = pages_below(0, size);
    let bundle = width_in_tree(0, index, size).map(|width| TilePath::Entries { index, width });
    bundle.into_iter().chain(tiles)
}

/// Why a round ended early.
enum Stop {
    Retry(LogError),
    Failed(LogError),
}

impl From<LogError> for Stop {
    fn from(error: LogError) -> Self {
        Self::Retry(error)
    }
}
