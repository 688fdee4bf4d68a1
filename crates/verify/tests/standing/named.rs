//! What a word is about: what permits names the release; what forbids may name anything that was
//! said of it.

use firmlog_statement::{Digest, Enrol, Parsed, Statement};

use crate::*;

/// What an operator that signs what it likes may let a word name.
#[derive(Clone, Copy, Debug)]
enum Target {
    Publication,
    Approval,
    Authorisation,
    /// A recall of the publication, and so on: two steps away from the release.
    StepOfAStep,
    /// A statement that the rules refuse, of somebody who may not speak of this release.
    Ignored,
}

const TARGETS: [Target; 5] = [
    Target::Publication,
    Target::Approval,
    Target::Authorisation,
    Target::StepOfAStep,
    Target::Ignored,
];

/// A release that was proposed, published and approved, and the statement that is to be named.
fn aimed(target: Target) -> (Log, Hash) {
    let mut log = Log::new(1);
    let proposed = Release { event: EventType::ReleaseProposed, ..release(0) };
    let leaf = log.put(released(BUILD, ACME, proposed));
    let published = log.put(step(BUILD, ACME, leaf, EventType::ReleasePublished, 1));
    let approval = log.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 2));
    let of = match target {
        Target::Publication => published,
        Target::Approval => approval,
        Target::Authorisation => {
            log.put(authorisation(AUTHORISER, leaf, EventType::UpdateAuthorised, None, 3))
        }
        Target::StepOfAStep => {
            log.force(step(BUILD, ACME, approval, EventType::ReleasePublished, 4))
        }
        Target::Ignored => {
            let zeta = "zeta.example/quality";
            log.force(opinion(OTHER_APPROVER, zeta, leaf, Meaning::Review, None, 5))
        }
    };
    (log, of)
}

/// STA-001, STA-008: a word that forbids counts whatever statement about the release it names, and
/// is told; what permits does not.
#[test]
fn sta_008_what_forbids_counts_whatever_it_names() {
    use EventType::{ReleaseEndOfSupport, ReleaseRecalled, ReleaseSuspended};
    for target in TARGETS {
        let (log, of) = aimed(target);
        let rows = [
            (step(BUILD, ACME, of, ReleaseSuspended, 9), Standing::Suspended, Reason::Withdrawn),
            (step(BUILD, ACME, of, ReleaseRecalled, 9), Standing::Recalled, Reason::Withdrawn),
            (
                step(ADMIN_KEY, ADMIN, of, ReleaseEndOfSupport, 9),
                Standing::Ended,
                Reason::Withdrawn,
            ),
            (
                opinion(APPROVERS[1], person(1), of, Meaning::Rejection, None, 9),
                Standing::Rejected,
                Reason::Rejected,
            ),
        ];
        for (entry, standing, reason) in rows {
            let mut log = log.clone();
            assert!(!log.offer(entry.clone()), "{target:?}: an honest log refuses it");
            let at = LeafIndex(log.entries.len() as u64);
            log.force(entry);
            let report = blocked(&log, standing, reason);
            assert_eq!(report.outcome(), Outcome::Against, "{target:?}");
            let told: Vec<_> = report
                .findings
                .iter()
                .filter(|it| it.evidence.kind() == FindingKind::AgainstRules)
                .filter(|it| it.entries.contains(&at))
                .collect();
            assert_eq!(told.len(), 1, "{target:?}: told once");
            assert!(report.entries.last().is_some_and(|it| it.asked), "{target:?}");
            // A device remembers it.
            let withdrawn = remembered(&log)
                .into_iter()
                .any(|it| matches!(it, Revocation::Release { index, .. } if index == at));
            assert_eq!(withdrawn, reason == Reason::Withdrawn, "{target:?}");
        }
        // Of somebody whose word does not count it forbids nothing.
        let mut other = log.clone();
        other.force(step(OTHER_BUILD, ZETA, of, ReleaseRecalled, 9));
        assert!(judged(&other).1.is_ok(), "{target:?}");
    }
}

