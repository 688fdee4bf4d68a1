//! Model: a witness, a log with two histories and one key, and a disk that breaks as it likes.
//!
//! Whatever is offered in whatever order, with crashes between: of all checkpoints the witness ever
//! cosigned, each extends the one before.

#![no_main]

#[path = "../../crates/log/tests/world/mod.rs"]
mod world;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use firmlog_log::fault::{Fault, FaultDisk, FaultKind, Op};
use firmlog_log::witness::WitnessStore;
use firmlog_tlog::checkpoint::Checkpoint;
use firmlog_tlog::merkle::{
    CompactRange, Hash, NodeSource, ProofError, TreeHead, TreeSize, consistency_proof, leaf_hash,
};
use firmlog_tlog::note::{Algorithm, NoteSigner as _, sign_note};
use firmlog_tlog::witness::AddCheckpoint;
use firmlog_verify::RustCrypto;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use world::{ORIGIN, key, named_key};

/// Leaves of each history; they part at [`FORK`].
const LEAVES: usize = 24;
const FORK: usize = 9;

#[derive(Arbitrary, Debug)]
enum Step {
    Offer { tree: bool, size: u8, old: u8 },
    Break { kind: u8, nth: u8 },
    Kill,
    PowerCut(u16),
}

struct Tree {
    leaves: Vec<Hash>,
    /// Signed checkpoints by size.
    checkpoints: Vec<String>,
}

static TREES: LazyLock<[Tree; 2]> = LazyLock::new(|| [tree(0), tree(1)]);

fuzz_target!(|steps: Vec<Step>| {
    let mut disk = FaultDisk::new();
    let mut store = Some(open(&disk));
    let mut cosigned: Vec<(usize, usize)> = Vec::new();
    for step in steps.into_iter().take(24) {
        match step {
            Step::Offer { tree, size, old } => {
                let (tree, size) = (usize::from(tree), usize::from(size) % (LEAVES + 1));
                let store = store.as_ref().expect("it was opened again");
                if offer(store, tree, size, usize::from(old) % (size + 1)) {
                    cosigned.iter().for_each(|old| assert_extends(*old, (tree, size)));
                    cosigned.push((tree, size));
                }
                continue;
            }
            Step::Break { kind, nth } => {
                disk.inject(fault(kind, nth));
                continue;
            }
            Step::Kill => disk = disk.killed(),
            Step::PowerCut(seed) => disk = disk.power_cut(u64::from(seed)),
        }
        drop(store.take());
        store = Some(open(&disk));
    }
});

fn assert_extends((old_tree, old): (usize, usize), (tree, new): (usize, usize)) {
    assert!(old <= new, "{new} was cosigned after {old}");
    assert!(old_tree == tree || old <= FORK, "cosigned {old} of one history and {new} of another");
}

fn open(disk: &FaultDisk) -> WitnessStore {
    let logs = vec![(ORIGIN.to_owned(), vec![key().verifier_key().clone()])];
    // Begun once; later it is there.
    let _ = WitnessStore::init_on(disk, Path::new("/w"), &[ORIGIN]);
    WitnessStore::open_on(Arc::new(disk.clone()), Path::new("/w"), logs).expect("it opens")
}

/// Whether the witness cosigned.
fn offer(store: &WitnessStore, tree: usize, size: usize, old: usize) -> bool {
    let tree = &TREES[tree];
    let (from, to) = (TreeSize(old as u64), TreeSize(size as u64));
    let proof = match old {
        0 => Vec::new(),
        _ => consistency_proof(Nodes(&tree.leaves), from, to).expect("old is inside"),
    };
    let request = AddCheckpoint { old: from, proof, checkpoint: &tree.checkpoints[size] };
    let signer = named_key("witness.example/1", Algorithm::CosignatureV1, 51);
    let reply = store.add_checkpoint(request.encode().as_bytes(), 1000, &signer, &RustCrypto);
    reply.is_ok_and(|reply| reply.status == 200)
}

fn fault(kind: u8, nth: u8) -> Fault {
    let kinds = [
        FaultKind::Failed,
        FaultKind::FailedPersisted,
        FaultKind::Torn,
        FaultKind::NoSpace,
        FaultKind::PowerCut,
    ];
    let kind = kinds[usize::from(kind) % kinds.len()];
    Fault { op: Op::Any, path: "/w".into(), nth: u64::from(nth % 8), times: 1, kind }
}

fn tree(which: u8) -> Tree {
    let leaf = |n: usize| leaf_hash(&[n as u8, if n < FORK { 0 } else { which }]);
    let leaves: Vec<Hash> = (0..LEAVES).map(leaf).collect();
    let signed = |size: usize| {
        let text = Checkpoint::new(ORIGIN, head(&leaves[..size])).encode();
        sign_note(&text, &[&key()]).expect("the key signs")
    };
    let checkpoints = (0..=LEAVES).map(signed).collect();
    Tree { leaves, checkpoints }
}

fn head(leaves: &[Hash]) -> TreeHead {
    let mut range = CompactRange::new();
    for leaf in leaves {
        range.push(*leaf, |_, _, _| {});
    }
    range.head()
}

struct Nodes<'a>(&'a [Hash]);

impl NodeSource for Nodes<'_> {
    type Error = ProofError;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let (width, first) = (1usize << level, (index as usize) << level);
        Ok(head(&self.0[first..first + width]).root)
    }
}
