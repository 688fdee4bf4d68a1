//! Trees up to 300 leaves, completely: every root, every inclusion proof, every consistency
//! proof, against the recursive definitions of RFC 6962 §2.1 written out here.
//!
//! Invariant: the recursion below shares no code with the crate but SHA-256 itself.

use std::cell::RefCell;
use std::collections::HashMap;

use firmlog_tlog::merkle::{
    BuildError, CompactRange, Hash, LeafIndex, NodeSource, ProofError, TreeHead, TreeSize,
    consistency_proof, empty_root, inclusion_proof, leaf_hash, root, verify_consistency,
    verify_inclusion,
};
use firmlog_tlog::tile::{TileId, TileNodes, tiles_of_tree};
use sha2::{Digest, Sha256};

const LEAVES: u64 = 300;

#[test]
fn every_root() {
    let reference = Reference::new(LEAVES);
    let mut range = CompactRange::new();
    let mut nodes = Nodes::default();
    for size in 0..=LEAVES {
        assert_eq!(range.root(), reference.root(size), "size {size}");
        assert_eq!(root(&mut nodes, TreeSize(size)), Ok(reference.root(size)));
        if size < LEAVES {
            range.push(reference.leaf(size), |l, i, h| {
                assert!(nodes.0.insert((l, i), *h).is_none())
            });
        }
    }
}

#[test]
fn every_inclusion_proof() {
    let reference = Reference::new(LEAVES);
    let mut nodes = reference.nodes();
    for size in 1..=LEAVES {
        let head = reference.head(size);
        for index in 0..size {
            let proof = inclusion_proof(&mut nodes, index.into(), size.into()).unwrap();
            assert_eq!(proof, reference.path(index, 0, size), "{index} in {size}");
            let verdict = verify_inclusion(index.into(), &reference.leaf(index), &head, &proof);
            assert_eq!(verdict, Ok(()), "{index} in {size}");
        }
        let outside = inclusion_proof(&mut nodes, size.into(), size.into());
        assert_eq!(outside, Err(BuildError::IndexOutsideTree));
    }
}

#[test]
fn every_consistency_proof() {
    let reference = Reference::new(LEAVES);
    let mut nodes = reference.nodes();
    for new in 0..=LEAVES {
        for old in 0..=new {
            let proof = consistency_proof(&mut nodes, old.into(), new.into()).unwrap();
            assert_eq!(proof, reference.consistency(old, new), "{old} to {new}");
            let verdict = verify_consistency(&reference.head(old), &reference.head(new), &proof);
            assert_eq!(verdict, Ok(()), "{old} to {new}");
        }
        let shrinking = consistency_proof(&mut nodes, (new + 1).into(), new.into());
        assert_eq!(shrinking, Err(BuildError::OldTreeLarger));
    }
}

/// Every way of spoiling a proof, for every proof: each hash wrong, missing, repeated, and each
/// two swapped; and another leaf, root or index. All are refused, each by its own rule.
#[test]
fn spoiled_inclusion_proofs_are_refused() {
    let reference = Reference::new(LEAVES);
    for size in 1..=LEAVES {
        let head = reference.head(size);
        let other_root = TreeHead { root: flipped(head.root), ..head };
        for index in 0..size {
            let (leaf, proof) = (reference.leaf(index), reference.path(index, 0, size));
            let check = |leaf: &Hash, head: &TreeHead, proof: &[Hash]| {
                verify_inclusion(LeafIndex(index), leaf, head, proof)
            };
            for (refusal, spoiled) in spoil(&proof) {
                assert_eq!(check(&leaf, &head, &spoiled), Err(refusal), "{index} in {size}");
            }
            assert_eq!(check(&flipped(leaf), &head, &proof), Err(ProofError::RootMismatch));
            assert_eq!(check(&leaf, &other_root, &proof), Err(ProofError::RootMismatch));
            let outside = verify_inclusion(LeafIndex(size), &leaf, &head, &proof);
            assert_eq!(outside, Err(ProofError::IndexOutsideTree));
        }
    }
}

/// A proof of one leaf proves no other: every other index, in trees of every shape.
#[test]
fn inclusion_proofs_are_of_one_index() {
    let reference = Reference::new(LEAVES);
    for size in (1..=70).chain([127, 128, 129, 255, 256, 257, 300]) {
        let head = reference.head(size);
        for index in 0..size {
            let (leaf, proof) = (reference.leaf(index), reference.path(index, 0, size));
            for other in (0..size + 3).filter(|other| *other != index) {
                let verdict = verify_inclusion(LeafIndex(other), &leaf, &head, &proof);
                assert!(verdict.is_err(), "{index} as {other} in {size}");
            }
        }
    }
}

