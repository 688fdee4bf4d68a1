//! scitt-cose (Python) reads what we write, and we judge what it writes, sound and spoiled.

mod common;
mod oracle;

use common::log::TestLog;
use common::{Key, ORIGIN, World, release};
use firmlog_statement::{Parsed, PublicKey, Signer as _};
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeSize, leaf_hash};
use firmlog_verify::receipt::cose::{CoseError, CoseReceipt, RootSignature};
use firmlog_verify::{RustCrypto, check_signature};
use oracle::Oracle;
use serde_json::{Value, json};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in der.chunks(3) {
        let bits = (0..3).fold(0_u32, |n, i| n << 8 | u32::from(*chunk.get(i).unwrap_or(&0)));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i > chunk.len() { '=' } else { digit as char });
        }
    }
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

fn public_pem(key: &PublicKey) -> String {
    let der = match key {
        PublicKey::P256(point) => [
            &b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04"[..],
            point,
        ]
        .concat(),
        PublicKey::Ed25519(point) => {
            [&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..], point].concat()
        }
    };
    pem("PUBLIC KEY", &der)
}

fn private_pem(key: &Key, secret: u8) -> String {
    let front: &[u8] = match key {
        Key::P256(_) => {
            b"\x30\x41\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x04\x27\x30\x25\x02\x01\x01\x04\x20"
        }
        Key::Ed25519(_) => b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20",
    };
    pem("PRIVATE KEY", &[front, &[secret; 32]].concat())
}

