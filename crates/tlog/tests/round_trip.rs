//! Whatever parses is written back byte for byte, and nothing makes a parser panic.
//!
//! Two kinds of input: values made up and encoded, and the vectors with a few bytes changed
//! (pure noise never gets past the first rule).

mod dalek;

use std::fs;
use std::path::Path;

use dalek::SeedSigner;
use firmlog_tlog::checkpoint::{Checkpoint, Unverified};
use firmlog_tlog::cosignature::{Cosignature, MAX_TIME};
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead, TreeSize};
use firmlog_tlog::note::{Algorithm, Note, NoteSigner as _, VerifierKey, sign_note};
use firmlog_tlog::policy::Policy;
use firmlog_tlog::proof::TlogProof;
use firmlog_tlog::tile::{Bundle, TileId, TilePath, encode_entry};
use firmlog_tlog::witness::{self, AddCheckpoint};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

proptest! {
    #[test]
    fn noise(bytes in vec(any::<u8>(), 0..200)) {
        check_all(&bytes);
    }

    #[test]
    fn noise_of_the_formats_own_characters(text in "[oldindexwtarquorum0-9+/= \n—#xp.]{0,120}") {
        check_all(text.as_bytes());
    }

    #[test]
    fn changed_vectors(pick in any::<Index>(), edits in vec(edit(), 0..4)) {
        let vectors = bodies();
        let mut bytes = vectors[pick.index(vectors.len())].clone();
        for (at, edit) in edits {
            let at = at.index(bytes.len() + 1);
            match edit {
                Edit::Insert(byte) => bytes.insert(at, byte),
                Edit::Remove => drop((at < bytes.len()).then(|| bytes.remove(at))),
                Edit::Set(byte) => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = byte),
                Edit::Cut => bytes.truncate(at),
            }
        }
        check_all(&bytes);
    }

    #[test]
    fn notes(text in "([^\\x00-\\x1f]{0,20}\n){1,4}", seed in any::<[u8; 32]>(), name in name()) {
        let signer = SeedSigner::new(&name, Algorithm::Ed25519, seed);
        let note = sign_note(&text, &[&signer]).unwrap();
        let parsed = Note::parse(note.as_bytes()).unwrap();
        prop_assert_eq!(parsed.text(), text);
        prop_assert_eq!(parsed.to_string(), &note[..]);
        prop_assert_eq!(parsed.signatures_of(signer.verifier_key()).count(), 1);
    }

    #[test]
    fn vkeys(name in name(), key in any::<[u8; 32]>(), witness in any::<bool>()) {
        let algorithm = if witness { Algorithm::CosignatureV1 } else { Algorithm::Ed25519 };
        let key = VerifierKey::new(&name, algorithm, key).unwrap();
        prop_assert_eq!(VerifierKey::parse(&key.to_string()), Ok(key));
    }

    #[test]
    fn checkpoints(origin in "[^\\x00-\\x1f]{1,60}", size in any::<u64>(), root in hash(),
        extensions in vec("[^\\x00-\\x1f]{1,30}\n", 0..3)) {
        let extensions = extensions.concat();
        let checkpoint =
            Checkpoint { origin: &origin, size: TreeSize(size), root, extensions: &extensions };
        let text = checkpoint.encode();
        prop_assert_eq!(Checkpoint::parse(&text), Ok(checkpoint));
    }

    #[test]
    fn cosignatures(time_s in 1..=MAX_TIME, signature in vec(any::<u8>(), 64)) {
        let cosignature = Cosignature { time_s, signature: signature.try_into().unwrap() };
        prop_assert_eq!(Cosignature::parse(&cosignature.encode()), Ok(cosignature));
    }

    #[test]
    fn proofs(extra in option::of(vec(any::<u8>(), 1..40)), index in any::<u64>(),
        path in vec(hash(), 0..=64)) {
        let proof = TlogProof { extra, index: LeafIndex(index), path, checkpoint: checkpoint() };
        prop_assert_eq!(TlogProof::parse(proof.encode().as_bytes()), Ok(proof));
    }

    #[test]
    fn witness_requests(old in any::<u64>(), proof in vec(hash(), 0..=63)) {
        let checkpoint = &checkpoint();
        let request = AddCheckpoint { old: TreeSize(old), proof, checkpoint };
        let body = request.encode();
        prop_assert_eq!(AddCheckpoint::parse(body.as_bytes()), Ok(request));
        let size = witness::encode_size(TreeSize(old));
        prop_assert_eq!(witness::parse_size(size.as_bytes()), Ok(TreeSize(old)));
    }

    #[test]
    fn tile_paths(level in 0..=63u8, index in any::<u64>(), shift in 0..64u32, width in 1..=256u16) {
        let index = index >> shift;
        for path in [
            TilePath::Hashes(TileId { level, index, width }),
            TilePath::Entries { index, width },
        ] {
            prop_assert_eq!(TilePath::parse(&path.to_string()), Ok(path));
        }
    }

    #[test]
    fn bundles(entries in vec(vec(any::<u8>(), 0..60), 1..20)) {
        let mut bytes = Vec::new();
        entries.iter().for_each(|entry| encode_entry(&mut bytes, entry).unwrap());
        let bundle = Bundle::parse(&bytes, entries.len() as u16).unwrap();
        prop_assert!(bundle.entries().eq(&entries));
    }
}

