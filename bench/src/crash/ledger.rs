//! What the log has promised so far, and whether it kept it.
//!
//! In scope: acknowledged entries, every checkpoint seen, and the checks of
//! both against a log's public resources. Out of scope: where the resources
//! come from ([`Resources`]: over HTTP, or from a log in this process).

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use firmlog_keys::AwsLc;
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::{
    CompactRange, Hash, LeafIndex, TreeHead, TreeSize, consistency_proof, inclusion_proof,
    leaf_hash, verify_consistency, verify_inclusion,
};
use firmlog_tlog::note::VerifierKey;
use firmlog_tlog::tile::{Bundle, TileId, TileNodes, TilePath, WIDTH, width_in_tree};

/// A log's public files.
pub trait Resources {
    /// The bytes of one resource.
    ///
    /// # Errors
    /// If it cannot be had.
    fn fetch(&mut self, path: &TilePath) -> anyhow::Result<Vec<u8>>;
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// An acknowledged entry is not where it was promised.
    Lost(String),
    /// Two checkpoints of which neither extends the other.
    Fork(String),
}

/// Everything a log has promised.
#[derive(Debug)]
pub struct Ledger {
    key: VerifierKey,
    /// Leaf hash acknowledged at each index.
    promised: Vec<Option<Hash>>,
    /// Root of each checkpoint seen, by size.
    heads: BTreeMap<u64, Hash>,
    /// Promises not looked at since they were made.
    fresh: Vec<u64>,
    fresh_heads: Vec<TreeHead>,
    /// Newest head that all earlier ones were found consistent with.
    settled: TreeHead,
    acknowledged: u64,
    violations: Vec<Violation>,
}

impl Ledger {
    /// Nothing promised yet by the log with this key.
    #[must_use]
    pub fn new(key: VerifierKey) -> Self {
        Self {
            key,
            promised: Vec::new(),
            heads: BTreeMap::new(),
            fresh: Vec::new(),
            fresh_heads: Vec::new(),
            settled: TreeHead::empty(),
            acknowledged: 0,
            violations: Vec::new(),
        }
    }

    /// Acknowledgements so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// What was found broken.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Checkpoints seen so far.
    #[must_use]
    pub fn checkpoints(&self) -> usize {
        self.heads.len()
    }

    /// Notes that `leaf` was acknowledged at `index`.
    pub fn promise(&mut self, index: u64, leaf: Hash) {
        self.acknowledged += 1;
        let at = index as usize;
        if self.promised.len() <= at {
            self.promised.resize(at + 1, None);
        }
        match self.promised[at].replace(leaf) {
            Some(earlier) if earlier != leaf => {
                self.lost(format!("index {index} was promised to {earlier} and then to {leaf}"));
            }
            Some(_) => {}
            None => self.fresh.push(index),
        }
    }

    /// Notes a checkpoint that the log showed.
    ///
    /// # Errors
    /// If it is not a checkpoint signed by the log.
    pub fn see(&mut self, note: &[u8]) -> anyhow::Result<TreeHead> {
        let unverified = Unverified::parse(note).context("failed to parse a checkpoint")?;
        let checkpoint =
            unverified.verify(&AwsLc, &self.key).context("failed to verify a checkpoint")?;
        let head = checkpoint.head();
        match self.heads.insert(head.size.0, head.root) {
            Some(root) if root != head.root => self.fork(format!(
                "size {} was signed with root {root} and with {}",
                head.size, head.root
            )),
            Some(_) => {}
            None => self.fresh_heads.push(head),
        }
        Ok(head)
    }

    /// Checks all that was promised since the last settlement against the log as it is now.
    ///
    /// # Errors
    /// If the log's resources cannot be had or read. Broken promises are kept as violations.
    pub fn settle(&mut self, source: &mut dyn Resources) -> anyhow::Result<TreeHead> {
        let note = source.fetch(&TilePath::Checkpoint)?;
        let now = self.see(&note)?;
        let mut earlier = std::mem::take(&mut self.fresh_heads);
        earlier.push(self.settled);
        for head in earlier {
            if let Err(error) = check_growth(source, &head, &now) {
                self.fork(format!("{} is not a beginning of {}: {error:#}", head.size, now.size));
            }
        }
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.sort_unstable();
        for indexes in fresh.chunk_by(|a, b| a / u64::from(WIDTH) == b / u64::from(WIDTH)) {
            self.check_promises(source, indexes, &now);
        }
        self.settled = now;
        Ok(now)
    }

