//! What is told beside the standing: findings with the entries that prove them, who said what, and
//! which releases contradict each other.

use firmlog_statement::Kind;

use crate::*;

fn whole(log: &Log) -> Report {
    ask(log, &log.whole(), Question::Whole)
}

/// The word of each finding, and where what proves it stands.
fn found(report: &Report) -> Vec<(&'static str, Vec<u64>)> {
    let all = report.findings.iter();
    let all = all.map(|it| (it.evidence.kind().word(), it.entries.iter().map(|at| at.0).collect()));
    all.collect()
}

/// Every finding about a release names the entries that prove it, and nothing else is found.
#[test]
fn each_finding_names_the_entries_that_prove_it() {
    use EventType::{ReleaseEndOfSupport, ReleasePublished, ReleaseRecalled, ReleaseSuspended};
    let stepped = |events: &[EventType]| {
        let (mut log, leaf) = published(1);
        for (n, event) in (1..).zip(events) {
            log.put(step(BUILD, ACME, leaf, *event, n));
        }
        log
    };
    let and = |mut log: Log, more: Vec<Vec<u8>>| {
        for entry in more {
            log.put(entry);
        }
        log
    };
    let stolen = |key| revocation(ADMIN_KEY, key, RevokeReason::Compromised, None);
    let mut proposed = Log::new(0);
    let event = EventType::ReleaseProposed;
    proposed.put(released(BUILD, ACME, Release { event, ..release(0) }));
    let (one, leaf) = published(1);
    let rejects = |n| opinion(APPROVERS[1], person(1), leaf, Meaning::Rejection, None, n);
    let review = opinion(APPROVERS[1], person(1), leaf, Meaning::Review, None, 7);
    let asks_two = vec![review, policy(ADMIN_KEY, 2)];
    let (bytes, of) = published(0);
    let same_bytes =
        vec![step(BUILD, ACME, of, ReleaseRecalled, 1), released(BUILD, ACME, release(2))];
    let withdrawn = |last| ("withdrawn", vec![1, last]);
    let rows = [
        (one.clone(), vec![]),
        (proposed, vec![("not_published", vec![1])]),
        (stepped(&[ReleaseSuspended]), vec![withdrawn(3)]),
        (stepped(&[ReleaseSuspended, ReleasePublished]), vec![]),
        (stepped(&[ReleaseSuspended, ReleaseRecalled]), vec![withdrawn(4)]),
        (stepped(&[ReleaseSuspended, ReleaseEndOfSupport]), vec![withdrawn(4)]),
        (stepped(&[ReleaseEndOfSupport, ReleaseRecalled]), vec![withdrawn(4), withdrawn(3)]),
        (
            and(one.clone(), vec![rejects(1), rejects(2)]),
            vec![("rejected", vec![3]), ("rejected", vec![4])],
        ),
        // The review is no approval.
        (and(one.clone(), asks_two), vec![("approvals_missing", vec![1, 2])]),
        (and(one.clone(), vec![stolen(BUILD)]), vec![("signer_compromised", vec![1])]),
        (
            and(one, vec![stolen(APPROVERS[0])]),
            vec![("approver_compromised", vec![2]), ("approvals_missing", vec![1, 2])],
        ),
        (and(bytes, same_bytes), vec![withdrawn(2), ("bytes_recalled", vec![3])]),
    ];
    for (n, (log, expected)) in rows.iter().enumerate() {
        assert_eq!(found(&whole(log)), *expected, "row {n}");
    }
}

