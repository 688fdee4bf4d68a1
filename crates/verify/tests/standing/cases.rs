//! Cases in which the product once said better than the log bears: withdrawals, what is absent,
//! bytes and files.

use crate::*;

/// J1, STA-013: a policy raised later counts for every release.
#[test]
fn j01_approvals_raised_later_are_asked_for() {
    let (mut log, _) = published(0);
    log.put(policy(ADMIN_KEY, 2));
    let report = blocked(&log, Standing::Published, Reason::ApprovalsMissing);
    let standing = report.releases[0].standing;
    assert_eq!((standing.approvals, standing.required), (0, 2));
    assert_eq!(report.outcome(), Outcome::Incomplete, "approvals may still come");
}

/// J2, STA-003: whatever the withdrawal, by the issuer or an administrator.
#[test]
fn j02_a_withdrawn_release_says_so_first() {
    use EventType::{ReleaseEndOfSupport, ReleaseRecalled, ReleaseSuspended};
    let rows = [
        (ReleaseRecalled, Standing::Recalled),
        (ReleaseSuspended, Standing::Suspended),
        (ReleaseEndOfSupport, Standing::Ended),
    ];
    for (event, standing) in rows {
        for (by, issuer) in [(BUILD, ACME), (ADMIN_KEY, ADMIN)] {
            let (mut log, leaf) = published(1);
            log.put(step(by, issuer, leaf, event, 1));
            let report = blocked(&log, standing, Reason::Withdrawn);
            assert_eq!(report.outcome(), Outcome::Against);
            assert!(has(&report, FindingKind::Withdrawn));
            assert_eq!(report.releases[0].standing.since, LeafIndex(3));
        }
    }
}

/// J3, STA-004: a recall is final, for the log's rules and for every reader.
#[test]
fn j03_nothing_brings_a_recalled_release_back() {
    for event in [EventType::ReleaseRecalled, EventType::ReleaseEndOfSupport] {
        let (mut log, leaf) = published(1);
        log.put(step(BUILD, ACME, leaf, event, 1));
        for again in [EventType::ReleasePublished, EventType::ReleaseProposed] {
            let entry = step(BUILD, ACME, leaf, again, 2);
            assert!(!log.offer(entry.clone()), "the log takes {again} after {event}");
            let mut liar = log.clone();
            liar.force(entry);
            let (report, decided) = judged(&liar);
            assert_eq!(decided, Err(Reason::Withdrawn));
            assert_eq!((report.is_usable(), report.outcome()), (Some(false), Outcome::Against));
            assert!(has(&report, FindingKind::AgainstRules), "{:?}", report.findings);
        }
        // That it is withdrawn may always be said.
        assert!(log.offer(step(ADMIN_KEY, ADMIN, leaf, EventType::ReleaseRecalled, 3)));
    }
}

/// J4, STA-003: steps belong to the release's issuer, and an administrator never publishes.
#[test]
fn j04_another_ones_word_moves_nothing() {
    let publish = EventType::ReleasePublished;
    for event in [EventType::ReleaseSuspended, EventType::ReleaseRecalled] {
        let (mut log, leaf) = published(1);
        log.put(step(BUILD, ACME, leaf, event, 1));
        let foreign = step(OTHER_BUILD, ZETA, leaf, publish, 2);
        let admin = step(ADMIN_KEY, ADMIN, leaf, publish, 2);
        assert!(!log.offer(foreign.clone()) && !log.offer(admin.clone()));
        let mut liar = log.clone();
        liar.force(foreign);
        let (report, decided) = judged(&liar);
        assert_eq!((decided, report.is_usable()), (Err(Reason::Withdrawn), Some(false)));
        let mut liar = log.clone();
        liar.force(admin);
        // No role lets an administrator say that: the evidence is not what a log may hold.
        let (report, decided) = judged(&liar);
        assert_eq!((decided, report.verdict), (Err(Reason::EvidenceAltered), Verdict::Altered));
    }
    // Nor does another manufacturer withdraw.
    let (mut log, leaf) = published(1);
    let recall = step(OTHER_BUILD, ZETA, leaf, EventType::ReleaseRecalled, 2);
    assert!(!log.offer(recall.clone()));
    log.force(recall);
    let (report, decided) = judged(&log);
    assert!(decided.is_ok() && report.is_usable() == Some(true));
    assert_eq!(report.outcome(), Outcome::Against, "the log took what it may not");
    assert_eq!(report.verdict, Verdict::VerifiedSoFar);
}

