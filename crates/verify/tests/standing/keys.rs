//! The same of keys: what a compromised one, one that rests on it, or one for another issuer may
//! say.

use crate::*;

/// J10, STA-001: words that forbid stand, words that permit need a key that is good.
#[test]
fn j10_a_stolen_key_lifts_nothing_and_its_withdrawals_stand() {
    let (mut log, leaf) = published(1);
    let rejects = opinion(APPROVERS[1], person(1), leaf, Meaning::Rejection, None, 1);
    let rejection = log.put(rejects);
    let lift = opinion(APPROVERS[1], person(1), leaf, Meaning::Review, Some(rejection), 2);
    let mut lifted = log.clone();
    lifted.put(lift);
    assert!(judged(&lifted).1.is_ok());
    lifted.put(revocation(ADMIN_KEY, APPROVERS[1], RevokeReason::Compromised, None));
    let report = blocked(&lifted, Standing::Rejected, Reason::Rejected);
    assert_eq!(report.outcome(), Outcome::Against);
    // Not if it was stolen after it spoke.
    let (mut log, leaf) = published(1);
    let rejects = opinion(APPROVERS[1], person(1), leaf, Meaning::Rejection, None, 1);
    let rejection = log.put(rejects);
    log.put(opinion(APPROVERS[1], person(1), leaf, Meaning::Review, Some(rejection), 2));
    log.put(revocation(ADMIN_KEY, APPROVERS[1], RevokeReason::Compromised, Some(5)));
    assert!(judged(&log).1.is_ok());
    // The rejection itself stands whatever becomes of its key.
    for reason in RevokeReason::ALL {
        let (mut log, leaf) = published(1);
        log.put(opinion(APPROVERS[1], person(1), leaf, Meaning::Rejection, None, 1));
        log.put(revocation(ADMIN_KEY, APPROVERS[1], *reason, None));
        blocked(&log, Standing::Rejected, Reason::Rejected);
    }
}

/// J10, STA-030: an authorisation that was withdrawn stays so.
#[test]
fn j10_a_withdrawn_authorisation_does_not_come_back() {
    use EventType::{AuthorisationRevoked, UpdateAuthorised};
    let back = Running { version: 9, ..running() };
    let go = |log: &Log| device(log, &log.whole(), &back, &Known::default());
    let refused = Err(Reason::Downgrade);
    let (log, leaf) = published(1);
    assert_eq!(go(&log), refused);
    let mut allowed = log.clone();
    let word = allowed.put(authorisation(AUTHORISER, leaf, UpdateAuthorised, None, 0));
    assert_eq!(go(&allowed).map(|it| it.authorisation), Ok(Some(word)));
    for names in [None, Some(word)] {
        for reason in RevokeReason::ALL {
            let mut log = allowed.clone();
            let (other, by) = (Key(21), "acme.example/field-2");
            let scoped = firmlog_statement::Enrol {
                issuers: vec![ACME.into()],
                ..enrolled(other, by, Role::Authoriser)
            };
            log.put(enrolment(ADMIN_KEY, scoped));
            let withdrawal = authorisation(other, leaf, AuthorisationRevoked, names, 1);
            let withdrawal = resigned(&withdrawal, by, other);
            log.put(withdrawal);
            assert_eq!(go(&log), refused);
            log.put(revocation(ADMIN_KEY, other, *reason, None));
            assert_eq!(go(&log), refused, "{reason}");
            // A new one counts again.
            log.put(authorisation(AUTHORISER, leaf, UpdateAuthorised, None, 2));
            assert!(go(&log).is_ok());
        }
    }
    // Renewed, the older no longer stands, even if the newer never counts.
    let mut log = allowed.clone();
    log.put(authorisation(AUTHORISER, leaf, UpdateAuthorised, Some(word), 3));
    assert!(go(&log).is_ok());
    log.put(revocation(ADMIN_KEY, AUTHORISER, RevokeReason::Compromised, Some(4)));
    assert_eq!(go(&log), refused);
    // What it means, and of which bytes it is.
    for (edit, good) in [
        (Meaning::Responsibility, None, true),
        (Meaning::Approval, Some(IMAGE), true),
        (Meaning::Review, None, false),
        (Meaning::Rejection, None, false),
        (Meaning::Approval, Some([4; 32]), false),
    ]
    .map(|(meaning, image, good)| ((meaning, image), good))
    {
        let (mut log, leaf) = published(1);
        let entry = authorisation(AUTHORISER, leaf, UpdateAuthorised, None, 0);
        let parsed = firmlog_statement::Parsed::parse(&entry).unwrap();
        let Ok(firmlog_statement::Statement::Authorisation(mut it)) = parsed.decode() else {
            panic!("no authorisation")
        };
        it.esig.meaning = edit.0;
        it.image = edit.1.map(firmlog_statement::Digest);
        log.put(sign(it, FIELD, AUTHORISER));
        assert_eq!(go(&log).is_ok(), good, "{edit:?}");
    }
    // A stolen key authorises nothing.
    allowed.put(revocation(ADMIN_KEY, AUTHORISER, RevokeReason::Compromised, None));
    assert_eq!(go(&allowed), refused);
}