    /// Reads the whole log and compares it with every promise and every checkpoint.
    ///
    /// # Errors
    /// If the log's resources cannot be had or read.
    pub fn settle_everything(&mut self, source: &mut dyn Resources) -> anyhow::Result<TreeHead> {
        let now = self.settle(source)?;
        let mut range = CompactRange::new();
        while range.size() < now.size {
            let first = range.size().0;
            for leaf in bundle_leaves(source, first / u64::from(WIDTH), now.size)? {
                let index = range.push(leaf, |_, _, _| ()).0;
                if self.promised.get(index as usize).is_some_and(|p| p.is_some_and(|p| p != leaf)) {
                    self.lost(format!("index {index} holds {leaf}, which was not promised"));
                }
                let size = range.size();
                if let Some(root) = self.heads.get(&size.0)
                    && *root != range.root()
                {
                    self.fork(format!("size {size} was signed with root {root}"));
                }
            }
        }
        Ok(now)
    }

    /// Checks promises in one bundle. One proof is enough for all of them: it is made from the
    /// leaf hashes of the bundle's own bytes, so it fails if any of the bytes is wrong.
    fn check_promises(&mut self, source: &mut dyn Resources, indexes: &[u64], now: &TreeHead) {
        let Some(&first) = indexes.first() else { return };
        let tile = first / u64::from(WIDTH);
        let leaves = match proven_leaves(source, tile, now) {
            Ok(leaves) => leaves,
            Err(error) => {
                self.lost(format!("{} promises in bundle {tile}: {error:#}", indexes.len()));
                return;
            }
        };
        for &index in indexes {
            let stored = leaves.get((index % u64::from(WIDTH)) as usize).copied();
            let promised = self.promised.get(index as usize).copied().flatten();
            if stored != promised {
                self.lost(format!("index {index} holds {stored:?}, promised was {promised:?}"));
            }
        }
    }

    fn lost(&mut self, what: String) {
        self.violations.push(Violation::Lost(what));
    }

    fn fork(&mut self, what: String) {
        self.violations.push(Violation::Fork(what));
    }
}

/// The leaf hashes of a bundle, proven to be in the tree.
fn proven_leaves(
    source: &mut dyn Resources,
    tile: u64,
    now: &TreeHead,
) -> anyhow::Result<Vec<Hash>> {
    let leaves = bundle_leaves(source, tile, now.size)?;
    let index = LeafIndex(tile * u64::from(WIDTH));
    let nodes = TileNodes::new(now.size, |id: TileId| {
        if id.level == 0 && id.index == tile {
            let hashes = leaves.iter().take(usize::from(id.width));
            return Ok(hashes.flat_map(|hash| hash.0).collect());
        }
        source.fetch(&TilePath::Hashes(id)).map_err(|error| format!("{error:#}"))
    });
    let proof = inclusion_proof(nodes, index, now.size)
        .map_err(|error| anyhow::anyhow!("failed to make a proof: {error}"))?;
    let leaf = leaves.first().context("empty bundle")?;
    verify_inclusion(index, leaf, now, &proof).context("failed to verify a proof")?;
    Ok(leaves)
}

fn bundle_leaves(
    source: &mut dyn Resources,
    tile: u64,
    size: TreeSize,
) -> anyhow::Result<Vec<Hash>> {
    let Some(width) = width_in_tree(0, tile, size.0) else {
        bail!("bundle {tile} is beyond the tree of {size}");
    };
    let bytes = source.fetch(&TilePath::Entries { index: tile, width })?;
    let bundle = Bundle::parse(&bytes, width).context("failed to read a bundle")?;
    let leaves: Vec<Hash> = bundle.entries().map(leaf_hash).collect();
    ensure!(leaves.len() == usize::from(width), "bundle {tile} is short");
    Ok(leaves)
}

fn check_growth(source: &mut dyn Resources, old: &TreeHead, new: &TreeHead) -> anyhow::Result<()> {
    ensure!(old.size <= new.size, "the tree shrank");
    let nodes = TileNodes::new(new.size, |id: TileId| {
        source.fetch(&TilePath::Hashes(id)).map_err(|error| format!("{error:#}"))
    });
    let proof = consistency_proof(nodes, old.size, new.size)
        .map_err(|error| anyhow::anyhow!("failed to make a proof: {error}"))?;
    verify_consistency(old, new, &proof).context("failed to verify a proof")
}
