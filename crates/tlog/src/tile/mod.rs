//! Tiles and entry bundles of [tlog-tiles]: how a log's tree is cut into static files.
//!
//! ```text
//! tile/0/x001/067          hashes of entries 273,152 to 273,407 (1,067 · 256)
//! tile/1/001.p/17          the first 17 full level-0 tiles' roots of the second 65,536
//! tile/entries/x001/067    those entries, each after its length as two bytes
//! ```
//!
//! In scope: paths, tile widths for a tree size, entry bundles, and reading nodes of every
//! level out of tiles ([`TileNodes`]). Out of scope: fetching and storing the bytes.
//!
//! Invariants:
//! - A path has one spelling: no leading zeros, no width 0 or 256, no needless `x000`.
//! - A bundle parses only whole: exactly its width of entries and no byte more.
//!
//! [tlog-tiles]: https://c2sp.org/tlog-tiles

mod bundle;
#[cfg(feature = "alloc")]
mod nodes;
mod path;

use crate::merkle::NodeId;
use crate::refusal::refusals;

#[cfg(feature = "alloc")]
pub use bundle::encode_entry;
pub use bundle::{Bundle, encode_len};
#[cfg(feature = "alloc")]
pub use nodes::{NodesError, TileNodes};
pub use path::TilePath;

/// Hashes in a full tile, and entries in a full bundle.
pub const WIDTH: u16 = 256;
/// Levels of the tree in one tile.
pub const HEIGHT: u8 = 8;
/// The highest tile level a path can name.
pub const MAX_LEVEL: u8 = 63;
/// The largest entry a bundle can carry, in bytes.
pub const MAX_ENTRY: usize = 65_535;
/// The size of a full tile, in bytes.
pub const MAX_TILE_BYTES: usize = 8_192;

refusals! {
    /// Why a path, a tile or a bundle was refused.
    TileError {
        UnknownPath = 1: "not a path of a tile log",
        LevelMalformed = 2: "the tile level is not a decimal from 0 to 63 without leading zero",
        IndexMalformed = 3: "the tile index is not in groups of three digits",
        IndexHasLeadingZero = 4: "the tile index has a needless leading group",
        IndexOverflows = 5: "the tile index is beyond 64 bits",
        WidthMalformed = 6: "the partial width is not a decimal from 1 to 255",
        EntryTooLarge = 7: "the entry is larger than 65,535 bytes",
        BundleTruncated = 8: "the bundle ends inside an entry or before its last one",
        BundleTrailingBytes = 9: "the bundle has bytes after its last entry",
        TileWrongLength = 10: "the tile's length does not fit its width",
        NodeOutsideTree = 11: "the node is not in a tree of this size",
    }
}

/// One tile of hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Tile level: its hashes are nodes of tree level `8·level`.
    pub level: u8,
    /// Position among the tiles of that level, from the left.
    pub index: u64,
    /// How many hashes it has, 1 to 256; below 256 it is a partial tile.
    pub width: u16,
}

impl TileId {
    /// Whether the tile has all its hashes and never changes again.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == WIDTH
    }

    /// The tile's path below the log's prefix.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn path(&self) -> alloc::string::String {
        alloc::string::ToString::to_string(&TilePath::Hashes(*self))
    }

    /// Parses `tile/<level>/<index>[.p/<width>]`.
    ///
    /// # Errors
    /// A [`TileError`] if it is any other path or any other spelling.
    pub fn parse_path(path: &str) -> Result<Self, TileError> {
        match TilePath::parse(path)? {
            TilePath::Hashes(id) => Ok(id),
            _ => Err(TileError::UnknownPath),
        }
    }

    /// The tile of `level` at `index` in a tree of `size` leaves; `None` if it is empty.
    #[must_use]
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let width = width_in_tree(level, index, size)?;
        Some(Self { level, index, width })
    }

    /// The tile that holds, or whose hashes lie below, a node of the tree of `size` leaves.
    ///
    /// # Errors
    /// [`TileError::NodeOutsideTree`] if the node is not a perfect subtree of that tree.
    pub fn of_node(node: NodeId, size: u64) -> Result<NodePlace, TileError> {
        let level = node.level / HEIGHT;
        let height = node.level % HEIGHT;
        // A tile spans 2^8 nodes of its own level, so 2^(8−height) of this one.
        let shift = HEIGHT.wrapping_sub(height);
        let index = node.index >> shift;
        let inside = node.index & (1u64 << shift).wrapping_sub(1);
        let first = (inside << height) as u16;
        let count = 1u16 << height;
        let tile = Self::in_tree(level, index, size).ok_or(TileError::NodeOutsideTree)?;
        if first.wrapping_add(count) > tile.width {
            return Err(TileError::NodeOutsideTree);
        }
        Ok(NodePlace { tile, first, count })
    }
}

/// Where a node is: the root over `count` hashes of `tile`, from hash `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePlace {
    /// The tile to read.
    pub tile: TileId,
    /// The first hash below the node.
    pub first: u16,
    /// How many hashes lie below the node, a power of two up to 128.
    pub count: u16,
}

/// How many hashes the tile (or bundle, at level 0) has in a tree of `size` leaves.
///
/// `None` if it has none: such a tile must not be served or asked for.
#[must_use]
pub fn width_in_tree(level: u8, index: u64, size: u64) -> Option<u16> {
    let hashes = size.checked_shr(u32::from(level).wrapping_mul(8)).unwrap_or(0);
    let before = index.checked_mul(u64::from(WIDTH))?;
    let left = hashes.checked_sub(before).filter(|left| *left != 0)?;
    Some(left.min(u64::from(WIDTH)) as u16)
}

/// Every tile of hashes of a tree of `size` leaves, level by level, left to right.
pub fn tiles_of_tree(size: u64) -> impl Iterator<Item = TileId> {
    (0..=MAX_LEVEL)
        .map_while(move |level| {
            let hashes = size.checked_shr(u32::from(level).wrapping_mul(8)).unwrap_or(0);
            (hashes != 0).then_some((level, hashes.div_ceil(u64::from(WIDTH))))
        })
        .flat_map(move |(level, tiles)| {
            (0..tiles).filter_map(move |index| TileId::in_tree(level, index, size))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn widths_of_the_specification() {
        let levels = |size: u64| -> Vec<(usize, u16)> {
            (0..8)
                .map(|level| tiles_of_tree(size).filter(|t| t.level == level).collect::<Vec<_>>())
                .take_while(|tiles| !tiles.is_empty())
                .map(|tiles| {
                    let full = tiles.iter().filter(|t| t.is_full()).count();
                    let partial = tiles.iter().find(|t| !t.is_full()).map_or(0, |t| t.width);
                    (full, partial)
                })
                .collect()
        };
        assert_eq!(levels(70_000), [(273, 112), (1, 17), (0, 1)]);
        assert_eq!(levels(256), [(1, 0), (0, 1)]);
        assert_eq!(levels(0), []);
        assert_eq!(levels(1), [(0, 1)]);
    }

    #[test]
    fn nodes_between_tile_levels_lie_inside_one_tile() {
        let place = TileId::of_node(NodeId { level: 10, index: 3 }, 70_000).unwrap();
        assert_eq!(place.tile, TileId { level: 1, index: 0, width: 256 });
        assert_eq!((place.first, place.count), (12, 4));
        let outside = TileId::of_node(NodeId { level: 16, index: 1 }, 70_000);
        assert_eq!(outside, Err(TileError::NodeOutsideTree));
    }
}
