//! What each format's parser says about a vector, and whether an accepted one says itself again.
//!
//! Invariant: everything accepted is also re-encoded and compared, byte for byte.

use std::fmt::Debug;

use firmlog_tlog::checkpoint::{Checkpoint, Unverified};
use firmlog_tlog::cosignature;
use firmlog_tlog::merkle::{
    Hash, LeafIndex, TreeHead, TreeSize, leaf_hash, verify_consistency, verify_inclusion,
};
use firmlog_tlog::note::{Note, VerifierKey};
use firmlog_tlog::policy::Policy;
use firmlog_tlog::proof::TlogProof;
use firmlog_tlog::tile::{Bundle, TilePath, encode_entry};
use firmlog_tlog::witness::{self, AddCheckpoint};

use crate::dalek::Dalek;
use crate::file::{Vector, hex};

pub(crate) fn note(vector: &Vector) -> Result<(), String> {
    let note = Note::parse(&vector.body).map_err(name)?;
    same(vector, note.to_string().as_bytes());
    note.verify(&Dalek, &key(vector)).map_err(name)
}

pub(crate) fn vkey(vector: &Vector) -> Result<(), String> {
    let key = VerifierKey::parse(text(vector)).map_err(name)?;
    same(vector, key.to_string().as_bytes());
    vector.check("name", key.name);
    vector.check("id", key.id);
    vector.check("algorithm", key.algorithm as u8);
    Ok(())
}

pub(crate) fn checkpoint(vector: &Vector) -> Result<(), String> {
    let checkpoint = match vector.find("vkey") {
        None => Checkpoint::parse(text(vector)).map_err(name)?,
        Some(_) => signed_checkpoint(vector)?,
    };
    if vector.find("vkey").is_none() {
        same(vector, checkpoint.encode().as_bytes());
    }
    vector.check("origin", checkpoint.origin);
    vector.check("size", checkpoint.size);
    vector.check("root", checkpoint.root.base64());
    Ok(())
}

fn signed_checkpoint(vector: &Vector) -> Result<Checkpoint<'_>, String> {
    let signed = Unverified::parse(&vector.body).map_err(name)?;
    same(vector, signed.note().to_string().as_bytes());
    assert_eq!(signed.claimed().encode(), signed.note().text());
    let verified = match vector.find("origin") {
        Some(origin) => signed.verify_origin(&Dalek, &key(vector), origin),
        None => signed.verify(&Dalek, &key(vector)),
    };
    verified.map_err(name)
}

pub(crate) fn cosignature(vector: &Vector) -> Result<(), String> {
    let signed = Unverified::parse(&vector.body).expect("a signed checkpoint");
    let time_s = cosignature::verify(&Dalek, signed.note(), &key(vector)).map_err(name)?;
    vector.check("time", time_s);
    Ok(())
}

pub(crate) fn proof(vector: &Vector) -> Result<(), String> {
    let proof = TlogProof::parse(&vector.body).map_err(name)?;
    same(vector, proof.encode().as_bytes());
    vector.check("index", proof.index);
    vector.check("hashes", proof.path.len());
    if let Some(extra) = vector.find("extra") {
        assert_eq!(proof.extra, Some(hex(extra)), "{}", vector.path.display());
    }
    if let Some(leaf) = vector.find("leaf") {
        let leaf = Hash::from_hex(leaf).expect("a hash");
        let checkpoint = Unverified::parse(proof.checkpoint.as_bytes()).map_err(name)?;
        let head = checkpoint.verify(&Dalek, &key(vector)).map_err(name)?.head();
        verify_inclusion(proof.index, &leaf, &head, &proof.path).map_err(name)?;
        assert_eq!(leaf, leaf_hash(&proof.index.0.to_be_bytes()));
    }
    Ok(())
}

pub(crate) fn witness_request(vector: &Vector) -> Result<(), String> {
    if vector.find("form") == Some("conflict") {
        let size = witness::parse_size(&vector.body).map_err(name)?;
        same(vector, witness::encode_size(size).as_bytes());
        vector.check("old", size);
        return Ok(());
    }
    let request = AddCheckpoint::parse(&vector.body).map_err(name)?;
    same(vector, request.encode().as_bytes());
    vector.check("old", request.old);
    vector.check("hashes", request.proof.len());
    Ok(())
}

