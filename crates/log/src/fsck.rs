//! The audit of everything stored: every entry, signature, chain, registration, tile and root.
//!
//! ```text
//! bundles ─▶ one thread: leaf hashes, registry in order, tree, tiles compared
//!               └─▶ all cores: signatures, in chunks of a page
//! ```
//!
//! In scope: finding and naming damage. Out of scope: repairing it (restore a backup; the WAL heals
//! what is newer than the tiles by itself).
//!
//! Invariants:
//! - Nothing is believed but the log's public key and the rules: tiles, roots and decisions are
//!   derived from the entries, then compared with what is stored.
//! - Each damaged object is named once, with expected and got, and the audit goes on behind it.
//! - An entry that a signed log holds twice is named at its second place, whatever its kind and
//!   whoever signed it: the log should have refused it.
//! - While a server has the log open, what is durable as tiles is audited; otherwise the
//!   write-ahead log and the never-fork record are as well.

mod newest;
mod report;
mod signatures;
mod state;
mod tree;
mod twice;

use std::sync::Arc;

use firmlog_statement::{Kind, Parsed, PublicKey};
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::{
    Hash, LeafIndex, TreeHead, inclusion_proof, leaf_hash, verify_inclusion,
};
use firmlog_tlog::note::VerifierKey;
use firmlog_tlog::tile::{Bundle, TilePath, WIDTH};
use firmlog_verify::crypto::Crypto;
use firmlog_verify::registry::{Decision, Registry};

use crate::admission::SignedLog;
use crate::config::{Config, Registration};
use crate::disk::Disk;
use crate::error::LogError;
use crate::kept;
use crate::received::Times;
use crate::recovery::{lock, read_min_index};
use crate::sequencer::split_bundled;
use crate::snapshot;
use crate::store::Store;
use crate::tail::Tail;
use report::damage;
use signatures::{Chunk, Pool, Queue};
use state::Snapshots;
use tree::Tree;
use twice::{Again, Leaves};

pub use report::{Damage, FsckProgress, FsckReport, Watch};

/// Audits a log on the disk of this machine, on all cores.
///
/// # Errors
/// A [`LogError`] if the audit itself cannot run. Damage is no error but in the report.
pub fn fsck(
    config: &Config,
    log_key: &VerifierKey,
    crypto: &Arc<dyn Crypto>,
    watch: &mut dyn Watch,
) -> Result<FsckReport, LogError> {
    let disk = crate::disk::StdDisk::new(&config.dir).map_err(LogError::io("open", &config.dir))?;
    fsck_on(Arc::new(disk), config, log_key, crypto, watch)
}

/// As [`fsck`], on another disk.
///
/// # Errors
/// As [`fsck`].
pub fn fsck_on(
    disk: Arc<dyn Disk>,
    config: &Config,
    log_key: &VerifierKey,
    crypto: &Arc<dyn Crypto>,
    watch: &mut dyn Watch,
) -> Result<FsckReport, LogError> {
    let locked = match lock(disk.as_ref(), &config.dir.join("lock")) {
        Ok(lock) => Some(lock),
        Err(LogError::Locked(_)) => None,
        Err(error) => return Err(error),
    };
    let min_index = read_min_index(disk.as_ref(), config)?;
    let store = Store::new(disk, config.dir.clone(), Tail::new(0), min_index);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut audit = Audit {
        config,
        log_key,
        crypto: crypto.as_ref(),
        store,
        report: FsckReport { online: locked.is_none(), ..FsckReport::default() },
        registry: None,
        snapshots: None,
        times: Times::default(),
        last_ms: 0,
        later: Vec::new(),
        ordered_from: 0,
        broken: false,
        watch,
    };
    let queue = Queue::default();
    std::thread::scope(|scope| {
        let pool = Pool::start(scope, &queue, crypto.as_ref(), threads);
        let result = audit.run(&pool);
        let (signatures, damages) = pool.finish();
        audit.report.signatures = signatures;
        audit.report.damages.extend(damages);
        result
    })?;
    Ok(audit.report)
}

