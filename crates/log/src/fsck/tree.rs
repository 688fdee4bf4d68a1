//! The tree re-derived, and the tiles on disk compared with it.

use std::collections::BTreeMap;

use firmlog_tlog::merkle::{
    CompactRange, Hash, NodeSource as _, TreeHead, TreeSize, leaf_hash, node_hash, range_nodes,
};
use firmlog_tlog::tile::{HEIGHT, TileId, TileNodes, TilePath, WIDTH};

use super::{Damage, damage};
use crate::error::LogError;
use crate::flusher::partials;
use crate::store::Store;

/// The nodes of a tree of this size, from the tiles on disk.
pub(super) fn nodes(
    store: &Store,
    size: TreeSize,
) -> TileNodes<impl FnMut(TileId) -> Result<Vec<u8>, LogError> + '_> {
    TileNodes::new(size, move |id| {
        let path = store.path(TilePath::Hashes(id));
        store.disk.read(&path).map_err(LogError::io("read", &path))
    })
}

pub(super) struct Tree {
    range: CompactRange,
    /// Hashes of upper tiles that are not complete yet, by tile level and index.
    open: BTreeMap<(u8, u64), Vec<Hash>>,
    complete: Vec<(u8, u64)>,
    /// Tiles whose left part was pruned and is not compared.
    unknown: u64,
    last_page: (u64, Vec<Hash>),
}

impl Tree {
    /// Starts at a page. What is left of it comes from tiles, and the root will tell if it is
    /// right.
    pub(super) fn start(store: &Store, first_page: u64, tree: u64) -> Result<Self, LogError> {
        let size = TreeSize(first_page * u64::from(WIDTH));
        let mut nodes = nodes(store, TreeSize(tree));
        let hashes = range_nodes(size)
            .map(|id| nodes.node(id.level, id.index))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| {
                LogError::damaged("tiles", "nodes left of the minimum index", e.to_string())
            })?;
        let range = CompactRange::from_hashes(size, &hashes)
            .map_err(|e| LogError::damaged("tiles", "the frontier of the tree", e.to_string()))?;
        let last_page = (0, Vec::new());
        let unknown = first_page;
        Ok(Self { range, open: BTreeMap::new(), complete: Vec::new(), unknown, last_page })
    }

    pub(super) fn head(&self) -> TreeHead {
        self.range.head()
    }

    pub(super) fn push(&mut self, leaf: Hash) {
        let Self { range, open, complete, .. } = self;
        range.push(leaf, |level, index, hash| {
            if level == 0 || !level.is_multiple_of(HEIGHT) {
                return;
            }
            let tile = (level / HEIGHT, index / u64::from(WIDTH));
            let hashes = open.entry(tile).or_default();
            hashes.push(*hash);
            if (index + 1).is_multiple_of(u64::from(WIDTH)) {
                complete.push(tile);
            }
        });
    }

    /// A leaf of the last page, or of the tiles.
    pub(super) fn leaf(&self, store: &Store, index: u64) -> Option<Hash> {
        let (page, leaves) = &self.last_page;
        match index.checked_sub(page * u64::from(WIDTH)) {
            Some(inside) if inside < leaves.len() as u64 => leaves.get(inside as usize).copied(),
            _ => store.node(0, index).ok(),
        }
    }

    /// Adds a page of leaves derived from a bundle (none if it was unreadable), and compares its
    /// tile. Returns the leaves that were believed and what is damaged.
    pub(super) fn push_page(
        &mut self,
        store: &Store,
        page: u64,
        width: u16,
        derived: Vec<Hash>,
        head: &Option<TreeHead>,
    ) -> (Vec<Hash>, Vec<Damage>) {
        let id = TileId { level: 0, index: page, width };
        let stored = read_hashes(store, id);
        let mut damages = Vec::new();
        let believed = if derived.is_empty() {
            stored.clone().unwrap_or_default()
        } else if stored.as_ref() == Some(&derived) {
            derived.clone()
        } else {
            self.settle(store, page, &derived, stored, head, &mut damages)
        };
        believed.iter().for_each(|leaf| self.push(*leaf));
        self.last_page = (page, believed.clone());
        (believed, damages)
    }

    /// The bundle and its tile disagree: what is above them tells which is right.
    fn settle(
        &self,
        store: &Store,
        page: u64,
        derived: &[Hash],
        stored: Option<Vec<Hash>>,
        head: &Option<TreeHead>,
        damages: &mut Vec<Damage>,
    ) -> Vec<Hash> {
        let width = derived.len() as u16;
        let tile = TilePath::Hashes(TileId { level: 0, index: page, width }).to_string();
        let Some(stored) = stored else {
            damages.push(damage(&tile, &format!("{} bytes", derived.len() * 32), "none or others"));
            return derived.to_vec();
        };
        let bundle = TilePath::Entries { index: page, width };
        let tile_fits = if width == WIDTH {
            parent(store, page)
                .or_else(|| parent_partial(store, page, head))
                .is_some_and(|p| subtree(&stored) == p)
        } else {
            head.is_some_and(|head| self.root_with(&stored) == head.root)
        };
        for (i, (ours, theirs)) in (0u64..).zip(derived.iter().zip(&stored)) {
            if ours == theirs {
                continue;
            }
            let index = page * u64::from(WIDTH) + i;
            damages.push(if tile_fits {
                let object = format!("{bundle} entry {index}");
                damage(&object, &format!("leaf hash {theirs}"), &format!("leaf hash {ours}"))
            } else {
                damage(&format!("{tile} hash {i}"), &ours.to_string(), &theirs.to_string())
            });
        }
        if tile_fits { stored } else { derived.to_vec() }
    }

    fn root_with(&self, leaves: &[Hash]) -> Hash {
        let mut range = self.range.clone();
        leaves.iter().for_each(|leaf| {
            range.push(*leaf, |_, _, _| {});
        });
        range.root()
    }

    /// Compares the upper tiles that the last page completed.
    pub(super) fn compare_completed(&mut self, store: &Store) -> (u64, Vec<Damage>) {
        let mut out = (0, Vec::new());
        for (level, index) in std::mem::take(&mut self.complete) {
            let hashes = self.open.remove(&(level, index)).unwrap_or_default();
            self.compare(store, TileId { level, index, width: WIDTH }, &hashes, &mut out);
        }
        out
    }

    /// Compares a full page's tile, and the upper tiles that it completed. Where no signed root
    /// is near, nothing tells whether the tile or its bundle is right: both are named.
    pub(super) fn compare_full(
        &mut self,
        store: &Store,
        page: u64,
        leaves: &[Hash],
    ) -> (u64, Vec<Damage>) {
        let mut out = self.compare_completed(store);
        let first = out.1.len();
        self.compare(store, TileId { level: 0, index: page, width: WIDTH }, leaves, &mut out);
        let bundle = TilePath::Entries { index: page, width: WIDTH };
        for damage in &mut out.1[first..] {
            damage.object = format!("{bundle} or {}", damage.object);
        }
        out
    }

    /// Compares the partial upper tiles of a tree of `size` entries.
    pub(super) fn compare_partials(&self, store: &Store, size: u64) -> (u64, Vec<Damage>) {
        let mut out = (0, Vec::new());
        for resource in partials(size) {
            if let TilePath::Hashes(id) = resource
                && id.level > 0
                && let Some(hashes) = self.open.get(&(id.level, id.index))
            {
                self.compare(store, id, hashes, &mut out);
            }
        }
        out
    }

    fn compare(&self, store: &Store, id: TileId, derived: &[Hash], out: &mut (u64, Vec<Damage>)) {
        out.0 += 1;
        let stored = read_hashes(store, id).unwrap_or_default();
        // After pruning, the first hashes of a tile were not derived; the root covers them.
        let skip =
            if self.unknown > 0 { usize::from(id.width).saturating_sub(derived.len()) } else { 0 };
        if stored.len() != usize::from(id.width) {
            let expected = format!("{} hashes", id.width);
            out.1.push(damage(&id.path(), &expected, &format!("{}", stored.len())));
            return;
        }
        for (i, (ours, theirs)) in derived.iter().zip(&stored[skip..]).enumerate() {
            if ours != theirs {
                let object = format!("{} hash {}", id.path(), skip + i);
                out.1.push(damage(&object, &ours.to_string(), &theirs.to_string()));
            }
        }
    }
}

