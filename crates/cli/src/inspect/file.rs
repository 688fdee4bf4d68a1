//! Files that a log's folder or its people have beside the evidence: named for what they are.
//!
//! ```text
//! "FIRMLOGW" …          write-ahead log segment          "FLNF" …   never-fork record, two slots
//! "SQLite format 3\0" …  index or disclosures store       a3 01 02 …  COSE_Key, or a set of them
//! ```
//!
//! Out of scope: their checksums; `firmlog log fsck` checks those.

use firmlog_statement::PublicKey;
use firmlog_statement::disclosure::DisclosureSet;
use serde_json::{Value, json};

use super::Found;
use crate::answer::{counted, hex, table, unhex};

/// Bytes of a slot of the never-fork record, and of what comes before the checkpoint in it.
const SLOT: usize = 4096;
const SLOT_HEAD: usize = 100;

/// Explains a file known by its first bytes or its one encoding.
pub(crate) fn explain(bytes: &[u8]) -> Option<Found> {
    if bytes.starts_with(b"FIRMLOGW") {
        return Some(segment(bytes));
    }
    if bytes.len() == 2 * SLOT && bytes.chunks(SLOT).any(|slot| slot.starts_with(b"FLNF")) {
        return Some(record(bytes));
    }
    if bytes.starts_with(b"SQLite format 3\0") {
        let summary = "no evidence; a log keeps its index, and disclosures, in such files";
        return Some(Found::new("SQLite database", summary));
    }
    keys(bytes).or_else(|| disclosures(bytes))
}

/// The public half that `firmlog key new` writes: one line, the COSE_Key in hex.
pub(crate) fn public_line(line: &str) -> Option<Found> {
    let key = PublicKey::from_cose_key(&unhex(line)?).ok()?;
    let summary = "the public half of a key; not a secret";
    Some(Found::new("public key", summary).text(key_table(&key)).json(key_json(&key)))
}

fn segment(bytes: &[u8]) -> Found {
    let Some(first) = number(bytes, 16) else {
        return Found::new("write-ahead log segment", "entries a log acknowledged")
            .broken(format!("expected a header of at least 24 bytes, got {}", bytes.len()));
    };
    let summary = format!("entries a log acknowledged, from entry {first} on");
    Found::new("write-ahead log segment", summary).json(json!({"first": first.to_string()}))
}

/// The slot with the higher number counts.
fn record(bytes: &[u8]) -> Found {
    let slots = bytes.chunks(SLOT).filter(|slot| slot.starts_with(b"FLNF"));
    let newest = slots.max_by_key(|slot| number(slot, 8)).unwrap_or_default();
    let size = number(newest, 16).unwrap_or(0);
    let len = newest.get(88..92).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let note = newest.get(SLOT_HEAD..).and_then(|rest| rest.get(..len as usize)).unwrap_or(&[]);
    let summary =
        format!("the last checkpoint this log signed has {}", counted(size, "entry", "entries"));
    Found::new("never-fork record", summary)
        .text(String::from_utf8_lossy(note).into_owned() + "Keep it out of every backup.\n")
        .json(json!({"size": size.to_string()}))
}

/// A COSE_Key, or the COSE_KeySet of one under `/.well-known/scitt-keys`.
fn keys(bytes: &[u8]) -> Option<Found> {
    let (kind, summary, key) = match bytes.strip_prefix(&[0x81]) {
        Some(one) => ("key set", "COSE_KeySet: the key that signs a log's receipts", one),
        None => ("public key", "a COSE_Key; not a secret", bytes),
    };
    let key = PublicKey::from_cose_key(key).ok()?;
    Some(Found::new(kind, summary).text(key_table(&key)).json(key_json(&key)))
}

fn key_table(key: &PublicKey) -> String {
    table([
        ("algorithm", key.algorithm().name().to_owned()),
        ("thumbprint", key.thumbprint().to_string()),
        ("COSE_Key", hex(&key.to_cose_key())),
    ])
}

fn key_json(key: &PublicKey) -> Value {
    json!({"algorithm": key.algorithm().name(), "thumbprint": key.thumbprint().to_string(),
        "cose_key": hex(&key.to_cose_key())})
}

/// Salts and private values that open the commitments of entries.
fn disclosures(bytes: &[u8]) -> Option<Found> {
    let set = DisclosureSet::parse(bytes).ok().filter(|set| !set.as_slice().is_empty())?;
    let (mut text, mut list) = (String::new(), Vec::new());
    for it in set.as_slice() {
        text.push_str(&format!("{}  {}: {}\n", it.entry, it.field, it.value));
        list.push(json!({"entry": it.entry.to_string(), "field": it.field.to_string(),
            "value": it.value}));
    }
    let values = counted(list.len() as u64, "private value", "private values");
    let summary = format!("{values} that open commitments of entries");
    Some(Found::new("disclosures", summary).text(text).json(json!({"disclosures": list})))
}

/// A 64-bit number, least byte first.
fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    bytes.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let mut segment = b"FIRMLOGW".to_vec();
        segment.extend([0; 8]);
        segment.extend(7u64.to_le_bytes());
        let found = explain(&segment).expect("a segment");
        assert_eq!((found.kind, &found.json["first"]), ("write-ahead log segment", &"7".into()));
        assert!(explain(&segment[..10]).expect("a cut one").broken.is_some());
        let database = [&b"SQLite format 3\0"[..], &[0; 8176]].concat();
        assert_eq!(explain(&database).map(|f| f.kind), Some("SQLite database"));
    }

    #[test]
    fn the_newer_slot_of_a_record_counts() {
        let mut record = vec![0; 2 * SLOT];
        for (at, seq, size) in [(0, 6u64, 10u64), (SLOT, 7, 12)] {
            record[at..at + 4].copy_from_slice(b"FLNF");
            record[at + 8..at + 16].copy_from_slice(&seq.to_le_bytes());
            record[at + 16..at + 24].copy_from_slice(&size.to_le_bytes());
        }
        let found = explain(&record).expect("a record");
        assert_eq!((found.kind, &found.json["size"]), ("never-fork record", &"12".into()));
    }
}
