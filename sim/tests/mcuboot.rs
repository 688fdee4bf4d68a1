//! From an image that MCUboot's own tool signed, with the evidence of its release inside, to what
//! the board says of it: installed, or refused by name.

#[path = "../../crates/verify/tests/common/mod.rs"]
mod common;
#[path = "../../crates/verify/tests/oracle/mod.rs"]
mod oracle;

use common::World;
use common::log::TestLog;
use firmlog_agent::mcuboot::{Error, Image, Signed, Version};
use firmlog_agent::update::{Detail, Image as Measured, LogBeforeInstall, Target};
use firmlog_sim::Device;
use firmlog_sim::board::{Board, check_order};
use firmlog_statement::event::EventType as T;
use firmlog_statement::{
    Digest, Meaning, Outcome, Release, ReleaseHead, SecurityCounter, Statement, VersionCode,
    leaf_hash,
};
use firmlog_tlog::merkle::Hash;
use firmlog_tlog::note::NoteSigner as _;
use firmlog_verify::RustCrypto;
use firmlog_verify::install::{Evidence, Known, Reason, Root, Running};
use oracle::Oracle;
use serde_json::json;
use sha2::{Digest as _, Sha256};

const VERSION: Version = Version { major: 2, minor: 4, revision: 1, build: 7 };

/// A factory: a log with its witnesses, a body, imgtool and its key.
struct Factory {
    log: TestLog,
    leaf: [u8; 32],
    body: Vec<u8>,
    oracle: Oracle,
    dir: tempfile::TempDir,
    key: [u8; 64],
}

/// Why an image is not installed: what the statement says.
#[derive(Debug, PartialEq, Eq)]
struct No {
    event: T,
    code: u16,
}

impl From<Error> for No {
    fn from(error: Error) -> Self {
        Self { event: error.event(), code: error.code() }
    }
}

impl From<Reason> for No {
    fn from(reason: Reason) -> Self {
        Self { event: reason.event(), code: reason.code() }
    }
}

impl Factory {
    /// Releases the body, and what `later` makes of the release's leaf hash.
    fn start(later: impl FnOnce(&World, [u8; 32]) -> Vec<Vec<u8>>) -> Option<Self> {
        let oracle = Oracle::start("mcuboot.py")?;
        let (world, body) = (World::new(), b"therapy".repeat(99));
        let release = Release {
            image: Digest(Sha256::digest(&body).into()),
            version: VersionCode(VERSION.code()),
            counter: SecurityCounter(5),
            size_bytes: body.len() as u64,
            ..common::release_body(0)
        };
        let signed =
            common::sign(Statement::Release(release), "acme.example", "ip-200/app", &world.release);
        let leaf = leaf_hash(&signed);
        let mut entries = world.entries.clone();
        entries.extend([signed, world.approval(0, leaf), world.approval(1, leaf)]);
        entries.extend(later(&world, leaf));
        let (log, dir) = (TestLog::new(entries), tempfile::tempdir().unwrap());
        let mut factory = Self { log, leaf, body, oracle, dir, key: [0; 64] };
        factory.run(&["keygen", "-t", "ecdsa-p256", "-k", "key"], &["key"]);
        factory.run(&["getpub", "-k", "key", "-e", "raw", "-o", "public"], &["key", "public"]);
        factory.key = *std::fs::read(factory.dir.path().join("public")).unwrap().last_chunk()?;
        Some(factory)
    }

    /// Runs imgtool, with these arguments as files of the factory.
    fn run(&mut self, args: &[&str], files: &[&str]) {
        let args: Vec<String> = args
            .iter()
            .map(|arg| match files.contains(arg) {
                true => self.dir.path().join(arg).to_str().unwrap().to_owned(),
                false => (*arg).to_owned(),
            })
            .collect();
        let answer = self.oracle.ask(json!({ "run": args }));
        assert_eq!(answer["code"], 0, "{args:?}: {answer}");
    }

    /// The image with the release and its evidence in it.
    fn sign(&mut self, counter: &str) -> Vec<u8> {
        let bundle = self.log.whole().encode();
        let value = [&self.leaf[..], &bundle].concat();
        std::fs::write(self.dir.path().join("value"), value).unwrap();
        std::fs::write(self.dir.path().join("body"), &self.body).unwrap();
        let args = ["sign", "-k", "key", "--header-size", "0x200", "--pad-header", "-S", "0x20000"];
        let more = ["-v", "2.4.1+7", "-s", counter, "--custom-tlv-file", "0x46a0", "value"];
        let args: Vec<&str> = args.into_iter().chain(more).chain(["body", "image"]).collect();
        self.run(&args, &["key", "value", "body", "image"]);
        std::fs::read(self.dir.path().join("image")).unwrap()
    }

