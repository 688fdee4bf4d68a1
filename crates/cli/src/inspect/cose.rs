//! COSE: statements and receipts, every byte named.
//!
//! Names of the payload's keys are those of `docs/spec/statement.md`.

use firmlog_statement::Parsed;
use firmlog_tlog::merkle::leaf_hash;
use serde_json::{Value, json};

use super::Found;
use super::cbor::{self, Head, Line, Meaning, Step};
use crate::answer::hex;

/// Explains a COSE_Sign1; `None` if the bytes are none.
pub(crate) fn explain(bytes: &[u8]) -> Option<Found> {
    if bytes.first() != Some(&0xd2) {
        return None;
    }
    let kind = payload_kind(bytes);
    let lines = match cbor::walk(bytes, &|path, head| name(path, head, kind)) {
        Ok(lines) => lines,
        Err(e) => return Some(Found::new("COSE_Sign1", "a signed structure").broken(e)),
    };
    if is_receipt(&lines) {
        return Some(found("receipt", "COSE receipt (RFC 9942): an entry is in a log", &lines));
    }
    let summary = format!("{}; entry of {} bytes", kind_name(kind), bytes.len());
    let leaf = leaf_hash(bytes).to_string();
    let mut found = found("statement", &summary, &lines);
    found.text.insert_str(0, &format!("leaf hash  {leaf}\n"));
    found.json["leaf_hash"] = leaf.into();
    found.json["statement"] = kind_name(kind).into();
    match Parsed::parse(bytes).and_then(|parsed| firmlog_statement::json::to_json(&parsed)) {
        Ok(decoded) => {
            let pretty = serde_json::to_string_pretty(&decoded).unwrap_or_default();
            found.text.push_str(&format!("{pretty}\n"));
            found.json["decoded"] = decoded;
            Some(found)
        }
        Err(e) => Some(found.broken(e)),
    }
}

/// What an entry of a bundle is, in a few words.
pub(crate) fn one_line(entry: &[u8]) -> String {
    match (entry.first(), payload_kind(entry)) {
        (Some(0xd2), Some(kind)) => kind_name(Some(kind)).to_owned(),
        _ => "raw bytes".to_owned(),
    }
}

fn found(kind: &'static str, summary: &str, lines: &[Line]) -> Found {
    let json: Vec<Value> = lines.iter().map(line_json).collect();
    Found::new(kind, summary).text(cbor::render(lines)).json(json!({"lines": json}))
}

fn line_json(line: &Line) -> Value {
    json!({"offset": line.offset, "bytes": hex(&line.bytes), "depth": line.depth,
        "what": line.what, "name": line.name})
}

fn is_receipt(lines: &[Line]) -> bool {
    lines.iter().any(|line| line.name.starts_with("verifiable data structure"))
}

fn kind_name(kind: Option<u64>) -> &'static str {
    match kind {
        Some(0) => "Trust",
        Some(1) => "Release",
        Some(2) => "Approval",
        Some(3) => "Authorisation",
        Some(4) => "Update",
        Some(5) => "Annotation",
        Some(6) => "Audit",
        _ => "signed by somebody, of no kind known here",
    }
}

/// The payload's kind (its key 0), read without believing anything else.
fn payload_kind(bytes: &[u8]) -> Option<u64> {
    let mut at = 1 + cbor::head(bytes.get(1..)?).ok()?.len;
    for item in 0..3 {
        let head = cbor::head(bytes.get(at..)?).ok()?;
        let len = if head.major == 2 { usize::try_from(head.argument).ok()? } else { 0 };
        if item == 2 {
            let payload = bytes.get(at.checked_add(head.len)?..)?.get(..len)?;
            return match payload {
                [0xa0..=0xbb, 0, kind @ 0..=23, ..] => Some(u64::from(*kind)),
                [0xb8, _, 0, kind @ 0..=23, ..] => Some(u64::from(*kind)),
                _ => None,
            };
        }
        at = at.checked_add(head.len)?.checked_add(len)?;
    }
    None
}

/// What stands at a path of a COSE_Sign1.
fn name(path: &[Step], head: &Head, kind: Option<u64>) -> Meaning {
    use Step::{At, In, Key};
    match path {
        [At(0)] => Meaning::named("protected header").holds_cbor(),
        [At(1)] => Meaning::named("unprotected header"),
        [At(2)] if head.major == 7 => Meaning::named("payload: detached"),
        [At(2)] => Meaning::named("payload").holds_cbor(),
        [At(3)] => Meaning::named("signature"),
        [At(0), In, rest @ ..] => header(rest, head),
        [At(1), Key(396)] => Meaning::named("proofs (label 396)"),
        [At(1), Key(396), Key(-1)] => Meaning::named("inclusion proofs"),
        [At(1), Key(396), Key(-2)] => Meaning::named("consistency proofs"),
        [At(1), Key(396), Key(p), At(_)] => Meaning::named(proof_shape(*p)).holds_cbor(),
        [At(1), Key(396), Key(p), At(_), In, At(i)] => Meaning::named(proof_part(*p, *i)),
        [At(2), In, Key(key)] => Meaning::named(payload_key(kind, *key)),
        _ => Meaning::default(),
    }
}

