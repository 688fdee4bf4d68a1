//! `vectors/statement/` read back: each file says what is expected of its bytes.

mod registries;
mod samples;
mod spoiled;

use firmlog_statement::codec::Decoder;
use firmlog_statement::{
    Body as _, Extra, Kind, Parsed, PublicKey, Statement, StatementError, Trust, leaf_hash, seal,
};
use std::collections::{BTreeMap, BTreeSet};

/// A file: its headings, and the entry.
struct Vector {
    name: String,
    headings: BTreeMap<String, String>,
    entry: Vec<u8>,
}

impl Vector {
    fn heading(&self, name: &str) -> &str {
        self.headings.get(name).unwrap_or_else(|| panic!("{}: no {name}", self.name))
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn read(name: String, text: &str) -> Vector {
    let (head, body) = text.split_once("entry:\n").unwrap();
    let headings: BTreeMap<_, _> = head
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut entry = unhex(body);
    let zeros: usize = headings.get("zeros").map_or(0, |zeros| zeros.parse().unwrap());
    entry.resize(entry.len() + zeros, 0);
    Vector { name, headings, entry }
}

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/statement");

fn vectors() -> Vec<Vector> {
    let files = std::fs::read_dir(DIR).unwrap().map(|file| file.unwrap());
    let named = files.map(|file| (file.file_name().into_string().unwrap(), file.path()));
    let entries = named.filter(|(name, _)| name != "registries");
    entries.map(|(name, path)| read(name, &std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_file_is_judged_as_it_says() {
    for vector in vectors() {
        let judged = Parsed::parse(&vector.entry).map_or_else(|e| e.name(), |_| "ok");
        assert_eq!(judged, vector.heading("expect"), "{}", vector.name);
    }
}

#[test]
fn files_cite_the_rule_they_break() {
    let files = vectors();
    for bad in spoiled::all() {
        let file = files.iter().find(|file| file.name == bad.name).unwrap();
        assert_eq!((file.heading("rule"), &file.entry), (bad.rule, &bad.entry), "{}", bad.name);
        assert_eq!(file.heading("expect"), bad.expect.name(), "{}", bad.name);
    }
}

/// `check` reads over what `decode` builds; neither may take what the other refuses.
#[test]
fn check_and_decode_refuse_alike() {
    for bad in spoiled::payloads() {
        let d = &mut Decoder::new(bad.entry.strip_prefix(&[0xd2, 0x84]).unwrap());
        let (_, _, payload) = (d.bytes().unwrap(), d.map().unwrap(), d.bytes().unwrap());
        for kind in Kind::ALL {
            assert!(Statement::decode_payload(kind, payload).is_err(), "{}", bad.name);
        }
    }
}

#[test]
fn sound_entries_carry_their_key_and_leaf_hash() {
    for vector in vectors().iter().filter(|vector| vector.heading("expect") == "ok") {
        let key = PublicKey::from_cose_key(&unhex(vector.heading("key"))).unwrap();
        let parsed = Parsed::parse(&vector.entry).unwrap();
        assert_eq!(*parsed.kid(), key.thumbprint(), "STM-012: {}", vector.name);
        assert_eq!(leaf_hash(&vector.entry).to_vec(), unhex(vector.heading("leaf")));
        assert!(signed(&key, &parsed), "{}", vector.name);
    }
}

fn signed(key: &PublicKey, parsed: &Parsed<'_>) -> bool {
    use p256::ecdsa::signature::Verifier as _;
    let message = parsed.to_be_signed();
    match key {
        PublicKey::P256(xy) => {
            let point = [&[4], &xy[..]].concat();
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
            let signature = p256::ecdsa::Signature::from_slice(parsed.signature()).unwrap();
            key.verify(&message, &signature).is_ok()
        }
        PublicKey::Ed25519(x) => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(x).unwrap();
            let signature = ed25519_dalek::Signature::from_bytes(parsed.signature());
            key.verify_strict(&message, &signature).is_ok()
        }
    }
}

/// Every way to be refused has a file, but for those only the programming interface
/// can meet; they are met below.
#[test]
fn every_error_has_a_vector() {
    let interface = [
        StatementError::BufferTooSmall,
        StatementError::ExtensionKeyRange,
        StatementError::KindMismatch,
        StatementError::Bug,
    ];
    let found: BTreeSet<String> = vectors().iter().map(|v| v.heading("expect").into()).collect();
    for error in StatementError::ALL {
        let told = found.contains(error.name());
        assert_ne!(told, interface.contains(error), "{}", error.name());
    }
}

#[test]
fn errors_of_the_programming_interface() {
    let update = samples::typical_update();
    let small = seal(&update, "a", "b", &samples::p256_key(), &mut [0; 64]);
    assert_eq!(small, Err(StatementError::BufferTooSmall.into()));
    assert_eq!(Extra::default().push(63, &[0]), Err(StatementError::ExtensionKeyRange));
    let mut payload = Vec::new();
    update.encode_payload(&mut payload).unwrap();
    assert_eq!(Trust::decode_payload(&payload), Err(StatementError::KindMismatch));
}

/// STM-040: no line of the kept file may change; new numbers are new lines.
#[test]
fn stm_040_numbers_keep_their_names() {
    let kept = std::fs::read_to_string(format!("{DIR}/registries")).unwrap();
    assert_eq!(registries::text(), kept);
    let mut seen = BTreeSet::new();
    for line in kept.lines() {
        let (number, name) = line.rsplit_once(' ').unwrap();
        assert!(seen.insert(number.to_owned()), "{number} twice");
        assert!(seen.insert(format!("{} {name}", number.split(' ').next().unwrap())), "{line}");
    }
}
