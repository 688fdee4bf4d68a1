//! Running the checks in order, and drawing the verdict from them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use firmlog_statement::disclosure::Disclosure;
use firmlog_statement::{
    Digest, Field as _, Kind, Meaning, Parsed, Severity, Statement, codec::Decoder,
};
use firmlog_tlog::merkle::{
    Hash, LeafIndex, TreeHead, leaf_hash, root_from_inclusion, verify_consistency,
};
use firmlog_tlog::policy::Quorum;

use super::anchors::{self, Anchors};
use super::replay::Replay;
use super::{
    AnchorReport, EntryReport, EntryState, Evidence, Level, Mismatch, NotChecked, Question, Report,
    Rung, RungState, Verdict, entries,
};
use crate::bundle::{Bundle, Entry, Object, parse_parts};
use crate::checkpoint::{HeadError, SignedHead, verify_checkpoint};
use crate::registry::Registry;
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
            let mut run = Run::new(root, *question);
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
    verify_bundle_state(bundle, root, crypto, question).0
}

/// As [`verify_bundle`], with the registry as it is after the bundle's last entry.
pub(crate) fn verify_bundle_state<C: Crypto + ?Sized>(
    bundle: &Bundle,
    root: &TrustRoot,
    crypto: &C,
    question: &Question,
) -> (Report, Registry) {
    let mut run = Run::new(root, *question);
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
    run.approvals();
    let registry = core::mem::take(&mut run.replay.registry);
    (run.report(bundle), registry)
}

struct Run<'a> {
    root: &'a TrustRoot,
    question: Question,
    mismatches: Vec<Mismatch>,
    altered: bool,
    cannot: bool,
    head: Option<Verified<SignedHead>>,
    replay: Replay,
    entries: Vec<EntryReport>,
    anchors: Vec<AnchorReport>,
    /// Commitments per leaf hash that still want their disclosure.
    undisclosed: u64,
}

