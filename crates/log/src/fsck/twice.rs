//! Entries that a signed log holds twice: bytes of which the first place counts, and that the log
//! should have refused.
//!
//! In scope: leaf hashes, of every kind of statement, pruned ones too where their tiles stayed. Out
//! of scope: logs of any bytes, which may hold an entry again once their window has passed.
//!
//! Invariant: memory does not grow with the log. Leaf hashes are gone through as often as it takes
//! for a part of them to fit the table; what they are of was derived from the entries before.

use std::collections::HashMap;

use firmlog_tlog::merkle::Hash;
use firmlog_tlog::tile::{TileId, TilePath, WIDTH};

use crate::store::Store;

/// Leaf hashes gone through at once: 64 MiB.
const TABLE: u64 = 8 << 20;

/// Leaf hashes in order, from tiles and from behind them.
pub(super) struct Leaves<'a> {
    pub(super) store: &'a Store,
    /// Entries in tiles.
    pub(super) tiles_size: u64,
    /// Leaf hashes of those after.
    pub(super) later: &'a [Hash],
}

/// An entry, and where the same bytes were before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Again {
    pub(super) index: u64,
    pub(super) first: u64,
}

impl Leaves<'_> {
    /// All entries that are in the log once more, in order.
    pub(super) fn twice(&self) -> Vec<Again> {
        self.twice_by(TABLE)
    }

    fn twice_by(&self, table: u64) -> Vec<Again> {
        let size = self.tiles_size + self.later.len() as u64;
        let parts = size.div_ceil(table).max(1);
        let mut out: Vec<Again> = (0..parts).flat_map(|part| self.part(part, parts)).collect();
        out.sort_unstable();
        out
    }

    fn part(&self, part: u64, parts: u64) -> Vec<Again> {
        let mut tags = Vec::new();
        self.for_each(|_, leaf| {
            let tag = tag(leaf);
            // A hash is as good as a number drawn at random, so parts are alike.
            if tag % parts == part {
                tags.push(tag);
            }
        });
        tags.sort_unstable();
        let twice = |pair: &[u64]| (pair.first() == pair.last()).then(|| pair.first().copied());
        let mut shared: Vec<u64> = tags.windows(2).filter_map(twice).flatten().collect();
        shared.dedup();
        drop(tags);
        if shared.is_empty() {
            return Vec::new();
        }
        let (mut first, mut out) = (HashMap::new(), Vec::new());
        self.for_each(|index, leaf| {
            if shared.binary_search(&tag(leaf)).is_ok() {
                let first = *first.entry(*leaf).or_insert(index);
                if first != index {
                    out.push(Again { index, first });
                }
            }
        });
        out
    }

    /// Tiles that cannot be read were named before, or pruned.
    fn for_each(&self, mut visit: impl FnMut(u64, &Hash)) {
        let width = u64::from(WIDTH);
        for index in 0..self.tiles_size.div_ceil(width) {
            let first = index * width;
            let id = TileId { level: 0, index, width: (self.tiles_size - first).min(width) as u16 };
            let tile = self.store.disk.read(&self.store.path(TilePath::Hashes(id)));
            let hashes = tile.unwrap_or_default();
            for (at, hash) in (first..).zip(hashes.as_chunks::<32>().0) {
                visit(at, &Hash(*hash));
            }
        }
        (self.tiles_size..).zip(self.later).for_each(|(at, leaf)| visit(at, leaf));
    }
}

fn tag(leaf: &Hash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = leaf.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::disk::Disk as _;
    use crate::fault::FaultDisk;
    use crate::tail::Tail;

    fn leaf(tag: u64, rest: u8) -> Hash {
        let mut hash = [rest; 32];
        hash[..8].copy_from_slice(&tag.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        Hash(hash)
    }

    #[test]
    fn all_are_found_in_any_number_of_parts() {
        let mut leaves: Vec<Hash> = (0..600).map(|n| leaf(n, 0)).collect();
        // The same, twice; the same across the end of the tiles; only the tag is the same.
        (leaves[40], leaves[500]) = (leaves[7], leaves[7]);
        leaves[580] = leaves[300];
        leaves[12] = leaf(11, 1);
        let disk = FaultDisk::new();
        let tile = |range: std::ops::Range<usize>, path: &str| {
            let bytes: Vec<u8> = leaves[range].iter().flat_map(|hash| hash.0).collect();
            disk.write(&Path::new("/log").join(path), &bytes).unwrap();
        };
        tile(0..256, "tile/0/000");
        tile(256..512, "tile/0/001");
        tile(512..550, "tile/0/002.p/38");
        let store = Store::new(Arc::new(disk.clone()), "/log".into(), Tail::new(0), 0);
        let all = Leaves { store: &store, tiles_size: 550, later: &leaves[550..] };
        let expected = [(40, 7), (500, 7), (580, 300)].map(|(index, first)| Again { index, first });
        for table in [1, 7, 100, 599, 600, 10_000] {
            assert_eq!(all.twice_by(table), expected, "{table}");
        }
    }
}
