//! What the C example says is what a log takes and what openssl verifies.

#[path = "../../verify/tests/common/mod.rs"]
mod common;
#[path = "toolchain/log.rs"]
mod log;
mod toolchain;

use firmlog_statement::disclosure::{Commitment, Commitments, FieldId};
use firmlog_statement::event::EventType as T;
use firmlog_statement::{
    Digest, Enrol, Extra, Genesis, Outcome, Parsed, PublicKey, Registration, Role, SignError,
    Signer, Statement, Trust, TrustAction, Update, sign_statement,
};
use firmlog_tlog::merkle::LeafIndex;
use firmlog_verify::crypto::RustCrypto;
use firmlog_verify::registry::{Decision, Registry};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use toolchain::{EXAMPLE, have, program, ran, told};

/// What the example wrote.
struct Told {
    folder: PathBuf,
    key: PublicKey,
    seed: [u8; 32],
    device: [u8; 32],
    entries: Vec<Vec<u8>>,
}

/// Runs the example, once, and reads what it wrote.
fn run() -> &'static Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    TOLD.get_or_init(play)
}

fn play() -> Told {
    let device = program("device-verified", &EXAMPLE, &["-O1"]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verified");
    fs::create_dir_all(&folder).unwrap();
    told(Command::new(device).arg(&folder));
    let text = fs::read_to_string(folder.join("enrolment")).unwrap();
    let lines: HashMap<&str, Vec<u8>> = text
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(k, v)| (k, bytes(v)))
        .collect();
    let entries = entries(&fs::read(folder.join("entries")).unwrap());
    let fixed = |name: &str| lines[name].as_slice().try_into().unwrap();
    let key = PublicKey::P256(lines["key"].as_slice().try_into().unwrap());
    Told { folder, key, seed: fixed("seed"), device: fixed("device"), entries }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Takes a CBOR sequence apart.
fn entries(mut sequence: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while !sequence.is_empty() {
        // A tag counts as one item with what it marks.
        let mut item = firmlog_statement::codec::Decoder::new(&sequence[1..]);
        let len = 1 + item.skip().unwrap().len();
        entries.push(sequence[..len].to_vec());
        sequence = &sequence[len..];
    }
    entries
}

/// An administrator, who enrols the device.
struct Admin(p256::ecdsa::SigningKey);

impl Signer for Admin {
    fn public_key(&self) -> PublicKey {
        let point = self.0.verifying_key().to_sec1_point(false);
        PublicKey::P256(point.as_bytes()[1..].try_into().unwrap())
    }
    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        let signature: p256::ecdsa::Signature = p256::ecdsa::signature::Signer::sign(&self.0, tbs);
        Ok(signature.to_bytes().into())
    }
}

fn enrol(key: PublicKey, issuer: &str, role: Role, seed: Option<[u8; 32]>) -> Enrol {
    Enrol {
        key,
        issuer: issuer.into(),
        role,
        chain_seed: seed.map(Digest),
        model: None,
        manufacturer: None,
        hw_rev: None,
        udi_di: None,
        attestation: None,
        training: None,
        issuers: vec![],
    }
}

fn genesis(told: &Told) -> Vec<u8> {
    let admin = Admin(p256::ecdsa::SigningKey::from_slice(&[1; 32]).unwrap());
    let keys = vec![
        enrol(admin.public_key(), "acme.example", Role::Admin, None),
        enrol(told.key, "acme.example/devices", Role::Device, Some(told.seed)),
    ];
    let action = TrustAction::Genesis(Genesis {
        origin: "log.example/pumps".into(),
        log_keys: vec![],
        registration: Registration::Signed,
        approvals: 0,
        keys,
        policy: None,
    });
    let (commitments, extra) = (Commitments::default(), Extra::default());
    let trust = Statement::Trust(Trust { time: None, commitments, action, extra });
    sign_statement(&trust, "acme.example", "log.example/pumps", &admin).unwrap()
}

#[test]
fn a_log_takes_every_statement_of_the_example_as_the_next() {
    if !have("the log", &["gcc"]) {
        return;
    }
    let told = run();
    let mut registry = Registry::new();
    let log = [vec![genesis(told)], told.entries.clone()].concat();
    for (index, entry) in (0..).zip(&log) {
        let parsed = Parsed::parse(entry).unwrap();
        let candidate = registry.check(&parsed, &RustCrypto).unwrap();
        assert_eq!(registry.admit(&candidate), Decision::Append, "entry {index}");
        registry.apply(&candidate, &parsed, LeafIndex(index)).unwrap();
    }
    assert_eq!(told.device, told.key.thumbprint().0);
    let updates: Vec<Update> =
        told.entries.iter().map(|entry| Parsed::parse(entry).unwrap().update().unwrap()).collect();
    check_story(&updates);
}

