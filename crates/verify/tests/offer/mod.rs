//! Vectors of the decision before an install: what a device pins and runs, and a bundle in hex.
//!
//! ```text
//! expect: installs
//! reason: 0
//! genesis: 5f0c…
//! log: log.example/pumps+95f1d6da+ASvC…
//! witness: witness.example/a+b8fbc59b+BNYv…
//! quorum: 3
//! image: 0303…
//! model: ip-200
//! component: app
//! issuer: acme.example
//! version: 2
//! counter: 1
//! bundle:
//! a700…
//! ```
//!
//! The log holds two thousand statements of a device beside the release, so that proofs are as long
//! as they are in use.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use firmlog_statement::event::EventType;
use firmlog_statement::{DeviceId, Digest, Release, Statement, leaf_hash};
use firmlog_tlog::cosignature;
use firmlog_tlog::merkle::Hash;
use firmlog_tlog::note::{Algorithm, NoteSigner as _, VerifierKey};
use firmlog_verify::RustCrypto;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::install::{Evidence, Known, Reason, Root, Running};
use sha2::{Digest as _, Sha256};

use crate::common::log::{Named, TestLog};
use crate::common::{World, release_body, sign};

const UPDATES: u64 = 2_000;

/// One vector.
pub(crate) struct Offer {
    pub(crate) name: &'static str,
    /// Why it is refused, unless it is not.
    pub(crate) expect: Option<Reason>,
    genesis: Hash,
    log: VerifierKey,
    witnesses: [VerifierKey; 3],
    component: &'static str,
    issuer: &'static str,
    bundle: Vec<u8>,
}

/// A release that may be installed, and the same with one thing wrong.
pub(crate) fn all() -> Vec<Offer> {
    let scene = Scene::new();
    let offer = |name, expect, bundle: &Bundle| Offer {
        name,
        expect,
        genesis: Hash(leaf_hash(&scene.log.entries[0])),
        log: *scene.log.log.verifier_key(),
        witnesses: scene.witnesses(),
        component: "app",
        issuer: "acme.example",
        bundle: bundle.encode(),
    };
    let with = |change: fn(&mut Bundle)| {
        let mut bundle = scene.bundle(3);
        change(&mut bundle);
        bundle
    };
    let recalled = |again| Scene::recalled(again).bundle(3);
    let whole = scene.bundle(3);
    let [a, b, _] = scene.witnesses();
    vec![
        offer("three_cosignatures", None, &whole),
        offer("bad_cosignature_missing", Some(Reason::NotWitnessed), &scene.bundle(2)),
        offer(
            "bad_cosignature_changed",
            Some(Reason::EvidenceAltered),
            &with(swap_last_cosignature),
        ),
        offer(
            "bad_proof",
            Some(Reason::EvidenceAltered),
            &with(|it| it.entries[1].path[3].0[0] ^= 1),
        ),
        offer("bad_signature", Some(Reason::EvidenceAltered), &with(change_signature)),
        offer(
            "bad_approval_missing",
            Some(Reason::ApprovalsMissing),
            &with(|it| drop(it.entries.pop())),
        ),
        offer("bad_recalled", Some(Reason::Withdrawn), &recalled(Again::No)),
        offer("bad_bytes_recalled", Some(Reason::BytesRecalled), &recalled(Again::Silent)),
        offer("bytes_recalled_and_named", None, &recalled(Again::Naming)),
        Offer { component: "boot", ..offer("bad_component", Some(Reason::WrongComponent), &whole) },
        Offer { issuer: "other.example", ..offer("bad_issuer", Some(Reason::WrongIssuer), &whole) },
        Offer {
            witnesses: [a, b, b],
            ..offer("bad_witness_twice", Some(Reason::WitnessTwice), &whole)
        },
    ]
}

/// Two characters of the last cosignature change places: as well formed, and wrong.
fn swap_last_cosignature(bundle: &mut Bundle) {
    let note = bundle.checkpoints.last_mut().expect("a checkpoint");
    let at = note.len() - 40;
    let (one, other) = (note[at..=at].to_owned(), note[at + 1..at + 2].to_owned());
    assert_ne!(one, other);
    note.replace_range(at..at + 2, &format!("{other}{one}"));
}

/// A bit in the middle of the release's r.
fn change_signature(bundle: &mut Bundle) {
    let bytes = &mut bundle.entries[1].bytes;
    let at = bytes.len() - 48;
    bytes[at] ^= 1;
}

/// Whether the bytes of the recalled release are released under another version.
#[derive(PartialEq, Eq)]
enum Again {
    No,
    Silent,
    /// The new release names the recalled one.
    Naming,
}

struct Scene {
    log: TestLog,
    third: Named,
    /// Entries that the evidence holds behind the genesis.
    evidence: Vec<usize>,
}