/// Two releases of one issuer and component, for a device in common: one image has one version and
/// one counter, one version has one image.
#[test]
fn releases_contradict_each_other_for_a_device_in_common() {
    type Edit<'a> = &'a dyn Fn(Release) -> Release;
    let texts = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<String>>();
    let counter = firmlog_statement::SecurityCounter;
    let models = |it: Release, models: &[&str]| Release { models: texts(models), ..it };
    let revs = |it: Release, revs: &[&str]| Release { hw_revs: texts(revs), ..it };
    let same: Edit<'_> = &|it| it;
    let twice = |it| of_image(4, 3, it);
    let rows: [(Edit<'_>, Edit<'_>, bool); 14] = [
        (same, same, false),
        (same, &|it| of_image(3, 4, it), true),
        (same, &|it| Release { counter: counter(2), ..it }, true),
        (same, &twice, true),
        (same, &|it| Release { counter: counter(2), ..twice(it) }, true),
        (same, &|it| of_image(4, 4, it), false),
        (same, &|it| Release { component: "boot".into(), ..twice(it) }, false),
        (same, &|it| models(twice(it), &["ip-9"]), false),
        (same, &|it| models(twice(it), &["ip-9", "ip-200"]), true),
        (same, &|it| models(twice(it), &[]), true),
        (&|it| models(it, &[]), &|it| models(twice(it), &["ip-9"]), true),
        (same, &|it| revs(twice(it), &["b"]), true),
        (&|it| revs(it, &["b"]), &twice, true),
        (&|it| revs(it, &["b"]), &|it| revs(twice(it), &["c"]), false),
    ];
    for (n, (one, other, contradict)) in rows.into_iter().enumerate() {
        let mut log = Log::new(0);
        let one = log.put(released(BUILD, ACME, one(release(1))));
        let other = log.put(released(BUILD, ACME, other(release(2))));
        let once = if contradict { vec![("contradicting_releases", vec![1, 2])] } else { vec![] };
        // Told once, whichever of the two is asked for; of both, of the first.
        let all = [Question::Whole, Question::Release(one), Question::Release(other)];
        for (question, pair) in all.into_iter().zip([(one, other), (one, other), (other, one)]) {
            let report = ask(&log, &log.whole(), question);
            assert_eq!(found(&report), once, "row {n}: {question:?}");
            let (release, other) = pair;
            let evidence = Evidence::Contradiction { release, other };
            assert!(report.findings.iter().all(|it| it.evidence == evidence), "row {n}");
        }
    }
    let mut log = Log::new(0);
    log.put(released(BUILD, ACME, release(1)));
    log.put(released(OTHER_BUILD, ZETA, of_image(4, 3, release(2))));
    assert_eq!(found(&whole(&log)), [], "another issuer's");
}

/// `BND-012`: who said what of a release, and which entries are about it.
#[test]
fn bnd_012_a_release_comes_with_what_was_said_of_it() {
    use EventType::{ReleaseApproved, ReleaseSuspended, UpdateAuthorised};
    let (mut log, leaf) = published(1);
    let other = log.put(released(BUILD, ACME, of_image(4, 4, release(1))));
    log.put(opinion(APPROVERS[0], person(0), other, Meaning::Approval, None, 2));
    log.put(authorisation(AUTHORISER, leaf, UpdateAuthorised, None, 3));
    log.put(step(ADMIN_KEY, ADMIN, leaf, ReleaseSuspended, 4));
    log.put(opinion(APPROVERS[1], person(1), leaf, Meaning::Review, None, 5));
    let report = ask(&log, &log.whole(), Question::Release(leaf));
    let [released] = &report.releases[..] else { panic!("{:?}", report.releases) };
    assert_eq!((released.index, released.leaf, &*released.issuer), (LeafIndex(1), leaf, ACME));
    assert_eq!((&*released.subject, released.statement.image.0), ("ip-200/app", IMAGE));
    let words = released.words.iter().map(|it| (it.index.0, it.kind, &*it.issuer, it.event));
    let said = [
        (2, Kind::Approval, person(0), ReleaseApproved),
        (5, Kind::Authorisation, FIELD, UpdateAuthorised),
        (6, Kind::Release, ADMIN, ReleaseSuspended),
        (7, Kind::Approval, person(1), ReleaseApproved),
    ];
    assert_eq!(words.collect::<Vec<_>>(), said);
    let meanings: Vec<_> = released.words.iter().map(|it| it.meaning).collect();
    let (approval, review) = (Some(Meaning::Approval), Some(Meaning::Review));
    assert_eq!(meanings, [approval, approval, None, review]);
    let asked = |question| {
        let report = ask(&log, &log.whole(), question);
        let asked = report.entries.iter().filter(|it| it.asked).map(|it| it.index.0);
        (report.releases.len(), asked.collect::<Vec<_>>())
    };
    assert_eq!(asked(Question::Release(leaf)), (1, vec![1, 2, 5, 6, 7]));
    assert_eq!(asked(Question::Image(IMAGE)), (1, vec![1, 2, 5, 6, 7]));
    assert_eq!(asked(Question::Image([4; 32])), (1, vec![3, 4]));
    assert_eq!(asked(Question::Statement(leaf)), (0, vec![1]));
    assert_eq!(asked(Question::Whole), (2, (0..8).collect()));
}
