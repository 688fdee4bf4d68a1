//! A log on a breakable disk, and the check that everything is as it should be.
#![allow(dead_code, clippy::allow_attributes, reason = "each test uses its part")]

pub(crate) mod kinds;
pub(crate) mod people;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};
use firmlog_log::fault::FaultDisk;
use firmlog_log::{
    AppendError, Batch, Committed, Config, FsckReport, Log, LogError, Outcome, Reader, fsck_on,
};
use firmlog_log::{RecoveryReport, Registration};
use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::{
    CompactRange, LeafIndex, TreeHead, TreeSize, leaf_hash, verify_consistency, verify_inclusion,
};
use firmlog_tlog::note::{Algorithm, NoteSigner, SignerError, VerifierKey};
use firmlog_tlog::tile::{Bundle, tiles_of_tree};

use firmlog_verify::crypto::{Crypto, RustCrypto};

pub(crate) const ORIGIN: &str = "log.example/test";

/// A checkpoint key.
pub(crate) struct Key {
    key: SigningKey,
    verifier: VerifierKey,
}

pub(crate) fn key() -> Key {
    named_key(ORIGIN, Algorithm::Ed25519, 7)
}

pub(crate) fn named_key(name: &str, algorithm: Algorithm, seed: u8) -> Key {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let verifier = VerifierKey::new(name, algorithm, key.verifying_key().to_bytes()).unwrap();
    Key { key, verifier }
}

impl NoteSigner for Key {
    fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        Ok(self.key.sign(message).to_bytes())
    }
}

/// Small limits, so that a few hundred entries cross every boundary.
pub(crate) fn small(dir: &Path) -> Config {
    let mut config = Config::new(dir, dir.join("record"), ORIGIN, Registration::Any);
    config.segment_bytes = 16 * 1024;
    config.batch_bytes_max = 8 * 1024;
    config.dedup_window = 4096;
    config.leaf_run_bits = 8;
    config.flush_interval = Duration::from_millis(1);
    config
}

/// What the outside has seen of a log: nothing of it may ever be unsaid.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) published: Arc<Mutex<Vec<(TreeHead, String)>>>,
    pub(crate) acknowledged: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
}

impl Seen {
    pub(crate) fn watch(&self, reader: &Reader) {
        let now = reader.published();
        self.published.lock().unwrap().push((now.head, now.checkpoint.clone()));
        let published = self.published.clone();
        reader.on_publish(move |p| published.lock().unwrap().push((p.head, p.checkpoint.clone())));
    }

    pub(crate) fn acknowledge(&self, entries: &[Vec<u8>], committed: &Committed) {
        let mut acknowledged = self.acknowledged.lock().unwrap();
        for (entry, outcome) in entries.iter().zip(&committed.outcomes) {
            let index = outcome.index().unwrap();
            assert!(index.0 < committed.published.head.size.0);
            let had = acknowledged.insert(index.0, entry.clone());
            assert!(had.is_none_or(|had| had == *entry), "two entries at {index}");
        }
    }
}

pub(crate) fn open(disk: &FaultDisk, config: &Config) -> Result<(Log, RecoveryReport), LogError> {
    let crypto = Arc::new(RustCrypto);
    Log::open_on(Arc::new(disk.clone()), config.clone(), Box::new(key()), crypto)
}

pub(crate) fn fresh(config: &Config) -> FaultDisk {
    let disk = FaultDisk::new();
    let genesis = people::genesis(config.registration);
    Log::create_on(Arc::new(disk.clone()), config, &genesis, &RustCrypto).unwrap();
    disk
}

pub(crate) fn append(
    log: &Log,
    seen: &Seen,
    entries: &[Vec<u8>],
) -> Result<Vec<Outcome>, AppendError> {
    let mut batch = Batch::default();
    entries.iter().for_each(|e| log.checker().push(&mut batch, e).unwrap());
    let committed = log.appender().append(batch)?;
    seen.acknowledge(entries, &committed);
    Ok(committed.outcomes)
}

/// Re-derives the whole tree from what the log serves and holds it against all that was seen.
pub(crate) fn check_log(reader: &Reader, seen: &Seen) {
    let published = reader.published();
    let head = published.head;
    let mut range = CompactRange::new();
    let (mut index, mut roots) = (0, BTreeMap::from([(0, range.root())]));
    let mut leaves = Vec::new();
    for page in 0..head.size.0.div_ceil(256) {
        let width = (head.size.0 - page * 256).min(256) as u16;
        let bytes = reader.bundle(page, width).unwrap();
        for entry in Bundle::parse(&bytes, width).unwrap().entries() {
            leaves.push(leaf_hash(entry));
            range.push(leaf_hash(entry), |_, _, _| {});
            index += 1;
            roots.insert(index, range.root());
        }
    }
    assert_eq!(range.head(), head, "the served entries are not the published tree");
    for id in tiles_of_tree(head.size.0) {
        let tile = reader.tile(id).unwrap();
        let hashes = tile.as_chunks::<32>().0;
        assert_eq!(hashes.len(), usize::from(id.width));
        for (i, hash) in (id.index * 256..).zip(hashes) {
            let span = 1u64 << (8 * id.level);
            let mut below = CompactRange::new();
            let part = &leaves[(i * span) as usize..((i + 1) * span) as usize];
            part.iter().for_each(|l| {
                below.push(*l, |_, _, _| {});
            });
            assert_eq!(below.root().0, *hash, "{} is not of this tree", id.path());
        }
    }
    for (old, checkpoint) in seen.published.lock().unwrap().iter() {
        assert!(old.size <= head.size, "a published tree of {} is gone", old.size);
        assert_eq!(roots[&old.size.0], old.root, "fork at size {}", old.size);
        let parsed = Unverified::parse(checkpoint.as_bytes()).unwrap();
        assert_eq!(parsed.verify(&RustCrypto, key().verifier_key()).unwrap().head(), *old);
    }
    let sample: Vec<TreeHead> = seen.published.lock().unwrap().iter().map(|p| p.0).collect();
    for old in sample.iter().step_by(1 + sample.len() / 20) {
        let proof = reader.consistency(old.size, head.size).unwrap();
        verify_consistency(old, &head, &proof).unwrap();
    }
    for (index, entry) in seen.acknowledged.lock().unwrap().iter() {
        let at = LeafIndex(*index);
        assert_eq!(reader.entry(at).ok().as_ref(), Some(entry), "entry {index} was acknowledged");
        if index % 17 == 0 {
            let proof = reader.inclusion(at, head.size).unwrap();
            verify_inclusion(at, &leaf_hash(entry), &head, &proof).unwrap();
            assert!(reader.received_ms(at).unwrap().is_some(), "entry {index} has no time");
        }
    }
}

/// What `fsck` says.
pub(crate) fn fsck(disk: &FaultDisk, config: &Config) -> FsckReport {
    let crypto: Arc<dyn Crypto> = Arc::new(RustCrypto);
    let disk = Arc::new(disk.clone());
    fsck_on(disk, config, key().verifier_key(), &crypto, &mut |_| {}).unwrap()
}

/// An entry like no other.
pub(crate) fn entry(n: u64) -> Vec<u8> {
    let mut out = format!("entry {n} ").into_bytes();
    out.resize(20 + (n * 37 % 90) as usize, b'.');
    out
}

pub(crate) fn size(reader: &Reader) -> TreeSize {
    reader.published().head.size
}