impl Scene {
    fn new() -> Self {
        Self::with(|world| {
            let release = world.release_as("acme.example", 3);
            let leaf = leaf_hash(&release);
            vec![release, world.approval(0, leaf), world.approval(1, leaf)]
        })
    }

    /// The release was recalled.
    fn recalled(again: Again) -> Self {
        Self::with(|world| {
            let first = world.release_as("acme.example", 3);
            let leaf = leaf_hash(&first);
            let event = EventType::ReleaseRecalled;
            let recall = Release { release: Some(Digest(leaf)), event, ..release_body(3) };
            let recall =
                sign(Statement::Release(recall), "acme.example", "ip-200/app", &world.release);
            let mut said = vec![first, world.approval(0, leaf), world.approval(1, leaf), recall];
            if again != Again::No {
                let supersedes = (again == Again::Naming).then_some(Digest(leaf));
                let second = Release { supersedes, ..release_body(4) };
                let second =
                    sign(Statement::Release(second), "acme.example", "ip-200/app", &world.release);
                let leaf = leaf_hash(&second);
                said.extend([second, world.approval(0, leaf), world.approval(1, leaf)]);
            }
            said
        })
    }

    /// With these statements in the log behind the device's, and in the evidence.
    fn with(said: impl FnOnce(&World) -> Vec<Vec<u8>>) -> Self {
        let world = World::new();
        let mut entries = world.entries.clone();
        let mut before = world.devices[1].seed;
        for seq in 1..=UPDATES {
            let update = world.update(1, seq, before);
            before = Sha256::digest(&update).into();
            entries.push(update);
        }
        let place = entries.len();
        entries.extend(said(&world));
        let evidence = (place..entries.len()).collect();
        let third = Named::new(103, "witness.example/c", Algorithm::CosignatureV1);
        Self { log: TestLog::new(entries), third, evidence }
    }

    fn witnesses(&self) -> [VerifierKey; 3] {
        let [a, b] = &self.log.witnesses;
        [a, b, &self.third].map(|it| *it.verifier_key())
    }

    fn bundle(&self, cosignatures: usize) -> Bundle {
        let mut bundle = self.log.bundle(&[&[0], &self.evidence[..]].concat());
        let mut note = self.log.checkpoint(self.log.entries.len(), 2);
        if cosignatures == 3 {
            let (body, _) = note.split_once("\n\n").expect("a note");
            let line = cosignature::cosign(&format!("{body}\n"), 1_790_000_000, &self.third);
            note += &line.expect("signs");
        }
        bundle.checkpoints = vec![note];
        bundle.consistency = vec![];
        bundle
    }
}

impl Offer {
    pub(crate) fn text(&self) -> String {
        let mut out = format!(
            "expect: {}\n",
            self.expect.map_or("installs".into(), |reason| format!("{reason:?}"))
        );
        writeln!(out, "reason: {}", self.expect.map_or(0, Reason::code)).unwrap();
        writeln!(out, "genesis: {}\nlog: {}", hex(&self.genesis.0), self.log).unwrap();
        for witness in &self.witnesses {
            writeln!(out, "witness: {witness}").unwrap();
        }
        writeln!(out, "quorum: 3\nimage: {}\nmodel: ip-200", hex(&[3; 32])).unwrap();
        writeln!(out, "component: {}\nissuer: {}", self.component, self.issuer).unwrap();
        out.push_str("version: 2\ncounter: 1\nbundle:\n");
        for line in self.bundle.chunks(48) {
            writeln!(out, "{}", hex(line)).unwrap();
        }
        out
    }
}

/// What a device makes of a vector's text: nothing against it, or the reason.
pub(crate) fn decide(text: &str) -> Option<Reason> {
    let (head, bundle) = text.split_once("bundle:\n").expect("a bundle");
    let all = |name: &str| -> Vec<&str> {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|it| it.0 == name)
            .map(|it| it.1)
            .collect()
    };
    let one = |name: &str| all(name)[0];
    let key = |text: &&str| VerifierKey::parse(text).expect("a key");
    let witnesses: Vec<VerifierKey> = all("witness").iter().map(key).collect();
    let root = Root {
        genesis: Hash(hash(one("genesis"))),
        log: &key(&one("log")),
        witnesses: &witnesses,
        quorum: one("quorum").parse().expect("a number"),
    };
    let running = Running {
        device: DeviceId([7; 32]),
        model: one("model"),
        hw_rev: None,
        component: one("component"),
        issuers: &all("issuer"),
        version: one("version").parse().expect("a number"),
        counter: one("counter").parse().expect("a number"),
    };
    let bytes = unhex(&bundle.replace('\n', ""));
    let found = Evidence::verify(&bytes, &root, &RustCrypto, &mut [0; 2048])
        .and_then(|it| it.installable(&hash(one("image")), &running, &Known::default()));
    found.err()
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/install")
}

fn hash(text: &str) -> [u8; 32] {
    unhex(text).try_into().expect("32 bytes")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}