    /// What a device does: the slot, from image to target.
    fn consider(&self, mut slot: &[u8], device: &Device, runs: Measured) -> Result<Target, No> {
        let bytes = slot;
        let check = |key: &_, digest: &_, sig: &_| RustCrypto.p256_digest(key, digest, sig);
        let image = Image::read(&mut slot, bytes.len() as u32)?;
        let signed: Signed = image.verify(&[self.key], check)?;
        let bundle = signed.release.expect("carries one").bundle;
        let evidence = &bytes[bundle.at as usize..][..bundle.len as usize];
        let genesis = Hash(leaf_hash(&self.log.entries[0]));
        let witnesses = [0, 1].map(|n| *self.log.witnesses[n].verifier_key());
        let log = self.log.log.verifier_key();
        let root = Root { genesis, log, witnesses: &witnesses, quorum: 2 };
        let evidence = Evidence::verify(evidence, &root, &RustCrypto, &mut [0; 1024])?;
        let running = Running {
            device: device.id,
            model: "ip-200",
            hw_rev: None,
            component: "app",
            issuers: &["acme.example"],
            version: runs.version,
            counter: runs.counter,
        };
        let is_of =
            |leaf: &Hash, head: &ReleaseHead| signed.is_of(&leaf.0, head.version, head.counter);
        let found = evidence.installable_as(&signed.body, &running, &Known::default(), is_of)?;
        let image =
            Measured { sha256: found.image, version: found.version, counter: found.counter };
        Ok(signed.target(&Target { image, release: found.release.0 })?)
    }
}

/// INS-001, MCB-001, MCB-003, UPD-011: taken, installed, and said with its release.
#[test]
fn mcb_003_an_image_with_its_evidence_is_installed_and_said() {
    let Some(mut factory) = Factory::start(|_, _| vec![]) else { return };
    let image = factory.sign("5");
    let (device, mut board) = (Device::new(1), Board::new(LogBeforeInstall::Required));
    board.target = factory.consider(&image, &device, board.boots).expect("installable");
    assert_eq!(board.target.image.version, 0x0204_0001_0000_0007);
    let ends = (0..12).any(|_| {
        let ended = board.live(&device).expect("lives");
        board.flash.power_up();
        ended
    });
    assert!(ends && board.boots == board.target.image);
    let updates = board.updates().expect("readable");
    check_order(&updates).expect("in order");
    let last = updates.last().expect("said");
    assert_eq!(last.events.iter().last().map(|event| event.kind), Some(T::Committed));
    let release = last.release.map(|release| release.0);
    assert_eq!((last.outcome, release), (Outcome::Succeeded, Some(factory.leaf)));
    assert_eq!(last.image.0[..], Sha256::digest(&factory.body)[..]);
}

/// MCB-020, MCB-021, MCB-030, INS-010: each refusal is a statement in the journal.
#[test]
fn mcb_030_what_is_not_taken_becomes_a_statement_of_the_refusal() {
    let rejected = |world: &World, leaf| vec![world.opinion(0, leaf, Meaning::Rejection)];
    let Some(mut plain) = Factory::start(|_, _| vec![]) else { return };
    let Some(mut rejected) = Factory::start(rejected) else { return };
    let good = plain.sign("5");
    let mut altered = good.clone();
    altered[0x200 + 3] ^= 1;
    let other_counter = plain.sign("6");
    plain.leaf[0] ^= 1;
    let other_leaf = plain.sign("5");
    let refused = rejected.sign("5");
    let cases = [
        (&plain, &altered, Error::HashMismatch.into()),
        (&plain, &other_counter, Error::CounterMismatch.into()),
        (&plain, &other_leaf, Error::ReleaseMismatch.into()),
        (&rejected, &refused, Reason::Rejected.into()),
        // Signed with a key that this device does not have.
        (&rejected, &good, Error::UnknownKey.into()),
    ];
    for (factory, image, no) in cases {
        let (device, mut board) = (Device::new(1), Board::new(LogBeforeInstall::Required));
        let said: Result<Target, No> = factory.consider(image, &device, board.boots);
        assert_eq!(said, Err(no));
        let Err(no) = said else { unreachable!() };
        let offered = Measured { sha256: Sha256::digest(image).into(), version: 0, counter: 0 };
        let (mut updater, _) = board.start(&device).expect("starts");
        for step in [T::Check, T::DownloadStarted, T::Downloaded] {
            updater.step(step, Detail::default()).expect("in order");
        }
        let detail = Detail { error: Some(no.code.into()), ..Detail::default() };
        updater.refuse(no.event, offered, detail).expect("in order");
        let updates = board.updates().expect("readable");
        check_order(&updates).expect("in order");
        let last = updates.last().expect("said");
        let event = last.events.iter().last().expect("names a step");
        assert_eq!((event.kind, event.code), (no.event, Some(no.code.into())));
        assert_eq!((last.image.0, last.outcome), (offered.sha256, Outcome::Refused));
    }
}
