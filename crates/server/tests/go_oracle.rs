//! Go's checksum-database packages read a log over HTTP: its checkpoint, its tiles, and proofs
//! they make from them and from ours. They trust nothing but the verifier key.

#[path = "../../../oracles/go/go.rs"]
mod go;
mod world;

use std::path::Path;

use firmlog_tlog::checkpoint::Unverified;
use firmlog_tlog::merkle::{
    Hash, LeafIndex, TreeHead, leaf_hash, verify_consistency, verify_inclusion,
};
use firmlog_tlog::proof::TlogProof;
use serde_json::{Value, json};
use world::{World, request};

/// Leaves added in each step: partial tiles, a full one, one more.
const STEPS: [u32; 5] = [1, 200, 54, 1, 700];

#[tokio::test(flavor = "multi_thread")]
async fn go_verifies_checkpoints_and_proofs_fetched_from_our_server() {
    let Some(oracle) = go::oracle() else { return };
    let world = World::any().await;
    let vkey = world.get("/api/v1/log").await.json()["verifier_key"].as_str().unwrap().to_owned();
    let (mut heads, mut leaves) = (vec![], vec![]);
    for step in STEPS {
        for _ in 0..step {
            leaves.push(format!("leaf {}", leaves.len()));
        }
        let added = leaves.len() - step as usize;
        add(&world, &leaves[added..]).await;
        let note = world.get("/checkpoint").await.text();
        let asked = json!([
            {"note": {"text": note, "vkey": vkey}},
            {"note": {"text": note.replacen("log.example", "log.exemple", 1), "vkey": vkey}},
        ]);
        let verdicts = go::run(oracle, "verify", &asked);
        assert_eq!((&verdicts[0]["ok"], &verdicts[1]["ok"]), (&json!(true), &json!(false)));
        assert_eq!(verdicts[0]["text"], note[..note.find("\n\n").unwrap() + 1]);
        heads.push(head_of(&note));
    }
    // Everything older must be provable from the last tree.
    let head = *heads.last().unwrap();
    assert_eq!(head.size.0, leaves.len() as u64 + 1);
    let answer = go::run(oracle, "prove", &question(&world, &head, &heads));
    let inclusion = answer["inclusion"].as_array().unwrap();
    for (at, proved) in inclusion.iter().enumerate() {
        let (leaf, proof) = (hash(&proved["leaf"]), hashes(&proved["proof"]));
        if let Some(entry) = at.checked_sub(1) {
            assert_eq!(leaf, leaf_hash(leaves[entry].as_bytes()));
        }
        assert_eq!(verify_inclusion(LeafIndex(at as u64), &leaf, &head, &proof), Ok(()));
    }
    for (old, proved) in heads.iter().zip(answer["consistency"].as_array().unwrap()) {
        let (root, proof) = (hash(&proved["root"]), hashes(&proved["proof"]));
        assert_eq!(root, old.root, "a checkpoint of {} is not of these tiles", old.size.0);
        assert_eq!(verify_consistency(old, &head, &proof), Ok(()));
    }
    refuses_another_tree(oracle, &world, &head);
    let leaves: Vec<_> = inclusion.iter().map(|proved| proved["leaf"].clone()).collect();
    judges_our_proofs(oracle, &world, &head, &leaves).await;
}

async fn add(world: &World, leaves: &[String]) {
    let mut sequence = Vec::new();
    for leaf in leaves {
        firmlog_statement::codec::bytes(&mut sequence, leaf.as_bytes()).unwrap();
    }
    let media = [("content-type", "application/cbor-seq")];
    let answer = request(world.address, "POST", "/batch", &media, &sequence).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn question(world: &World, head: &TreeHead, older: &[TreeHead]) -> Value {
    json!({
        "url": format!("http://{}", world.address),
        "head": head_json(head),
        "inclusion": (0..head.size.0).collect::<Vec<_>>(),
        "consistency": older.iter().map(|old| old.size.0).collect::<Vec<_>>(),
    })
}

/// Go's reader checks tiles against the head it is given: of another head it proves nothing.
fn refuses_another_tree(oracle: &Path, world: &World, head: &TreeHead) {
    let other = TreeHead { root: leaf_hash(b"another tree"), ..*head };
    let refused = go::refused(oracle, "prove", &question(world, &other, &[]));
    assert!(refused.contains("leaf 0"), "{refused}");
}

/// The proofs our API makes, as Go judges them; and the same for another leaf.
async fn judges_our_proofs(oracle: &Path, world: &World, head: &TreeHead, leaves: &[Value]) {
    let (mut asked, mut expected) = (vec![], vec![]);
    for index in [0, 1, 255, 256, 700, head.size.0 - 1] {
        let told = world.get(&format!("/api/v1/entries/{index}/proof")).await.json();
        let file = TlogProof::parse(told["tlog_proof"].as_str().unwrap().as_bytes()).unwrap();
        let proof: Vec<_> = file.path.iter().map(|hash| hash.base64().to_string()).collect();
        let leaf = &leaves[index as usize];
        for right in [true, false] {
            let index = if right { index } else { (index + 1) % head.size.0 };
            asked.push(json!({"inclusion": {"head": head_json(head), "index": index,
                "leaf": leaf, "proof": proof}}));
            expected.push(json!(right));
        }
    }
    let verdicts = go::run(oracle, "verify", &Value::Array(asked));
    let verdicts: Vec<_> = verdicts.as_array().unwrap().iter().map(|it| it["ok"].clone()).collect();
    assert_eq!(verdicts, expected);
}

fn head_of(note: &str) -> TreeHead {
    let unverified = Unverified::parse(note.as_bytes()).unwrap();
    let mut lines = unverified.note().text().lines().skip(1);
    TreeHead {
        size: firmlog_tlog::merkle::TreeSize(lines.next().unwrap().parse().unwrap()),
        root: Hash::from_base64(lines.next().unwrap()).unwrap(),
    }
}

fn head_json(head: &TreeHead) -> Value {
    json!({"size": head.size.0, "root": head.root.base64().to_string()})
}

fn hash(value: &Value) -> Hash {
    Hash::from_base64(value.as_str().unwrap()).unwrap()
}

/// A proof; Go writes an empty one as null.
fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().map(|list| list.iter().map(hash).collect()).unwrap_or_default()
}
