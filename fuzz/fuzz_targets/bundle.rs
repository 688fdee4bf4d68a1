//! Evidence bundles; a second try ends in the right checksum, which hides the rest of the parser.
//! Judging one ends, whatever it claims and whatever is asked, and no damaged one is verified.

#![no_main]

use std::sync::LazyLock;

use firmlog_statement::DeviceId;
use firmlog_tlog::merkle::Hash;
use firmlog_tlog::note::Ed25519Check;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::report::{Question, Verdict, verify_file};
use firmlog_verify::{Crypto, TrustRoot};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

static ROOT: LazyLock<TrustRoot> = LazyLock::new(|| {
    TrustRoot::parse(include_bytes!("../seeds/trust_root/two")).expect("the seed is a trust root")
});

/// Takes every signature, so that what lies behind them is reached.
struct Believe;

impl Ed25519Check for Believe {
    fn ed25519(&self, _key: &[u8; 32], _message: &[u8], _signature: &[u8; 64]) -> bool {
        true
    }
}

impl Crypto for Believe {
    fn p256(&self, _key: &[u8; 64], _message: &[u8], _signature: &[u8; 64]) -> bool {
        true
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Drop whatever stands where the checksum should be, and put the right one there.
    let front = bytes.len().saturating_sub(32);
    let mut sealed = bytes[..front].to_vec();
    let sum = Sha256::digest(&sealed);
    sealed.extend_from_slice(&sum);
    check(&sealed);
});

fn check(bytes: &[u8]) {
    let sound = Bundle::parse(bytes);
    if let Ok(bundle) = &sound {
        assert_eq!(bundle.encode(), bytes);
    }
    let first = sound.as_ref().ok().and_then(|bundle| bundle.entries.first());
    let leaf = first.map_or([0; 32], |entry| firmlog_statement::leaf_hash(&entry.bytes));
    let questions = [
        Question::Whole,
        Question::Device(DeviceId(leaf)),
        Question::Release(Hash(leaf)),
        Question::Image(leaf),
    ];
    for question in questions {
        let report = verify_file(bytes, &ROOT, &Believe, &question);
        assert!(sound.is_ok() || report.verdict == Verdict::Altered, "{:?}", report.verdict);
    }
}
