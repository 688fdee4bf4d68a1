//! Inclusion and consistency proofs, from the recursive definitions of RFC 6962 §2.1.
//!
//! Small trees have real leaves. For the largest trees the proof is made up and the roots are
//! computed from it, which only needs the definition's shape; they show 64-bit sizes.
//!
//! Invariant: shares no tree code with the crate, only its `Hash` for showing.

use firmlog_tlog::merkle::Hash;
use sha2::{Digest, Sha256};

use crate::file::Vector;

pub(crate) fn vectors() -> Vec<Vector> {
    [inclusions(), spoiled_inclusions(), consistencies(), spoiled_consistencies()].concat()
}

pub(crate) fn base64(hash: &Hash) -> String {
    hash.base64().to_string()
}

/// The hash of the `index`th leaf: its entry is the index as eight big-endian bytes.
pub(crate) fn leaf(index: u64) -> Hash {
    sha256(&[&[0], &index.to_be_bytes()])
}

/// MTH(D[0:size]).
pub(crate) fn root(size: u64) -> Hash {
    mth(0, size)
}

/// PATH(index, D[0:size]).
pub(crate) fn path(index: u64, size: u64) -> Vec<Hash> {
    path_in(index, 0, size)
}

fn inclusions() -> Vec<Vector> {
    let small = [
        (0, 1),
        (0, 2),
        (1, 2),
        (0, 3),
        (2, 3),
        (4, 5),
        (0, 7),
        (6, 7),
        (3, 8),
        (7, 8),
        (5, 11),
        (255, 256),
        (0, 257),
        (256, 257),
        (123, 300),
        (299, 300),
    ];
    let real = small.map(|(index, size)| Inclusion {
        index,
        size,
        leaf: leaf(index),
        root: root(size),
        path: path(index, size),
    });
    let ok = |i: &Inclusion| i.vector(&format!("{}_of_{}", i.index, i.size), "ok");
    real.iter().chain(&large_inclusions()).map(ok).collect()
}

/// Sizes that 53-bit and signed 64-bit integers do not hold.
fn large_inclusions() -> Vec<Inclusion> {
    let pairs = [
        ((1 << 32) + 1, (1 << 32) + 2),
        (1 << 53, (1 << 53) + 2),
        ((1 << 53) + 1, (1 << 53) + 2),
        (1 << 63, (1 << 63) + 1),
        (u64::MAX - 1, u64::MAX),
        (0, u64::MAX),
    ];
    pairs
        .map(|(index, size)| {
            let path = made_up(path_len(index, size));
            let leaf = leaf(index);
            Inclusion { index, size, leaf, root: folded(leaf, index, size, &path), path }
        })
        .into()
}

fn spoiled_inclusions() -> Vec<Vector> {
    let at = |index, size| Inclusion {
        index,
        size,
        leaf: leaf(index),
        root: root(size),
        path: path(index, size),
    };
    let spoil = |name: &str, refusal, mut i: Inclusion, how: fn(&mut Inclusion)| {
        let name = format!("{}_of_{}_{name}", i.index, i.size);
        how(&mut i);
        i.vector(&name, refusal)
    };
    let mut all = Vec::new();
    for (index, size) in [(5, 11), (123, 300), (255, 256)] {
        let new = || at(index, size);
        all.extend([
            spoil("first_hash_wrong", "RootMismatch", new(), |i| flip(&mut i.path[0])),
            spoil("last_hash_wrong", "RootMismatch", new(), |i| flip(i.path.last_mut().unwrap())),
            spoil("two_hashes_swapped", "RootMismatch", new(), |i| i.path.swap(0, 1)),
            spoil("first_hash_missing", "TooShort", new(), |i| i.path = i.path.split_off(1)),
            spoil("last_hash_missing", "TooShort", new(), |i| i.path.truncate(i.path.len() - 1)),
            spoil("empty", "TooShort", new(), |i| i.path.clear()),
            spoil("hash_added", "TooLong", new(), |i| i.path.push(leaf(0))),
            spoil("hash_twice", "TooLong", new(), |i| i.path.insert(0, i.path[0])),
            spoil("leaf_wrong", "RootMismatch", new(), |i| flip(&mut i.leaf)),
            spoil("root_wrong", "RootMismatch", new(), |i| flip(&mut i.root)),
            spoil("index_is_size", "IndexOutsideTree", new(), |i| i.index = i.size),
            spoil("tree_empty", "IndexOutsideTree", new(), |i| i.size = 0),
        ]);
    }
    all.push(spoil("other_index", "RootMismatch", at(4, 11), |i| i.index = 5));
    all.push(spoil("other_size", "TooLong", at(4, 11), |i| i.size = 8));
    // A path has the shape of several sizes: only who signs the head binds the size.
    all.push(spoil("size_of_same_shape", "ok", at(4, 11), |i| i.size = 12));
    all.push(spoil("path_of_0", "TooLong", at(0, 1), |i| i.path.push(leaf(0))));
    all.push(spoil("leaf_wrong", "RootMismatch", at(0, 1), |i| i.leaf = leaf(1)));
    all.push(spoil("path_of_3", "TooLong", at(2, 3), |i| i.path.push(leaf(0))));
    all
}