/// J5, J6, STA-050: the subject itself has to be there.
#[test]
fn j05_what_others_say_of_a_file_is_no_release_of_it() {
    let (log, leaf) = published(1);
    for question in [Question::Image([9; 32]), Question::Release(Hash([9; 32]))] {
        let report = ask(&log, &log.whole(), question);
        assert_eq!((report.verdict, report.outcome()), (Verdict::NotFound, Outcome::Incomplete));
        assert_eq!(report.is_usable(), Some(false));
    }
    // An approval without the release, or a later step alone.
    let mut log = log;
    log.put(step(BUILD, ACME, leaf, EventType::ReleaseRecalled, 1));
    for part in [[0, 2], [0, 3]] {
        for question in [Question::Release(leaf), Question::Image(IMAGE)] {
            let report = ask(&log, &log.bundle(part), question);
            assert_eq!(report.verdict, Verdict::NotFound, "{question:?}");
        }
    }
}

/// J7, STA-040: bytes that stand in the log already count where they stand first.
#[test]
fn j07_bytes_appended_again_are_no_new_word() {
    let (mut log, leaf) = published(1);
    let old_policy = policy(ADMIN_KEY, 0);
    log.put(old_policy.clone());
    log.put(policy(ADMIN_KEY, 1));
    log.put(step(BUILD, ACME, leaf, EventType::ReleaseSuspended, 1));
    let again = step(BUILD, ACME, leaf, EventType::ReleasePublished, 2);
    log.put(again.clone());
    log.put(step(BUILD, ACME, leaf, EventType::ReleaseSuspended, 3));
    for entry in [again, old_policy] {
        assert!(!log.offer(entry.clone()));
        let mut liar = log.clone();
        liar.force(entry);
        let (report, decided) = judged(&liar);
        assert_eq!(decided, Err(Reason::EvidenceAltered));
        assert!(has(&report, FindingKind::DuplicateEntry));
        assert_eq!((report.standing(), report.outcome()), (Some("suspended"), Outcome::Against));
        assert_eq!(report.releases[0].standing.required, 1);
    }
}

/// J8, STA-014: a rule about what is absent is never judged from a part.
#[test]
fn j08_an_admin_that_leaves_spoils_no_bundle() {
    let second = Key(20);
    let (mut log, _) = published(1);
    log.put(enrolment(ADMIN_KEY, enrolled(second, ADMIN, Role::Admin)));
    log.put(revocation(ADMIN_KEY, ADMIN_KEY, RevokeReason::Retired, None));
    // As of old: the other administrator's enrolment is left out.
    let report = ask(&log, &log.bundle([0, 1, 2, 4]), Question::Image(IMAGE));
    assert_eq!((report.verdict, report.is_usable()), (Verdict::VerifiedSoFar, Some(true)));
    assert!(!report.proves_misbehaviour());
    let (report, decided) = judged(&log);
    assert!(decided.is_ok() && report.verdict == Verdict::Verified);
}

/// J13: components are compared as models are.
#[test]
fn j13_a_release_of_another_component_is_not_installed() {
    let mut log = Log::new(0);
    let component = "drug-library".into();
    log.put(released(BUILD, ACME, Release { component, ..release(0) }));
    let bundle = log.whole();
    let go =
        |component| device(&log, &bundle, &Running { component, ..running() }, &Known::default());
    assert_eq!(go("app"), Err(Reason::WrongComponent));
    assert!(go("drug-library").is_ok());
}