fn resigned(entry: &[u8], issuer: &str, key: Key) -> Vec<u8> {
    sign(firmlog_statement::Parsed::parse(entry).unwrap().decode().unwrap(), issuer, key)
}

/// J11, STA-002: each of the six reasons, and from which index on.
#[test]
fn j11_only_a_compromised_key_takes_back_what_was_permitted() {
    for reason in RevokeReason::ALL {
        let (mut log, _) = published(1);
        log.put(revocation(ADMIN_KEY, BUILD, *reason, None));
        let (report, decided) = judged(&log);
        if *reason == RevokeReason::Compromised {
            assert_eq!((decided, report.is_usable()), (Err(Reason::SignerRevoked), Some(false)));
            assert!(has(&report, FindingKind::SignerCompromised));
            assert_eq!(report.outcome(), Outcome::Against);
        } else {
            assert!(decided.is_ok() && report.verdict == Verdict::Verified, "{reason}");
        }
    }
    for (from, good) in [(0, false), (1, false), (2, true)] {
        let (mut log, _) = published(1);
        log.put(revocation(ADMIN_KEY, BUILD, RevokeReason::Compromised, Some(from)));
        assert_eq!(judged(&log).1.is_ok(), good, "from {from}");
    }
    // That it was stolen earlier may be found later, for the log and for every reader.
    let (mut log, _) = published(1);
    log.put(revocation(ADMIN_KEY, BUILD, RevokeReason::Compromised, Some(2)));
    assert!(judged(&log).1.is_ok());
    log.put(revocation(ADMIN_KEY, BUILD, RevokeReason::Compromised, Some(1)));
    assert_eq!(judged(&log).1, Err(Reason::SignerRevoked));
    // The only approver.
    for (from, good) in [(2, false), (3, true)] {
        let (mut log, _) = published(1);
        log.put(revocation(ADMIN_KEY, APPROVERS[0], RevokeReason::Compromised, Some(from)));
        let (report, decided) = judged(&log);
        assert_eq!(decided.is_ok(), good);
        assert_eq!(has(&report, FindingKind::ApproverCompromised), !good);
    }
}

/// J11: that a key that was rotated out, or retired, is compromised may be found later.
#[test]
fn j11_an_ended_key_can_still_be_found_compromised() {
    let ends = [
        |log: &mut Log| log.put(rotation(ADMIN_KEY, BUILD, Key(22))),
        |log: &mut Log| log.put(revocation(ADMIN_KEY, BUILD, RevokeReason::Retired, None)),
    ];
    for end in ends {
        let (mut log, _) = published(1);
        end(&mut log);
        assert!(judged(&log).1.is_ok());
        log.put(revocation(ADMIN_KEY, BUILD, RevokeReason::Compromised, None));
        assert_eq!(judged(&log).1, Err(Reason::SignerRevoked));
        // And again; that it merely ended may not be said of it any more.
        assert!(log.offer(revocation(ADMIN_KEY, BUILD, RevokeReason::Compromised, Some(1))));
        assert!(!log.offer(revocation(ADMIN_KEY, BUILD, RevokeReason::Retired, None)));
    }
}

/// J11: a release that was only proposed.
#[test]
fn j11_a_proposal_is_nothing_to_install() {
    let mut log = Log::new(1);
    let event = EventType::ReleaseProposed;
    let leaf = log.put(released(BUILD, ACME, Release { event, ..release(0) }));
    let report = blocked(&log, Standing::Proposed, Reason::NotPublished);
    assert_eq!(report.outcome(), Outcome::Against);
    log.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 0));
    blocked(&log, Standing::Approved, Reason::NotPublished);
    log.put(step(BUILD, ACME, leaf, EventType::ReleasePublished, 1));
    assert!(judged(&log).1.is_ok());
}

