//! Model: the registry beside what anybody can tell from the entries it let in.
//!
//! - A revoked, rotated or unknown key gets nothing in.
//! - What is not let in changes nothing, byte for byte of the snapshot.
//! - What was let in is not let in again, except as a second history the log must look up.
//! - A restored snapshot decides like the registry it was made of.

#![no_main]

#[path = "../../crates/verify/tests/common/mod.rs"]
mod common;

use std::collections::HashSet;

use common::World;
use firmlog_statement::Parsed;
use firmlog_tlog::merkle::LeafIndex;
use firmlog_tlog::note::Ed25519Check;
use firmlog_verify::Crypto;
use firmlog_verify::registry::{Decision, Registry};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Step {
    /// An update of a device, naming an earlier entry of any device as its previous one.
    Update {
        device: u8,
        seq: u8,
        prev: u8,
        version: u8,
    },
    /// An earlier submission again.
    Again(u8),
    Revoke(u8),
    Restart,
}

/// Signatures are made well here and not looked at again.
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

struct Model {
    registry: Registry,
    /// Everything submitted, let in or not.
    sent: Vec<Vec<u8>>,
    appended: Vec<Vec<u8>>,
    revoked: HashSet<usize>,
}

fuzz_target!(|steps: Vec<Step>| {
    let world = World::new();
    let mut model = Model {
        registry: Registry::new(),
        sent: Vec::new(),
        appended: Vec::new(),
        revoked: HashSet::new(),
    };
    world.entries.iter().for_each(|entry| assert!(model.submit(entry)));
    for step in steps.into_iter().take(24) {
        model.step(&world, step);
    }
});

impl Model {
    fn step(&mut self, world: &World, step: Step) {
        match step {
            Step::Update { device, seq, prev, version } => {
                let device = usize::from(device) % world.devices.len();
                let prev = self.appended.get(usize::from(prev)).map(|e| entry_hash(e));
                let prev = prev.unwrap_or(world.devices[device].seed);
                let entry =
                    world.update_with(device, u64::from(seq % 8), prev, u64::from(version % 4));
                let let_in = self.submit(&entry);
                assert!(!(let_in && self.revoked.contains(&device)), "a revoked key got in");
            }
            Step::Again(n) => {
                if let Some(entry) = self.sent.get(usize::from(n)).cloned() {
                    self.submit(&entry);
                }
            }
            Step::Revoke(device) => {
                let device = usize::from(device) % world.devices.len();
                if self.submit(&world.revoke(&world.devices[device].key)) {
                    self.revoked.insert(device);
                }
            }
            Step::Restart => self.registry = restore(&snapshot(&self.registry)),
        }
    }

    /// A log's write path; says whether the entry was appended.
    fn submit(&mut self, entry: &[u8]) -> bool {
        self.sent.push(entry.to_vec());
        let before = snapshot(&self.registry);
        let let_in = self.let_in(entry);
        if !let_in {
            assert!(snapshot(&self.registry) == before, "a refusal changed the registry");
        }
        let_in
    }

    fn let_in(&mut self, entry: &[u8]) -> bool {
        let parsed = Parsed::parse(entry).expect("the world makes statements");
        let Ok(candidate) = self.registry.check(&parsed, &Believe) else { return false };
        let known = self.appended.iter().any(|old| old == entry);
        match self.registry.admit(&candidate) {
            Decision::Append | Decision::Fork { .. } => {
                let twice = known && parsed.update_head().is_some();
                assert!(!twice, "an update that is in the log was let in again");
            }
            // Below the head the log itself looks for the bytes.
            Decision::Earlier { .. } if known => return false,
            Decision::Earlier { .. } => {}
            Decision::Duplicate { index } => {
                assert_eq!(self.appended.get(index.0 as usize).map(Vec::as_slice), Some(entry));
                return false;
            }
            _ => return false,
        }
        let index = LeafIndex(self.appended.len() as u64);
        let applied = self.registry.apply(&candidate, &parsed, index).is_ok();
        if applied {
            self.appended.push(entry.to_vec());
        }
        applied
    }
}

fn entry_hash(entry: &[u8]) -> [u8; 32] {
    firmlog_statement::entry_hash(entry)
}

fn snapshot(registry: &Registry) -> Vec<u8> {
    let mut out = Vec::new();
    let write = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok::<(), ()>(())
    };
    registry.encode_snapshot(write).expect("a vector takes everything");
    out
}

fn restore(mut bytes: &[u8]) -> Registry {
    let read = |out: &mut [u8]| {
        let Some((front, back)) = bytes.split_at_checked(out.len()) else { return false };
        out.copy_from_slice(front);
        bytes = back;
        true
    };
    Registry::decode_snapshot(read).expect("it was written by the registry")
}
