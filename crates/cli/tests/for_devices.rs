//! What `bundle release` writes is all that a device needs, read in place and without allocation.

mod world;

use firmlog_statement::DeviceId;
use firmlog_statement::event::EventType;
use firmlog_tlog::note::VerifierKey;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::install::{Evidence, Installable, Known, Reason, Revocation, Root, Running};
use firmlog_verify::{RustCrypto, TrustRoot, verify_release};
use sha2::{Digest as _, Sha256};
use world::{World, released_in, witnessed_bundle};

/// What a device asks, and what everybody else does: the same answer, from a file of the log.
fn decide(world: &World, file: &str, model: &str) -> Result<Installable, Reason> {
    let read = |name: &str| std::fs::read(world.dir.path().join(name)).expect("reads");
    let (bytes, image) = (read(file), Sha256::digest(read("image")).into());
    let trust = TrustRoot::parse(&read("log/log.trust")).expect("a trust root");
    let witnesses = trust.policy().witnesses();
    let witnesses: Vec<VerifierKey> = witnesses.iter().map(|witness| witness.key).collect();
    let (genesis, log) = (*trust.genesis(), trust.log_key());
    let root = Root { genesis, log, witnesses: &witnesses, quorum: 1 };
    let device = DeviceId([7; 32]);
    let running = Running {
        device,
        model,
        hw_rev: None,
        component: "app",
        issuers: &["acme.example/build"],
        version: 0,
        counter: 0,
    };
    let known = Known::default();
    let in_place = Evidence::verify(&bytes, &root, &RustCrypto, &mut [0; 2048])
        .and_then(|evidence| evidence.installable(&image, &running, &known))
        .map(|installable| installable.into_inner());
    let bundle = Bundle::parse(&bytes).expect("a bundle");
    let whole = verify_release(&bundle, &trust, &RustCrypto, &image, &running, &known);
    assert_eq!(in_place, whole.map(|installable| installable.into_inner()));
    in_place
}

/// INS-001, INS-011, INS-020: from keys to a decision on the device, through a real log.
#[test]
fn ins_001_a_device_decides_on_what_bundle_release_writes() {
    let (world, release) = released_in(World::witnessed());
    witnessed_bundle(&world, ["release", &release], "offer.fwb");
    let found = decide(&world, "offer.fwb", "ip-200").expect("installable");
    assert_eq!((found.release.to_string(), found.approvers), (release.clone(), 2));
    assert_eq!((found.version, found.size_bytes), (40_201, 5000));
    assert_eq!(decide(&world, "offer.fwb", "ip-300"), Err(Reason::WrongModel));
    let by = ["--key", "build.pem", "--as", "acme.example/build"];
    let recall = ["release", "step", &release, "recalled"];
    world.done(&[&recall[..], &by].concat());
    witnessed_bundle(&world, ["release", &release], "recalled.fwb");
    assert_eq!(decide(&world, "recalled.fwb", "ip-200"), Err(Reason::Withdrawn));
    // The bundle of before does not tell, to a device that was not told.
    assert!(decide(&world, "offer.fwb", "ip-200").is_ok());
    let told = learnt(&world, "recalled.fwb");
    let [Revocation::Release { release, image, event, index }] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((release, image), (found.release, found.image));
    assert_eq!(event, EventType::ReleaseRecalled);
    assert!(index > found.index);
}

fn learnt(world: &World, file: &str) -> Vec<Revocation> {
    let read = |name: &str| std::fs::read(world.dir.path().join(name)).expect("reads");
    let (bytes, trust) = (read(file), TrustRoot::parse(&read("log/log.trust")).expect("one"));
    let witness = trust.policy().witnesses()[0].key;
    let root =
        Root { genesis: *trust.genesis(), log: trust.log_key(), witnesses: &[witness], quorum: 1 };
    let evidence = Evidence::verify(&bytes, &root, &RustCrypto, &mut [0; 2048]).expect("holds");
    let mut told = Vec::new();
    evidence.revocations(|it| told.push(it));
    told
}
