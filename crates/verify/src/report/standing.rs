//! What the log's own entries say, for the log itself: it checked their signatures when it took
//! them.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use firmlog_statement::Parsed;
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead, TreeSize, leaf_hash};
use firmlog_tlog::note::Ed25519Check;

use super::replay::Replay;
use super::{EntryState, Ledger, Question, Released, released};
use crate::Crypto;
use crate::standing::Proven;

/// Says that a signature is good, because it was checked before.
struct Checked;

impl Ed25519Check for Checked {
    fn ed25519(&self, _: &[u8; 32], _: &[u8], _: &[u8; 64]) -> bool {
        true
    }
}

impl Crypto for Checked {
    fn p256(&self, _: &[u8; 64], _: &[u8], _: &[u8; 64]) -> bool {
        true
    }
}

/// The releases that a question is about, as they stand by the entries that `gather` found.
///
/// **No signature and no proof is looked at**: this is for a log over its own entries, which it
/// checked when it took them. Everybody else asks [`verify_bundle`](super::verify_bundle).
#[must_use]
pub fn standing_of(entries: &[(LeafIndex, Vec<u8>)], question: &Question) -> Vec<Released> {
    let replayed = replayed(entries);
    let (mut named, mut runs) = (BTreeSet::new(), BTreeSet::new());
    for (it, _) in replayed.iter().filter(|(_, state)| *state == EntryState::Good) {
        if let (Question::Device(device), Ok(update)) = (question, it.parsed.update())
            && update.device == *device
        {
            named.extend(update.release.map(|leaf| Hash(leaf.0)));
            runs.insert(update.image.0);
        }
    }
    let ledger = ledger(&replayed);
    let mut marks = ledger.marks();
    let judge = ledger.judge(&[], &mut marks);
    let asked = released::asked(&judge, question, &named, &runs);
    asked.iter().filter_map(|it| released::released(&judge, it)).collect()
}

/// Whether the statement with this leaf hash is by a key that is good at its place, by the entries
/// that `gather` found; none if it is not among them.
///
/// **No signature and no proof is looked at**, as in [`standing_of`].
#[must_use]
pub fn is_by_good_key(entries: &[(LeafIndex, Vec<u8>)], leaf: &Hash) -> Option<bool> {
    let is_asked = |entry: &[u8]| leaf_hash(entry) == *leaf;
    entries.iter().find(|(_, entry)| is_asked(entry))?;
    let replayed = replayed(entries);
    let ledger = ledger(&replayed);
    let mut marks = ledger.marks();
    let judge = ledger.judge(&[], &mut marks);
    let mut heard = replayed.iter().filter(|(_, state)| state.is_heard());
    Some(heard.any(|(it, _)| it.leaf() == *leaf && judge.permits(it)))
}

/// What becomes of the statements, each where it stands first.
fn replayed(entries: &[(LeafIndex, Vec<u8>)]) -> Vec<(Proven<'_>, EntryState)> {
    let (mut replay, mut seen) = (Replay::default(), BTreeSet::new());
    let all = entries.iter().filter_map(|(index, entry)| {
        let parsed = Parsed::parse(entry).ok()?;
        let first = seen.insert(parsed.leaf_hash());
        let state = first.then(|| replay.entry(&parsed, *index, &Checked))?;
        Some((Proven { index: *index, parsed }, state))
    });
    all.collect()
}

fn ledger<'a>(replayed: &[(Proven<'a>, EntryState)]) -> Ledger<'a> {
    let head = TreeHead { size: TreeSize(0), root: Hash([0; 32]) };
    Ledger::of(replayed.iter().copied(), head)
}
