//! The judge: each rule of docs/spec/standing.md, and each case in which the product once said
//! better than the log bears.

mod back;
mod cases;
#[path = "../common/mod.rs"]
mod common;
mod histories;
mod keys;
mod model;
mod named;
mod times;
mod told;
mod words;
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
    let unread = [NotChecked::OtherEntries, NotChecked::RulesElsewhere];
    assert!(report.not_checked.starts_with(&unread), "{:?}", report.not_checked);
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
    // Nor on other bytes, or as another event than an approval's.
    let by = (APPROVERS[0], person(0));
    for meaning in [Meaning::Approval, Meaning::Review] {
        let other = Some(firmlog_statement::Digest([8; 32]));
        log.put(opinion_of(other, by.0, by.1, leaf, meaning, Some(rejection), 4));
        blocked(&log, Standing::Rejected, Reason::Rejected);
        for event in [EventType::ReleaseRecalled, EventType::ReleaseVerified] {
            let word = opinion(by.0, by.1, leaf, meaning, Some(rejection), 5);
            let parsed = firmlog_statement::Parsed::parse(&word).unwrap().decode().unwrap();
            let firmlog_statement::Statement::Approval(mut it) = parsed else { panic!() };
            it.event = event;
            log.put(sign(firmlog_statement::Statement::Approval(it), by.1, by.0));
            blocked(&log, Standing::Rejected, Reason::Rejected);
        }
    }
    log.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, Some(rejection), 6));
    assert!(judged(&log).1.is_ok());
}

/// STA-010: an approval by a stolen key takes no place of one by a good key.
#[test]
fn sta_010_a_stolen_key_takes_no_approval_away() {
    let (mut log, leaf) = published(1);
    let (second, by) = (Key(41), person(0));
    let scoped = firmlog_statement::Enrol {
        issuers: vec![ACME.into()],
        ..enrolled(second, by, Role::Approver)
    };
    log.put(enrolment(ADMIN_KEY, scoped));
    let approval = firmlog_tlog::merkle::leaf_hash(&log.entries[2]);
    let stolen = |log: &mut Log| {
        log.put(revocation(ADMIN_KEY, second, RevokeReason::Compromised, None));
    };
    let mut beside = log.clone();
    beside.put(opinion(second, by, leaf, Meaning::Approval, None, 1));
    stolen(&mut beside);
    assert!(judged(&beside).1.is_ok());
    // That it takes the other back by name forbids, and so stands.
    log.put(opinion(second, by, leaf, Meaning::Approval, Some(approval), 1));
    stolen(&mut log);
    assert_eq!(judged(&log).1, Err(Reason::ApprovalsMissing));
}

/// STA-007: a word permits what it names, and nothing else.
#[test]
fn sta_007_a_word_permits_only_what_it_names() {
    let (mut log, leaf) = published(0);
    log.put(policy(ADMIN_KEY, 1));
    let own = |edit: &dyn Fn(&mut firmlog_statement::Approval)| {
        let entry = opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 0);
        let Ok(firmlog_statement::Statement::Approval(mut it)) =
            firmlog_statement::Parsed::parse(&entry).unwrap().decode()
        else {
            panic!("no approval")
        };
        edit(&mut it);
        sign(firmlog_statement::Statement::Approval(it), person(0), APPROVERS[0])
    };
    let digest = firmlog_statement::Digest;
    type Edit<'a> = &'a dyn Fn(&mut firmlog_statement::Approval);
    let rows: [(Edit<'_>, bool); 5] = [
        (&|it| it.image = Some(digest(IMAGE)), true),
        (&|it| it.image = Some(digest([4; 32])), false),
        (&|it| it.event = EventType::ReleaseVerified, false),
        (&|it| it.esig.meaning = Meaning::Review, false),
        (&|it| it.esig.meaning = Meaning::Authorship, false),
    ];
    for (n, (edit, counts)) in rows.into_iter().enumerate() {
        let mut log = log.clone();
        log.put(own(edit));
        let (report, decided) = judged(&log);
        let approvals = report.releases[0].standing.approvals;
        assert_eq!((decided.is_ok(), approvals), (counts, u8::from(counts)), "row {n}");
    }
    // A rejection forbids, whatever bytes it names.
    let mut rejected = log.clone();
    rejected.put(own(&|it| {
        (it.image, it.esig.meaning) = (Some(digest([4; 32])), Meaning::Rejection);
    }));
    blocked(&rejected, Standing::Rejected, Reason::Rejected);
}

