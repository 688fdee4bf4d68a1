//! Tree nodes read out of tiles, for making proofs from a log's static files.
//!
//! A tile holds the nodes of every eighth level; the seven levels between are hashed here from
//! the tile below them. The last tile of each level is kept, since the nodes of one proof lie
//! in one tile a level, so a proof costs one fetch a level.
//!
//! Invariant: tiles are not believed here. A proof made from them is checked against a head
//! like any other, and a wrong tile makes a proof that fails.

use alloc::vec::Vec;
use core::fmt;

use super::{MAX_TILE_BYTES, TileError, TileId};
use crate::merkle::{Hash, NodeId, NodeSource, TreeSize, node_hash};

/// A [`NodeSource`] over the tiles of a tree of one size.
#[derive(Debug)]
pub struct TileNodes<F> {
    size: TreeSize,
    fetch: F,
    /// The tile last used at each level.
    recent: Vec<(TileId, Vec<u8>)>,
}

/// Why a node could not be read from tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodesError<E> {
    /// The tile was not to be had.
    Fetch(E),
    /// The tile has the wrong length, or the node is not in the tree.
    Tile(TileError),
}

impl<E: fmt::Display> fmt::Display for NodesError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(source) => write!(f, "a tile is missing: {source}"),
            Self::Tile(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for NodesError<E> {}

impl<E, F: FnMut(TileId) -> Result<Vec<u8>, E>> TileNodes<F> {
    /// Reads the tree of `size` leaves through `fetch`, which returns a tile's bytes.
    ///
    /// For a partial tile `fetch` may return the full one instead, as clients do when a log
    /// has deleted the partial one.
    pub const fn new(size: TreeSize, fetch: F) -> Self {
        Self { size, fetch, recent: Vec::new() }
    }

    fn tile(&mut self, id: TileId) -> Result<&[u8], NodesError<E>> {
        let known = self.recent.iter().position(|(have, _)| *have == id);
        let slot = match known {
            Some(slot) => slot,
            None => self.fetch(id)?,
        };
        let bytes = self.recent.get(slot).map(|(_, bytes)| bytes.as_slice());
        bytes.ok_or(NodesError::Tile(TileError::TileWrongLength))
    }

    /// Fetches a tile into the slot of its level and returns that slot.
    fn fetch(&mut self, id: TileId) -> Result<usize, NodesError<E>> {
        let bytes = (self.fetch)(id).map_err(NodesError::Fetch)?;
        let expected = usize::from(id.width).wrapping_mul(32);
        if bytes.len() != expected && bytes.len() != MAX_TILE_BYTES {
            return Err(NodesError::Tile(TileError::TileWrongLength));
        }
        let slot = self.recent.iter().position(|(have, _)| have.level == id.level);
        let slot = slot.unwrap_or_else(|| {
            self.recent.push((id, Vec::new()));
            self.recent.len().wrapping_sub(1)
        });
        if let Some(kept) = self.recent.get_mut(slot) {
            *kept = (id, bytes);
        }
        Ok(slot)
    }
}

impl<E, F: FnMut(TileId) -> Result<Vec<u8>, E>> NodeSource for TileNodes<F> {
    type Error = NodesError<E>;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let place = TileId::of_node(NodeId { level, index }, self.size.0);
        let place = place.map_err(NodesError::Tile)?;
        let hashes = self.tile(place.tile)?.as_chunks::<32>().0;
        let first = usize::from(place.first);
        let below = hashes.get(first..first.wrapping_add(usize::from(place.count)));
        below.and_then(subtree_root).ok_or(NodesError::Tile(TileError::TileWrongLength))
    }
}

/// The root over a power of two of hashes, at most 128; `None` for any other number.
fn subtree_root(hashes: &[[u8; 32]]) -> Option<Hash> {
    if let [single] = hashes {
        return Some(Hash(*single));
    }
    let mut row = [Hash([0; 32]); 64];
    let mut len = 0usize;
    for (slot, pair) in row.iter_mut().zip(hashes.as_chunks::<2>().0) {
        let [left, right] = pair;
        *slot = node_hash(&Hash(*left), &Hash(*right));
        len = len.wrapping_add(1);
    }
    while len > 1 {
        len /= 2;
        for i in 0..len {
            let [left, right] = *row.as_chunks::<2>().0.get(i)?;
            *row.get_mut(i)? = node_hash(&left, &right);
        }
    }
    row.first().copied().filter(|_| hashes.len().is_power_of_two() && hashes.len() <= 128)
}
