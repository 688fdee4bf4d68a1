//! Reading the tree: from memory while it is fresh, from tiles and bundles after that.
//!
//! In scope: nodes, tiles, bundles and entries of the whole tree, the page cache, the minimum
//! index. Out of scope: what is published (`reader`), writing (`flusher`).
//!
//! Invariants:
//! - Full tiles and bundles below the tail are on disk, or below the minimum index.
//! - Memory does not grow with the log: the cache holds [`CACHE_PAGES`] pages of 16 KiB.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use firmlog_tlog::merkle::{Hash, NodeSource};
use firmlog_tlog::tile::{Bundle, HEIGHT, MAX_TILE_BYTES, TileId, TilePath, WIDTH};

use crate::disk::Disk;
use crate::error::LogError;
use crate::kept;
use crate::leaves::Leaves;
use crate::tail::{NodePage, Tail};

/// Pages of nodes kept after they have gone to disk: 8 MiB.
const CACHE_PAGES: usize = 512;

/// The tree of one log.
pub(crate) struct Store {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    /// Where each leaf hash is; empty in a log of any bytes.
    pub(crate) leaves: Leaves,
    tail: RwLock<Tail>,
    cache: Mutex<Cache>,
    min_index: AtomicU64,
}

#[derive(Default)]
struct Cache {
    pages: HashMap<(u8, u64), Arc<NodePage>>,
    order: VecDeque<(u8, u64)>,
}

/// The store as a source of nodes for proofs.
pub(crate) struct Nodes<'a>(pub(crate) &'a Store);

