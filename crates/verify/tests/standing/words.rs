//! The one line that everybody reads first, and what was asked.

use crate::*;

/// The table of docs/spec/standing.md: what each standing of a release comes to in one line.
#[test]
fn the_headline_says_what_forbids() {
    use EventType::{ReleaseEndOfSupport, ReleaseProposed, ReleaseRecalled, ReleaseSuspended};
    let after = |event| {
        let (mut log, leaf) = published(1);
        log.put(step(BUILD, ACME, leaf, event, 1));
        log
    };
    let mut proposed = Log::new(0);
    proposed.put(released(BUILD, ACME, Release { event: ReleaseProposed, ..release(0) }));
    let mut missing = Log::new(2);
    let leaf = missing.put(released(BUILD, ACME, release(0)));
    missing.put(opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 0));
    let (mut rejected, leaf) = published(1);
    rejected.put(opinion(APPROVERS[1], person(1), leaf, Meaning::Rejection, None, 1));
    let (mut stolen, _) = published(1);
    stolen.put(revocation(ADMIN_KEY, BUILD, RevokeReason::Compromised, None));
    let (mut bytes, leaf) = published(0);
    bytes.put(step(BUILD, ACME, leaf, ReleaseRecalled, 1));
    bytes.put(released(BUILD, ACME, release(2)));
    let recalled = format!("DO NOT USE IT: release {leaf} of the same bytes was recalled");
    let rows = [
        (published(1).0, None),
        (after(ReleaseSuspended), Some("SUSPENDED by entry 3: do not install it for now")),
        (after(ReleaseEndOfSupport), Some("ENDED by entry 3: it is no longer supported")),
        (after(ReleaseRecalled), Some("RECALLED by entry 3: do not use it")),
        (rejected, Some("REJECTED by entry 3: do not use it")),
        (
            stolen,
            Some("DO NOT USE IT: the key that signed it, or one behind that key, is compromised"),
        ),
        (bytes, Some(&*recalled)),
        (proposed, Some("NOT PUBLISHED: it was proposed, and nobody offered it")),
        (missing, Some("NOT APPROVED YET: 1 of 2 approvals")),
    ];
    for (log, headline) in rows {
        let (report, _) = judged(&log);
        assert_eq!(report.headline(), headline.unwrap_or("VERIFIED"));
        assert_eq!(report.release().unwrap().headline().as_deref(), headline);
        // Somebody else's statement is not told off for it.
        let genesis = firmlog_tlog::merkle::leaf_hash(&log.entries[0]);
        let other = ask(&log, &log.whole(), Question::Statement(genesis));
        assert_eq!(other.headline(), "VERIFIED SO FAR");
    }
}

/// What is altered, cannot be checked or is not there says so before any standing, and a whole
/// bundle says how many of its releases may not be used.
#[test]
fn the_headline_says_what_was_wrong_first() {
    let (mut log, leaf) = published(1);
    log.put(step(BUILD, ACME, leaf, EventType::ReleaseRecalled, 1));
    let image = Question::Image(IMAGE);
    let mut altered = log.whole();
    altered.entries[2].bytes[200] ^= 1;
    assert_eq!(ask(&log, &altered, image).headline(), "ALTERED: entry 2");
    let headline = ask(&log, &log.bundle([1, 2, 3]), image).headline();
    assert_eq!(headline, "CANNOT CHECK: entry 0");
    let unsigned = Bundle { checkpoints: vec![], ..log.whole() };
    assert_eq!(ask(&log, &unsigned, image).headline(), "CANNOT CHECK");
    assert_eq!(ask(&log, &log.whole(), Question::Image([9; 32])).headline(), "NOT FOUND");
    let whole = |log: &Log| ask(log, &log.whole(), Question::Whole).headline();
    let first = "RECALLED by entry 3: do not use it";
    assert_eq!(whole(&log), first);
    let ended = log.put(released(BUILD, ACME, of_image(4, 4, release(5))));
    log.put(opinion(APPROVERS[0], person(0), ended, Meaning::Approval, None, 6));
    assert_eq!(whole(&log), format!("1 OF 2 RELEASES NOT TO BE USED: {first}"));
    log.put(step(BUILD, ACME, ended, EventType::ReleaseEndOfSupport, 7));
    assert_eq!(whole(&log), format!("2 OF 2 RELEASES NOT TO BE USED: {first}"));
    // Approvals may still come, so they are not counted.
    log.put(released(BUILD, ACME, of_image(5, 5, release(8))));
    assert_eq!(whole(&log), format!("2 OF 3 RELEASES NOT TO BE USED: {first}"));
}

/// Each question in words.
#[test]
fn a_report_says_what_was_asked() {
    let (log, leaf) = published(0);
    let rows = [
        (Question::Whole, "is all of this sound?"),
        (Question::Device(DeviceId([7; 32])), "what happened to this device?"),
        (Question::Release(leaf), "may this release be used?"),
        (Question::Image(IMAGE), "is this file a release that may be used?"),
        (Question::Statement(leaf), "did somebody say this?"),
    ];
    for (question, words) in rows {
        assert_eq!(ask(&log, &log.whole(), question).asked(), words);
    }
}

/// What was not looked at, each in words, one and several.
#[test]
fn what_was_not_checked_is_said_in_words() {
    use NotChecked as N;
    let rows = [
        (N::LeftOut, "whether anything was left out, such as a recall"),
        (N::OtherEntries, "what the log took after the checkpoint"),
        (
            N::RulesElsewhere,
            "whether entries on which the answer does not depend keep the log's rules",
        ),
        (N::TruthOfStatements, "whether statements are true, only that they were made and logged"),
        (N::DeviceClocks, "the clocks of devices"),
        (N::Anchors(1), "1 anchor"),
        (N::Anchors(2), "2 anchors"),
        (N::AnchorBlocks(2), "the blocks of 2 anchors: nobody vouched for them"),
        (N::AnchorContracts(1), "the contracts of 1 anchor: the trust root does not name them"),
        (N::AnchorCode(2), "the code of the contracts of 2 anchors"),
        (N::AnchorStorage(1), "what the contracts of 1 anchor store"),
        (N::Certificates(1), "1 certificate"),
        (N::Certificates(3), "3 certificates"),
        (N::Undisclosed(2), "private values that are not disclosed: 2"),
        (N::ForeignEntries(2), "entries that are not firmlog statements: 2"),
        (N::Image, "the firmware image itself"),
        (N::SplitView, "whether the log shows everybody the same tree (no witness is asked for)"),
    ];
    for (left_out, words) in rows {
        assert_eq!(left_out.to_string(), words);
    }
}
