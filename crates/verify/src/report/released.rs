//! The releases that a question is about: their standing, what was said of them, and the findings
//! that follow.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use firmlog_statement::{Meaning, Statement};
use firmlog_tlog::merkle::{Hash, LeafIndex};

use super::{Evidence, Finding, Ledger, Question, Released, Word};
use crate::registry::Refusal;
use crate::standing::{Blocker, Judge, Proven, ReleaseStanding, event_of, hash, meaning};

/// The releases that are asked for, of those that begin in the ledger. `named` are those that a
/// device's statements name, `runs` the images it says it was given.
pub(super) fn asked<'b>(
    judge: &Judge<'b, Ledger<'_>>,
    question: &Question,
    named: &BTreeSet<Hash>,
    runs: &BTreeSet<[u8; 32]>,
) -> Vec<Proven<'b>> {
    let image = |it: &Proven<'_>| it.parsed.release_head().map(|head| head.image);
    judge
        .begun()
        .filter(|it| match question {
            Question::Whole => true,
            Question::Device(_) => {
                named.contains(&it.leaf()) || image(it).is_some_and(|image| runs.contains(&image))
            }
            Question::Release(leaf) => it.leaf() == *leaf,
            Question::Image(wanted) => image(it) == Some(*wanted),
            Question::Statement(_) => false,
        })
        .collect()
}

/// One of them, as it stands.
pub(super) fn released<'b>(judge: &Judge<'b, Ledger<'_>>, begins: &Proven<'b>) -> Option<Released> {
    let leaf = begins.leaf();
    let standing = judge.standing(begins)?;
    let Ok(Statement::Release(statement)) = begins.parsed.decode() else { return None };
    let words = judge.said_of(begins).filter_map(|it| {
        Some(Word {
            index: it.index,
            kind: it.parsed.kind(),
            issuer: it.parsed.issuer().to_string(),
            event: event_of(&it.parsed)?,
            meaning: meaning(&it.parsed),
        })
    });
    Some(Released {
        index: begins.index,
        leaf,
        issuer: begins.parsed.issuer().to_string(),
        subject: begins.parsed.subject().to_string(),
        statement,
        standing,
        words: words.collect(),
    })
}

/// What follows from where a release stands.
pub(super) fn findings<'b>(
    judge: &Judge<'b, Ledger<'_>>,
    begins: &Proven<'b>,
    it: &Released,
    out: &mut Vec<Finding>,
) {
    let (release, standing) = (it.leaf, it.standing);
    let amiss = amiss(judge, begins, out);
    let mut found = |evidence: Evidence, entries: Vec<LeafIndex>| {
        let severity = evidence.kind().severity();
        out.push(Finding { severity, evidence, entries });
    };
    let both = |at: LeafIndex| Vec::from([it.index.min(at), it.index.max(at)]);
    match standing.blocker {
        Some(Blocker::SignerCompromised) => {
            found(Evidence::SignerCompromised { release }, [it.index].into());
        }
        Some(Blocker::BytesRecalled(recalled)) => {
            found(Evidence::BytesRecalled { release, recalled }, [it.index].into());
        }
        Some(Blocker::NotPublished) => {
            found(Evidence::NotPublished { release }, [it.index].into());
        }
        _ => {}
    }
    for (word, since) in judge.against(begins) {
        found(Evidence::Withdrawn { release, standing: word }, both(since));
    }
    for at in judge.rejections(begins) {
        found(Evidence::Rejected { release }, [at].into());
    }
    for (refusal, at) in amiss {
        found(Evidence::AgainstRules(refusal), both(at));
    }
    for at in judge.approvals_lost(begins) {
        found(Evidence::ApproverCompromised { release }, [at].into());
    }
    let ReleaseStanding { approvals: got, required: expected, .. } = standing;
    if got < expected {
        let said = it.words.iter().filter(|word| word.meaning == Some(Meaning::Approval));
        let entries = [it.index].into_iter().chain(said.map(|word| word.index)).collect();
        found(Evidence::ApprovalsMissing { release, expected, got }, entries);
    }
}

/// What is said of a release and should not be in the log, if nothing found says so yet.
fn amiss<'b>(
    judge: &Judge<'b, Ledger<'_>>,
    begins: &Proven<'b>,
    found: &[Finding],
) -> Vec<(Refusal, LeafIndex)> {
    let release = begins.leaf();
    let refusal = |word: Proven<'_>| {
        let refusal = match hash(&word.parsed, 13) {
            // The log cannot have known what it is about.
            Some(named) if named == release && word.index < begins.index => Refusal::ReleaseUnknown,
            Some(named) if named == release => return None,
            _ => Refusal::NotARelease,
        };
        let said = |it: &Finding| {
            matches!(it.evidence, Evidence::AgainstRules(_)) && it.entries.contains(&word.index)
        };
        (!found.iter().any(said)).then_some((refusal, word.index))
    };
    judge.said_of(begins).filter_map(refusal).collect()
}

/// Pairs of releases of which each is asked for, or contradicts one that is.
pub(super) fn contradictions(
    judge: &Judge<'_, Ledger<'_>>,
    asked: &[Proven<'_>],
    out: &mut Vec<Finding>,
) {
    let all: Vec<Proven<'_>> = judge.begun().collect();
    for one in asked {
        for other in all.iter().filter(|it| it.index != one.index && contradict(one, it)) {
            let twice = other.index < one.index && asked.iter().any(|it| it.index == other.index);
            if twice {
                continue;
            }
            let (release, other_leaf) = (one.leaf(), other.leaf());
            let evidence = Evidence::Contradiction { release, other: other_leaf };
            let mut entries = Vec::from([one.index, other.index]);
            entries.sort_unstable();
            out.push(Finding { severity: evidence.kind().severity(), evidence, entries });
        }
    }
}

/// One image under two versions, or one version for two images: of one issuer and component, for a
/// device in common.
fn contradict(one: &Proven<'_>, other: &Proven<'_>) -> bool {
    let (Some(a), Some(b)) = (one.parsed.release_head(), other.parsed.release_head()) else {
        return false;
    };
    let text = |it: &Proven<'_>| {
        it.parsed.field(29).and_then(|mut d| d.text().ok().map(ToString::to_string))
    };
    if one.parsed.issuer() != other.parsed.issuer() || text(one) != text(other) {
        return false;
    }
    let differ = (a.version, a.counter) != (b.version, b.counter);
    let image_twice = a.image == b.image && differ;
    let version_twice = a.image != b.image && a.version == b.version;
    (image_twice || version_twice) && share_a_device(one, other)
}

/// Whether a device may be of a model, and of a hardware revision, that both are for.
fn share_a_device(one: &Proven<'_>, other: &Proven<'_>) -> bool {
    let (Ok(Statement::Release(one)), Ok(Statement::Release(other))) =
        (one.parsed.decode(), other.parsed.decode())
    else {
        return true;
    };
    overlap(&one.models, &other.models) && overlap(&one.hw_revs, &other.hw_revs)
}

/// A list that is empty names all.
fn overlap(one: &[String], other: &[String]) -> bool {
    one.is_empty() || other.is_empty() || one.iter().any(|it| other.contains(it))
}

/// Where these releases begin, and where something is said of them.
pub(super) fn places<'b>(
    judge: &Judge<'b, Ledger<'_>>,
    releases: &[Proven<'b>],
) -> BTreeSet<LeafIndex> {
    let said = |it| judge.said_of(it).map(|word| word.index);
    let begun = releases.iter().map(|it| it.index);
    begun.chain(releases.iter().flat_map(said)).collect()
}