fn consistencies() -> Vec<Vector> {
    let small = [
        (0, 0),
        (0, 1),
        (0, 5),
        (1, 1),
        (1, 2),
        (2, 3),
        (3, 7),
        (4, 7),
        (6, 8),
        (8, 8),
        (8, 13),
        (128, 300),
        (255, 300),
        (256, 257),
        (257, 300),
        (299, 300),
        (300, 300),
    ];
    let large = [
        ((1 << 32) + 1, (1 << 32) + 2),
        (1 << 53, (1 << 53) + 1),
        ((1 << 53) + 1, (1 << 53) + 2),
        (1 << 63, u64::MAX),
        (u64::MAX - 1, u64::MAX),
        (1, u64::MAX),
    ];
    let ok = |c: Consistency| c.vector(&format!("{}_to_{}", c.old.0, c.new.0), "ok");
    small.map(real).into_iter().chain(large.map(made_up_consistency)).map(ok).collect()
}

fn spoiled_consistencies() -> Vec<Vector> {
    let spoil = |name: &str, refusal, sizes, how: fn(&mut Consistency)| {
        let mut c = real(sizes);
        let name = format!("{}_to_{}_{name}", c.old.0, c.new.0);
        how(&mut c);
        c.vector(&name, refusal)
    };
    let mut all = Vec::new();
    for sizes in [(3, 7), (128, 300), (255, 300)] {
        all.extend([
            spoil("last_hash_missing", "TooShort", sizes, |c| c.proof.truncate(c.proof.len() - 1)),
            spoil("first_hash_missing", "TooShort", sizes, |c| c.proof = c.proof.split_off(1)),
            spoil("empty", "TooShort", sizes, |c| c.proof.clear()),
            spoil("hash_added", "TooLong", sizes, |c| c.proof.push(leaf(0))),
            spoil("new_root_wrong", "RootMismatch", sizes, |c| flip(&mut c.new.1)),
            spoil("backwards", "OldTreeLarger", sizes, |c| std::mem::swap(&mut c.old, &mut c.new)),
            spoil("same_size_other_root", "SameSizeOtherRoot", sizes, |c| {
                (c.old.0, c.proof) = (c.new.0, Vec::new());
            }),
        ]);
    }
    let old_empty = |c: &mut Consistency| c.old.1 = c.new.1;
    all.extend([
        spoil("old_root_wrong", "OldRootMismatch", (3, 7), |c| flip(&mut c.old.1)),
        spoil("old_root_wrong", "OldRootMismatch", (255, 300), |c| flip(&mut c.old.1)),
        // The old root of a power of two is where the proof starts: only the new root can differ.
        spoil("old_root_wrong", "RootMismatch", (128, 300), |c| flip(&mut c.old.1)),
        spoil("first_hash_wrong", "OldRootMismatch", (3, 7), |c| flip(&mut c.proof[0])),
        spoil("last_hash_wrong", "RootMismatch", (3, 7), |c| flip(c.proof.last_mut().unwrap())),
        spoil("first_hash_wrong", "RootMismatch", (128, 300), |c| flip(&mut c.proof[0])),
        spoil("two_hashes_swapped", "OldRootMismatch", (3, 7), |c| c.proof.swap(0, 1)),
        spoil("two_hashes_swapped", "RootMismatch", (128, 300), |c| c.proof.swap(0, 1)),
        spoil("old_root_in_proof", "TooLong", (4, 7), |c| c.proof.insert(0, c.old.1)),
        spoil("proof_not_empty", "TooLong", (8, 8), |c| c.proof.push(c.old.1)),
        spoil("proof_not_empty", "TooLong", (0, 5), |c| c.proof.push(c.new.1)),
        spoil("empty_tree_has_root", "EmptyTreeHasRoot", (0, 5), old_empty),
        spoil("empty_tree_has_root", "EmptyTreeHasRoot", (0, 0), |c| c.new.1 = leaf(0)),
        spoil("other_old_size", "TooLong", (5, 7), |c| c.old.0 = 6),
    ]);
    all
}

