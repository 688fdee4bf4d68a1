//! Where this device's chain ends by the log's account, for a journal that can no longer tell.
//!
//! ```text
//! journal    … 40  41  ✗✗✗ damage           proven: below 40; still known: 40, 41
//! log              41 ← 42 ← 43             each signed by this device, each with its proof
//! goes on    after 43: log_gap, lost from 42
//! ```
//!
//! In scope: what of the log's account is believed. Out of scope: fetching it (`fetch`), taking it
//! into the journal (`unit`).
//!
//! Invariants:
//! - Nothing is believed but what the pinned log signed a proof for and this device's key signed.
//! - What the journal still knows outranks the log: where the two differ there is no head.

mod fetch;

use std::collections::BTreeMap;

use firmlog_agent::journal::{Covered, ENTRY_MAX, Error as JournalError};
use firmlog_agent::{Flash, Journal};
use firmlog_keys::AwsLc;
use firmlog_statement::chain::ChainHead;
use firmlog_statement::{DeviceId, Parsed, PublicKey, Update, entry_hash};
use firmlog_tlog::merkle::{Hash, TreeHead, TreeSize, leaf_hash, verify_consistency};
use firmlog_verify::checkpoint::verify_checkpoint;
use firmlog_verify::receipt::Receipt;
use firmlog_verify::{TrustRoot, check_signature};

use crate::error::Exit;

pub(crate) use self::fetch::fetch;

/// What the journal still knows of its chain.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) device: DeviceId,
    /// What the log has proven to have.
    covered: Covered,
    /// The seq behind the newest statement that is known of, and its hash; zeros if unknown.
    readable: (u64, [u8; 32]),
    /// Hashes of the statements from the last proven one on, as far as known.
    hashes: BTreeMap<u64, [u8; 32]>,
}

/// What the log claims. Nothing of it is checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claim {
    /// The newest checkpoint it shows.
    checkpoint: Vec<u8>,
    /// Entries that it looked through for this device's.
    looked_through: u64,
    /// The device's statements from the last proven one on, each naming the one before.
    places: Vec<Place>,
    /// Statements that do not lead to the head: of another history of this device.
    aside: usize,
    /// That one of checkpoint and proven tree extends the other.
    consistency: Vec<Hash>,
}

/// One statement as the log has it.
#[derive(Clone, Debug)]
struct Place {
    entry: Vec<u8>,
    /// A `.tlog-proof`.
    proof: Vec<u8>,
}

/// What of it holds.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where to go on.
    pub(crate) head: ChainHead,
    /// The statement there, if the device ever spoke.
    pub(crate) last: Option<Update>,
    /// What is proven with it.
    pub(crate) covered: Covered,
    /// The tree in which this was the head.
    pub(crate) seen: TreeHead,
    /// The checkpoint of that tree: half of the evidence, should the log have hidden something.
    pub(crate) checkpoint: String,
    /// Statements that the log has of another history of this device.
    pub(crate) aside: usize,
}

/// Why there is no head to go on from.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) text: String,
    pub(crate) exit: Exit,
}

impl Refusal {
    fn against(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: Exit::Against }
    }
}

impl Known {
    /// What a journal knows whose end is hidden.
    pub(crate) fn of<F: Flash, const PAGE: usize, const WORD: usize>(
        journal: &mut Journal<F, PAGE, WORD>,
        device: DeviceId,
    ) -> Result<Self, JournalError> {
        let (covered, readable) = (journal.covered(), journal.readable());
        let mut hashes = BTreeMap::new();
        let mut buffer = [0; ENTRY_MAX];
        for seq in covered.next.saturating_sub(1)..readable.0 {
            if let Some(len) = journal.statement(seq, &mut buffer)? {
                hashes.insert(seq, entry_hash(buffer.get(..len).unwrap_or_default()));
            }
        }
        if let Some(newest) = readable.0.checked_sub(1).filter(|_| readable.1 != [0; 32]) {
            hashes.insert(newest, readable.1);
        }
        Ok(Self { device, covered, readable, hashes })
    }

    /// The seq behind the newest statement that is known of.
    pub(crate) fn readable(&self) -> u64 {
        self.readable.0
    }

    /// The first statement that is asked for: the last proven one.
    fn first(&self) -> u64 {
        self.covered.next.saturating_sub(1)
    }

    /// Hash of the statement before this one, or the seed of the chain, if it is known.
    fn before(&self, seq: u64) -> Option<[u8; 32]> {
        match seq.checked_sub(1) {
            Some(before) => self.hashes.get(&before).copied(),
            None => Some(self.readable.1).filter(|hash| self.readable.0 == 0 && *hash != [0; 32]),
        }
    }

    fn proven(&self) -> TreeHead {
        TreeHead { size: TreeSize(self.covered.size), root: Hash(self.covered.root) }
    }