/// STA-007: what publishes, or lifts a suspension, is of the same bytes and codes.
#[test]
fn sta_007_a_publication_is_of_the_release_that_it_names() {
    use EventType::{ReleaseProposed, ReleasePublished, ReleaseSuspended};
    let counter = firmlog_statement::SecurityCounter(9);
    let published = |it: &Release, of: Hash, n: u8| {
        let change_requests = vec![format!("CR-{n}")];
        let release = Some(firmlog_statement::Digest(of.0));
        let it = Release { event: ReleasePublished, release, change_requests, ..it.clone() };
        released(BUILD, ACME, it)
    };
    let others =
        [of_image(4, 3, release(5)), of_image(3, 4, release(5)), Release { counter, ..release(5) }];
    for other in others {
        let mut log = Log::new(0);
        let begins = Release { event: ReleaseProposed, ..release(0) };
        let leaf = log.put(released(BUILD, ACME, begins));
        log.put(published(&other, leaf, 5));
        assert_eq!(judged(&log).1, Err(Reason::NotPublished));
        log.put(published(&release(6), leaf, 6));
        assert!(judged(&log).1.is_ok());
        log.put(step(BUILD, ACME, leaf, ReleaseSuspended, 7));
        log.put(published(&other, leaf, 8));
        blocked(&log, Standing::Suspended, Reason::Withdrawn);
    }
    // What withdraws does so whatever bytes it tells of.
    let (mut log, leaf) = crate::published(0);
    let named = Some(firmlog_statement::Digest(leaf.0));
    let recall = Release { event: EventType::ReleaseRecalled, release: named, ..release(1) };
    log.put(released(BUILD, ACME, of_image(4, 9, recall)));
    blocked(&log, Standing::Recalled, Reason::Withdrawn);
}

/// STA-008: a step that names no release, or names a step, is of none.
#[test]
fn sta_008_a_step_names_the_release_that_it_is_of() {
    use EventType::{ReleaseEndOfSupport, ReleaseRecalled, ReleaseSuspended};
    let (log, leaf) = published(1);
    for event in [ReleaseRecalled, ReleaseSuspended, ReleaseEndOfSupport] {
        let mut log = log.clone();
        assert!(!log.offer(released(BUILD, ACME, Release { event, ..release(1) })), "{event}");
        let named = log.put(step(BUILD, ACME, leaf, event, 2));
        assert!(!log.offer(step(BUILD, ACME, named, ReleaseRecalled, 3)), "a step of a step");
        let approves = opinion(APPROVERS[1], person(1), named, Meaning::Approval, None, 4);
        assert!(!log.offer(approves.clone()), "a signature on a step");
        log.force(approves);
        let (report, _) = judged(&log);
        assert!(has(&report, FindingKind::Withdrawn) && report.outcome() == Outcome::Against);
    }
}

/// STA-008: what was said of a release before it was there permits nothing, and convicts the log.
#[test]
fn sta_008_nobody_speaks_of_a_release_before_it_is_there() {
    let begins = released(BUILD, ACME, release(0));
    let leaf = firmlog_tlog::merkle::leaf_hash(&begins);
    let approval = opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 0);
    let proposal = Release { event: EventType::ReleaseProposed, ..release(0) };
    let proposed = released(BUILD, ACME, proposal);
    let proposed_leaf = firmlog_tlog::merkle::leaf_hash(&proposed);
    let publishes = step(BUILD, ACME, proposed_leaf, EventType::ReleasePublished, 0);
    let rows = [
        (1, approval, begins.clone(), Reason::ApprovalsMissing),
        (0, publishes, proposed, Reason::NotPublished),
    ];
    for (approvals, early, begins, reason) in rows {
        let mut log = Log::new(approvals);
        log.force(early);
        log.force(begins.clone());
        let (report, decided) = judged(&log);
        assert_eq!((decided, report.is_usable()), (Err(reason), Some(false)));
        assert!(report.headline().starts_with("DO NOT TRUST THE LOG"), "{}", report.headline());
        let rules = FindingKind::AgainstRules;
        let found = report.findings.iter().find(|it| it.evidence.kind() == rules);
        assert_eq!(found.map(|it| &*it.entries), Some(&[LeafIndex(1), LeafIndex(2)][..]));
    }
    // What forbids stands wherever it was said.
    let mut log = Log::new(0);
    log.force(step(BUILD, ACME, leaf, EventType::ReleaseRecalled, 0));
    log.force(begins);
    assert_eq!(judged(&log).1, Err(Reason::Withdrawn));
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

/// J2: a whole bundle says first which of its releases may not be used.
#[test]
fn j02_a_whole_bundle_says_what_it_holds_is_withdrawn() {
    let (mut log, leaf) = published(1);
    let whole = |log: &Log| ask(log, &log.whole(), Question::Whole);
    assert_eq!((whole(&log).headline(), whole(&log).outcome()), ("VERIFIED SO FAR".into(), OPEN));
    log.put(step(BUILD, ACME, leaf, EventType::ReleaseRecalled, 1));
    let report = whole(&log);
    assert_eq!((report.verdict, report.outcome()), (Verdict::VerifiedSoFar, Outcome::Against));
    assert_eq!(report.headline(), "RECALLED by entry 3: do not use it");
    assert_eq!((report.is_usable(), report.standing()), (None, None));
    log.put(released(BUILD, ACME, of_image(4, 4, release(9))));
    let headline = whole(&log).headline();
    assert_eq!(headline, "1 OF 2 RELEASES NOT TO BE USED: RECALLED by entry 3: do not use it");
}

/// What the best bundle comes to.
const OPEN: Outcome = Outcome::Incomplete;

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
