//! A log in memory: a tree over entries, a checkpoint key, two witnesses.

use std::convert::Infallible;

use firmlog_statement::Signer as _;
use firmlog_tlog::checkpoint::{self, Checkpoint};
use firmlog_tlog::cosignature;
use firmlog_tlog::merkle::{
    CompactRange, Hash, LeafIndex, NodeSource, TreeHead, TreeSize, consistency_proof,
    inclusion_proof, leaf_hash,
};
use firmlog_tlog::note::{Algorithm, NoteSigner, SignerError, VerifierKey};
use firmlog_tlog::policy::Policy;
use firmlog_verify::TrustRoot;
use firmlog_verify::bundle::{Bundle, Entry};

use super::{Key, ORIGIN};

pub(crate) struct Named {
    pub(crate) key: Key,
    verifier: VerifierKey,
}

impl Named {
    pub(crate) fn new(n: u8, name: &str, algorithm: Algorithm) -> Self {
        let key = Key::ed25519(n);
        let firmlog_statement::PublicKey::Ed25519(public) = key.public_key() else { panic!() };
        Self { key, verifier: VerifierKey::new(name, algorithm, public).unwrap() }
    }
}

impl NoteSigner for Named {
    fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        firmlog_statement::Signer::sign(&self.key, message).map_err(|_| SignerError::Refused)
    }
}

pub(crate) struct TestLog {
    pub(crate) log: Named,
    pub(crate) witnesses: [Named; 2],
    pub(crate) entries: Vec<Vec<u8>>,
}

struct Leaves(Vec<Hash>);

impl NodeSource for Leaves {
    type Error = Infallible;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        let width = 1 << level;
        let start = index as usize * width;
        Ok(root_of(&self.0[start..start + width]).root)
    }
}

fn root_of(leaves: &[Hash]) -> TreeHead {
    let mut range = CompactRange::new();
    for leaf in leaves {
        range.push(*leaf, |_, _, _| {});
    }
    range.head()
}

impl TestLog {
    pub(crate) fn new(entries: Vec<Vec<u8>>) -> Self {
        Self {
            log: Named::new(100, ORIGIN, Algorithm::Ed25519),
            witnesses: [
                Named::new(101, "witness.example/a", Algorithm::CosignatureV1),
                Named::new(102, "witness.example/b", Algorithm::CosignatureV1),
            ],
            entries,
        }
    }

    fn leaves(&self, size: usize) -> Vec<Hash> {
        self.entries[..size].iter().map(|entry| leaf_hash(entry)).collect()
    }

    pub(crate) fn head(&self, size: usize) -> TreeHead {
        root_of(&self.leaves(size))
    }

    /// A checkpoint, cosigned by the first `witnesses`.
    pub(crate) fn checkpoint(&self, size: usize, witnesses: usize) -> String {
        self.sign(self.head(size), witnesses)
    }

    pub(crate) fn sign(&self, head: TreeHead, witnesses: usize) -> String {
        let body = Checkpoint::new(ORIGIN, head);
        let mut note = checkpoint::sign(&body, &self.log).unwrap();
        for witness in &self.witnesses[..witnesses] {
            note += &cosignature::cosign(&body.encode(), 1_790_000_000, witness).unwrap();
        }
        note
    }

    pub(crate) fn path(&self, index: usize, size: usize) -> Vec<Hash> {
        let leaves = Leaves(self.leaves(size));
        inclusion_proof(leaves, LeafIndex(index as u64), TreeSize(size as u64)).unwrap()
    }

    pub(crate) fn consistency(&self, old: usize, new: usize) -> Vec<Hash> {
        let leaves = Leaves(self.leaves(new));
        consistency_proof(leaves, TreeSize(old as u64), TreeSize(new as u64)).unwrap()
    }

    /// Two witnesses known, as many asked for as `quorum` says.
    pub(crate) fn root(&self, quorum: &str) -> TrustRoot {
        let [a, b] = &self.witnesses;
        let policy = format!(
            "log {}\nwitness a {}\nwitness b {}\ngroup both all a b\nquorum {quorum}\n",
            self.log.verifier, a.verifier, b.verifier
        );
        let policy = Policy::parse(policy.as_bytes()).unwrap();
        TrustRoot::new(leaf_hash(&self.entries[0]), policy).unwrap()
    }

    /// The entries with these indices under a checkpoint of everything, after one of half.
    pub(crate) fn bundle(&self, indices: &[usize]) -> Bundle {
        let size = self.entries.len();
        let half = size / 2;
        let entries = indices.iter().map(|&index| Entry {
            index: LeafIndex(index as u64),
            bytes: self.entries[index].clone(),
            path: self.path(index, size),
        });
        Bundle {
            origin: ORIGIN.into(),
            checkpoints: vec![self.checkpoint(half, 0), self.checkpoint(size, 2)],
            consistency: vec![self.consistency(half, size)],
            entries: entries.collect(),
            ..Bundle::default()
        }
    }

    pub(crate) fn whole(&self) -> Bundle {
        self.bundle(&(0..self.entries.len()).collect::<Vec<_>>())
    }
}
