//! Running the checks in order, and drawing the verdict from them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use firmlog_statement::disclosure::Disclosure;
use firmlog_statement::{Digest, Field as _, Parsed, Statement, codec::Decoder};
use firmlog_tlog::merkle::{
    Hash, LeafIndex, TreeHead, leaf_hash, root_from_inclusion, verify_consistency,
};
use firmlog_tlog::policy::Quorum;

use super::anchors::Anchors;
use super::replay::Replay;
use super::{
    AnchorReport, DeviceStanding, EntryReport, EntryState, Evidence, Extent, Mismatch, Question,
    Released, Report, RungState, Verdict,
};
use crate::bundle::{Bundle, Entry, Object, parse_parts};
use crate::checkpoint::{HeadError, SignedHead, verify_checkpoint};
use crate::{Crypto, TrustRoot, Verified};

/// Verifies a bundle file: like [`verify_bundle`], and any altered byte is found, in parts that no
/// signature covers too.
#[must_use]
pub fn verify_file<C: Crypto + ?Sized>(
    bytes: &[u8],
    root: &TrustRoot,
    crypto: &C,
    question: &Question,
) -> Report {
    let (bundle, checksum) = match parse_parts(bytes) {
        Ok(parts) => parts,
        Err(damage) => {
            let mut run = Run::new(root, *question, Extent::Part);
            let got = format!("at byte {}: {}", damage.offset, damage.error);
            run.altered(damage.object, "a bundle in its one encoding".into(), got);
            return run.report(&Bundle::default());
        }
    };
    let mut report = verify_bundle(&bundle, root, crypto, question);
    if checksum.expected != checksum.got {
        report.verdict = Verdict::Altered;
        report.mismatches.push(Mismatch {
            object: Object::File,
            expected: format!("checksum {}", checksum.expected),
            got: format!("checksum {}", checksum.got),
        });
    }
    report
}

/// Verifies a bundle against a pinned trust root and answers a question from it.
#[must_use]
pub fn verify_bundle<C: Crypto + ?Sized>(
    bundle: &Bundle,
    root: &TrustRoot,
    crypto: &C,
    question: &Question,
) -> Report {
    verify_gathered(bundle, root, crypto, question, Extent::Part)
}

/// As [`verify_bundle`], for what `gather` took out of every entry of a log: only that can be
/// verified. The caller vouches for `extent`: it read every entry and compared the root.
#[must_use]
pub fn verify_gathered<C: Crypto + ?Sized>(
    bundle: &Bundle,
    root: &TrustRoot,
    crypto: &C,
    question: &Question,
    extent: Extent,
) -> Report {
    let mut run = Run::new(root, *question, extent);
    run.origin(bundle);
    let heads = run.checkpoints(bundle, crypto);
    run.consistency(bundle, &heads);
    run.anchors(bundle, &heads);
    run.head = heads.last().cloned().flatten();
    run.genesis(bundle);
    for entry in &bundle.entries {
        run.entry(entry, crypto);
    }
    run.disclosures(bundle);
    run.judge_all(bundle);
    run.times(bundle, &heads);
    if !run.is_answered() {
        run.cannot |= !run.strangers.is_empty();
        run.mismatches.append(&mut run.strangers);
    }
    run.report(bundle)
}

/// A verification under way.
pub(super) struct Run<'a> {
    root: &'a TrustRoot,
    pub(super) question: Question,
    pub(super) extent: Extent,
    mismatches: Vec<Mismatch>,
    pub(super) altered: bool,
    cannot: bool,
    pub(super) head: Option<Verified<SignedHead>>,
    pub(super) replay: Replay,
    pub(super) entries: Vec<EntryReport>,
    /// What nobody enrolled says, on a log that takes anything.
    strangers: Vec<Mismatch>,
    /// Where each leaf hash stands first.
    first: BTreeMap<Hash, LeafIndex>,
    pub(super) releases: Vec<Released>,
    pub(super) device: Option<DeviceStanding>,
    pub(super) anchors: Vec<AnchorReport>,
    /// Commitments per leaf hash that still want their disclosure.
    pub(super) undisclosed: u64,
}