/// STA-008: an approval that names a step or a signature approves nothing, and a publication
/// publishes nothing.
#[test]
fn sta_008_what_permits_names_the_release() {
    for target in TARGETS {
        let (mut log, of) = aimed(target);
        log.put(policy(ADMIN_KEY, 2));
        log.force(opinion(APPROVERS[1], person(1), of, Meaning::Approval, None, 9));
        assert_eq!(judged(&log).1, Err(Reason::ApprovalsMissing), "{target:?}");
        let (mut log, of) = aimed(target);
        let Statement::Approval(it) = Parsed::parse(&log.entries[3]).unwrap().decode().unwrap()
        else {
            panic!("the approval");
        };
        log.put(step(BUILD, ACME, Hash(it.release.0), EventType::ReleaseSuspended, 9));
        log.force(step(BUILD, ACME, of, EventType::ReleasePublished, 10));
        assert_eq!(judged(&log).1, Err(Reason::Withdrawn), "{target:?}");
    }
}

/// STA-008: a withdrawal that names nothing is about every release of its bytes, and begins none.
#[test]
fn sta_008_a_withdrawal_that_names_none_is_about_its_bytes() {
    use EventType::{ReleaseEndOfSupport, ReleaseRecalled, ReleaseSuspended};
    for (event, standing) in [
        (ReleaseSuspended, Standing::Suspended),
        (ReleaseRecalled, Standing::Recalled),
        (ReleaseEndOfSupport, Standing::Ended),
    ] {
        for (by, issuer, counts) in [(BUILD, ACME, true), (OTHER_BUILD, ZETA, false)] {
            for (image, counts) in [(3, counts), (4, false)] {
                let (mut log, _) = published(1);
                let it = Release { event, ..of_image(image, 3, release(9)) };
                let entry = released(by, issuer, it);
                assert!(!log.offer(entry.clone()));
                log.force(entry);
                if counts {
                    let report = blocked(&log, standing, Reason::Withdrawn);
                    assert_eq!(report.releases.len(), 1);
                    assert!(report.headline().starts_with("DO NOT TRUST THE LOG"));
                } else {
                    assert!(judged(&log).1.is_ok(), "{issuer}, image {image}");
                }
            }
        }
    }
    // An administrator may not begin anything: evidence that holds it is refused whole.
    let (mut log, _) = published(1);
    log.force(released(ADMIN_KEY, ADMIN, Release { event: ReleaseRecalled, ..release(9) }));
    assert_eq!(judged(&log).1, Err(Reason::EvidenceAltered));
    let mut log = Log::new(0);
    log.force(released(BUILD, ACME, Release { event: ReleaseRecalled, ..release(9) }));
    assert_eq!(judged(&log).1, Err(Reason::ReleaseNotFound));
    assert_eq!(judged(&log).0.verdict, Verdict::NotFound);
}

/// STA-030: a withdrawal of authorisations counts whatever statement about the release it names.
#[test]
fn sta_030_authorisations_are_withdrawn_whatever_is_named() {
    let back = Running { version: 9, ..running() };
    for target in TARGETS {
        let (mut log, of) = aimed(target);
        let Statement::Approval(it) = Parsed::parse(&log.entries[3]).unwrap().decode().unwrap()
        else {
            panic!("the approval");
        };
        let leaf = Hash(it.release.0);
        log.put(authorisation(AUTHORISER, leaf, EventType::DowngradeAuthorised, None, 20));
        let decide = |log: &Log| device(log, &log.whole(), &back, &Known::default());
        assert!(decide(&log).is_ok(), "{target:?}");
        log.force(authorisation(AUTHORISER, of, EventType::AuthorisationRevoked, None, 21));
        assert_eq!(decide(&log), Err(Reason::Downgrade), "{target:?}");
    }
}