/// J14, STA-050: a file is judged by all its releases, and contradictions are told.
#[test]
fn j14_a_file_is_judged_by_all_its_releases() {
    let (mut log, leaf) = published(1);
    // A newer release of the same bytes that nobody approved hides nothing.
    log.put(released(BUILD, ACME, release(1)));
    let (report, decided) = judged(&log);
    assert_eq!(decided.map(|it| it.release), Ok(leaf));
    assert_eq!(
        (report.verdict, report.release().map(|it| it.leaf)),
        (Verdict::Verified, Some(leaf))
    );
    // Two versions for one image, two images for one version: never verified.
    for other in [of_image(3, 4, release(2)), of_image(4, 3, release(2))] {
        let mut log = log.clone();
        log.put(released(BUILD, ACME, other));
        let (report, _) = judged(&log);
        assert!(has(&report, FindingKind::Contradiction), "{:?}", report.findings);
        assert_eq!(report.verdict, Verdict::VerifiedSoFar);
    }
    // Another issuer, component, model or hardware contradicts nothing.
    let others = [
        released(OTHER_BUILD, ZETA, of_image(4, 3, release(2))),
        released(BUILD, ACME, Release { component: "boot".into(), ..of_image(4, 3, release(2)) }),
        released(
            BUILD,
            ACME,
            Release { models: vec!["ip-9".into()], ..of_image(4, 3, release(2)) },
        ),
        released(BUILD, ACME, of_image(4, 4, release(2))),
    ];
    for other in others {
        let mut log = log.clone();
        log.put(other);
        assert!(!has(&judged(&log).0, FindingKind::Contradiction));
    }
    // One version for two images, one for each hardware revision.
    for (own, other, contradict) in [("b", "c", false), ("b", "b", true)] {
        let mut log = Log::new(0);
        for (image, rev) in [(3, own), (4, other)] {
            let it = Release { hw_revs: vec![rev.into()], ..of_image(image, 3, release(image)) };
            log.put(released(BUILD, ACME, it));
        }
        assert_eq!(has(&judged(&log).0, FindingKind::Contradiction), contradict, "{other}");
    }
}