fn proof_shape(proof: i64) -> &'static str {
    if proof == -1 { "[tree size, leaf index, path]" } else { "[old size, new size, path]" }
}

fn proof_part(proof: i64, part: usize) -> &'static str {
    match (proof, part) {
        (-1, 0) => "tree size",
        (-1, 1) => "leaf index",
        (-2, 0) => "old size",
        (-2, 1) => "new size",
        (_, 2) => "path, from the leaf up",
        _ => "",
    }
}

fn header(path: &[Step], head: &Head) -> Meaning {
    use Step::Key;
    Meaning::named(match path {
        [Key(1)] => match (head.major, head.argument) {
            (1, 6) => "algorithm: ES256 (P-256, SHA-256)",
            (1, 7) => "algorithm: EdDSA (Ed25519)",
            _ => "algorithm",
        },
        [Key(3)] => "content type",
        [Key(4)] => "key id: COSE key thumbprint (RFC 9679)",
        [Key(15)] => "CWT claims",
        [Key(15), Key(1)] => "issuer",
        [Key(15), Key(2)] => "subject",
        [Key(15), Key(6)] => "issued at",
        [Key(395)] => "verifiable data structure: 1 is RFC9162_SHA256",
        _ => "",
    })
}

fn payload_key(kind: Option<u64>, key: i64) -> String {
    let own: &[(i64, &str)] = match kind {
        Some(0) => &TRUST,
        Some(1) => &RELEASE,
        Some(2) => &APPROVAL,
        Some(3) => &AUTHORISATION,
        Some(4) => &UPDATE,
        Some(6) => &AUDIT,
        _ => &[],
    };
    if key == 0 {
        return format!("kind: {}", kind_name(kind));
    }
    let found = own.iter().chain(&COMMON).find(|(own, _)| *own == key);
    found.map_or_else(String::new, |(_, name)| (*name).to_owned())
}

/// Keys that mean the same in every kind that has them.
const COMMON: [(i64, &str); 12] = [
    (1, "device"),
    (2, "image: SHA-256"),
    (3, "version code"),
    (4, "security counter"),
    (9, "event"),
    (10, "time"),
    (13, "release: leaf hash"),
    (14, "authorisation: leaf hash"),
    (15, "initiator"),
    (16, "reason"),
    (22, "salted commitments"),
    (27, "supersedes: leaf hash"),
];
const TRUST: [(i64, &str); 1] = [(32, "action")];
const RELEASE: [(i64, &str); 7] = [
    (29, "component"),
    (30, "manufacturer"),
    (32, "version name"),
    (33, "models"),
    (34, "hardware revisions"),
    (35, "size in bytes"),
    (38, "SBOM"),
];
const APPROVAL: [(i64, &str); 2] = [(32, "e-signature"), (33, "evidence")];
const AUTHORISATION: [(i64, &str); 5] = [
    (32, "e-signature"),
    (33, "devices"),
    (34, "models"),
    (37, "downgrade"),
    (38, "log before install"),
];
const UPDATE: [(i64, &str); 12] = [
    (5, "outcome"),
    (6, "seq: place in the device's chain"),
    (7, "prev: SHA-256 of the device's previous entry"),
    (9, "events"),
    (11, "from"),
    (12, "to"),
    (17, "transport"),
    (18, "result"),
    (19, "boot"),
    (20, "checkpoint seen"),
    (21, "unit"),
    (29, "component"),
];
const AUDIT: [(i64, &str); 6] = [
    (32, "action"),
    (33, "subjects"),
    (34, "devices"),
    (36, "digest now"),
    (40, "severity"),
    (41, "detail"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A statement's frame with a payload of two keys and a signature of zeros.
    fn framed() -> Vec<u8> {
        let mut bytes = vec![0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26, 0xa0];
        bytes.extend([0x45, 0xa2, 0, 4, 5, 1, 0x58, 64]);
        bytes.extend([0; 64]);
        bytes
    }

    #[test]
    fn each_part_is_named() {
        let found = explain(&framed()).expect("a COSE_Sign1");
        assert_eq!(found.kind, "statement");
        assert!(found.broken.is_some(), "its header lacks what a statement needs");
        for part in ["protected header", "ES256", "kind: Update", "outcome", "signature"] {
            assert!(found.text.contains(part), "{part} in\n{}", found.text);
        }
    }

    #[test]
    fn a_cut_statement_is_broken() {
        let mut bytes = framed();
        bytes.truncate(40);
        assert!(explain(&bytes).is_some_and(|found| found.broken.is_some()));
        // A header of 2^64 - 1 bytes.
        let endless = [&[0xd2, 0x84, 0x5b][..], &[0xff; 8], &[0xa0, 0x40]].concat();
        assert!(explain(&endless).is_some_and(|found| found.broken.is_some()));
    }
}
