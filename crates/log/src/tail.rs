//! The newest part of the tree, in memory: what is not yet durable as tiles and bundles.
//!
//! ```text
//! pages    … │ 40 │ 41 │ 42 (partial)      entry bundles; those before 40 are on disk
//! nodes 0  … │ 40 │ 41 │ 42 (partial)      one page = the 510 nodes of a tile, eight levels
//! nodes 1  0 (partial)
//! ```
//!
//! In scope: appending and looking up. Out of scope: reading from disk (`store`), writing to it
//! (`flusher`), and which size is published: callers clamp what they ask for.
//!
//! Invariants:
//! - Every page from the first kept one on is here, at each level, so the right edge of the tree
//!   never needs the disk.
//! - A page is complete before it is shared, and never changes after that.

use std::collections::VecDeque;
use std::sync::Arc;

use firmlog_tlog::merkle::{Hash, node_hash};
use firmlog_tlog::tile::{HEIGHT, TileId, WIDTH};

const PAGE: u64 = WIDTH as u64;
/// Nodes of a tile's eight levels: 256 + 128 + … + 2.
const NODES: usize = 510;

/// What an entry's nodes take: a leaf hash, and as much above it.
const LEAF_BYTES: usize = 64;

/// The nodes of one tile.
#[derive(Clone, Debug)]
pub(crate) struct NodePage {
    nodes: Box<[Hash]>,
}

/// The entries of one bundle.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryPage {
    /// The bundle as it is served.
    pub(crate) bytes: Vec<u8>,
    /// Where each entry ends.
    pub(crate) ends: Vec<u32>,
}

/// A run of pages whose first ones may have gone to disk.
#[derive(Debug)]
struct Run<T> {
    first: u64,
    pages: VecDeque<Arc<T>>,
}

/// The in-memory part of the tree.
#[derive(Debug)]
pub(crate) struct Tail {
    entries: Run<EntryPage>,
    nodes: Vec<Run<NodePage>>,
    bytes: usize,
}

impl NodePage {
    fn empty() -> Self {
        Self { nodes: vec![Hash([0; 32]); NODES].into_boxed_slice() }
    }

    /// The nodes above the hashes of a tile file.
    pub(crate) fn from_tile(bytes: &[u8]) -> Self {
        let mut page = Self::empty();
        let hashes = bytes.as_chunks::<32>().0;
        for (slot, hash) in page.nodes.iter_mut().zip(hashes) {
            *slot = Hash(*hash);
        }
        for height in 1..HEIGHT {
            for i in 0..hashes.len() >> height {
                let below = row(height - 1) + 2 * i;
                page.nodes[row(height) + i] = node_hash(&page.nodes[below], &page.nodes[below + 1]);
            }
        }
        page
    }

    /// The node `inside` at `height` above the tile's hashes.
    pub(crate) fn node(&self, height: u8, inside: u64) -> Hash {
        self.nodes[row(height) + inside as usize]
    }

    /// The root over the whole tile: one hash of the tile above.
    pub(crate) fn root(&self) -> Hash {
        node_hash(&self.nodes[NODES - 2], &self.nodes[NODES - 1])
    }

    /// The tile file of the first `width` hashes.
    pub(crate) fn tile(&self, width: u16) -> Vec<u8> {
        let mut out = Vec::with_capacity(usize::from(width) * 32);
        self.nodes.iter().take(usize::from(width)).for_each(|h| out.extend_from_slice(&h.0));
        out
    }
}

impl EntryPage {
    /// The bundle of the first `width` entries.
    pub(crate) fn bundle(&self, width: u16) -> Option<&[u8]> {
        let end = *self.ends.get(usize::from(width).checked_sub(1)?)?;
        self.bytes.get(..end as usize)
    }

    /// Bytes that it holds: entries and leaves.
    pub(crate) fn held(&self) -> usize {
        self.bytes.len() + LEAF_BYTES * self.ends.len()
    }

    /// One entry.
    pub(crate) fn entry(&self, inside: u64) -> Option<&[u8]> {
        let inside = inside as usize;
        let end = *self.ends.get(inside)? as usize;
        let start = inside.checked_sub(1).map_or(0, |i| self.ends[i] as usize);
        self.bytes.get(start + 2..end)
    }
}

impl Tail {
    /// A tail that starts at `size`, a multiple of 256. The pages of upper levels that straddle
    /// `size` must then be filled by [`Tail::put`].
    pub(crate) fn new(size: u64) -> Self {
        let nodes = (0..HEIGHT)
            .map(|level| Run { first: pages_below(level, size), pages: VecDeque::new() })
            .collect();
        Self { entries: Run { first: size / PAGE, pages: VecDeque::new() }, nodes, bytes: 0 }
    }

    /// Appends one entry, as it is in a bundle (length and bytes). Its leaf goes to
    /// [`Tail::put`].
    pub(crate) fn push_entry(&mut self, bundled: &[u8]) {
        let run = &mut self.entries;
        if run.pages.back().is_none_or(|p| p.ends.len() == usize::from(WIDTH)) {
            // As large as the last one: entries of one log are alike.
            let guess = run.pages.back().map_or(0, |p| p.bytes.len() + p.bytes.len() / 16);
            let page = EntryPage {
                bytes: Vec::with_capacity(guess),
                ends: Vec::with_capacity(usize::from(WIDTH)),
            };
            run.pages.push_back(Arc::new(page));
        }
        if let Some(page) = run.pages.back_mut().map(Arc::make_mut) {
            page.bytes.extend_from_slice(bundled);
            page.ends.push(page.bytes.len() as u32);
        }
        self.bytes += bundled.len() + LEAF_BYTES;
    }

