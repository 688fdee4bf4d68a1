//! Go's checksum-database packages (`golang.org/x/mod/sumdb/{note,tlog}`) as foreign oracle:
//! they judge our notes, proofs and tiles, and we judge theirs.

#[path = "dalek/mod.rs"]
mod dalek;
#[path = "../../../oracles/go/go.rs"]
mod go;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use dalek::{Dalek, SeedSigner};
use firmlog_tlog::checkpoint::{self, Checkpoint, Unverified};
use firmlog_tlog::merkle::{
    CompactRange, Hash, LeafIndex, NodeSource, TreeHead, TreeSize, consistency_proof,
    inclusion_proof, leaf_hash, verify_consistency, verify_inclusion,
};
use firmlog_tlog::note::{Algorithm, NoteSigner as _, PrivateKey, VerifierKey};
use firmlog_tlog::tile::tiles_of_tree;
use serde_json::{Value, json};

#[test]
fn go_accepts_our_notes_and_proofs_and_refuses_spoiled_ones() {
    let Some(oracle) = go::oracle() else { return };
    let log = Log::grown(260);
    let mut requests = Vec::new();
    let mut expected = Vec::new();
    let mut ask = |request: Value, ok: bool| {
        requests.push(request);
        expected.push(ok);
    };
    for size in [1, 2, 3, 7, 8, 200, 255, 256, 257, 260] {
        let note = log.checkpoint(size);
        let vkey = log.signer.verifier_key().to_string();
        ask(json!({"note": {"text": note, "vkey": vkey}}), true);
        ask(json!({"note": {"text": note.replacen("pumps", "pomps", 1), "vkey": vkey}}), false);
        let head = log.head(size);
        for index in 0..size {
            let proof = inclusion_proof(&log.nodes, LeafIndex(index), TreeSize(size)).unwrap();
            let leaf = log.nodes.0[&(0, index)];
            ask(inclusion(&head, index, &leaf, &proof), true);
            ask(inclusion(&head, index, &leaf, &[&proof[..], &[leaf]].concat()), false);
            let proof = consistency_proof(&log.nodes, TreeSize(index + 1), TreeSize(size)).unwrap();
            ask(consistency(&log.head(index + 1), &head, &proof), true);
            let spoiled = TreeHead { root: leaf_hash(b"other"), ..head };
            ask(consistency(&log.head(index + 1), &spoiled, &proof), false);
        }
    }
    let verdicts = go::run(oracle, "verify", &Value::Array(requests.clone()));
    let verdicts = verdicts.as_array().unwrap();
    assert_eq!(verdicts.len(), expected.len());
    for ((verdict, expected), request) in verdicts.iter().zip(expected).zip(requests) {
        assert_eq!(verdict["ok"], expected, "{verdict} for {request}");
    }
}