/// Every parser: no panic, and what it accepts it writes back.
fn check_all(bytes: &[u8]) {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
    }
    if let Ok(signed) = Unverified::parse(bytes) {
        assert_eq!(signed.claimed().encode(), signed.note().text());
    }
    if let Ok(proof) = TlogProof::parse(bytes) {
        assert_eq!(proof.encode().as_bytes(), bytes);
    }
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.encode().as_bytes(), bytes);
    }
    if let Ok(policy) = Policy::parse(bytes) {
        assert_eq!(Policy::parse(policy.encode().as_bytes()), Ok(policy));
    }
    if let Some((width, bundle)) = bytes.split_first() {
        check_bundle(bundle, u16::from(*width));
    }
    if let Ok(text) = str::from_utf8(bytes) {
        check_texts(text);
    }
}

fn check_bundle(bytes: &[u8], width: u16) {
    if let Ok(bundle) = Bundle::parse(bytes, width) {
        let mut again = Vec::new();
        bundle.entries().for_each(|entry| encode_entry(&mut again, entry).unwrap());
        assert_eq!(again, bytes);
    }
}

fn check_texts(text: &str) {
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.encode(), text);
    }
    if let Ok(path) = TilePath::parse(text) {
        assert_eq!(path.to_string(), text);
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Insert(u8),
    Remove,
    Set(u8),
    Cut,
}

fn edit() -> impl Strategy<Value = (Index, Edit)> {
    let byte = || prop_oneof![any::<u8>(), prop::sample::select(b"\n =+/0169AZaz".to_vec())];
    let edit = prop_oneof![
        3 => byte().prop_map(Edit::Insert),
        3 => Just(Edit::Remove),
        3 => byte().prop_map(Edit::Set),
        1 => Just(Edit::Cut),
    ];
    (any::<Index>(), edit)
}

fn name() -> impl Strategy<Value = String> {
    "[^+\\s\\x00-\\x1f]{1,40}"
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn checkpoint() -> String {
    let log = SeedSigner::new("log.example.org/pumps", Algorithm::Ed25519, [1; 32]);
    let body = Checkpoint::new("log.example.org/pumps", TreeHead::empty()).encode();
    sign_note(&body, &[&log]).unwrap()
}

/// The bodies of the accepted vectors that are text, as they stand in their files.
fn bodies() -> &'static [Vec<u8>] {
    static BODIES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    BODIES.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/tlog");
        let folders = fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
        let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        let body = |path| {
            let file = fs::read_to_string(path).unwrap();
            let (header, body) = file.split_once("\n\n")?;
            let good = header.contains("expect: ok") && header.contains("body: text");
            good.then(|| body.as_bytes().to_vec())
        };
        paths.iter().filter_map(body).collect()
    })
}