/// STA-008: a withdrawal that leads nowhere, because it names what is not there or was left out, is
/// about the bytes that it is of.
#[test]
fn sta_008_what_leads_nowhere_is_about_its_bytes() {
    let recalled = EventType::ReleaseRecalled;
    let genesis = |log: &Log| firmlog_tlog::merkle::leaf_hash(&log.entries[0]);
    for named in [None, Some(Hash([9; 32]))] {
        let (mut log, _) = published(1);
        let named = named.unwrap_or_else(|| genesis(&log));
        let mut other = log.clone();
        let it = Release { release: Some(Digest(named.0)), event: recalled, ..release(9) };
        log.force(released(BUILD, ACME, it.clone()));
        blocked(&log, Standing::Recalled, Reason::Withdrawn);
        let of_others =
            Release { release: it.release, event: recalled, ..of_image(4, 3, release(9)) };
        other.force(released(BUILD, ACME, of_others));
        assert!(judged(&other).1.is_ok());
    }
    // The link is there, and left out of a bundle.
    let (mut log, of) = aimed(Target::Approval);
    log.put(policy(ADMIN_KEY, 0));
    log.force(step(BUILD, ACME, of, recalled, 9));
    let bundle = log.bundle((0..log.entries.len()).filter(|it| *it != 3));
    let decided = device(&log, &bundle, &running(), &Known::default());
    assert_eq!(decided, Err(Reason::Withdrawn));
    // So is the release that was recalled: its bytes under another name are not good.
    let (mut log, leaf) = published(1);
    log.put(step(BUILD, ACME, leaf, recalled, 1));
    let same = log.put(released(BUILD, ACME, release(2)));
    log.put(opinion(APPROVERS[0], person(0), same, Meaning::Approval, None, 3));
    let bundle = log.bundle((0..log.entries.len()).filter(|it| *it != 1));
    let decided = device(&log, &bundle, &running(), &Known::default());
    assert_eq!(decided, Err(Reason::Withdrawn));
}

/// STA-010, STA-030: what is taken back by name is gone, whatever release the later word is of.
#[test]
fn sta_030_what_is_named_is_taken_back_whatever_the_word_is_of() {
    let (mut log, leaf) = published(1);
    let approval = firmlog_tlog::merkle::leaf_hash(&log.entries[2]);
    let other = log.put(released(BUILD, ACME, of_image(4, 4, release(5))));
    let downgrade = EventType::DowngradeAuthorised;
    let back = log.put(authorisation(AUTHORISER, leaf, downgrade, None, 1));
    let newer = Running { version: 9, ..running() };
    let decide = |log: &Log, bundle: &Bundle| device(log, bundle, &newer, &Known::default());
    assert!(decide(&log, &log.whole()).is_ok());
    for event in [EventType::AuthorisationRevoked, EventType::UpdateAuthorised] {
        let mut log = log.clone();
        log.put(authorisation(AUTHORISER, other, event, Some(back), 2));
        assert_eq!(decide(&log, &log.whole()), Err(Reason::Downgrade), "{event}");
        assert_eq!(decide(&log, &gathered(&log)), Err(Reason::Downgrade), "{event}");
    }
    // One that withdraws all is of its own release's.
    let mut all = log.clone();
    all.put(authorisation(AUTHORISER, other, EventType::AuthorisationRevoked, None, 2));
    assert!(decide(&all, &all.whole()).is_ok());
    for meaning in [Meaning::Approval, Meaning::Review, Meaning::Rejection] {
        let mut log = log.clone();
        log.put(opinion(APPROVERS[0], person(0), other, meaning, Some(approval), 2));
        assert_eq!(judged(&log).1, Err(Reason::ApprovalsMissing), "{meaning}");
        let decided = device(&log, &gathered(&log), &running(), &Known::default());
        assert_eq!(decided, Err(Reason::ApprovalsMissing), "{meaning}");
    }
    // Not by another issuer.
    log.put(opinion(APPROVERS[1], person(1), other, Meaning::Review, Some(approval), 2));
    assert!(judged(&log).1.is_ok());
}

/// What the log's own gatherer takes.
fn gathered(log: &Log) -> Bundle {
    let sealed = log.seal();
    histories::Memory::new(&sealed).gather(&Question::Image(IMAGE))
}

