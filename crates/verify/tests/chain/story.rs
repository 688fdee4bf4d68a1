//! A log that is anchored twice, and the evidence of both.

use firmlog_statement::{entry_hash, leaf_hash};
use firmlog_tlog::merkle::{Hash, TreeHead};
use firmlog_verify::evm::{EvmEvidence, Word};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Chain;
use crate::common::log::TestLog;
use crate::common::{ORIGIN, World};

/// What is sent to the contract.
pub(crate) struct Anchored {
    pub(crate) log_id: Word,
    pub(crate) head: TreeHead,
    pub(crate) consistency: Vec<Hash>,
    pub(crate) checkpoint_hash: Word,
}

/// The name, and the evidence.
pub(crate) type Named = (&'static str, EvmEvidence);

/// Ten entries: keys, devices, a release with its approvals, three updates.
pub(crate) fn log() -> TestLog {
    let world = World::new();
    let mut entries = world.entries.clone();
    let release = world.release_as("acme.example", 3);
    let leaf = leaf_hash(&release);
    entries.push(release);
    entries.push(world.approval(0, leaf));
    entries.push(world.approval(1, leaf));
    let mut prev = world.devices[0].seed;
    for seq in 0..3 {
        let update = world.update_with(0, seq, prev, 3);
        prev = entry_hash(&update);
        entries.push(update);
    }
    TestLog::new(entries)
}

/// The log's name in the contract.
pub(crate) fn log_id() -> Word {
    Sha256::digest(ORIGIN).into()
}

/// The anchor of a size, after that of another, with the checkpoint as a bundle has it.
pub(crate) fn anchored(log: &TestLog, old: usize, size: usize, witnesses: usize) -> Anchored {
    let consistency = if old == 0 { vec![] } else { log.consistency(old, size) };
    let note = log.checkpoint(size, witnesses);
    let checkpoint_hash = Sha256::digest(note).into();
    Anchored { log_id: log_id(), head: log.head(size), consistency, checkpoint_hash }
}

/// Anchors sizes 5 and 10 on a node and collects the evidence; nothing without a node.
///
/// Block 4 has the first anchor alone, by a legacy transaction; block 5 the second among nineteen
/// transfers; blocks 6 to 8 follow.
pub(crate) fn evidence() -> Option<Vec<Named>> {
    let log = log();
    let mut chain = Chain::start()?;
    chain.register(ORIGIN);
    chain.anchor(&anchored(&log, 0, 5, 0), json!({"gasPrice": "0x77359400"}));
    chain.mine();
    for _ in 0..12 {
        chain.noise(2);
    }
    chain.anchor(&anchored(&log, 5, 10, 2), json!({}));
    for _ in 0..7 {
        chain.noise(3);
    }
    for _ in 0..4 {
        chain.mine();
    }
    let id = log_id();
    let made = |number, last, before| chain.evidence(&id, number, last, before).expect("sound");
    let first = made(4, 4, id);
    let after_first = first.state.as_ref().unwrap().slots[2].value;
    let second = made(5, 8, after_first);
    let mut without_state = second.clone();
    without_state.state = None;
    without_state.descendants.clear();
    Some(vec![("first", first), ("second", second), ("without_state", without_state)])
}
