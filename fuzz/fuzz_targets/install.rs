//! A device's decision over a bundle in place: it ends, it takes the bundles that everybody takes,
//! and nothing is installable by it that a full verification refuses.

#![no_main]

use std::sync::LazyLock;

use firmlog_statement::{DeviceId, Parsed, leaf_hash};
use firmlog_tlog::merkle::Hash;
use firmlog_tlog::note::{Ed25519Check, KeyName, Note, VerifierKey};
use firmlog_verify::bundle::Bundle;
use firmlog_verify::install::{Evidence, Known, Reason, Root, Running, is_well_formed};
use firmlog_verify::{Crypto, TrustRoot, verify_release};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

static TRUST: LazyLock<TrustRoot> = LazyLock::new(|| {
    TrustRoot::parse(include_bytes!("../seeds/trust_root/two")).expect("the seed is a trust root")
});
static WITNESSES: LazyLock<Vec<VerifierKey>> =
    LazyLock::new(|| TRUST.policy().witnesses().iter().map(|witness| witness.key).collect());

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
    let front = bytes.len().saturating_sub(32);
    let mut sealed = bytes[..front].to_vec();
    let sum = Sha256::digest(&sealed);
    sealed.extend_from_slice(&sum);
    check(&sealed);
});

fn check(bytes: &[u8]) {
    let whole = Bundle::parse(bytes);
    assert_eq!(is_well_formed(bytes), whole.is_ok());
    let Ok(bundle) = whole else { return };
    let genesis = Hash(bundle.entries.first().map_or([0; 32], |entry| leaf_hash(&entry.bytes)));
    let Some(log) = log_of(&bundle) else { return };
    let root = Root { genesis, log: &log, witnesses: &WITNESSES, quorum: 0 };
    let Ok(evidence) = Evidence::verify(bytes, &root, &Believe, &mut [0; 65_600]) else { return };
    let mut revocations = Vec::new();
    evidence.revocations(|it| revocations.push(it));
    assert!(revocations.len() <= bundle.entries.len());
    let heard = Known { latest_ms: Some(0), revocations: &revocations, ..Known::default() };
    let known = Known { latest_ms: Some(0), ..Known::default() };
    let trust = TrustRoot::new(genesis, TRUST.policy().clone()).expect("one log");
    let releases = bundle.entries.iter().filter_map(|entry| {
        let parsed = Parsed::parse(&entry.bytes).ok()?;
        Some((parsed.release_head()?.image, parsed))
    });
    for (image, release) in releases {
        // A device that it is for.
        let running = Running {
            device: DeviceId([1; 32]),
            model: "m",
            hw_rev: None,
            component: release.field(29).and_then(|mut d| d.text().ok()).unwrap_or_default(),
            issuers: &[release.issuer()],
            version: 0,
            counter: 0,
        };
        let decided = evidence.installable(&image, &running, &known);
        // What a bundle tells a device to remember says no more than the bundle itself.
        assert_eq!(decided, evidence.installable(&image, &running, &heard));
        let Ok(found) = decided else { continue };
        assert_eq!(found.image, image);
        let nobody = Running { issuers: &[], ..running };
        assert_eq!(evidence.installable(&image, &nobody, &known), Err(Reason::WrongIssuer));
        // A full verification looks at more: it may find another part altered.
        match verify_release(&bundle, &trust, &Believe, &image, &running, &known) {
            Ok(whole) => assert_eq!(*whole, *found),
            Err(Reason::EvidenceAltered | Reason::EvidenceIncomplete | Reason::NotWitnessed) => {}
            Err(other) => panic!("installable in place, but {other}"),
        }
    }
}

/// A key that the bundle's last checkpoint names as its log's, so that the rest is reached.
fn log_of(bundle: &Bundle) -> Option<VerifierKey> {
    let note = Note::parse(bundle.checkpoints.last()?.as_bytes()).ok()?;
    let mut signatures = note.signatures();
    let line = signatures.find(|line| line.name() == bundle.origin.as_str())?;
    Some(VerifierKey {
        name: KeyName::new(&bundle.origin).ok()?,
        id: line.key_id(),
        ..*TRUST.log_key()
    })
}