/// J18, STA-002: what a stolen admin key enrolled or lowered does not stay in force.
#[test]
fn j18_what_rests_on_a_stolen_admin_key_permits_nothing() {
    let thief = Key(30);
    let base = || {
        let mut log = Log::new(1);
        log.put(enrolment(ADMIN_KEY, enrolled(thief, ADMIN, Role::Admin)));
        log
    };
    let scoped = |key, issuer: &str| firmlog_statement::Enrol {
        issuers: vec![ACME.into()],
        ..enrolled(key, issuer, Role::Approver)
    };
    let stolen = |log: &mut Log, from| {
        log.put(revocation(ADMIN_KEY, thief, RevokeReason::Compromised, from));
    };
    // An approver, directly and by two steps, and one whose key was then rotated by a good admin.
    for depth in 0..3 {
        let mut log = base();
        let mut by = thief;
        if depth == 1 {
            log.put(enrolment(thief, enrolled(Key(31), ADMIN, Role::Admin)));
            by = Key(31);
        }
        log.put(enrolment(by, scoped(Key(32), "mallory.example")));
        let mut approver = Key(32);
        if depth == 2 {
            log.put(rotation(ADMIN_KEY, Key(32), Key(33)));
            approver = Key(33);
        }
        let leaf = log.put(released(BUILD, ACME, release(0)));
        log.put(opinion(approver, "mallory.example", leaf, Meaning::Approval, None, 0));
        assert!(judged(&log).1.is_ok());
        let mut later = log.clone();
        stolen(&mut later, Some(2 + u64::from(depth == 1)));
        assert_eq!(judged(&later).1.is_ok(), depth == 1, "depth {depth}: signed before the theft");
        stolen(&mut log, None);
        assert_eq!(judged(&log).1, Err(Reason::ApprovalsMissing), "depth {depth}");
    }
    // A build.
    let mut log = base();
    log.put(enrolment(thief, enrolled(Key(34), ACME, Role::Manufacturer)));
    let leaf = log.put(released(Key(34), ACME, release(0)));
    log.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 0));
    stolen(&mut log, None);
    assert_eq!(judged(&log).1, Err(Reason::SignerRevoked));
    // A policy: it may raise, and not lower.
    let mut log = base();
    log.put(released(BUILD, ACME, release(0)));
    log.put(policy(thief, 0));
    assert!(judged(&log).1.is_ok());
    stolen(&mut log, None);
    assert_eq!(judged(&log).1, Err(Reason::ApprovalsMissing));
    let (mut log, _) = published(1);
    log.put(enrolment(ADMIN_KEY, enrolled(thief, ADMIN, Role::Admin)));
    log.put(policy(thief, 2));
    stolen(&mut log, None);
    assert_eq!(judged(&log).1, Err(Reason::ApprovalsMissing));
    // What it revoked stays revoked.
    let mut log = base();
    let leaf = log.put(released(BUILD, ACME, release(0)));
    log.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 0));
    log.put(revocation(thief, BUILD, RevokeReason::Compromised, None));
    stolen(&mut log, None);
    assert_eq!(judged(&log).1, Err(Reason::SignerRevoked));
}

/// J18: a device takes releases of the issuers it pins, whoever else is in the log.
#[test]
fn j18_a_device_pins_its_issuers() {
    let mut log = Log::new(0);
    log.put(released(OTHER_BUILD, ZETA, release(0)));
    assert_eq!(judged(&log).1, Err(Reason::WrongIssuer));
    let leaf = log.put(released(BUILD, ACME, release(1)));
    log.put(released(OTHER_BUILD, ZETA, release(2)));
    assert_eq!(judged(&log).1.map(|it| it.release), Ok(leaf));
    // The reason is that of the issuer it takes.
    log.put(step(BUILD, ACME, leaf, EventType::ReleaseRecalled, 3));
    assert_eq!(judged(&log).1, Err(Reason::Withdrawn));
}

/// J20, STA-012: nobody approves or blocks for an issuer that the enrolment does not name.
#[test]
fn j20_an_approver_speaks_for_the_issuers_of_its_enrolment() {
    let mut log = Log::new(1);
    let leaf = log.put(released(BUILD, ACME, release(0)));
    for meaning in [Meaning::Approval, Meaning::Rejection] {
        let entry = opinion(OTHER_APPROVER, "zeta.example/quality", leaf, meaning, None, 0);
        assert!(!log.offer(entry.clone()), "the log takes {meaning}");
        let mut liar = log.clone();
        liar.force(entry);
        let (report, decided) = judged(&liar);
        assert_eq!(decided, Err(Reason::ApprovalsMissing), "it neither approves nor rejects");
        assert!(has(&report, FindingKind::AgainstRules));
    }
    log.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 0));
    assert!(judged(&log).1.is_ok());
    // Where there are several manufacturers an enrolment says for whom.
    let unscoped = enrolled(Key(40), "acme.example/third", Role::Approver);
    assert!(!log.offer(enrolment(ADMIN_KEY, unscoped)));
    let scope = vec![ACME.into(), ZETA.into()];
    let both = firmlog_statement::Enrol {
        issuers: scope,
        ..enrolled(Key(40), "acme.example/third", Role::Approver)
    };
    log.put(enrolment(ADMIN_KEY, both));
    let other = log.put(released(OTHER_BUILD, ZETA, release(1)));
    log.put(opinion(Key(40), "acme.example/third", other, Meaning::Approval, None, 0));
    let zeta = Running { issuers: &[ZETA], ..running() };
    let decided = device(&log, &log.whole(), &zeta, &Known::default());
    assert_eq!(decided.map(|it| it.release), Ok(other));
}