impl<'a> Run<'a> {
    fn new(root: &'a TrustRoot, question: Question) -> Self {
        Self {
            root,
            question,
            mismatches: Vec::new(),
            altered: false,
            cannot: false,
            head: None,
            replay: Replay::default(),
            entries: Vec::new(),
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
                self.replay.found(Severity::P1, Evidence::SplitView { older, newer }, Vec::new());
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
            asked: parsed.as_ref().is_ok_and(|parsed| self.asks_for(parsed, &leaf)),
        };
        if self.in_log(entry, &leaf) {
            report.state = match &parsed {
                Err(_) => EntryState::NotAStatement,
                Ok(_) if entry.index.0 == 0 && leaf != *self.root.genesis() => {
                    EntryState::SignatureWrong
                }
                Ok(parsed) => self.replay.entry(parsed, entry.index, crypto),
            };
            self.judge(&report);
        }
        self.entries.push(report);
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
            EntryState::AgainstRules(refusal) => {
                let expected = "an entry that the log's rules admit".into();
                self.altered(object, expected, refusal.to_string());
            }
            EntryState::KeyUnknown => {
                let expected = "the enrolment of its key in the bundle".into();
                self.cannot(object, expected, "not there".into());
            }
            EntryState::Good | EntryState::NotAStatement | EntryState::NotInLog => {}
        }
    }

    fn asks_for(&self, parsed: &Parsed, leaf: &Hash) -> bool {
        match self.question {
            Question::Whole => true,
            Question::Device(device) => {
                parsed.update_head().is_some_and(|head| head.device == device)
            }
            Question::Release(release) => {
                *leaf == release
                    || parsed.approval_head().is_some_and(|head| head.release == release.0)
            }
            Question::Image(image) => {
                parsed.release_head().is_some_and(|head| head.image == image)
                    || parsed.update_head().is_some_and(|head| head.image == image)
            }
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
                self.replay.found(Severity::Info, evidence, [entry.index].into());
            }
        }
    }

    /// Who approved and who rejected what the question asks for.
    fn approvals(&mut self) {
        let expected = self.replay.registry.rules.approvals;
        let asked: Vec<(Hash, LeafIndex)> = self
            .entries
            .iter()
            .filter(|entry| entry.asked && entry.kind == Some(Kind::Release))
            .map(|entry| (entry.leaf, entry.index))
            .collect();
        for (release, index) in asked {
            let standing = self.replay.standing(&release);
            let by = |meaning| standing.iter().filter(move |(_, word)| word.meaning == meaning);
            let approvers: BTreeSet<&str> = by(Meaning::Approval).map(|(who, _)| *who).collect();
            let got = u8::try_from(approvers.len()).unwrap_or(u8::MAX);
            let said = standing.iter().map(|(_, word)| word.index);
            let entries: Vec<LeafIndex> = [index].into_iter().chain(said).collect();
            let rejected: Vec<LeafIndex> =
                by(Meaning::Rejection).map(|(_, word)| word.index).collect();
            if got < expected {
                let evidence = Evidence::ApprovalsMissing { release, expected, got };
                self.replay.found(Severity::P2, evidence, entries);
            }
            if !rejected.is_empty() {
                let evidence = Evidence::Rejected { release };
                self.replay.found(Severity::P2, evidence, rejected);
            }
        }
    }

    fn report(mut self, bundle: &Bundle) -> Report {
        let verdict = self.verdict();
        let findings = core::mem::take(&mut self.replay.findings);
        Report {
            verdict,
            rungs: self.rungs(),
            not_checked: self.not_checked(bundle),
            mismatches: self.mismatches,
            head: self.head.map(Verified::into_inner),
            entries: self.entries,
            anchors: self.anchors,
            findings,
        }
    }

    fn verdict(&self) -> Verdict {
        if self.altered {
            return Verdict::Altered;
        }
        if self.cannot || self.head.is_none() {
            return Verdict::CannotCheck;
        }
        if !self.entries.iter().any(|entry| entry.asked) {
            return Verdict::NotFound;
        }
        use Evidence::{ApprovalsMissing, ChainGap, JournalLost, Rejected};
        let incomplete = self.replay.findings.iter().any(|finding| match finding.evidence {
            ChainGap { .. } | ApprovalsMissing { .. } | Rejected { .. } => true,
            JournalLost { gone, .. } => gone != Some(0),
            _ => false,
        });
        let anchored =
            self.root.evm().contracts.is_empty() || self.anchored_rung().0 == RungState::Reached;
        if incomplete || !anchored || !self.witnessed() {
            return Verdict::VerifiedSoFar;
        }
        Verdict::Verified
    }

    fn asks_witnesses(&self) -> bool {
        self.root.policy().quorum() != Quorum::None
    }

    fn witnessed(&self) -> bool {
        self.asks_witnesses() && self.head.as_ref().is_some_and(|head| head.quorum)
    }

    fn rungs(&self) -> [Rung; 5] {
        let statements = self.entries.iter().filter(|entry| entry.kind.is_some());
        let good = statements.clone().filter(|entry| entry.state == EntryState::Good).count();
        let all = statements.count();
        let wrong = self.entries.iter().any(|entry| {
            matches!(entry.state, EntryState::SignatureWrong | EntryState::AgainstRules(_))
        });
        let signed = match (wrong, good == all && all > 0) {
            (true, _) => RungState::Failed,
            (false, true) => RungState::Reached,
            (false, false) => RungState::Missing,
        };
        let (in_log, in_log_detail) = self.in_log_rung();
        let (witnessed, witnessed_detail) = self.witnessed_rung();
        let details = [
            (signed, format!("{good} of {all} statements")),
            (in_log, in_log_detail),
            (witnessed, witnessed_detail),
            (RungState::Missing, String::from("no time-stamp in the bundle")),
            self.anchored_rung(),
        ];
        let mut levels = Level::ALL.into_iter();
        details.map(|(state, detail)| {
            let level = levels.next().unwrap_or(Level::Anchored);
            Rung { level, state, detail }
        })
    }

    fn in_log_rung(&self) -> (RungState, String) {
        let Some(head) = &self.head else {
            let state = if self.altered { RungState::Failed } else { RungState::Missing };
            return (state, "no checkpoint is believed".into());
        };
        let out = self.entries.iter().any(|entry| entry.state == EntryState::NotInLog);
        let state = if out { RungState::Failed } else { RungState::Reached };
        (state, format!("{}, {} {}", head.origin, head.head.size, entries(head.head.size.0)))
    }

    fn witnessed_rung(&self) -> (RungState, String) {
        let Some(head) = &self.head else { return (RungState::Missing, "no checkpoint".into()) };
        let names: Vec<&str> = head.witnesses.iter().map(|w| w.name.as_str()).collect();
        let names = if names.is_empty() { "nobody".into() } else { names.join(", ") };
        if !self.asks_witnesses() {
            return (RungState::Missing, format!("{names}; the trust root asks for none"));
        }
        let state = if head.quorum { RungState::Reached } else { RungState::Missing };
        let quorum = if head.quorum { "quorum reached" } else { "quorum not reached" };
        (state, format!("{names} ({quorum})"))
    }

    fn anchored_rung(&self) -> (RungState, String) {
        let any = self.entries.iter().any(|entry| entry.asked);
        anchors::rung(&self.anchors, |size| {
            let asked = self.entries.iter().filter(|entry| entry.asked || !any);
            let covered = asked.clone().filter(|entry| entry.index.0 < size).count();
            (covered, asked.count())
        })
    }

    fn not_checked(&self, bundle: &Bundle) -> Vec<NotChecked> {
        let foreign = self.entries.iter().filter(|entry| entry.kind.is_none()).count() as u64;
        let counted = [
            NotChecked::Certificates(bundle.certificates.len() as u64),
            NotChecked::Undisclosed(self.undisclosed),
            NotChecked::ForeignEntries(foreign),
        ];
        let mut out: Vec<NotChecked> = [
            NotChecked::OtherEntries,
            NotChecked::TruthOfStatements,
            NotChecked::DeviceClocks,
            NotChecked::Image,
        ]
        .into();
        out.extend(anchors::not_checked(&self.anchors));
        out.extend(counted.into_iter().filter(|left_out| left_out.count() > 0));
        if !self.asks_witnesses() {
            out.push(NotChecked::SplitView);
        }
        out
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
