//! What the Solidity tests compare `Rfc6962.sol` with: this crate's proofs and refusals.
//!
//! ```text
//! contract_fixtures DIR
//! DIR/roots.bin       the roots of sizes 0 to 300, 32 bytes each
//! DIR/tree_NNN.bin    every proof into the tree of NNN entries: old sizes 0 to NNN, then indexes
//! DIR/million.json    roots and proofs at a million entries, for gas
//! ```
//!
//! A proof is a count, the refusal of its spoiled twin, and the hashes. How a twin is spoiled
//! follows from the two numbers alone (`Spoil`), and the Solidity test spoils it likewise.
//! Entry `i` is `i` as eight big-endian bytes.
//!
//! `cargo xtask contracts` runs this; nothing it writes is kept in the repository.

use std::path::Path;
use std::{env, fs, io};

use firmlog_tlog::merkle::{
    CompactRange, Hash, LeafIndex, NodeSource, ProofError, TreeHead, TreeSize, consistency_proof,
    inclusion_proof, leaf_hash, root, verify_consistency, verify_inclusion,
};

const LARGEST: u64 = 300;
const MILLION: u64 = 1_000_000;

fn main() -> io::Result<()> {
    let dir = env::args().nth(1).ok_or_else(|| io::Error::other("usage: contract_fixtures DIR"))?;
    let dir = Path::new(&dir);
    fs::create_dir_all(dir)?;
    let mut tree = Tree::of(MILLION);
    let roots: Vec<u8> = (0..=LARGEST).flat_map(|size| tree.head(size).root.0).collect();
    fs::write(dir.join("roots.bin"), roots)?;
    for size in 1..=LARGEST {
        fs::write(dir.join(format!("tree_{size:03}.bin")), proofs_into(&mut tree, size))?;
    }
    fs::write(dir.join("million.json"), million(&mut tree))
}

fn proofs_into(tree: &mut Tree, size: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for old in 0..=size {
        let proof = tree.consistency(old, size);
        let (old_head, new_head) = (tree.head(old), tree.head(size));
        assert_eq!(verify_consistency(&old_head, &new_head, &proof), Ok(()));
        let refusal = spoiled_consistency(old_head, new_head, proof.clone());
        put(&mut out, &proof, refusal);
    }
    for index in 0..size {
        let proof = tree.inclusion(index, size);
        let (leaf, head) = (leaf(index), tree.head(size));
        assert_eq!(verify_inclusion(LeafIndex(index), &leaf, &head, &proof), Ok(()));
        let refusal = spoiled_inclusion(index, leaf, head, proof.clone());
        put(&mut out, &proof, refusal);
    }
    out
}

fn put(out: &mut Vec<u8>, proof: &[Hash], refusal: u8) {
    out.push(u8::try_from(proof.len()).expect("a proof has at most 64 hashes"));
    out.push(refusal);
    out.extend(proof.iter().flat_map(|hash| hash.0));
}

fn spoiled_consistency(mut old: TreeHead, mut new: TreeHead, mut proof: Vec<Hash>) -> u8 {
    match Spoil::of(old.size.0, new.size.0) {
        Spoil::FirstRoot => flip(Some(&mut old.root)),
        Spoil::SecondRoot => flip(Some(&mut new.root)),
        Spoil::Size => (old.size, new.size) = (new.size, old.size),
        spoil => spoil.proof(&mut proof),
    }
    code(verify_consistency(&old, &new, &proof))
}

fn spoiled_inclusion(index: u64, mut leaf: Hash, mut head: TreeHead, mut proof: Vec<Hash>) -> u8 {
    let mut index = LeafIndex(index);
    match Spoil::of(index.0, head.size.0) {
        Spoil::FirstRoot => flip(Some(&mut leaf)),
        Spoil::SecondRoot => flip(Some(&mut head.root)),
        Spoil::Size => index = LeafIndex(head.size.0.wrapping_sub(index.0)),
        spoil => spoil.proof(&mut proof),
    }
    code(verify_inclusion(index, &leaf, &head, &proof))
}

/// What is wrong with a proof's twin.
enum Spoil {
    FirstHash,
    LastHash,
    Shortened,
    Lengthened,
    FirstRoot,
    SecondRoot,
    Size,
}

impl Spoil {
    fn of(first: u64, size: u64) -> Self {
        match (first * 31 + size) % 7 {
            0 => Self::FirstHash,
            1 => Self::LastHash,
            2 => Self::Shortened,
            3 => Self::Lengthened,
            4 => Self::FirstRoot,
            5 => Self::SecondRoot,
            _ => Self::Size,
        }
    }

    fn proof(&self, proof: &mut Vec<Hash>) {
        match self {
            Self::FirstHash => flip(proof.first_mut()),
            Self::LastHash => flip(proof.last_mut()),
            Self::Shortened => drop(proof.pop()),
            _ => proof.push(leaf(0)),
        }
    }
}

fn flip(hash: Option<&mut Hash>) {
    if let Some(hash) = hash {
        hash.0[31] ^= 1;
    }
}

/// 0 for an accepted proof, else the refusal's number.
fn code(result: Result<(), ProofError>) -> u8 {
    let refusal = result.err().map_or(0, ProofError::code);
    u8::try_from(refusal).expect("refusals have small numbers")
}

/// The heads and proofs that gas is measured with.
fn million(tree: &mut Tree) -> String {
    let index = 123_456;
    let fields = [
        format!("\"leaf\": {}", quoted(leaf(index))),
        format!("\"index\": {index}"),
        format!("\"inclusion\": {}", list(&tree.inclusion(index, MILLION))),
        format!("\"root899999\": {}", quoted(tree.head(899_999).root)),
        format!("\"root900000\": {}", quoted(tree.head(900_000).root)),
        format!("\"root1000000\": {}", quoted(tree.head(MILLION).root)),
        format!("\"from899999\": {}", list(&tree.consistency(899_999, MILLION))),
        format!("\"from900000\": {}", list(&tree.consistency(900_000, MILLION))),
    ];
    format!("{{\n{}\n}}\n", fields.join(",\n"))
}

fn list(hashes: &[Hash]) -> String {
    format!("[{}]", hashes.iter().map(|hash| quoted(*hash)).collect::<Vec<_>>().join(", "))
}

fn quoted(hash: Hash) -> String {
    format!("\"0x{hash}\"")
}

fn leaf(index: u64) -> Hash {
    leaf_hash(&index.to_be_bytes())
}

/// All perfect subtrees, by level.
struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    fn of(size: u64) -> Self {
        let mut levels = vec![Vec::new(); 64];
        let mut range = CompactRange::new();
        for index in 0..size {
            range.push(leaf(index), |level, _, hash| levels[usize::from(level)].push(*hash));
        }
        Self { levels }
    }

    fn head(&mut self, size: u64) -> TreeHead {
        let size = TreeSize(size);
        TreeHead { size, root: root(self, size).expect("the tree is large enough") }
    }

    fn consistency(&mut self, old: u64, new: u64) -> Vec<Hash> {
        consistency_proof(self, TreeSize(old), TreeSize(new)).expect("old is not larger")
    }

    fn inclusion(&mut self, index: u64, size: u64) -> Vec<Hash> {
        inclusion_proof(self, LeafIndex(index), TreeSize(size)).expect("the index is inside")
    }
}

impl NodeSource for Tree {
    type Error = String;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, String> {
        let level = self.levels.get(usize::from(level));
        let index = usize::try_from(index).map_err(|error| error.to_string())?;
        let node = level.and_then(|nodes| nodes.get(index));
        node.copied().ok_or_else(|| format!("no node {index}"))
    }
}