struct Inclusion {
    index: u64,
    size: u64,
    leaf: Hash,
    root: Hash,
    path: Vec<Hash>,
}

impl Inclusion {
    fn vector(&self, name: &str, expect: &str) -> Vector {
        Vector::refused("inclusion", name, expect, bytes(&self.path))
            .key("index", self.index)
            .key("size", self.size)
            .key("leaf", self.leaf)
            .key("root", self.root)
    }
}

/// Sizes with roots, and the proof between them.
struct Consistency {
    old: (u64, Hash),
    new: (u64, Hash),
    proof: Vec<Hash>,
}

impl Consistency {
    fn vector(&self, name: &str, expect: &str) -> Vector {
        Vector::refused("consistency", name, expect, bytes(&self.proof))
            .key("old-size", self.old.0)
            .key("old-root", self.old.1)
            .key("new-size", self.new.0)
            .key("new-root", self.new.1)
    }
}

fn real((old, new): (u64, u64)) -> Consistency {
    let proof = if old == 0 || old == new { Vec::new() } else { subproof(old, 0, new, true) };
    Consistency { old: (old, root(old)), new: (new, root(new)), proof }
}

fn made_up_consistency((old, new): (u64, u64)) -> Consistency {
    let proof = made_up(subproof_len(old, new, true));
    let (old_root, new_root) = folded_roots(old, new, true, &proof);
    Consistency { old: (old, old_root), new: (new, new_root), proof }
}

fn mth(start: u64, end: u64) -> Hash {
    match end - start {
        0 => sha256(&[]),
        1 => leaf(start),
        n => node(&mth(start, start + split(n)), &mth(start + split(n), end)),
    }
}

fn path_in(index: u64, start: u64, end: u64) -> Vec<Hash> {
    if end - start == 1 {
        return Vec::new();
    }
    let middle = start + split(end - start);
    if index < middle {
        [path_in(index, start, middle), vec![mth(middle, end)]].concat()
    } else {
        [path_in(index, middle, end), vec![mth(start, middle)]].concat()
    }
}

/// SUBPROOF(m, D[start:end], whole).
fn subproof(m: u64, start: u64, end: u64, whole: bool) -> Vec<Hash> {
    if m == end - start {
        return if whole { Vec::new() } else { vec![mth(start, end)] };
    }
    let k = split(end - start);
    if m <= k {
        [subproof(m, start, start + k, whole), vec![mth(start + k, end)]].concat()
    } else {
        [subproof(m - k, start + k, end, false), vec![mth(start, start + k)]].concat()
    }
}

fn path_len(index: u64, size: u64) -> usize {
    match size {
        1 => 0,
        n if index < split(n) => 1 + path_len(index, split(n)),
        n => 1 + path_len(index - split(n), n - split(n)),
    }
}

fn subproof_len(m: u64, n: u64, whole: bool) -> usize {
    match split(n.max(2)) {
        _ if m == n => usize::from(!whole),
        k if m <= k => 1 + subproof_len(m, k, whole),
        k => 1 + subproof_len(m - k, n - k, false),
    }
}

/// The root that PATH's definition gives a path.
fn folded(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Hash {
    let Some((last, rest)) = path.split_last() else { return leaf };
    let k = split(size);
    if index < k {
        node(&folded(leaf, index, k, rest), last)
    } else {
        node(last, &folded(leaf, index - k, size - k, rest))
    }
}

/// Both roots that SUBPROOF's definition gives a proof; a whole old tree's root is made up.
fn folded_roots(m: u64, n: u64, whole: bool, proof: &[Hash]) -> (Hash, Hash) {
    if m == n {
        let hash = if whole { leaf(m) } else { proof[0] };
        return (hash, hash);
    }
    let (last, rest) = proof.split_last().expect("as long as its sizes need");
    let k = split(n);
    if m <= k {
        let (old, new) = folded_roots(m, k, whole, rest);
        (old, node(&new, last))
    } else {
        let (old, new) = folded_roots(m - k, n - k, false, rest);
        (node(last, &old), node(last, &new))
    }
}

fn made_up(len: usize) -> Vec<Hash> {
    (0..len as u64).map(|i| sha256(&[b"made up", &i.to_be_bytes()])).collect()
}

/// The largest power of two below `n`.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

fn flip(hash: &mut Hash) {
    hash.0[31] ^= 1;
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], &left.0, &right.0])
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Hash(hasher.finalize().0)
}