impl Store {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, tail: Tail, min_index: u64) -> Self {
        let min_index = AtomicU64::new(min_index);
        let (leaves, cache) = (Leaves::default(), Mutex::default());
        Self { disk, dir, leaves, tail: RwLock::new(tail), cache, min_index }
    }

    pub(crate) fn tail(&self) -> RwLockReadGuard<'_, Tail> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tail_mut(&self) -> RwLockWriteGuard<'_, Tail> {
        self.tail.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn min_index(&self) -> u64 {
        self.min_index.load(Ordering::Acquire)
    }

    pub(crate) fn set_min_index(&self, index: u64) {
        self.min_index.fetch_max(index, Ordering::AcqRel);
    }

    /// Where a tile-log resource is on disk.
    pub(crate) fn path(&self, resource: TilePath) -> PathBuf {
        self.dir.join(resource.to_string())
    }

    /// A completed node of the tree.
    pub(crate) fn node(&self, level: u8, index: u64) -> Result<Hash, LogError> {
        if let Some(hash) = self.tail().node(level, index) {
            return Ok(hash);
        }
        let height = level % HEIGHT;
        let shift = HEIGHT - height;
        let page = self.node_page(level / HEIGHT, index >> shift)?;
        Ok(page.node(height, index & ((1 << shift) - 1)))
    }

    /// A leaf hash by itself: questions about old entries leave the pages in memory that proofs
    /// need.
    pub(crate) fn leaf(&self, index: u64) -> Result<Hash, LogError> {
        if let Some(hash) = self.tail().node(0, index) {
            return Ok(hash);
        }
        let (page, inside) = (index / u64::from(WIDTH), index % u64::from(WIDTH));
        if let Some(page) = self.cache().pages.get(&(0, page)) {
            return Ok(page.node(0, inside));
        }
        let path = self.path(TilePath::Hashes(TileId { level: 0, index: page, width: WIDTH }));
        let file = self.disk.open(&path).map_err(LogError::io("read", &path))?;
        let mut hash = [0; 32];
        file.read_at(&mut hash, inside * 32).map_err(LogError::io("read", &path))?;
        Ok(Hash(hash))
    }

    /// Checks that the leaf hashes around an entry, which are on disk, lead to the node above.
    pub(crate) fn check_leaf_page(&self, index: u64) -> Result<(), LogError> {
        let page = index / u64::from(WIDTH);
        let ours = NodePage::from_tile(&self.read_tile(0, page)?).root();
        let above = self.node(HEIGHT, page)?;
        if ours == above {
            return Ok(());
        }
        let id = TileId { level: 0, index: page, width: WIDTH };
        let expected = format!("hashes below {above}");
        Err(LogError::damaged(id.path(), expected, format!("below {ours}")))
    }

    /// The root over a full tile: one hash of the tile above.
    pub(crate) fn tile_root(&self, level: u8, index: u64) -> Result<Hash, LogError> {
        let page = self.tail().node_page(level, index).cloned();
        Ok(page.map_or_else(|| self.node_page(level, index), Ok)?.root())
    }

    /// The bytes of a tile that lies in the tree.
    pub(crate) fn tile(&self, id: TileId) -> Result<Vec<u8>, LogError> {
        if let Some(page) = self.tail().node_page(id.level, id.index) {
            return Ok(page.tile(id.width));
        }
        let mut bytes = self.read_tile(id.level, id.index)?;
        bytes.truncate(usize::from(id.width) * 32);
        Ok(bytes)
    }

    /// The bytes of a bundle that lies in the tree.
    pub(crate) fn bundle(&self, index: u64, width: u16) -> Result<Vec<u8>, LogError> {
        let min = self.min_index();
        if (index + 1) * u64::from(WIDTH) <= min {
            return Err(LogError::Pruned { min });
        }
        if let Some(bytes) = self.tail().entry_page(index).and_then(|p| p.bundle(width)) {
            return Ok(bytes.to_vec());
        }
        let mut bytes = self.read_bundle(index)?;
        if width < WIDTH {
            let kept =
                Bundle::prefix(&bytes, width).map(|b| b.entries().map(|e| e.len() + 2).sum());
            bytes.truncate(kept.map_err(|e| self.bad_bundle(index, &e.to_string()))?);
        }
        Ok(bytes)
    }

    /// One entry that lies in the tree. Below the minimum index only what was kept is there.
    pub(crate) fn entry(&self, index: u64) -> Result<Vec<u8>, LogError> {
        let min = self.min_index();
        let (page, inside) = (index / u64::from(WIDTH), index % u64::from(WIDTH));
        if index < min {
            let kept = kept::read(self, page)?.into_iter().find(|(at, _)| *at == index);
            return kept.map(|(_, bytes)| bytes).ok_or(LogError::Pruned { min });
        }
        if let Some(entry) = self.tail().entry_page(page).and_then(|p| p.entry(inside)) {
            return Ok(entry.to_vec());
        }
        let bytes = self.read_bundle(page)?;
        let bundle = Bundle::parse(&bytes, WIDTH);
        let entry = bundle.ok().and_then(|b| b.entry(inside as u16));
        entry.map(<[u8]>::to_vec).ok_or_else(|| self.bad_bundle(page, "other bytes"))
    }

    /// Keeps pages that have just gone to disk where proofs find them quickly.
    pub(crate) fn remember(&self, pages: Vec<(u8, u64, Arc<NodePage>)>) {
        let mut cache = self.cache();
        let skip = pages.len().saturating_sub(CACHE_PAGES);
        for (level, index, page) in pages.into_iter().skip(skip) {
            cache.insert((level, index), page);
        }
    }

    fn node_page(&self, level: u8, index: u64) -> Result<Arc<NodePage>, LogError> {
        if let Some(page) = self.cache().pages.get(&(level, index)) {
            return Ok(page.clone());
        }
        let page = Arc::new(NodePage::from_tile(&self.read_tile(level, index)?));
        self.cache().insert((level, index), page.clone());
        Ok(page)
    }

    /// A full tile on disk.
    pub(crate) fn read_tile(&self, level: u8, index: u64) -> Result<Vec<u8>, LogError> {
        let path = self.path(TilePath::Hashes(TileId { level, index, width: WIDTH }));
        let bytes = self.disk.read(&path).map_err(LogError::io("read", &path))?;
        if bytes.len() != MAX_TILE_BYTES {
            let got = format!("{} bytes", bytes.len());
            return Err(LogError::damaged(path.display().to_string(), "8192 bytes", got));
        }
        Ok(bytes)
    }

    /// The bytes of a full bundle, also of one below the minimum index that was not removed yet.
    pub(crate) fn whole_bundle(&self, index: u64) -> Result<Vec<u8>, LogError> {
        let fresh = self.tail().entry_page(index).and_then(|p| p.bundle(WIDTH)).map(<[u8]>::to_vec);
        fresh.map_or_else(|| self.read_bundle(index), Ok)
    }

    fn read_bundle(&self, index: u64) -> Result<Vec<u8>, LogError> {
        let path = self.path(TilePath::Entries { index, width: WIDTH });
        self.disk.read(&path).map_err(LogError::io("read", &path))
    }

    fn bad_bundle(&self, index: u64, got: &str) -> LogError {
        let path = self.path(TilePath::Entries { index, width: WIDTH });
        LogError::damaged(path.display().to_string(), "a bundle of 256 entries", got)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn insert(&mut self, key: (u8, u64), page: Arc<NodePage>) {
        if self.pages.insert(key, page).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > CACHE_PAGES {
            if let Some(oldest) = self.order.pop_front() {
                self.pages.remove(&oldest);
            }
        }
    }
}

impl NodeSource for Nodes<'_> {
    type Error = LogError;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, LogError> {
        self.0.node(level, index)
    }
}