/// J21, STA-020: a recall forbids the bytes under another name, until an approved release made
/// after it names the recalled one.
#[test]
fn j21_recalled_bytes_come_back_by_a_second_person_only() {
    let (mut log, leaf) = published(1);
    log.put(step(BUILD, ACME, leaf, EventType::ReleaseRecalled, 1));
    let again = log.put(released(BUILD, ACME, release(1)));
    log.put(opinion(APPROVERS[0], person(0), again, Meaning::Approval, None, 0));
    let report = blocked(&log, Standing::Published, Reason::BytesRecalled);
    assert_eq!(report.releases[1].standing.blocker, Some(Blocker::BytesRecalled(leaf)));
    assert!(has(&report, FindingKind::BytesRecalled));
    assert_eq!(report.outcome(), Outcome::Against);
    // Naming it is not enough without a second person, whatever the policy.
    let names = |n| {
        let supersedes = Some(firmlog_statement::Digest(leaf.0));
        released(BUILD, ACME, Release { supersedes, ..release(n) })
    };
    let mut lax = log.clone();
    lax.put(policy(ADMIN_KEY, 0));
    lax.put(names(2));
    assert_eq!(judged(&lax).1, Err(Reason::BytesRecalled));
    let before_answer = log.clone();
    let answer = log.put(names(2));
    log.put(opinion(APPROVERS[0], person(0), answer, Meaning::Approval, None, 0));
    let (report, decided) = judged(&log);
    assert_eq!(decided.map(|it| it.release), Ok(answer));
    assert_eq!(report.release().map(|it| it.leaf), Some(answer));
    // An answer that is itself not on offer answers nothing.
    let stops: [&dyn Fn(&mut Log); 3] = [
        &|log| {
            log.put(step(BUILD, ACME, answer, EventType::ReleaseSuspended, 5));
        },
        &|log| {
            log.put(step(BUILD, ACME, answer, EventType::ReleaseEndOfSupport, 5));
        },
        &|log| {
            log.put(opinion(APPROVERS[1], person(1), answer, Meaning::Rejection, None, 5));
        },
    ];
    for stop in stops {
        let mut log = log.clone();
        stop(&mut log);
        let report = judged(&log).0;
        let same = report.releases.iter().filter(|it| it.leaf != answer && it.leaf != leaf);
        assert!(same.clone().count() == 1, "the release that names nothing");
        for it in same {
            assert_eq!(it.standing.blocker, Some(Blocker::BytesRecalled(leaf)));
        }
    }
    let mut proposed = before_answer;
    let supersedes = Some(firmlog_statement::Digest(leaf.0));
    let event = EventType::ReleaseProposed;
    let it = Release { supersedes, event, ..release(2) };
    let answer = proposed.put(released(BUILD, ACME, it));
    proposed.put(opinion(APPROVERS[0], person(0), answer, Meaning::Approval, None, 0));
    assert_eq!(judged(&proposed).1, Err(Reason::BytesRecalled));
    // A recall that is said again after the answer asks for another.
    let mut again = log.clone();
    again.put(step(ADMIN_KEY, ADMIN, leaf, EventType::ReleaseRecalled, 8));
    assert_eq!(judged(&again).1, Err(Reason::BytesRecalled));
    // A name given before the recall answers nothing.
    let (mut log, leaf) = published(1);
    let supersedes = Some(firmlog_statement::Digest(leaf.0));
    let early = log.put(released(BUILD, ACME, Release { supersedes, ..release(3) }));
    log.put(opinion(APPROVERS[0], person(0), early, Meaning::Approval, None, 0));
    log.put(step(BUILD, ACME, leaf, EventType::ReleaseRecalled, 1));
    assert_eq!(judged(&log).1, Err(Reason::BytesRecalled));
    // Nor does another issuer's answer.
    let foreign = log.put(released(OTHER_BUILD, ZETA, Release { supersedes, ..release(4) }));
    log.put(opinion(OTHER_APPROVER, "zeta.example/quality", foreign, Meaning::Approval, None, 0));
    assert_eq!(judged(&log).1, Err(Reason::BytesRecalled));
}

/// J22, STA-005: a device remembers a word with its place, so that a later lift counts.
#[test]
fn j22_a_suspension_that_was_lifted_is_lifted_for_who_saw_it() {
    let (mut log, leaf) = published(1);
    let at = log.entries.len() as u64;
    log.put(step(BUILD, ACME, leaf, EventType::ReleaseSuspended, 1));
    let old = log.clone();
    log.put(step(BUILD, ACME, leaf, EventType::ReleasePublished, 2));
    let saw = |event, index| Revocation::Release {
        release: leaf,
        image: IMAGE,
        event,
        index: LeafIndex(index),
    };
    let go = |log: &Log, known: &[Revocation]| {
        let known = Known { revocations: known, ..Known::default() };
        device(log, &log.whole(), &running(), &known)
    };
    let suspended = saw(EventType::ReleaseSuspended, at);
    assert_eq!(go(&old, &[suspended]), Err(Reason::Withdrawn));
    assert!(go(&log, &[suspended]).is_ok(), "lifted after what it saw");
    let newer = saw(EventType::ReleaseSuspended, at + 2);
    assert_eq!(go(&log, &[newer]), Err(Reason::Withdrawn), "suspended again since");
    for event in [EventType::ReleaseRecalled, EventType::ReleaseEndOfSupport] {
        assert_eq!(go(&log, &[saw(event, at)]), Err(Reason::Withdrawn), "{event} is final");
    }
    // A recall that it remembers forbids the same bytes under another name.
    let (mut other, _) = published(0);
    other.put(released(BUILD, ACME, release(9)));
    let elsewhere = Revocation::Release {
        release: Hash([8; 32]),
        image: IMAGE,
        event: EventType::ReleaseRecalled,
        index: LeafIndex(1),
    };
    assert_eq!(go(&other, &[elsewhere]), Err(Reason::BytesRecalled));
}
