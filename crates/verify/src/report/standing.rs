//! What the log's own entries say, for the log itself: it checked their signatures when it took
//! them.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use firmlog_statement::Parsed;
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead, TreeSize};
use firmlog_tlog::note::Ed25519Check;

use super::replay::Replay;
use super::{EntryState, Ledger, Question, Released, released};
use crate::Crypto;

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
    let (mut replay, mut seen) = (Replay::default(), BTreeSet::new());
    let (mut good, mut named, mut runs) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (index, entry) in entries {
        let Ok(parsed) = Parsed::parse(entry) else { continue };
        let first = seen.insert(parsed.leaf_hash());
        if !first || replay.entry(&parsed, *index, &Checked) != EntryState::Good {
            continue;
        }
        if let (Question::Device(device), Ok(update)) = (question, parsed.update())
            && update.device == *device
        {
            named.extend(update.release.map(|leaf| Hash(leaf.0)));
            runs.insert(update.image.0);
        }
        good.push((*index, &**entry));
    }
    let head = TreeHead { size: TreeSize(0), root: Hash([0; 32]) };
    let ledger = Ledger::of(good.into_iter(), head);
    let mut marks = ledger.marks();
    let judge = ledger.judge(&[], &mut marks);
    let asked = released::asked(&judge, question, &named, &runs);
    asked.iter().filter_map(|it| released::released(&judge, it)).collect()
}