struct Audit<'a> {
    config: &'a Config,
    log_key: &'a VerifierKey,
    crypto: &'a dyn Crypto,
    store: Store,
    report: FsckReport,
    registry: Option<SignedLog>,
    snapshots: Option<Snapshots>,
    times: Times,
    last_ms: u64,
    /// Leaf hashes of the entries behind those in tiles.
    later: Vec<Hash>,
    /// Chains and rules are checked from this entry on.
    ordered_from: u64,
    /// Set when an entry was lost: what comes after cannot be judged in order.
    broken: bool,
    watch: &'a mut dyn Watch,
}

impl Audit<'_> {
    fn run(&mut self, pool: &Pool) -> Result<(), LogError> {
        let head = self.checkpoint_file()?;
        let first_page = self.store.min_index() / u64::from(WIDTH);
        self.start_registry()?;
        let size = head.map_or(0, |h| h.size.0);
        let mut tree = Tree::start(&self.store, first_page, size)?;
        self.kept(head)?;
        self.report.tiles_size = size;
        for page in first_page..size.div_ceil(u64::from(WIDTH)) {
            self.page(pool, &mut tree, page, &head)?;
            self.tell(size);
        }
        let tiles = tree.compare_partials(&self.store, size);
        self.note_tiles(tiles);
        let times = state::received_times(&self.store, self.store.min_index(), size)?;
        self.report.damages.extend(times);
        if let Some(head) = head
            && tree.head() != head
        {
            self.damage("checkpoint", &head.root.to_string(), &tree.head().root.to_string());
        }
        self.report.size = size;
        if !self.report.online {
            self.wal_and_record(pool, &mut tree)?;
            self.snapshot(self.report.size);
        }
        if self.registry.is_some() {
            self.twice();
        }
        Ok(())
    }

    /// Names the entries that the log holds twice; nothing else needs to be said of them.
    fn twice(&mut self) {
        let Self { store, report, later, .. } = self;
        for Again { index, first } in
            (Leaves { store, tiles_size: report.tiles_size, later }).twice()
        {
            let (page, width) = (index / u64::from(WIDTH), u64::from(WIDTH));
            let object = match report.tiles_size.checked_sub(page * width) {
                Some(left) if index < report.tiles_size => {
                    let width = left.min(width) as u16;
                    format!("{} entry {index}", TilePath::Entries { index: page, width })
                }
                _ => format!("wal entry {index}"),
            };
            report.damages.retain(|d| d.expected != ADMITTED || !is_of_entry(&d.object, index));
            let got = format!("entry {first} once more at {index}");
            report.damages.push(damage(&object, "an entry that the log does not hold yet", &got));
        }
    }

    /// The head that the checkpoint file claims, if its signature is the log's.
    fn checkpoint_file(&mut self) -> Result<Option<TreeHead>, LogError> {
        let path = self.store.path(TilePath::Checkpoint);
        let bytes = match self.store.disk.read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(LogError::io("read", &path))?,
        };
        let head = self.verified(&bytes);
        if head.is_none() {
            self.damage("checkpoint", "a checkpoint signed by the log's key", "other bytes");
        }
        Ok(head)
    }

    fn verified(&self, checkpoint: &[u8]) -> Option<TreeHead> {
        let parsed = Unverified::parse(checkpoint).ok()?;
        let verified = parsed.verify_origin(self.crypto, self.log_key, &self.config.origin);
        verified.ok().map(|c| c.head())
    }

    fn start_registry(&mut self) -> Result<(), LogError> {
        if self.config.registration == Registration::Any {
            return Ok(());
        }
        let mut signed = SignedLog::new(1);
        if self.store.min_index() > 0 {
            // What was pruned cannot be replayed: keys come from the newest snapshot.
            for at in snapshot::sizes(&self.store)?.into_iter().rev() {
                let bytes = snapshot::read(&self.store, at);
                if let Some(found) = bytes.and_then(|b| SignedLog::decode(&b, at, 1)) {
                    (signed, self.ordered_from) = (found, at);
                    break;
                }
            }
        }
        self.registry = Some(signed);
        // A server that runs writes and removes them meanwhile.
        if !self.report.online {
            self.snapshots = Some(Snapshots::start(&self.store, self.ordered_from)?);
        }
        Ok(())
    }

    /// What pruning kept must still be in the tree. Who signed it was checked when it was taken.
    fn kept(&mut self, head: Option<TreeHead>) -> Result<(), LogError> {
        let (min, width) = (self.store.min_index(), u64::from(WIDTH));
        let pages = kept::Pages::list(&self.store)?;
        for page in pages.iter().filter(|page| (page + 1) * width <= min) {
            let name = format!("kept/{page:020}");
            let entries = match kept::read(&self.store, page) {
                Err(LogError::Damaged { expected, got, .. }) => {
                    self.damage(&name, &expected, &got);
                    continue;
                }
                entries => entries?,
            };
            for (index, bytes) in entries {
                self.report.entries += 1;
                let Some(head) = &head else { continue };
                let nodes = tree::nodes(&self.store, head.size);
                let proof = inclusion_proof(nodes, LeafIndex(index), head.size);
                let proven = proof.ok().is_some_and(|path| {
                    verify_inclusion(LeafIndex(index), &leaf_hash(&bytes), head, &path).is_ok()
                });
                if !proven {
                    self.damage(
                        &format!("{name} entry {index}"),
                        "the entry that was logged",
                        "other bytes",
                    );
                }
            }
        }
        Ok(())
    }

    fn page(
        &mut self,
        pool: &Pool,
        tree: &mut Tree,
        page: u64,
        head: &Option<TreeHead>,
    ) -> Result<(), LogError> {
        let first = page * u64::from(WIDTH);
        let size = head.map_or(0, |h| h.size.0);
        let width = (size - first).min(u64::from(WIDTH)) as u16;
        let resource = TilePath::Entries { index: page, width };
        let bytes = self.store.disk.read(&self.store.path(resource)).unwrap_or_default();
        let leaves = match Bundle::parse(&bytes, width) {
            Ok(bundle) => bundle.entries().map(leaf_hash).collect(),
            Err(error) => {
                let expected = format!("a bundle of {width} entries");
                self.damage(&resource.to_string(), &expected, &error.to_string());
                self.broken = true;
                Vec::new()
            }
        };
        let bundle_is_whole = !leaves.is_empty();
        let (kept, damages) = tree.push_page(&self.store, page, width, leaves, head);
        for damage in damages {
            self.broken |= damage.object.contains("entries");
            self.report.damages.push(damage);
        }
        self.report.tiles += 1;
        let full = tree.compare_completed(&self.store);
        self.note_tiles(full);
        if bundle_is_whole {
            let first_kept = self.store.min_index().max(first);
            self.entries(pool, &resource.to_string(), first, first_kept, bytes, &kept, None)?;
        }
        Ok(())
    }

    /// Judges entries in order, and hands their signatures to all cores. Without a time, the
    /// entries' times are durable.
    #[expect(clippy::too_many_arguments, reason = "a page of entries, in parts")]
    fn entries(
        &mut self,
        pool: &Pool,
        object: &str,
        first: u64,
        first_kept: u64,
        bytes: Vec<u8>,
        leaves: &[Hash],
        received_ms: Option<u64>,
    ) -> Result<(), LogError> {
        let mut keys: Vec<Option<PublicKey>> = Vec::with_capacity(leaves.len());
        let mut rest = bytes.as_slice();
        let mut index = first;
        while !rest.is_empty() {
            let (bundled, after) = split_bundled(rest);
            rest = after;
            let mut key = None;
            if index >= first_kept {
                key = self.judge(object, index, &bundled[2..]);
                let ms = match received_ms {
                    Some(ms) => Some(ms),
                    None => self.times.at(&self.store, index)?,
                };
                self.last_ms = ms.unwrap_or(self.last_ms);
                self.watch.entry(index, &bundled[2..], ms);
            }
            keys.push(key);
            self.report.entries += u64::from(index >= first_kept);
            index += 1;
        }
        if self.registry.is_some() {
            pool.submit(Chunk { object: object.to_owned(), first, bytes, keys });
        }
        Ok(())
    }

    /// The key that must have signed an entry, after its registration was judged and applied.
    fn judge(&mut self, object: &str, index: u64, entry: &[u8]) -> Option<PublicKey> {
        self.snapshot(index);
        let ordered = index >= self.ordered_from && !self.broken;
        let signed = self.registry.as_mut()?;
        let name = || format!("{object} entry {index}");
        let parsed = match Parsed::parse(entry) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.damage(&name(), "a statement", &error.to_string());
                return None;
            }
        };
        let registry = &mut signed.registry;
        if !ordered {
            self.report.unordered += 1;
            let key = registry.keys.key_for(parsed.kid()).map(|view| view.key);
            // Without order, trust statements still bring the keys that later ones need.
            if index >= self.ordered_from
                && let Ok(candidate) = signed.candidate(&parsed)
            {
                let _ = signed.registry.apply(&candidate, &parsed, LeafIndex(index));
            }
            return key;
        }
        match judge_in_order(signed, &parsed, index) {
            Ok(key) => Some(key),
            Err(got) => {
                let key = signed.registry.keys.key_for(parsed.kid()).map(|view| view.key);
                self.damage(&name(), ADMITTED, &got);
                key
            }
        }
    }

    /// Compares the snapshot that was taken at `size` entries, if nothing before was lost.
    fn snapshot(&mut self, size: u64) {
        let (Some(snapshots), Some(signed)) = (&mut self.snapshots, &self.registry) else { return };
        if let Some(found) = snapshots.compare(&self.store, size, &signed.registry)
            && !self.broken
        {
            self.report.damages.push(found);
        }
    }

    fn note_tiles(&mut self, (count, damages): (u64, Vec<Damage>)) {
        self.report.tiles += count;
        self.report.damages.extend(damages);
    }

    fn damage(&mut self, object: &str, expected: &str, got: &str) {
        self.report.damages.push(damage(object, expected, got));
    }

    fn tell(&mut self, total: u64) {
        let (entries, damages) = (self.report.entries, self.report.damages.len());
        self.watch.progress(FsckProgress { entries, total, damages });
    }
}