/// STA-030, INS-013, INS-023: an authorisation that holds now counts beside a newer one that does
/// not; where one was taken back, that it is not the time for another is no reason to forget it.
#[test]
fn ins_023_an_authorisation_that_is_gone_is_not_only_late() {
    let newer = Running { version: 9, ..running() };
    let at = Known { latest_ms: Some(1_000), earliest_ms: 1_000, ..Known::default() };
    let downgrade = EventType::DowngradeAuthorised;
    let (mut log, leaf) = published(1);
    let late = |n: u8, names| {
        let from = |it: &mut firmlog_statement::Authorisation| it.from_ms = Some(2_000);
        authorisation_with(from, AUTHORISER, leaf, downgrade, names, n)
    };
    let decide = |log: &Log| device(log, &log.whole(), &newer, &at).map(|it| it.release);
    let mut only_late = log.clone();
    only_late.put(late(1, None));
    assert_eq!(decide(&only_late), Err(Reason::DowngradeNotNow));
    let now = log.put(authorisation(AUTHORISER, leaf, downgrade, None, 1));
    let mut replaced = log.clone();
    replaced.put(late(2, Some(now)));
    assert_eq!(decide(&replaced), Err(Reason::Downgrade));
    log.put(late(2, None));
    assert_eq!(decide(&log), Ok(leaf));
    log.put(authorisation(AUTHORISER, leaf, EventType::AuthorisationRevoked, Some(now), 3));
    assert_eq!(decide(&log), Err(Reason::Downgrade));
}

/// INS-010, INS-023: of an image with several releases the reason is told that another bundle could
/// leave out.
#[test]
fn ins_023_no_other_release_hides_what_has_to_be_remembered() {
    let others: [&dyn Fn(Release) -> Release; 2] =
        [&|it| Release { models: vec!["ip-300".into()], ..it }, &|it| Release {
            component: "boot".into(),
            ..it
        }];
    for (n, other) in others.into_iter().enumerate() {
        for before in [true, false] {
            let mut log = Log::new(1);
            let more = released(BUILD, ACME, other(release(7)));
            let approve = |log: &mut Log, leaf, n| {
                log.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, n));
            };
            if before {
                let leaf = log.put(more.clone());
                approve(&mut log, leaf, 1);
            }
            let leaf = log.put(released(BUILD, ACME, release(0)));
            approve(&mut log, leaf, 2);
            log.put(opinion(APPROVERS[1], person(1), leaf, Meaning::Rejection, None, 3));
            if !before {
                let leaf = log.put(more.clone());
                approve(&mut log, leaf, 4);
            }
            assert_eq!(judged(&log).1, Err(Reason::Rejected), "{n}, before: {before}");
        }
    }
}

/// What a device keeps of the whole log.
fn remembered(log: &Log) -> Vec<Revocation> {
    let [key, a, b] = verifiers();
    let genesis = firmlog_tlog::merkle::leaf_hash(&log.entries[0]);
    let root = install::Root { genesis, log: &key, witnesses: &[a, b], quorum: 2 };
    let (mut all, bytes) = (vec![], log.whole().encode());
    install::Evidence::verify(&bytes, &root, &Cheap, &mut [0; 2048])
        .expect("evidence")
        .revocations(|it| all.push(it));
    all
}