#[test]
fn spoiled_consistency_proofs_are_refused() {
    let reference = Reference::new(LEAVES);
    for new in 1..=LEAVES {
        for old in 1..=new {
            let proof = reference.consistency(old, new);
            let (from, to) = (reference.head(old), reference.head(new));
            for (refusal, spoiled) in spoil(&proof) {
                let verdict = verify_consistency(&from, &to, &spoiled);
                // A wrong hash may miss the old root before it misses the new one.
                let old_root = refusal == ProofError::RootMismatch
                    && verdict == Err(ProofError::OldRootMismatch);
                assert!(verdict == Err(refusal) || old_root, "{old} to {new}: {verdict:?}");
            }
            let from_other = TreeHead { root: flipped(from.root), ..from };
            let to_other = TreeHead { root: flipped(to.root), ..to };
            assert!(verify_consistency(&from_other, &to, &proof).is_err(), "{old} to {new}");
            assert!(verify_consistency(&from, &to_other, &proof).is_err(), "{old} to {new}");
            if old < new {
                let backwards = verify_consistency(&to, &from, &proof);
                assert_eq!(backwards, Err(ProofError::OldTreeLarger));
            }
        }
    }
}

/// A root belongs to one size: every other old size, in trees of every shape.
#[test]
fn consistency_proofs_are_of_one_old_size() {
    let reference = Reference::new(LEAVES);
    for new in (1..=70).chain([127, 128, 129, 255, 256, 257, 300]) {
        for old in 1..=new {
            let proof = reference.consistency(old, new);
            let (from, to) = (reference.head(old), reference.head(new));
            for wrong in (1..=new).filter(|wrong| *wrong != old) {
                let from = TreeHead { size: TreeSize(wrong), ..from };
                let verdict = verify_consistency(&from, &to, &proof);
                assert!(verdict.is_err(), "{old} as {wrong} to {new}");
            }
        }
    }
}

#[test]
fn empty_and_equal_trees() {
    let reference = Reference::new(5);
    let (empty, five) = (TreeHead::empty(), reference.head(5));
    assert_eq!(verify_consistency(&empty, &empty, &[]), Ok(()));
    assert_eq!(verify_consistency(&empty, &five, &[]), Ok(()));
    assert_eq!(verify_consistency(&empty, &five, &[five.root]), Err(ProofError::TooLong));
    assert_eq!(verify_consistency(&five, &five, &[five.root]), Err(ProofError::TooLong));
    let fake = TreeHead { size: TreeSize(0), root: five.root };
    assert_eq!(verify_consistency(&fake, &five, &[]), Err(ProofError::EmptyTreeHasRoot));
    let twin = TreeHead { root: flipped(five.root), ..five };
    assert_eq!(verify_consistency(&five, &twin, &[]), Err(ProofError::SameSizeOtherRoot));
    let in_nothing = verify_inclusion(LeafIndex(0), &empty_root(), &empty, &[]);
    assert_eq!(in_nothing, Err(ProofError::IndexOutsideTree));
}

/// Proofs from tiles equal proofs from nodes: every size, every leaf, every older size; and
/// for a tree of three tile levels, samples of each.
#[test]
fn proofs_from_tiles_equal_proofs_from_nodes() {
    let reference = Reference::new(LEAVES);
    let mut nodes = reference.nodes();
    for size in 1..=LEAVES {
        let all: Vec<u64> = (0..size).collect();
        compare_tiles(&mut nodes, size, &all);
    }
    let mut large = Nodes::grown(66_000);
    for size in [65_535, 65_536, 65_537, 65_792, 66_000] {
        let samples = (0..size).step_by(1_001).chain([255, 256, 257, size - 2, size - 1]);
        compare_tiles(&mut large, size, &samples.collect::<Vec<_>>());
    }
}

fn compare_tiles(nodes: &mut Nodes, size: u64, indexes: &[u64]) {
    let size = TreeSize(size);
    let tiles = nodes.tiles(size.0);
    let fetches = RefCell::new(0);
    let fetch = |id: TileId| {
        *fetches.borrow_mut() += 1;
        tiles.get(&id).cloned().ok_or("no such tile")
    };
    let mut from_tiles = TileNodes::new(size, fetch);
    assert_eq!(root(&mut from_tiles, size), Ok(root(&mut *nodes, size).unwrap()));
    for index in indexes {
        let direct = inclusion_proof(&mut *nodes, LeafIndex(*index), size).unwrap();
        assert_eq!(inclusion_proof(&mut from_tiles, LeafIndex(*index), size), Ok(direct));
        let direct = consistency_proof(&mut *nodes, TreeSize(*index), size).unwrap();
        assert_eq!(consistency_proof(&mut from_tiles, TreeSize(*index), size), Ok(direct));
    }
}

#[test]
fn a_full_tile_stands_in_for_a_deleted_partial_one() {
    let mut nodes = Nodes::grown(300);
    let full = nodes.tiles(256)[&TileId { level: 0, index: 0, width: 256 }].clone();
    let fetch = |_: TileId| Ok::<_, &str>(full.clone());
    let proof = inclusion_proof(TileNodes::new(TreeSize(100), fetch), LeafIndex(3), TreeSize(100));
    assert_eq!(proof, Ok(inclusion_proof(&mut nodes, LeafIndex(3), TreeSize(100)).unwrap()));
    let short = |_: TileId| Ok::<_, &str>(vec![0; 99 * 32]);
    let refused =
        inclusion_proof(TileNodes::new(TreeSize(100), short), LeafIndex(3), TreeSize(100));
    assert!(matches!(refused, Err(BuildError::Source(_))));
}

