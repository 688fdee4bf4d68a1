//! The judge: each rule of docs/spec/standing.md, and each case in which the product once said
//! better than the log bears.

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod histories;
mod keys;
mod model;
mod world;

use firmlog_statement::event::EventType;
use firmlog_statement::{DeviceId, Meaning, Release, RevokeReason, Role};
use firmlog_tlog::merkle::{Hash, LeafIndex};
use firmlog_verify::bundle::Bundle;
use firmlog_verify::finding::{Evidence, FindingKind};
use firmlog_verify::install::{self, Installable, Known, Reason, Revocation, Running};
use firmlog_verify::report::{
    Extent, NotChecked, Outcome, Question, Report, RungState, verify_gathered,
};
use firmlog_verify::standing::{Blocker, Standing};
use firmlog_verify::{TrustRoot, Verdict, verify_bundle, verify_release};
use world::*;

const IMAGE: [u8; 32] = [3; 32];

/// A device of acme that runs version 2.
fn running() -> Running<'static> {
    Running {
        device: DeviceId([7; 32]),
        model: "ip-200",
        hw_rev: None,
        component: "app",
        issuers: &[ACME],
        version: 2,
        counter: 1,
    }
}

/// What a device makes of a bundle, in place and after a full verification: alike.
fn device(log: &Log, bundle: &Bundle, running: &Running<'_>, known: &Known<'_>) -> Decided {
    device_of(log, &log.root(), bundle, running, known)
}

fn device_of(
    log: &Log,
    pinned: &TrustRoot,
    bundle: &Bundle,
    running: &Running<'_>,
    known: &Known<'_>,
) -> Decided {
    let [key, a, b] = verifiers();
    let genesis = firmlog_tlog::merkle::leaf_hash(&log.entries[0]);
    let root = install::Root { genesis, log: &key, witnesses: &[a, b], quorum: 2 };
    let bytes = bundle.encode();
    let in_place = install::Evidence::verify(&bytes, &root, &Cheap, &mut [0; 2048])
        .and_then(|it| it.installable(&IMAGE, running, known))
        .map(|it| it.into_inner());
    let whole = verify_release(bundle, pinned, &Cheap, &IMAGE, running, known);
    let whole = whole.map(|it| it.into_inner());
    // Of evidence that is wrong in two ways each names the one that it meets first.
    let spoilt =
        |it: &Decided| matches!(it, Err(Reason::EvidenceAltered | Reason::EvidenceIncomplete));
    assert!(in_place == whole || spoilt(&in_place) && spoilt(&whole), "{in_place:?}, {whole:?}");
    in_place
}

type Decided = Result<Installable, Reason>;

fn ask(log: &Log, bundle: &Bundle, question: Question) -> Report {
    let report = verify_bundle(bundle, &log.root(), &Cheap, &question);
    assert_ne!(report.verdict, Verdict::Verified, "no bundle is verified");
    assert_ne!(report.outcome(), Outcome::Proven);
    report
}

/// The best that the whole log lets anybody say of the file, and what a device does with it.
fn judged(log: &Log) -> (Report, Decided) {
    let question = Question::Image(IMAGE);
    let bundle = log.whole();
    let part = ask(log, &bundle, question);
    assert_eq!(part.not_checked.first(), Some(&NotChecked::LeftOut));
    let every = Extent::EveryEntry;
    let report = verify_gathered(&bundle, &log.root(), &Cheap, &question, every);
    assert_eq!(part.standing(), report.standing());
    (report, device(log, &bundle, &running(), &Known::default()))
}

fn has(report: &Report, kind: FindingKind) -> bool {
    report.findings.iter().any(|finding| finding.evidence.kind() == kind)
}

/// A log with a published release that as many approve.
fn published(approvals: usize) -> (Log, Hash) {
    let mut log = Log::new(approvals as u8);
    let leaf = log.put(released(BUILD, ACME, release(0)));
    for (n, key) in APPROVERS.into_iter().enumerate().take(approvals) {
        log.put(opinion(key, person(n), leaf, Meaning::Approval, None, 0));
    }
    (log, leaf)
}

fn blocked(log: &Log, standing: Standing, reason: Reason) -> Report {
    let (report, decided) = judged(log);
    assert_eq!(decided, Err(reason));
    assert_eq!(report.standing(), Some(standing.word()));
    assert_eq!(report.is_usable(), Some(false));
    assert_eq!(report.verdict, Verdict::VerifiedSoFar);
    report
}