pub(crate) fn policy(vector: &Vector) -> Result<(), String> {
    let policy = Policy::parse(&vector.body).map_err(name)?;
    let again = policy.encode();
    assert_eq!(Policy::parse(again.as_bytes()).as_ref(), Ok(&policy), "{again}");
    if vector.find("canonical").is_some() {
        same(vector, again.as_bytes());
    }
    for (key, expected) in [("satisfied-by", true), ("not-satisfied-by", false)] {
        for names in vector.all(key) {
            let got = satisfied(&policy, names);
            assert_eq!(got, expected, "{names:?} in {}", vector.path.display());
        }
    }
    Ok(())
}

/// Whether the witnesses with these names reach the quorum.
fn satisfied(policy: &Policy, names: &str) -> bool {
    let names: Vec<&str> = names.split_whitespace().collect();
    let named = |key: &VerifierKey| {
        policy.witnesses().iter().any(|w| w.key == *key && names.contains(&w.name.as_str()))
    };
    policy.satisfied(&named)
}

pub(crate) fn tile_path(vector: &Vector) -> Result<(), String> {
    let path = TilePath::parse(text(vector)).map_err(name)?;
    same(vector, path.to_string().as_bytes());
    let (level, index, width) = match path {
        TilePath::Checkpoint => return Ok(()),
        TilePath::Hashes(tile) => (tile.level.to_string(), tile.index, tile.width),
        TilePath::Entries { index, width } => ("entries".to_owned(), index, width),
    };
    vector.check("level", level);
    vector.check("index", index);
    vector.check("width", width);
    Ok(())
}

pub(crate) fn entry_bundle(vector: &Vector) -> Result<(), String> {
    let width = vector.number("width") as u16;
    let bundle = Bundle::parse(&vector.body, width).map_err(name)?;
    let mut again = Vec::new();
    bundle.entries().for_each(|entry| encode_entry(&mut again, entry).expect("it was one"));
    same(vector, &again);
    assert_eq!(bundle.entries().count(), usize::from(width));
    for (entry, expected) in bundle.entries().zip(vector.all("entry")) {
        assert_eq!(entry, hex(expected), "{}", vector.path.display());
    }
    Ok(())
}

pub(crate) fn inclusion(vector: &Vector) -> Result<(), String> {
    let head = head(vector, "size", "root");
    let index = LeafIndex(vector.number("index"));
    verify_inclusion(index, &hash(vector, "leaf"), &head, &hashes(vector)).map_err(name)
}

pub(crate) fn consistency(vector: &Vector) -> Result<(), String> {
    let old = head(vector, "old-size", "old-root");
    let new = head(vector, "new-size", "new-root");
    verify_consistency(&old, &new, &hashes(vector)).map_err(name)
}

fn name(refusal: impl Debug) -> String {
    format!("{refusal:?}")
}

fn same(vector: &Vector, again: &[u8]) {
    assert!(again == vector.body, "{} reads back differently", vector.path.display());
}

fn text(vector: &Vector) -> &str {
    str::from_utf8(&vector.body).expect("this format is text")
}

fn key(vector: &Vector) -> VerifierKey {
    VerifierKey::parse(vector.key("vkey")).expect("a good vkey")
}

fn head(vector: &Vector, size: &str, root: &str) -> TreeHead {
    TreeHead { size: TreeSize(vector.number(size)), root: hash(vector, root) }
}

fn hash(vector: &Vector, key: &str) -> Hash {
    Hash::from_hex(vector.key(key)).expect("64 hex digits")
}

fn hashes(vector: &Vector) -> Vec<Hash> {
    let (hashes, rest) = vector.body.as_chunks::<32>();
    assert!(rest.is_empty(), "{}: the body is hashes", vector.path.display());
    hashes.iter().copied().map(Hash).collect()
}