impl<'a> Run<'a> {
    fn new(root: &'a TrustRoot, question: Question, extent: Extent) -> Self {
        Self {
            root,
            question,
            extent,
            mismatches: Vec::new(),
            altered: false,
            cannot: false,
            head: None,
            replay: Replay::default(),
            entries: Vec::new(),
            strangers: Vec::new(),
            first: BTreeMap::new(),
            releases: Vec::new(),
            device: None,
            anchors: Vec::new(),
            undisclosed: 0,
        }
    }

    fn altered(&mut self, object: Object, expected: String, got: String) {
        self.altered = true;
        self.mismatches.push(Mismatch { object, expected, got });
    }

    fn cannot(&mut self, object: Object, expected: String, got: String) {
        self.cannot = true;
        self.mismatches.push(Mismatch { object, expected, got });
    }

    fn origin(&mut self, bundle: &Bundle) {
        if bundle.origin != self.root.origin() {
            self.cannot(Object::Origin, self.root.origin().into(), bundle.origin.clone());
        }
    }

    /// Verifies every checkpoint; a place without head is one that is not believed.
    fn checkpoints<C: Crypto + ?Sized>(
        &mut self,
        bundle: &Bundle,
        crypto: &C,
    ) -> Vec<Option<Verified<SignedHead>>> {
        let mut heads = Vec::new();
        for (n, note) in (0..).zip(&bundle.checkpoints) {
            let object = Object::Checkpoint(n);
            heads.push(match verify_checkpoint(note.as_bytes(), self.root, crypto) {
                Ok(head) => Some(head),
                Err(error @ (HeadError::OriginMismatch | HeadError::LogSignatureMissing)) => {
                    let expected = format!("signed by {}", self.root.log_key());
                    self.cannot(object, expected, error.to_string());
                    None
                }
                Err(error) => {
                    let expected = "valid signatures of the log and of known witnesses".into();
                    self.altered(object, expected, error.to_string());
                    None
                }
            });
        }
        heads
    }

    fn consistency(&mut self, bundle: &Bundle, heads: &[Option<Verified<SignedHead>>]) {
        let pairs = heads.iter().zip(heads.iter().skip(1));
        for (n, ((older, newer), proof)) in (0..).zip(pairs.zip(&bundle.consistency)) {
            let (Some(older), Some(newer)) = (older, newer) else { continue };
            let (older, newer) = (older.head, newer.head);
            if older.size == newer.size && older.root != newer.root {
                // Both are signed by the log: this alone convicts it.
                self.replay.found(Evidence::SplitView { older, newer }, Vec::new());
            }
            if let Err(error) = verify_consistency(&older, &newer, proof) {
                let expected = format!("size {} extends size {}", newer.size, older.size);
                self.altered(Object::Consistency(n), expected, error.to_string());
            } else if older.size == newer.size {
                let expected = format!("a size above {}", older.size);
                let got = format!("size {}", newer.size);
                self.altered(Object::Checkpoint(n.saturating_add(1)), expected, got);
            }
        }
    }

    fn anchors(&mut self, bundle: &Bundle, heads: &[Option<Verified<SignedHead>>]) {
        let checked = Anchors::check(bundle, heads, !self.altered, self.root);
        self.altered |= !checked.mismatches.is_empty();
        self.mismatches.extend(checked.mismatches);
        self.replay.findings.extend(checked.findings);
        self.anchors = checked.reports;
    }

    /// Entry 0 is pinned: with it the first keys, and from them all others.
    fn genesis(&mut self, bundle: &Bundle) {
        let expected = format!("leaf hash {}", self.root.genesis());
        match bundle.entries.first().filter(|entry| entry.index.0 == 0) {
            None => self.cannot(Object::Entry(0), expected, "not in the bundle".into()),
            Some(entry) => {
                let got = leaf_hash(&entry.bytes);
                if got == *self.root.genesis() {
                    return;
                }
                let got = format!("leaf hash {got}");
                // Without a checkpoint of the pinned log, it is not its genesis that is another.
                if self.head.is_none() && self.cannot {
                    self.cannot(Object::Entry(0), expected, got);
                } else {
                    self.altered(Object::Entry(0), expected, got);
                }
            }
        }
    }