/// The table's first row: nothing speaks against it.
#[test]
fn a_published_and_approved_release_is_verified_by_who_read_every_entry() {
    let (log, leaf) = published(2);
    let (report, decided) = judged(&log);
    assert_eq!((report.verdict, report.outcome()), (Verdict::Verified, Outcome::Proven));
    assert_eq!((report.standing(), report.is_usable()), (Some("published"), Some(true)));
    assert_eq!(decided.map(|it| (it.release, it.approvers)), Ok((leaf, 2)));
    let released = &report.releases[0];
    assert_eq!((released.leaf, &*released.issuer, released.words.len()), (leaf, ACME, 2));
    let part = ask(&log, &log.whole(), Question::Image(IMAGE));
    assert_eq!((part.outcome(), part.is_usable()), (Outcome::Incomplete, Some(true)));
}

/// STA-010: the newest word of an issuer counts, its own release never.
#[test]
fn sta_010_approvals_are_counted_by_issuer() {
    let (mut log, leaf) = published(1);
    let approval = firmlog_tlog::merkle::leaf_hash(&log.entries[2]);
    // Taken back.
    let mut back = log.clone();
    back.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Review, Some(approval), 1));
    assert_eq!(judged(&back).1, Err(Reason::ApprovalsMissing));
    back.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 2));
    assert!(judged(&back).1.is_ok());
    // Only who said it takes it back.
    let mut other = log.clone();
    other.put(opinion(APPROVERS[1], person(1), leaf, Meaning::Review, Some(approval), 1));
    assert!(judged(&other).1.is_ok());
    // A rejection takes the approval away, and its lift does not bring it back.
    let reject = opinion(APPROVERS[0], person(0), leaf, Meaning::Rejection, None, 1);
    let rejection = log.put(reject);
    assert_eq!(judged(&log).1, Err(Reason::Rejected));
    log.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Review, Some(rejection), 2));
    assert_eq!(judged(&log).1, Err(Reason::ApprovalsMissing));
    log.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 3));
    assert!(judged(&log).1.is_ok());
}

/// STA-011: an approval after a rejection does not name it, so it lifts nothing.
#[test]
fn sta_011_a_rejection_stands_until_it_is_named() {
    let (mut log, leaf) = published(1);
    let reject = opinion(APPROVERS[0], person(0), leaf, Meaning::Rejection, None, 1);
    let rejection = log.put(reject);
    log.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 2));
    blocked(&log, Standing::Rejected, Reason::Rejected);
    // Of another issuer, naming it is not enough.
    log.put(opinion(APPROVERS[1], person(1), leaf, Meaning::Approval, Some(rejection), 3));
    blocked(&log, Standing::Rejected, Reason::Rejected);
    log.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, Some(rejection), 4));
    assert!(judged(&log).1.is_ok());
}

/// STA-012: an enrolment without issuers is for the first manufacturer; it may forbid for any.
#[test]
fn sta_012_without_issuers_the_first_manufacturer_is_meant() {
    let mut log = Log::new(1);
    // The rules refuse it where two manufacturers are; an operator took it all the same.
    log.force(enrolment(ADMIN_KEY, enrolled(Key(40), "acme.example/third", Role::Approver)));
    let report = ask(&log, &log.whole(), Question::Whole);
    assert_eq!(report.verdict, Verdict::Altered);
}

/// STA-061, STA-062, STA-063: what is told with every answer, and what only with some.
#[test]
fn sta_061_usable_is_told_of_files_and_releases_only() {
    let (log, leaf) = published(1);
    let whole = ask(&log, &log.whole(), Question::Whole);
    assert_eq!((whole.is_usable(), whole.standing()), (None, None));
    let statement = ask(&log, &log.whole(), Question::Statement(leaf));
    assert_eq!((statement.is_usable(), statement.verdict), (None, Verdict::VerifiedSoFar));
    let release = ask(&log, &log.whole(), Question::Release(leaf));
    assert_eq!(release.is_usable(), Some(true));
    for report in [whole, statement, release] {
        let head = report.head.as_ref().expect("a head");
        assert_eq!((head.head.size.0, head.as_of_s), (3, Some(1_790_000_000)));
        let missing = report.rungs.iter().filter(|rung| rung.state == RungState::Missing);
        assert_eq!(missing.count(), 2, "nothing is red that is only missing");
        assert_eq!(report.not_checked.first(), Some(&NotChecked::LeftOut));
    }
}

/// STA-060: what is found of one thing does not go with the best word for another.
#[test]
fn sta_060_misbehaviour_and_the_best_word_never_stand_together() {
    let (mut log, leaf) = published(1);
    log.force(opinion(OTHER_APPROVER, "zeta.example/quality", leaf, Meaning::Approval, None, 0));
    let (report, _) = judged(&log);
    assert!(report.proves_misbehaviour());
    assert_eq!((report.verdict, report.outcome()), (Verdict::VerifiedSoFar, Outcome::Against));
    assert!(matches!(report.findings[0].evidence, Evidence::AgainstRules(_)));
}
