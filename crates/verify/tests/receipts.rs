//! COSE receipts of both kinds, every tree and pair up to a size; `.tlog-proof` receipts.

mod common;

use common::log::TestLog;
use common::{Key, ORIGIN, World};
use firmlog_statement::Signer as _;
use firmlog_tlog::merkle::{LeafIndex, TreeHead, TreeSize, leaf_hash};
use firmlog_verify::RustCrypto;
use firmlog_verify::receipt::cose::{CoseError, CoseReceipt, RootSignature};
use firmlog_verify::receipt::{Receipt, ReceiptError};

fn log(size: usize) -> TestLog {
    TestLog::new((0..size).map(|n| format!("entry {n}").into_bytes()).collect())
}

#[test]
fn every_inclusion_receipt_of_small_trees_verifies() {
    let log = log(17);
    let key = Key::ed25519(60);
    for size in 2..=17 {
        let head = log.head(size);
        let signature = RootSignature::sign(&head.root, ORIGIN, &key).unwrap();
        for index in 0..size {
            let (of, at) = (TreeSize(size as u64), LeafIndex(index as u64));
            let bytes = signature.inclusion_receipt(of, at, &log.path(index, size)).unwrap();
            let receipt = CoseReceipt::parse(&bytes).unwrap();
            assert_eq!((receipt.issuer, receipt.subject), (Some(ORIGIN), Some(ORIGIN)));
            let leaf = leaf_hash(&log.entries[index]);
            let proven = receipt.verify_inclusion(&leaf, &key.public_key(), &RustCrypto);
            assert_eq!(proven.unwrap().head, head);
        }
    }
}

#[test]
fn every_consistency_receipt_of_small_trees_verifies() {
    let log = log(17);
    let key = Key::p256(61);
    for new in 2..=17 {
        let head = log.head(new);
        let signature = RootSignature::sign(&head.root, ORIGIN, &key).unwrap();
        for old in 1..new {
            let path = log.consistency(old, new);
            let sizes = (TreeSize(old as u64), TreeSize(new as u64));
            let bytes = signature.consistency_receipt(sizes.0, sizes.1, &path).unwrap();
            let receipt = CoseReceipt::parse(&bytes).unwrap();
            let older = log.head(old);
            let proven = receipt.verify_consistency(&older, &key.public_key(), &RustCrypto);
            assert_eq!(proven.unwrap().into_inner(), head);
            let wrong = TreeHead { root: head.root, ..older };
            let refused = receipt.verify_consistency(&wrong, &key.public_key(), &RustCrypto);
            assert!(refused.is_err(), "{old} to {new}");
            let kind = receipt.verify_inclusion(&older.root, &key.public_key(), &RustCrypto);
            assert_eq!(kind, Err(CoseError::WrongProofKind));
        }
    }
}

#[test]
fn a_tree_of_one_entry_has_no_receipt() {
    let log = log(1);
    let signature = RootSignature::sign(&log.head(1).root, ORIGIN, &Key::ed25519(60)).unwrap();
    let refused = signature.inclusion_receipt(TreeSize(1), LeafIndex(0), &[]);
    assert_eq!(refused, Err(CoseError::TreeTooSmall));
}

#[test]
fn a_receipt_of_another_key_is_refused() {
    let log = log(5);
    let signature = RootSignature::sign(&log.head(5).root, ORIGIN, &Key::ed25519(60)).unwrap();
    let path = log.path(2, 5);
    let bytes = signature.inclusion_receipt(TreeSize(5), LeafIndex(2), &path).unwrap();
    let receipt = CoseReceipt::parse(&bytes).unwrap();
    let leaf = leaf_hash(&log.entries[2]);
    for other in [Key::ed25519(61), Key::p256(60)] {
        let refused = receipt.verify_inclusion(&leaf, &other.public_key(), &RustCrypto);
        assert_eq!(refused, Err(CoseError::KeyMismatch));
    }
    for at in 0..bytes.len() {
        let mut spoiled = bytes.clone();
        spoiled[at] ^= 1;
        let accepted = CoseReceipt::parse(&spoiled).is_ok_and(|receipt| {
            receipt.verify_inclusion(&leaf, &Key::ed25519(60).public_key(), &RustCrypto).is_ok()
        });
        assert!(!accepted, "byte {at}");
    }
}

#[test]
fn a_tlog_proof_verifies_and_says_who_witnessed() {
    let log = TestLog::new(World::new().entries);
    let root = log.root("both");
    let receipt = Receipt::new(LeafIndex(1), log.path(1, 4), log.checkpoint(4, 2));
    let receipt = Receipt::parse(receipt.encode().as_bytes()).unwrap();
    let leaf = leaf_hash(&log.entries[1]);
    let (inclusion, head) = receipt.verify(&leaf, &root, &RustCrypto).unwrap();
    assert_eq!((inclusion.index, head.quorum), (LeafIndex(1), true));
    let other = receipt.verify(&leaf_hash(b"other"), &root, &RustCrypto);
    assert!(matches!(other, Err(ReceiptError::Path(_))));
    let spoiled = receipt.encode().replacen("\n4\n", "\n5\n", 1);
    let spoiled = Receipt::parse(spoiled.as_bytes()).unwrap();
    assert!(matches!(spoiled.verify(&leaf, &root, &RustCrypto), Err(ReceiptError::Head(_))));
}
