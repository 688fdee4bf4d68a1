//! Checking the signatures of many entries at once.
//!
//! Ed25519 signatures of one chunk are verified together, several times faster than one by one;
//! if any of them is wrong, each is checked alone to find it. Both ways accept exactly the same.

use bytes::Bytes;
use firmlog_keys::{AwsLc, BATCH_MIN, Ed25519Item, ed25519_all};
use firmlog_log::{Batch, Checker, Refusal, Registration, Resolved};
use firmlog_statement::PublicKey;
use firmlog_verify::check_signature;
use firmlog_verify::registry::Refusal as Rule;

/// A part of a submission after its checks.
pub(crate) struct Chunk {
    /// What passed, in order.
    pub(crate) batch: Batch,
    /// What did not, by place in the chunk.
    pub(crate) refused: Vec<(usize, Refusal)>,
    /// Number of entries in all.
    pub(crate) items: usize,
}

/// Checks a chunk on this thread.
pub(crate) fn chunk(checker: &Checker, registration: Registration, entries: &[Bytes]) -> Chunk {
    let bytes = entries.iter().map(Bytes::len).sum();
    let batch = Batch::with_capacity(entries.len(), bytes);
    let mut chunk = Chunk { batch, refused: Vec::new(), items: entries.len() };
    match registration {
        Registration::Any => chunk.push_any(checker, entries),
        Registration::Signed => chunk.push_signed(checker, entries),
    }
    chunk
}

impl Chunk {
    fn push_any(&mut self, checker: &Checker, entries: &[Bytes]) {
        for (place, entry) in entries.iter().enumerate() {
            let pushed = checker.push(&mut self.batch, entry);
            self.note(place, pushed);
        }
    }

    fn push_signed(&mut self, checker: &Checker, entries: &[Bytes]) {
        let resolved: Vec<_> = entries.iter().map(|entry| checker.resolve(entry)).collect();
        let together = all_ed25519_verify(&resolved);
        for (place, resolved) in resolved.into_iter().enumerate() {
            let pushed = resolved.and_then(|it| {
                let known = together && matches!(it.key, PublicKey::Ed25519(_));
                if known || check_signature(&AwsLc, &it.key, &it.parsed) {
                    return checker.push_checked(&mut self.batch, &it);
                }
                Err(Refusal::Rule(Rule::SignatureWrong))
            });
            self.note(place, pushed);
        }
    }

    fn note(&mut self, place: usize, pushed: Result<(), Refusal>) {
        if let Err(refusal) = pushed {
            self.refused.push((place, refusal));
        }
    }
}

/// True if there are enough Ed25519 signatures to check together, and all verify.
fn all_ed25519_verify(resolved: &[Result<Resolved<'_>, Refusal>]) -> bool {
    let ed25519 = |it: &&Resolved<'_>| matches!(it.key, PublicKey::Ed25519(_));
    let signed: Vec<_> = resolved.iter().flatten().filter(ed25519).collect();
    if signed.len() < BATCH_MIN {
        return false;
    }
    let messages: Vec<_> = signed.iter().map(|it| it.parsed.to_be_signed()).collect();
    let items = signed.iter().zip(&messages).filter_map(|(it, message)| match &it.key {
        PublicKey::Ed25519(key) => {
            Some(Ed25519Item { key, message, signature: it.parsed.signature() })
        }
        PublicKey::P256(_) => None,
    });
    ed25519_all(&items.collect::<Vec<_>>())
}