/// One key of each algorithm, and the name the oracle has for it.
fn keys() -> [(Key, u8, &'static str); 2] {
    [(Key::p256(40), 40, "ES256"), (Key::ed25519(41), 41, "EdDSA")]
}

#[test]
fn it_verifies_our_statements_and_refuses_spoiled_ones() {
    let Some(mut oracle) = Oracle::start("oracle.py") else { return };
    for (key, _, alg) in keys() {
        let entry = release(&key, "acme.example", 3);
        let public = public_pem(&key.public_key());
        let mut ask = |bytes: &[u8]| {
            oracle.ask(json!({"op": "verify_statement", "statement": hex(bytes), "key": public}))
        };
        let answer = ask(&entry);
        assert_eq!(answer["ok"], true, "{answer}");
        assert_eq!(answer["issuer"], "acme.example");
        assert_eq!(answer["subject"], "ip-200/app");
        assert_eq!(answer["alg"], alg);
        assert_eq!(answer["content_type"], "application/firmlog+cbor");
        for at in [20, entry.len() / 2, entry.len() - 1] {
            let mut spoiled = entry.clone();
            spoiled[at] ^= 1;
            assert_eq!(ask(&spoiled)["ok"], false, "byte {at}");
        }
        let thumbprint = oracle.ask(json!({"op": "thumbprint", "key": public}));
        assert_eq!(thumbprint["thumbprint"], key.kid().to_string());
    }
}

#[test]
fn we_judge_its_statements() {
    let Some(mut oracle) = Oracle::start("oracle.py") else { return };
    for (key, secret, alg) in keys() {
        let ours = release(&key, "acme.example", 3);
        let payload = hex(Parsed::parse(&ours).unwrap().payload());
        let mut make = |extra: Value| {
            let mut question = json!({
                "op": "make_statement", "payload": payload, "alg": alg,
                "key": private_pem(&key, secret), "kid": key.kid().to_string(),
                "issuer": "acme.example", "subject": "ip-200/app",
                "content_type": "application/firmlog+cbor",
            });
            for (name, value) in extra.as_object().unwrap() {
                question[name] = value.clone();
            }
            unhex(&oracle.ask(question)["statement"])
        };
        let good = |bytes: &[u8]| {
            Parsed::parse(bytes)
                .is_ok_and(|parsed| check_signature(&RustCrypto, &key.public_key(), &parsed))
        };
        let made = make(json!({}));
        assert!(good(&made));
        // The same bytes up to the signature: one statement, one spelling.
        assert_eq!(made[..made.len() - 64], ours[..ours.len() - 64]);
        for part in ["signature", "payload", "protected", "unprotected", "detached"] {
            assert!(!good(&make(json!({"spoil": part}))), "spoiled {part}");
        }
        assert!(!good(&make(json!({"content_type": "text/plain"}))));
    }
    // High S comes by chance: out of many, none may pass.
    let (key, secret, _) = &keys()[0];
    let payload = hex(Parsed::parse(&release(key, "acme.example", 3)).unwrap().payload());
    let high = (0..40).filter(|_| {
        let made = oracle.ask(json!({
            "op": "make_statement", "payload": payload, "alg": "ES256", "low_s": false,
            "key": private_pem(key, *secret), "kid": key.kid().to_string(),
            "issuer": "acme.example", "subject": "s", "content_type": "application/firmlog+cbor",
        }));
        Parsed::parse(&unhex(&made["statement"])).is_err()
    });
    assert!(high.count() > 5);
}

#[test]
fn it_verifies_our_receipts() {
    let Some(mut oracle) = Oracle::start("oracle.py") else { return };
    let log = TestLog::new(World::new().entries);
    for (key, _, _) in keys() {
        let public = public_pem(&key.public_key());
        for size in 2..=log.entries.len() {
            let head = log.head(size);
            let signature = RootSignature::sign(&head.root, ORIGIN, &key).unwrap();
            for index in 0..size {
                let path = log.path(index, size);
                let (of, at) = (TreeSize(size as u64), LeafIndex(index as u64));
                let receipt = signature.inclusion_receipt(of, at, &path).unwrap();
                let mut ask = |receipt: &[u8], entry: &[u8]| {
                    oracle.ask(json!({
                        "op": "verify_receipt", "receipt": hex(receipt), "entry": hex(entry),
                        "key": public,
                    }))
                };
                let answer = ask(&receipt, &log.entries[index]);
                assert_eq!(answer["ok"], true, "{answer}");
                assert_eq!(answer["root"], head.root.to_string());
                assert_eq!(answer["tree_size"], size);
                assert_eq!(answer["leaf_index"], index);
                assert_eq!(ask(&receipt, b"another entry")["ok"], false);
                let mut spoiled = receipt.clone();
                *spoiled.last_mut().unwrap() ^= 1;
                assert_eq!(ask(&spoiled, &log.entries[index])["ok"], false);
            }
        }
    }
}

#[test]
fn it_verifies_our_consistency_receipts() {
    let Some(mut oracle) = Oracle::start("oracle.py") else { return };
    let log = TestLog::new(World::new().entries);
    for (key, _, _) in keys() {
        let public = public_pem(&key.public_key());
        for new in 2..=log.entries.len() {
            let head = log.head(new);
            let signature = RootSignature::sign(&head.root, ORIGIN, &key).unwrap();
            for old in 1..new {
                let path = log.consistency(old, new);
                let sizes = (TreeSize(old as u64), TreeSize(new as u64));
                let receipt = signature.consistency_receipt(sizes.0, sizes.1, &path).unwrap();
                let mut ask = |receipt: &[u8], older: Hash| {
                    oracle.ask(json!({
                        "op": "verify_consistency_receipt", "receipt": hex(receipt),
                        "root1": older.to_string(), "root2": head.root.to_string(),
                        "key": public,
                    }))
                };
                let answer = ask(&receipt, log.head(old).root);
                assert_eq!(answer["ok"], true, "{answer}");
                assert_eq!(answer["sizes"], json!([old, new]));
                assert_eq!(ask(&receipt, Hash([7; 32]))["ok"], false);
                let mut spoiled = receipt.clone();
                *spoiled.last_mut().unwrap() ^= 1;
                assert_eq!(ask(&spoiled, log.head(old).root)["ok"], false);
            }
        }
    }
}

#[test]
fn we_judge_its_receipts() {
    let Some(mut oracle) = Oracle::start("oracle.py") else { return };
    let entries: Vec<Vec<u8>> = (0..9).map(|n| vec![n; 50 + usize::from(n)]).collect();
    let as_hex: Vec<String> = entries.iter().map(|entry| hex(entry)).collect();
    for (key, secret, alg) in keys() {
        for (index, entry) in entries.iter().enumerate() {
            let made = oracle.ask(json!({
                "op": "make_receipt", "entries": as_hex, "index": index, "alg": alg,
                "key": private_pem(&key, secret), "kid": key.kid().to_string(),
                "issuer": "log.example", "subject": "log.example",
            }));
            let bytes = unhex(&made["receipt"]);
            let leaf = leaf_hash(entry);
            let receipt = CoseReceipt::parse(&bytes).unwrap();
            let included = receipt.verify_inclusion(&leaf, &key.public_key(), &RustCrypto).unwrap();
            assert_eq!(made["root"], included.head.root.to_string());
            assert_eq!(included.index, LeafIndex(index as u64));
            for at in 0..bytes.len() {
                let mut spoiled = bytes.clone();
                spoiled[at] ^= 1;
                let accepted = CoseReceipt::parse(&spoiled).is_ok_and(|receipt| {
                    receipt.verify_inclusion(&leaf, &key.public_key(), &RustCrypto).is_ok()
                });
                assert!(!accepted, "byte {at} of the receipt for {index}");
            }
            let other = receipt.verify_inclusion(&Hash([1; 32]), &key.public_key(), &RustCrypto);
            assert_eq!(other, Err(CoseError::SignatureWrong));
        }
    }
}