    fn entry<C: Crypto + ?Sized>(&mut self, entry: &Entry, crypto: &C) {
        let leaf = leaf_hash(&entry.bytes);
        let parsed = Parsed::parse(&entry.bytes);
        let mut report = EntryReport {
            index: entry.index,
            leaf,
            kind: parsed.as_ref().ok().map(Parsed::kind),
            state: EntryState::NotInLog,
            asked: false,
        };
        if self.in_log(entry, &leaf) {
            report.state = match &parsed {
                Err(_) => EntryState::NotAStatement,
                Ok(_) if entry.index.0 == 0 && leaf != *self.root.genesis() => {
                    EntryState::SignatureWrong
                }
                Ok(parsed) => match self.repeats(&leaf, entry.index) {
                    Some(first) => EntryState::Repeated(first),
                    None => self.replay.entry(parsed, entry.index, crypto),
                },
            };
            self.judge(&report);
        }
        self.entries.push(report);
    }

    /// Where the same bytes stand before: a log of signed statements takes none twice.
    fn repeats(&mut self, leaf: &Hash, index: LeafIndex) -> Option<LeafIndex> {
        let first = *self.first.entry(*leaf).or_insert(index);
        if first == index {
            return None;
        }
        if !self.replay.registry.rules.any_bytes {
            self.replay.found(Evidence::DuplicateEntry { first }, [first, index].into());
        }
        Some(first)
    }

    fn in_log(&mut self, entry: &Entry, leaf: &Hash) -> bool {
        // Without a believed checkpoint, that alone is the mismatch.
        let Some(head) = &self.head else { return false };
        if head.verify_inclusion(entry.index, leaf, &entry.path).is_ok() {
            return true;
        }
        let TreeHead { size, root } = head.head;
        let got = match root_from_inclusion(entry.index, size, leaf, &entry.path) {
            Ok(got) => format!("root {got}"),
            Err(error) => error.to_string(),
        };
        self.altered(Object::Entry(entry.index.0), format!("root {root}"), got);
        false
    }

    fn judge(&mut self, report: &EntryReport) {
        let object = Object::Entry(report.index.0);
        match report.state {
            EntryState::SignatureWrong => {
                let expected = "a valid signature of the enrolled key".into();
                self.altered(object, expected, "the signature does not verify".into());
            }
            // The judge ignores it, and the finding tells; what it is about still has a standing.
            EntryState::AgainstRules(refusal) if refusal.is_of_release() => {}
            EntryState::AgainstRules(refusal) => {
                let expected = "an entry that the log's rules admit".into();
                self.altered(object, expected, refusal.to_string());
            }
            EntryState::KeyUnknown => {
                let expected = "the enrolment of its key in the bundle".into();
                let mismatch = Mismatch { object, expected, got: "not there".into() };
                // Where anybody may append, a stranger's word spoils no answer that others give.
                if self.replay.registry.rules.any_bytes {
                    self.strangers.push(mismatch);
                } else {
                    self.cannot = true;
                    self.mismatches.push(mismatch);
                }
            }
            EntryState::Good
            | EntryState::NotAStatement
            | EntryState::NotInLog
            | EntryState::Repeated(_) => {}
        }
    }

    /// Opens every commitment that the bundle has a disclosure for, and says which stay closed.
    fn disclosures(&mut self, bundle: &Bundle) {
        let mut opened = BTreeSet::new();
        let leaves = self.entries.iter().map(|entry| entry.leaf.0);
        let places: BTreeMap<[u8; 32], usize> = leaves.zip(0..).collect();
        for (n, bytes) in (0..).zip(&bundle.disclosures) {
            let object = Object::Disclosure(n);
            let expected = String::from("a disclosure that opens a commitment of an entry");
            let Some(disclosure) = parse_disclosure(bytes) else {
                self.altered(object, expected, "malformed bytes".into());
                continue;
            };
            let commitment = disclosure.commitment();
            let place = places.get(&disclosure.entry.0).and_then(|n| bundle.entries.get(*n));
            match place.and_then(|entry| decode(&entry.bytes)) {
                None => self.altered(object, expected, "an entry that is not there".into()),
                Some(found) => match found.commitments().find(disclosure.field) {
                    Some(digest) if *digest == commitment.digest => {
                        opened.insert((disclosure.entry, *digest));
                    }
                    Some(digest) => {
                        let got = format!("commitment {}", commitment.digest);
                        self.altered(object, format!("commitment {digest}"), got);
                    }
                    None => self.altered(object, expected, "an entry without it".into()),
                },
            }
        }
        self.closed_commitments(bundle, &opened);
    }