/// What is expected of a statement in its place.
const ADMITTED: &str = "a statement that the rules admit here";

/// Whether a damaged object is this entry.
fn is_of_entry(object: &str, index: u64) -> bool {
    object.rsplit_once(" entry ").is_some_and(|(_, number)| number.parse() == Ok(index))
}

/// Asks the rules in the state after all entries before, and applies the statement.
fn judge_in_order(
    signed: &mut SignedLog,
    parsed: &Parsed<'_>,
    index: u64,
) -> Result<PublicKey, String> {
    let registry = &mut signed.registry;
    let first = !registry.has_genesis();
    let (key, candidate) = if first {
        let key = Registry::genesis_key(parsed).map_err(|e| e.to_string())?;
        (key, firmlog_verify::registry::Candidate::genesis(parsed))
    } else {
        let (view, candidate) = registry.keys.resolve(parsed).map_err(|e| e.to_string())?;
        (view.key, candidate)
    };
    match registry.admit(&candidate) {
        Decision::Append | Decision::Fork { .. } | Decision::Earlier { .. } => {}
        Decision::Duplicate { index } => return Err(format!("entry {index} once more")),
        Decision::Gap { have } => return Err(format!("a gap after sequence {}", have.next)),
        Decision::Refuse(rule) => return Err(rule.to_string()),
    }
    if candidate.kind == Kind::Trust {
        registry.judge_trust(parsed).map_err(|e| e.to_string())?;
    }
    registry.apply(&candidate, parsed, LeafIndex(index)).map_err(|e| e.to_string())?;
    Ok(key)
}