/// Proofs that differ from the right one in one way each, and the rule each breaks.
fn spoil(proof: &[Hash]) -> Vec<(ProofError, Vec<Hash>)> {
    let mut all = Vec::new();
    for i in 0..proof.len() {
        let mut wrong = proof.to_vec();
        wrong[i] = flipped(wrong[i]);
        all.push((ProofError::RootMismatch, wrong));
        let mut without = proof.to_vec();
        without.remove(i);
        all.push((ProofError::TooShort, without));
        for j in i + 1..proof.len() {
            let mut swapped = proof.to_vec();
            swapped.swap(i, j);
            all.push((ProofError::RootMismatch, swapped));
        }
    }
    for i in 0..=proof.len() {
        let mut extended = proof.to_vec();
        extended.insert(i, proof.get(i).copied().unwrap_or_else(empty_root));
        all.push((ProofError::TooLong, extended));
    }
    all
}

fn flipped(hash: Hash) -> Hash {
    let mut bytes = hash.0;
    bytes[31] ^= 1;
    Hash(bytes)
}

/// Perfect subtrees by level and index.
#[derive(Default)]
struct Nodes(HashMap<(u8, u64), Hash>);

impl Nodes {
    fn grown(size: u64) -> Self {
        let mut nodes = Self::default();
        let mut range = CompactRange::new();
        for i in 0..size {
            range.push(leaf_hash(&entry(i)), |l, i, h| {
                nodes.0.insert((l, i), *h);
            });
        }
        nodes
    }

    fn tiles(&self, size: u64) -> HashMap<TileId, Vec<u8>> {
        let hashes = |id: TileId| {
            let first = id.index * 256;
            let node = move |i| self.0[&(id.level * 8, i)].0;
            (first..first + u64::from(id.width)).flat_map(node).collect()
        };
        tiles_of_tree(size).map(|id| (id, hashes(id))).collect()
    }
}

impl NodeSource for Nodes {
    type Error = (u8, u64);

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        self.0.get(&(level, index)).copied().ok_or((level, index))
    }
}

fn entry(index: u64) -> Vec<u8> {
    index.to_be_bytes().repeat(1 + (index % 5) as usize)
}

/// RFC 6962 §2.1 as it is written, with the subtree hashes remembered.
struct Reference {
    leaves: Vec<Hash>,
    known: RefCell<HashMap<(u64, u64), Hash>>,
}

impl Reference {
    fn new(size: u64) -> Self {
        let hash = |i| sha256(&[&[0], &entry(i)]);
        Self { leaves: (0..size).map(hash).collect(), known: RefCell::default() }
    }

    fn nodes(&self) -> Nodes {
        Nodes::grown(self.leaves.len() as u64)
    }

    fn leaf(&self, index: u64) -> Hash {
        self.leaves[index as usize]
    }

    fn root(&self, size: u64) -> Hash {
        self.mth(0, size)
    }

    fn head(&self, size: u64) -> TreeHead {
        TreeHead { size: TreeSize(size), root: self.root(size) }
    }

    /// MTH(D[start:end]).
    fn mth(&self, start: u64, end: u64) -> Hash {
        match end - start {
            0 => return sha256(&[]),
            1 => return self.leaf(start),
            _ => {}
        }
        if let Some(known) = self.known.borrow().get(&(start, end)) {
            return *known;
        }
        let k = split(end - start);
        let (left, right) = (self.mth(start, start + k), self.mth(start + k, end));
        let hash = sha256(&[&[1], &left.0, &right.0]);
        self.known.borrow_mut().insert((start, end), hash);
        hash
    }

    /// PATH(index, D[start:end]).
    fn path(&self, index: u64, start: u64, end: u64) -> Vec<Hash> {
        if end - start == 1 {
            return Vec::new();
        }
        let middle = start + split(end - start);
        let (mut path, sibling) = if index < middle {
            (self.path(index, start, middle), self.mth(middle, end))
        } else {
            (self.path(index, middle, end), self.mth(start, middle))
        };
        path.push(sibling);
        path
    }

    /// PROOF(old, D[new]), empty where the RFC defines none.
    fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        if old == 0 || old == new { Vec::new() } else { self.subproof(old, 0, new, true) }
    }

    /// SUBPROOF(m, D[start:end], whole).
    fn subproof(&self, m: u64, start: u64, end: u64, whole: bool) -> Vec<Hash> {
        let n = end - start;
        if m == n {
            return if whole { Vec::new() } else { vec![self.mth(start, end)] };
        }
        let k = split(n);
        let (mut proof, sibling) = if m <= k {
            (self.subproof(m, start, start + k, whole), self.mth(start + k, end))
        } else {
            (self.subproof(m - k, start + k, end, false), self.mth(start, start + k))
        };
        proof.push(sibling);
        proof
    }
}

/// The largest power of two below `n`.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Hash(hasher.finalize().0)
}