    /// Stores a completed node of tree level `level`.
    #[inline]
    pub(crate) fn put(&mut self, level: u8, index: u64, hash: &Hash) {
        let (page, slot) = place(level, index);
        let Some(run) = self.nodes.get_mut(usize::from(level / HEIGHT)) else { return };
        let Some(at) = page.checked_sub(run.first) else { return };
        while run.pages.len() as u64 <= at {
            run.pages.push_back(Arc::new(NodePage::empty()));
        }
        Arc::make_mut(&mut run.pages[at as usize]).nodes[slot] = *hash;
    }

    /// A completed node, if it is still here.
    pub(crate) fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let (page, slot) = place(level, index);
        let page = self.node_page(level / HEIGHT, page)?;
        Some(page.nodes[slot])
    }

    /// The page of a tile, if it is still here.
    pub(crate) fn node_page(&self, tile_level: u8, page: u64) -> Option<&Arc<NodePage>> {
        let run = self.nodes.get(usize::from(tile_level))?;
        run.pages.get(page.checked_sub(run.first)? as usize)
    }

    /// The page of a bundle, if it is still here.
    pub(crate) fn entry_page(&self, page: u64) -> Option<&Arc<EntryPage>> {
        self.entries.pages.get(page.checked_sub(self.entries.first)? as usize)
    }

    /// The first bundle that is still here.
    pub(crate) fn first_page(&self) -> u64 {
        self.entries.first
    }

    /// Bytes of entries and leaves held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The full tiles of a tree of `size` entries that are still here, from level `from` pages.
    pub(crate) fn full_tiles(&self, from: &[u64], size: u64) -> Vec<(TileId, Arc<NodePage>)> {
        let mut out = Vec::new();
        for (level, run) in (0u8..).zip(&self.nodes) {
            let start = from.get(usize::from(level)).copied().unwrap_or(run.first).max(run.first);
            for page in start..pages_below(level, size) {
                if let Some(nodes) = self.node_page(level, page) {
                    out.push((TileId { level, index: page, width: WIDTH }, nodes.clone()));
                }
            }
        }
        out
    }

    /// Lets go of all that is durable in a tree of `size` entries, a multiple of 256; returns the
    /// pages of nodes, which proofs are likely to ask for soon.
    pub(crate) fn release(&mut self, size: u64) -> Vec<(u8, u64, Arc<NodePage>)> {
        let mut out = Vec::new();
        for (level, run) in (0u8..).zip(&mut self.nodes) {
            while run.first < pages_below(level, size) {
                let Some(page) = run.pages.pop_front() else { break };
                out.push((level, run.first, page));
                run.first += 1;
            }
        }
        let run = &mut self.entries;
        while run.first < size / PAGE {
            let Some(page) = run.pages.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(page.held());
            run.first += 1;
        }
        out
    }
}

/// How many full tiles of a level a tree of `size` leaves has.
pub(crate) fn pages_below(tile_level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(HEIGHT) * (u32::from(tile_level) + 1)).unwrap_or(0)
}

/// Tile page of a tree node, and its slot there.
fn place(level: u8, index: u64) -> (u64, usize) {
    let height = level % HEIGHT;
    let shift = HEIGHT - height;
    (index >> shift, row(height) + (index & ((1 << shift) - 1)) as usize)
}

/// Where the nodes of a height start within a page.
const fn row(height: u8) -> usize {
    512 - (512 >> height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use firmlog_tlog::merkle::{CompactRange, leaf_hash};

    #[test]
    fn a_tile_file_gives_the_same_nodes() {
        let (mut tail, mut range) = (Tail::new(0), CompactRange::new());
        for i in 0..70_000u64 {
            range.push(leaf_hash(&i.to_be_bytes()), |l, n, h| tail.put(l, n, h));
        }
        for (level, page, height) in [(0u8, 3u64, 0u8), (0, 200, 5), (1, 0, 7), (1, 0, 3)] {
            let nodes = tail.node_page(level, page).unwrap();
            let read = NodePage::from_tile(&nodes.tile(256));
            for inside in 0..256 >> height {
                assert_eq!(read.node(height, inside), nodes.node(height, inside));
            }
            assert_eq!(Some(read.root()), tail.node(8 * (level + 1), page));
        }
    }

    #[test]
    fn releases_only_full_pages() {
        let (mut tail, mut range) = (Tail::new(0), CompactRange::new());
        for i in 0..1000u64 {
            tail.push_entry(&[0, 1, i as u8]);
            range.push(leaf_hash(&[i as u8]), |l, n, h| tail.put(l, n, h));
        }
        assert_eq!(tail.full_tiles(&[], 1000).len(), 3);
        assert_eq!(tail.release(768).len(), 3);
        assert_eq!((tail.first_page(), tail.node(0, 700)), (3, None));
        assert_eq!(tail.entry_page(3).and_then(|p| p.entry(5)), Some(&[(768 + 5) as u8][..]));
        assert_eq!(tail.entry_page(3).and_then(|p| p.bundle(2)).map(<[u8]>::len), Some(6));
        assert!(tail.node(8, 0).is_some());
    }
}