#[test]
fn go_proves_from_our_tiles_what_we_verify() {
    let Some(oracle) = go::oracle() else { return };
    for size in [1, 5, 256, 300, 66_000] {
        let log = Log::grown(size);
        let dir = temp_dir(&format!("go-tiles-{size}"));
        log.write_tiles(&dir);
        let samples: Vec<u64> = (0..size).step_by((size / 40).max(1) as usize).collect();
        let older: Vec<u64> = samples.iter().map(|i| i + 1).collect();
        let head = log.head(size);
        let answer = go::run(
            oracle,
            "prove",
            &json!({"dir": dir, "head": head_json(&head), "inclusion": samples, "consistency": older}),
        );
        for (index, proved) in samples.iter().zip(answer["inclusion"].as_array().unwrap()) {
            let (leaf, proof) = (hash(&proved["leaf"]), hashes(&proved["proof"]));
            assert_eq!(leaf, log.nodes.0[&(0, *index)]);
            assert_eq!(verify_inclusion(LeafIndex(*index), &leaf, &head, &proof), Ok(()));
            let ours = inclusion_proof(&log.nodes, LeafIndex(*index), head.size);
            assert_eq!(ours, Ok(proof), "{index} in {size}");
        }
        for (old, proved) in older.iter().zip(answer["consistency"].as_array().unwrap()) {
            let (old_head, proof) = (log.head(*old), hashes(&proved["proof"]));
            assert_eq!(hash(&proved["root"]), old_head.root);
            assert_eq!(verify_consistency(&old_head, &head, &proof), Ok(()));
            let ours = consistency_proof(&log.nodes, old_head.size, head.size);
            assert_eq!(ours, Ok(proof), "{old} to {size}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}

#[test]
fn we_accept_what_go_makes() {
    let Some(oracle) = go::oracle() else { return };
    for (seed, size) in [(1u64, 1u64), (2, 9), (3, 64), (4, 300)] {
        let request = json!({"seed": seed, "name": "go.example/log", "size": size});
        let made = go::run(oracle, "make", &request);
        let key = VerifierKey::parse(made["vkey"].as_str().unwrap()).unwrap();
        assert_eq!(key.to_string(), made["vkey"].as_str().unwrap());
        check_private_key(made["private_key"].as_str().unwrap(), &key);
        let heads = go_heads(&made, &key);
        assert_eq!(heads.len() as u64, size + 1);
        let (mut range, last) = (CompactRange::new(), heads[size as usize]);
        for i in 0..size as usize {
            let leaf = leaf_hash(&entry_bytes(&made["entries"][i]));
            assert_eq!(leaf, hash(&made["leaves"][i]));
            range.push(leaf, |_, _, _| {});
            assert_eq!(range.head(), heads[i + 1]);
            let proof = hashes(&made["inclusion"][i]);
            assert_eq!(verify_inclusion(LeafIndex(i as u64), &leaf, &last, &proof), Ok(()));
            let proof = hashes(&made["consistency"][i]);
            assert_eq!(verify_consistency(&heads[i + 1], &last, &proof), Ok(()));
        }
    }
}

/// Every checkpoint Go signed, verified, and spelled by us as Go spelled it.
fn go_heads(made: &Value, key: &VerifierKey) -> Vec<TreeHead> {
    let notes = made["checkpoints"].as_array().unwrap().iter().map(|c| c.as_str().unwrap());
    notes
        .map(|note| {
            let unverified = Unverified::parse(note.as_bytes()).unwrap();
            assert_eq!(unverified.note().to_string(), note);
            let checkpoint = unverified.verify(&Dalek, key).unwrap();
            assert_eq!(checkpoint.encode(), unverified.note().text());
            checkpoint.head()
        })
        .collect()
}

/// Go's private key form: same bytes, and the seed yields the vkey.
fn check_private_key(text: &str, key: &VerifierKey) {
    let private = PrivateKey::parse(text).unwrap();
    assert_eq!(private.expose().to_string(), text);
    let signer = SeedSigner::new(private.name.as_str(), Algorithm::Ed25519, private.seed);
    assert_eq!(signer.verifier_key(), key);
}

/// A log of our own making.
struct Log {
    signer: SeedSigner,
    heads: Vec<TreeHead>,
    nodes: Nodes,
}

impl Log {
    fn grown(size: u64) -> Self {
        let mut range = CompactRange::new();
        let mut nodes = Nodes::default();
        let mut heads = vec![range.head()];
        for i in 0..size {
            range.push(leaf_hash(format!("entry {i}").as_bytes()), |level, index, hash| {
                nodes.0.insert((level, index), *hash);
            });
            heads.push(range.head());
        }
        let signer = SeedSigner::new("log.example.org/pumps", Algorithm::Ed25519, [7; 32]);
        Self { signer, heads, nodes }
    }

    fn head(&self, size: u64) -> TreeHead {
        self.heads[size as usize]
    }

    fn checkpoint(&self, size: u64) -> String {
        let checkpoint = Checkpoint::new(self.signer.key_name(), self.head(size));
        checkpoint::sign(&checkpoint, &self.signer).unwrap()
    }

    fn write_tiles(&self, dir: &Path) {
        let size = self.heads.len() as u64 - 1;
        for id in tiles_of_tree(size) {
            let path = dir.join(id.path());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let first = id.index * 256;
            let node = |i| self.nodes.0[&(id.level * 8, i)].0;
            let bytes: Vec<u8> = (first..first + u64::from(id.width)).flat_map(node).collect();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

#[derive(Default)]
struct Nodes(HashMap<(u8, u64), Hash>);

impl NodeSource for &Nodes {
    type Error = (u8, u64);

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        self.0.get(&(level, index)).copied().ok_or((level, index))
    }
}

fn head_json(head: &TreeHead) -> Value {
    json!({"size": head.size.0, "root": head.root.base64().to_string()})
}

fn inclusion(head: &TreeHead, index: u64, leaf: &Hash, proof: &[Hash]) -> Value {
    let (head, leaf) = (head_json(head), leaf.base64().to_string());
    json!({"inclusion": {"head": head, "index": index, "leaf": leaf, "proof": proof_json(proof)}})
}

fn consistency(old: &TreeHead, new: &TreeHead, proof: &[Hash]) -> Value {
    let (old, new) = (head_json(old), head_json(new));
    json!({"consistency": {"old": old, "new": new, "proof": proof_json(proof)}})
}

fn proof_json(proof: &[Hash]) -> Value {
    proof.iter().map(|hash| hash.base64().to_string()).collect()
}

fn hash(value: &Value) -> Hash {
    Hash::from_base64(value.as_str().unwrap()).unwrap()
}

/// A proof; Go writes an empty one as null.
fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().map(|list| list.iter().map(hash).collect()).unwrap_or_default()
}

/// Base64 of any length, by way of the extra line that carries it in a proof file.
fn entry_bytes(value: &Value) -> Vec<u8> {
    let note = Log::grown(1).checkpoint(1);
    let extra = value.as_str().unwrap();
    let proof = format!("c2sp.org/tlog-proof@v1\nextra {extra}\nindex 0\n\n{note}");
    firmlog_tlog::proof::TlogProof::parse(proof.as_bytes()).unwrap().extra.unwrap()
}

/// A directory of this test run under the target directory.
fn temp_dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