    fn closed_commitments(&mut self, bundle: &Bundle, opened: &BTreeSet<(Digest, Digest)>) {
        for entry in &bundle.entries {
            let Some(statement) = decode(&entry.bytes) else { continue };
            let leaf = Digest(leaf_hash(&entry.bytes).0);
            for commitment in statement.commitments().iter() {
                if opened.contains(&(leaf, commitment.digest)) {
                    continue;
                }
                self.undisclosed = self.undisclosed.saturating_add(1);
                let evidence = Evidence::NotDisclosed { field: commitment.field };
                self.replay.found(evidence, [entry.index].into());
            }
        }
    }

    fn report(mut self, bundle: &Bundle) -> Report {
        let mut report = Report {
            question: self.question,
            verdict: self.evidence_verdict(),
            releases: core::mem::take(&mut self.releases),
            device: self.device,
            rungs: self.rungs(),
            not_checked: self.not_checked(bundle),
            mismatches: core::mem::take(&mut self.mismatches),
            findings: core::mem::take(&mut self.replay.findings),
            head: self.head.map(Verified::into_inner),
            entries: self.entries,
            anchors: self.anchors,
        };
        // What forbids, or speaks against the log, never goes with the best word.
        let against = report.forbids() || report.proves_misbehaviour();
        if report.verdict == Verdict::Verified && (against || report.is_usable() == Some(false)) {
            report.verdict = Verdict::VerifiedSoFar;
        }
        report
    }

    /// Whether what was asked for is there, by somebody who was enrolled.
    fn is_answered(&self) -> bool {
        match self.question {
            Question::Release(_) | Question::Image(_) => !self.releases.is_empty(),
            Question::Whole => !self.entries.is_empty() && self.strangers.is_empty(),
            _ => {
                let known = |entry: &EntryReport| entry.state != EntryState::KeyUnknown;
                self.entries.iter().any(|entry| entry.asked && known(entry))
            }
        }
    }

    /// What the evidence is worth, whatever it says.
    fn evidence_verdict(&self) -> Verdict {
        if self.altered {
            return Verdict::Altered;
        }
        if self.cannot || self.head.is_none() {
            return Verdict::CannotCheck;
        }
        if !self.is_answered() {
            return Verdict::NotFound;
        }
        use Evidence::{ChainGap, Contradiction, DeviceKeyCompromised, JournalLost};
        let incomplete = self.replay.findings.iter().any(|finding| match finding.evidence {
            ChainGap { .. } | Contradiction { .. } | DeviceKeyCompromised { .. } => true,
            JournalLost { gone, .. } => gone != Some(0),
            _ => false,
        });
        let anchored =
            self.root.evm().contracts.is_empty() || self.anchored_rung().0 == RungState::Reached;
        let complete = self.extent == Extent::EveryEntry && self.question != Question::Whole;
        if incomplete || !anchored || !self.witnessed() || !complete {
            return Verdict::VerifiedSoFar;
        }
        Verdict::Verified
    }

    pub(super) fn asks_witnesses(&self) -> bool {
        self.root.policy().quorum() != Quorum::None
    }

    fn witnessed(&self) -> bool {
        self.asks_witnesses() && self.head.as_ref().is_some_and(|head| head.quorum)
    }
}

fn decode(entry: &[u8]) -> Option<Statement> {
    Parsed::parse(entry).ok()?.decode().ok()
}

fn parse_disclosure(bytes: &[u8]) -> Option<Disclosure> {
    let mut d = Decoder::new(bytes);
    let disclosure = Disclosure::decode(&mut d).ok()?;
    d.end().ok()?;
    Some(disclosure)
}