/// The order of events is legal, and the story is told: installed after a cut, rolled back, and
/// refused.
fn check_story(updates: &[Update]) {
    let mut life = firmlog_statement::event::Life::NEW;
    let events: Vec<T> = updates.iter().flat_map(|u| u.events.iter().map(|e| e.kind)).collect();
    for event in &events {
        life.observe(*event).unwrap();
    }
    let count = |kind| events.iter().filter(|event| **event == kind).count();
    assert_eq!((count(T::InstallStarted), count(T::InstallFailed)), (3, 1), "{events:?}");
    assert_eq!((count(T::Committed), count(T::RolledBack)), (1, 1), "{events:?}");
    let refusals: Vec<&Update> = updates.iter().filter(|u| u.outcome == Outcome::Refused).collect();
    let [first] = refusals[..] else { panic!("{refusals:?}") };
    assert_eq!((first.version.0, first.result.as_ref().unwrap().error), (4, Some(17)));
    let service = updates.iter().find(|u| !u.commitments.is_empty()).unwrap();
    let mut salt = [0; 16];
    salt[..3].copy_from_slice(&[1, 2, 3]);
    let serial = Commitment::new(FieldId::Serial, &salt, "SN-0042");
    assert_eq!(service.commitments[..], [serial]);
    assert_eq!(service.version.0, 2, "what runs after the rollback");
}

/// Over a link, with every answer checked; then damage, and the device goes on where the log proves
/// it to.
#[test]
fn the_example_confirms_what_the_log_proves_and_goes_on_after_damage() {
    if !have("the example's log", &["gcc"]) {
        return;
    }
    let device = program("device-sending", &EXAMPLE, &["-O1"]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sending");
    fs::create_dir_all(&folder).unwrap();
    let (said, log) = log::served(Command::new(device).arg(&folder), run().seed);

    assert_eq!(
        said,
        [
            "14 statements, 14 in the log, 5 of 10 pages free, 0 dropped",
            "15 statements, 15 in the log, 4 of 10 pages free, 0 dropped",
        ]
    );
    let last = Parsed::parse(log.statements().last().unwrap()).unwrap().update().unwrap();
    assert_eq!(log.statements().len(), 15);
    assert!(last.events.iter().any(|event| event.kind == T::LogGap), "{:?}", last.events);
}

#[test]
fn openssl_verifies_every_signature_of_the_example() {
    if !have("signatures", &["gcc", "openssl"]) {
        return;
    }
    let told_of = run();
    let pem = told_of.folder.join("key.pem");
    let PublicKey::P256(point) = told_of.key else { panic!("the example's key is P-256") };
    let der =
        [bytes("3059301306072a8648ce3d020106082a8648ce3d03010703420004"), point.to_vec()].concat();
    fs::write(told_of.folder.join("key.der"), der).unwrap();
    let mut convert = Command::new("openssl");
    convert.current_dir(&told_of.folder).args(["pkey", "-pubin", "-inform", "DER"]);
    told(convert.args(["-in", "key.der", "-out", "key.pem"]));
    for entry in &told_of.entries {
        let parsed = Parsed::parse(entry).unwrap();
        let mut signed = parsed.to_be_signed();
        fs::write(told_of.folder.join("signature"), der_signature(parsed.signature())).unwrap();
        for good in [true, false] {
            fs::write(told_of.folder.join("signed"), &signed).unwrap();
            let mut verify = Command::new("openssl");
            verify.current_dir(&told_of.folder).args(["dgst", "-sha256", "-verify"]).arg(&pem);
            let output = ran(verify.args(["-signature", "signature", "signed"]));
            assert_eq!(output.status.success(), good, "{output:?}");
            signed[40] ^= 1;
        }
    }
}

/// r ‖ s as openssl wants it: a sequence of two integers.
fn der_signature(signature: &[u8; 64]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let from = half.iter().position(|byte| *byte != 0).unwrap();
        let pad = if half[from] & 0x80 == 0 { vec![] } else { vec![0] };
        let value = [pad, half[from..].to_vec()].concat();
        [vec![2, u8::try_from(value.len()).unwrap()], value].concat()
    };
    let body = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat()
}
