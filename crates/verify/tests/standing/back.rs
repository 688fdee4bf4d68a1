//! Who may bring back bytes that were recalled: STA-020.

use firmlog_statement::Digest;

use crate::*;

fn brings_back(by: Key, issuer: &str, recalled: Hash, n: u8) -> Vec<u8> {
    let supersedes = Some(Digest(recalled.0));
    released(by, issuer, Release { supersedes, ..release(n) })
}

/// STA-020: bytes come back by an issuer that released them no later than the one that was
/// recalled: not by another manufacturer in the log, whoever approves.
#[test]
fn sta_020_bytes_come_back_by_whose_they_were() {
    let zeta = |log: &Log| {
        let it = Running { issuers: &[ZETA], ..running() };
        device(log, &log.whole(), &it, &Known::default()).map(|it| it.index)
    };
    let approve = |log: &mut Log, key, by: &str, leaf| {
        log.put(opinion(key, by, leaf, Meaning::Approval, None, 7));
    };
    let (mut log, leaf) = published(1);
    log.put(step(BUILD, ACME, leaf, EventType::ReleaseRecalled, 1));
    let other = log.put(brings_back(OTHER_BUILD, ZETA, leaf, 2));
    approve(&mut log, OTHER_APPROVER, "zeta.example/quality", other);
    assert_eq!(zeta(&log), Err(Reason::BytesRecalled));
    let report = judged(&log).0;
    assert_eq!((report.is_usable(), report.outcome()), (Some(false), Outcome::Against));
    // Where the issuer brings them back, they are back for all who release them.
    let own = log.put(brings_back(BUILD, ACME, leaf, 3));
    assert_eq!(zeta(&log), Err(Reason::BytesRecalled), "nobody approved");
    approve(&mut log, APPROVERS[0], person(0), own);
    assert!(zeta(&log).is_ok());
    assert_eq!(judged(&log).1.map(|it| it.release), Ok(own));
    // Whoever copies a release and recalls the copy does not take the first one's for good.
    let (mut log, _) = published(1);
    let copy = log.put(released(OTHER_BUILD, ZETA, release(2)));
    log.put(step(OTHER_BUILD, ZETA, copy, EventType::ReleaseRecalled, 3));
    assert_eq!(judged(&log).1, Err(Reason::BytesRecalled));
    let back = log.put(brings_back(BUILD, ACME, copy, 4));
    approve(&mut log, APPROVERS[0], person(0), back);
    assert_eq!(judged(&log).1.map(|it| it.release), Ok(back));
}

/// STA-020: a proposal, or a release by a key that is not good, does not make the bytes anybody's.
#[test]
fn sta_020_only_who_had_published_them_brings_bytes_back() {
    let zeta = Running { issuers: &[ZETA], ..running() };
    let proposed = Release { event: EventType::ReleaseProposed, ..release(7) };
    let second = Key(60);
    let enrols = enrolment(ADMIN_KEY, enrolled(second, ZETA, Role::Manufacturer));
    // What zeta released before, whether it published that later, and whether it counts.
    let rows = [
        (proposed.clone(), None, false, false),
        (proposed.clone(), Some(false), false, true),
        (proposed, Some(true), false, false),
        (release(7), None, false, true),
        (release(7), None, true, false),
    ];
    for (n, (early, published, stolen, counts)) in rows.into_iter().enumerate() {
        let mut log = Log::new(1);
        log.put(enrols.clone());
        let first = log.put(released(OTHER_BUILD, ZETA, early));
        let publish = step(OTHER_BUILD, ZETA, first, EventType::ReleasePublished, 7);
        if published == Some(false) {
            log.put(publish.clone());
        }
        if stolen {
            log.put(revocation(ADMIN_KEY, OTHER_BUILD, RevokeReason::Compromised, None));
        }
        let leaf = log.put(released(BUILD, ACME, release(0)));
        log.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 1));
        log.put(step(BUILD, ACME, leaf, EventType::ReleaseRecalled, 2));
        if published == Some(true) {
            log.put(publish);
        }
        let back = log.put(brings_back(second, ZETA, leaf, 3));
        let zetas = "zeta.example/quality";
        log.put(opinion(OTHER_APPROVER, zetas, back, Meaning::Approval, None, 4));
        let decided = device(&log, &log.whole(), &zeta, &Known::default());
        assert_eq!(decided.is_ok(), counts, "row {n}: {decided:?}");
    }
}

/// STA-020: of a recall that a device remembers, whose release is not in the evidence, nobody can
/// say whose the bytes were.
#[test]
fn sta_020_a_remembered_recall_stands_where_its_release_is_not_shown() {
    let (mut log, leaf) = published(1);
    let at = LeafIndex(log.entries.len() as u64);
    log.put(step(BUILD, ACME, leaf, EventType::ReleaseRecalled, 1));
    let back = log.put(brings_back(BUILD, ACME, leaf, 2));
    log.put(opinion(APPROVERS[0], person(0), back, Meaning::Approval, None, 3));
    let recalled = EventType::ReleaseRecalled;
    let heard = [Revocation::withdrawn(leaf, IMAGE, recalled, at).expect("a withdrawal")];
    let known = Known { revocations: &heard, ..Known::default() };
    let decide = |without: &[usize]| {
        let kept = (0..log.entries.len()).filter(|it| !without.contains(it));
        device(&log, &log.bundle(kept), &running(), &known).map(|it| it.release)
    };
    assert_eq!(decide(&[]), Ok(back));
    assert_eq!(decide(&[3]), Ok(back), "the recall itself is remembered");
    assert_eq!(decide(&[1, 2, 3]), Err(Reason::BytesRecalled));
}