fn read_hashes(store: &Store, id: TileId) -> Option<Vec<Hash>> {
    let bytes = store.disk.read(&store.path(TilePath::Hashes(id))).ok()?;
    (bytes.len() == usize::from(id.width) * 32)
        .then(|| bytes.as_chunks::<32>().0.iter().map(|h| Hash(*h)).collect())
}

/// The hash that the full tile above holds for a page.
fn parent(store: &Store, page: u64) -> Option<Hash> {
    let id = TileId { level: 1, index: page / u64::from(WIDTH), width: WIDTH };
    read_hashes(store, id)?.get((page % u64::from(WIDTH)) as usize).copied()
}

/// The same from the partial tile above.
fn parent_partial(store: &Store, page: u64, head: &Option<TreeHead>) -> Option<Hash> {
    let size = head.as_ref()?.size.0;
    let id = TileId::in_tree(1, page / u64::from(WIDTH), size)?;
    read_hashes(store, id)?.get((page % u64::from(WIDTH)) as usize).copied()
}

/// The root over a full page.
fn subtree(leaves: &[Hash]) -> Hash {
    let mut row = leaves.to_vec();
    while row.len() > 1 {
        row = row.as_chunks::<2>().0.iter().map(|[l, r]| node_hash(l, r)).collect();
    }
    row.first().copied().unwrap_or_else(|| leaf_hash(&[]))
}