    /// Judges the log's claim.
    ///
    /// # Errors
    /// Why nothing may be taken from it.
    pub(crate) fn check(
        &self,
        claim: &Claim,
        root: &TrustRoot,
        key: &PublicKey,
    ) -> Result<Found, Refusal> {
        let shown = verify_checkpoint(&claim.checkpoint, root, &AwsLc)
            .map_err(|e| Refusal::against(format!("the log's checkpoint is not believed: {e}")))?;
        self.check_grew(&shown.head, &claim.consistency)?;
        if claim.looked_through < shown.head.size.0 {
            let text = "the log has not looked through all of its entries yet".to_owned();
            return Err(Refusal { text, exit: Exit::Network });
        }
        let mut last: Option<(u64, [u8; 32], Update)> = None;
        for place in &claim.places {
            last = Some(self.check_place(place, last.as_ref(), root, key)?);
        }
        let (head, last) = match last {
            Some((seq, hash, update)) => (ChainHead { seq: Some(seq), hash }, Some(update)),
            None => (self.enrolled()?, None),
        };
        let next = head.next_seq().unwrap_or_default();
        if next < self.readable.0 {
            return Err(self.behind(next));
        }
        let newest = [self.proven(), shown.head].into_iter().max_by_key(|head| head.size.0);
        let seen = newest.unwrap_or(shown.head);
        let covered = Covered { next, size: seen.size.0, root: seen.root.0 };
        let checkpoint = String::from_utf8_lossy(&claim.checkpoint).into_owned();
        Ok(Found { head, last, covered, seen, checkpoint, aside: claim.aside })
    }

    /// The shown tree and the one in which statements were proven are one log.
    fn check_grew(&self, shown: &TreeHead, proof: &[Hash]) -> Result<(), Refusal> {
        let proven = self.proven();
        if proven.size.0 == 0 {
            return Ok(());
        }
        let (older, newer) =
            if proven.size <= shown.size { (&proven, shown) } else { (shown, &proven) };
        verify_consistency(older, newer, proof).map_err(|e| {
            let sizes = format!("{} and {}", older.size, newer.size);
            Refusal::against(format!("SPLIT VIEW: the log's trees of {sizes} entries differ: {e}"))
        })
    }

    /// One statement: this device's, in the log, and next to the one before.
    fn check_place(
        &self,
        place: &Place,
        before: Option<&(u64, [u8; 32], Update)>,
        root: &TrustRoot,
        key: &PublicKey,
    ) -> Result<(u64, [u8; 32], Update), Refusal> {
        let not = |what: &str| Refusal::against(format!("the log's statement is not {what}"));
        let parsed = Parsed::parse(&place.entry).map_err(|_| not("in its one spelling"))?;
        let update = parsed.update().map_err(|_| not("an update"))?;
        let seq = update.seq.0;
        if update.device != self.device || *parsed.kid() != key.thumbprint() {
            return Err(not("by this device's key"));
        }
        if !check_signature(&AwsLc, key, &parsed) {
            return Err(not("signed by this device"));
        }
        let leaf = leaf_hash(&place.entry);
        let proof = Receipt::parse(&place.proof).and_then(|it| it.verify(&leaf, root, &AwsLc));
        proof.map_err(|e| Refusal::against(format!("statement {seq} is not proven: {e}")))?;
        let follows = match before {
            Some((last, hash, _)) => last.checked_add(1) == Some(seq) && *hash == update.prev.0,
            None => seq == self.first(),
        };
        if !follows {
            return Err(not("the one that follows"));
        }
        let hash = parsed.entry_hash();
        let known = self.hashes.get(&seq);
        if known.is_some_and(|known| *known != hash)
            || self.before(seq).is_some_and(|known| known != update.prev.0)
        {
            let text = "FORK: the log has another history of this device than the journal";
            return Err(Refusal::against(format!("{text}, at statement {seq}")));
        }
        Ok((seq, hash, update))
    }

    /// A device of which the log has nothing begins with its seed, if that is known.
    fn enrolled(&self) -> Result<ChainHead, Refusal> {
        if self.covered.next > 0 {
            let last = self.first();
            let text =
                format!("THE LOG WENT BACK: it shows no statement {last}, which it had proven");
            return Err(Refusal::against(text));
        }
        match self.readable {
            (0, seed) if seed != [0; 32] => Ok(ChainHead::enrolled(seed)),
            (0, _) => Err(Refusal {
                text: "neither the log nor the journal knows how the chain began".to_owned(),
                exit: Exit::Incomplete,
            }),
            (next, _) => Err(self.behind_of(0, next)),
        }
    }

    fn behind(&self, next: u64) -> Refusal {
        self.behind_of(next, self.readable.0)
    }

    fn behind_of(&self, has: u64, known: u64) -> Refusal {
        let text = format!(
            "the log has the statements below {has}, the journal knows of those below {known} \
             and cannot read them"
        );
        Refusal { text, exit: Exit::Incomplete }
    }
}