/// STA-012: who was enrolled for nobody by name permits for the manufacturer that was there by
/// then. That it came later, part of a log may only seem to show.
#[test]
fn sta_012_who_came_before_any_manufacturer_permits_nothing() {
    let third = "acme.example/third";
    let nameless = |role| enrolment(ADMIN_KEY, enrolled(Key(40), third, role));
    let first = enrolment(ADMIN_KEY, enrolled(BUILD, ACME, Role::Manufacturer));
    let second = enrolment(ADMIN_KEY, enrolled(OTHER_BUILD, ZETA, Role::Manufacturer));
    let rotated = rotation(ADMIN_KEY, Key(40), Key(41));
    let zeta = Running { issuers: &[ZETA], ..running() };
    for (rotates, key) in [(false, Key(40)), (true, Key(41))] {
        let mut log = Log::bare(1);
        log.put(first.clone());
        log.put(nameless(Role::Approver));
        log.put(second.clone());
        if rotates {
            log.put(rotated.clone());
        }
        let of = log.put(released(OTHER_BUILD, ZETA, release(0)));
        log.force(opinion(key, third, of, Meaning::Approval, None, 1));
        let own = log.put(released(BUILD, ACME, release(5)));
        log.put(opinion(key, third, own, Meaning::Approval, None, 2));
        assert!(judged(&log).1.is_ok(), "the first manufacturer's");
        // The first one's enrolment is left out, so that the second one seems to be the first.
        let kept = (0..log.entries.len()).filter(|it| *it != 1 && *it < log.entries.len() - 2);
        let bundle = log.bundle(kept);
        let decided = device(&log, &bundle, &zeta, &Known::default());
        assert_eq!(decided, Err(Reason::ApprovalsMissing));
        let report = ask(&log, &bundle, Question::Image(IMAGE));
        assert_eq!(report.is_usable(), Some(false));
        assert!(!has(&report, FindingKind::AgainstRules), "not judged from part of a log");
    }
    // The rules refuse who comes before any manufacturer and names none.
    for role in [Role::Approver, Role::Authoriser] {
        let mut log = Log::bare(1);
        assert!(!log.offer(nameless(role)), "{role:?}");
        let named = Enrol { issuers: vec![ACME.into()], ..enrolled(Key(40), third, role) };
        log.put(enrolment(ADMIN_KEY, named));
    }
    // Where several were there it permits for none, and the log's own bundle shows that they were.
    let mut log = Log::bare(1);
    for entry in [first.clone(), second.clone()] {
        log.put(entry);
    }
    log.force(nameless(Role::Approver));
    let of = log.put(released(BUILD, ACME, release(0)));
    log.force(opinion(Key(40), third, of, Meaning::Approval, None, 1));
    let decided = device(&log, &gathered(&log), &running(), &Known::default());
    assert_eq!(decided, Err(Reason::EvidenceAltered));
    let report = ask(&log, &gathered(&log), Question::Image(IMAGE));
    assert_eq!((report.verdict, report.is_usable()), (Verdict::Altered, Some(false)));
    // It may reject for any.
    let mut log = Log::bare(0);
    for entry in [first, nameless(Role::Approver), second] {
        log.put(entry);
    }
    let of = log.put(released(OTHER_BUILD, ZETA, release(0)));
    log.force(opinion(Key(40), third, of, Meaning::Rejection, None, 1));
    let kept = (0..log.entries.len()).filter(|it| *it != 1);
    let decided = device(&log, &log.bundle(kept), &zeta, &Known::default());
    assert_eq!(decided, Err(Reason::Rejected));
}

/// INS-023: what a tree spoke against is not taken from the same tree with something left out, nor
/// from a smaller one; a larger one may open the way.
#[test]
fn ins_023_an_image_that_was_refused_takes_a_larger_tree() {
    let (mut log, leaf) = published(1);
    log.put(opinion(APPROVERS[1], person(1), leaf, Meaning::Rejection, None, 1));
    let rejection = firmlog_tlog::merkle::leaf_hash(&log.entries[3]);
    let without = |log: &Log| log.bundle((0..log.entries.len()).filter(|it| *it != 3));
    let tree = log.head().size;
    assert_eq!(judged(&log).1, Err(Reason::Rejected));
    let decide = |log: &Log, heard: &[Revocation]| {
        let known = Known { revocations: heard, ..Known::default() };
        device(log, &without(log), &running(), &known).map(|it| it.release)
    };
    let refused = |tree, image| [Revocation::Refused { tree, image }];
    assert_eq!(decide(&log, &[]), Ok(leaf), "nothing was heard");
    assert_eq!(decide(&log, &refused(tree, IMAGE)), Err(Reason::EvidenceStale));
    assert_eq!(decide(&log, &refused(tree, [4; 32])), Ok(leaf), "of another image");
    let later = firmlog_tlog::merkle::TreeSize(tree.0 + 1);
    assert_eq!(decide(&log, &refused(later, IMAGE)), Err(Reason::EvidenceStale));
    let known = Known { revocations: &refused(tree, IMAGE), ..Known::default() };
    let again = device(&log, &log.whole(), &running(), &known);
    assert_eq!(again, Err(Reason::Rejected), "the reason stays the same");
    log.put(opinion(APPROVERS[1], person(1), leaf, Meaning::Approval, Some(rejection), 2));
    assert_eq!(decide(&log, &refused(tree, IMAGE)), Ok(leaf));
}

/// INS-022, INS-023: what is hidden by what is left out, and what is not.
#[test]
fn ins_023_what_is_remembered_of_a_refusal() {
    use Reason as R;
    for reason in [R::NotPublished, R::Rejected, R::ApprovalsMissing, R::Downgrade] {
        assert!(reason.is_hidden(), "{reason}");
    }
    for reason in [R::Withdrawn, R::SignerRevoked, R::DowngradeNotNow, R::WrongModel] {
        assert!(!reason.is_hidden(), "{reason}");
    }
}
