//! What is newer than the checkpoint file: bundles it does not cover, the write-ahead log, and the
//! never-fork record that both must agree with.

use firmlog_tlog::merkle::{Hash, leaf_hash};
use firmlog_tlog::tile::{Bundle, TilePath, WIDTH};

use super::Audit;
use super::signatures::Pool;
use super::tree::Tree;
use crate::error::LogError;
use crate::record::{Record, origin_hash};
use crate::sequencer::split_bundled;
use crate::wal::{self, Wal};

impl Audit<'_> {
    pub(super) fn wal_and_record(&mut self, pool: &Pool, tree: &mut Tree) -> Result<(), LogError> {
        let origin = origin_hash(&self.config.origin);
        let dir = self.config.dir.join("wal");
        let disk = self.store.disk.clone();
        let mut roots = vec![tree.head()];
        if let Some(first) = wal::firsts(disk.as_ref(), &dir)?.first() {
            self.uncovered(pool, tree, *first)?;
        }
        let replay = Wal::scan(&disk, &dir, &origin, |batch| {
            let (first, ms) = (batch.first, Some(batch.received_ms));
            self.later(pool, tree, "wal", first, ms, batch.entries.to_vec())?;
            roots.push(tree.head());
            Ok(())
        });
        match replay {
            Err(error) => self.damage("wal", "segments that read back whole", &error.to_string()),
            // Entries are durable here before they are tiles, so the end is not just torn.
            Ok(replay) if replay.next < self.report.tiles_size => {
                let expected = format!("records up to entry {}", self.report.tiles_size);
                self.damage("wal", &expected, &format!("up to {}", replay.next));
            }
            Ok(_) => {}
        }
        self.report.size = tree.head().size.0;
        let record = Record::open(disk.as_ref(), &self.config.record_path, &self.config.origin);
        match record {
            Ok((_, signed)) => {
                let signed_ok = signed.head.size.0 == 0
                    || self.verified(signed.checkpoint.as_bytes()) == Some(signed.head);
                if !signed_ok {
                    self.damage("never-fork record", "a checkpoint signed by the log", "another");
                }
                // The record is durable before a checkpoint is shown, so it is never the older one.
                if signed.head.size.0 < self.report.tiles_size {
                    let expected = format!("size {} or more", self.report.tiles_size);
                    let got = format!("size {}", signed.head.size);
                    self.damage("never-fork record", &expected, &got);
                }
                let ours = roots.iter().find(|r| r.size == signed.head.size);
                let agrees = signed.head.size.0 <= self.report.tiles_size
                    || ours.is_some_and(|r| r.root == signed.head.root);
                if !agrees {
                    let got = format!("{} entries, root {}", tree.head().size, tree.head().root);
                    let expected = format!("size {}, root {}", signed.head.size, signed.head.root);
                    self.damage("the tree (by the never-fork record)", &expected, &got);
                }
            }
            Err(error) => self.damage("never-fork record", "a valid record", &error.to_string()),
        }
        Ok(())
    }

    /// Full bundles that the checkpoint file does not cover, where the write-ahead log begins
    /// behind it: the disk was too full to go on from them.
    fn uncovered(&mut self, pool: &Pool, tree: &mut Tree, wal_first: u64) -> Result<(), LogError> {
        let (size, width) = (tree.head().size.0, u64::from(WIDTH));
        let pages = size / width..wal_first.div_ceil(width);
        for page in pages.filter(|_| wal_first > size) {
            let resource = TilePath::Entries { index: page, width: WIDTH };
            let bytes = self.store.disk.read(&self.store.path(resource)).unwrap_or_default();
            let leaves: Vec<Hash> = match Bundle::parse(&bytes, WIDTH) {
                Ok(bundle) => bundle.entries().map(leaf_hash).collect(),
                Err(error) => {
                    let expected = "a bundle of 256 entries";
                    self.damage(&resource.to_string(), expected, &error.to_string());
                    self.broken = true;
                    return Ok(());
                }
            };
            self.later(pool, tree, &resource.to_string(), page * width, None, bytes)?;
            let tiles = tree.compare_full(&self.store, page, &leaves);
            self.note_tiles(tiles);
        }
        Ok(())
    }

    /// Entries behind those that the checkpoint file covers, from the write-ahead log or, without a
    /// time of their own, from a bundle.
    fn later(
        &mut self,
        pool: &Pool,
        tree: &mut Tree,
        object: &str,
        first: u64,
        received_ms: Option<u64>,
        entries: Vec<u8>,
    ) -> Result<(), LogError> {
        let size = tree.head().size.0;
        let (mut index, mut rest, mut skipped) = (first, entries.as_slice(), 0);
        let mut leaves = Vec::new();
        while !rest.is_empty() {
            let (bundled, after) = split_bundled(rest);
            rest = after;
            let leaf = leaf_hash(bundled.get(2..).unwrap_or_default());
            if index < size {
                skipped += bundled.len();
                if tree.leaf(&self.store, index).is_some_and(|ours| ours != leaf) {
                    let object = format!("{object} entry {index}");
                    self.damage(&object, "the entry in the tiles", "another");
                }
            } else {
                leaves.push(leaf);
                self.later.push(leaf);
                tree.push(leaf);
            }
            index += 1;
        }
        let fresh = entries.get(skipped..).unwrap_or_default().to_vec();
        let at = first.max(size);
        // As the log does it: times never run backwards.
        let ms = received_ms.map(|ms| ms.max(self.last_ms));
        self.entries(pool, object, at, at, fresh, &leaves, ms)
    }
}
