//! A statement's own time beside who saw it, and beside what it names.

use firmlog_statement::time::DeviceTime;
use firmlog_statement::{Parsed, Statement};

use crate::*;

/// When the world's witnesses cosign, milliseconds.
const SEEN_MS: u64 = 1_790_000_000_000;

/// The same statement, made at another time.
fn at(entry: &[u8], utc_ms: Option<u64>, uncertainty_ms: Option<u32>, by: (&str, Key)) -> Vec<u8> {
    let mut statement = Parsed::parse(entry).unwrap().decode().unwrap();
    let time = DeviceTime { utc_ms, uncertainty_ms, ..common::time() };
    match &mut statement {
        Statement::Release(it) => it.time = time,
        Statement::Approval(it) => it.time = time,
        _ => panic!("no time"),
    }
    sign(statement, by.0, by.1)
}

/// A log with a release and its approval, each of its own time and uncertainty.
fn of(release_ms: (Option<u64>, u32), approval_ms: (Option<u64>, u32)) -> Report {
    let mut log = Log::new(1);
    let begins = released(BUILD, ACME, release(0));
    let leaf = log.put(at(&begins, release_ms.0, Some(release_ms.1), (ACME, BUILD)));
    let approves = opinion(APPROVERS[0], person(0), leaf, Meaning::Approval, None, 0);
    let by = (person(0), APPROVERS[0]);
    log.put(at(&approves, approval_ms.0, Some(approval_ms.1), by));
    let (report, decided) = judged(&log);
    // Times inform people, and decide nothing.
    assert!(decided.is_ok() && report.verdict == Verdict::Verified);
    report
}

/// STA-064: both sides, and the uncertainty that a statement states for itself.
#[test]
fn sta_064_a_time_outside_of_its_bounds_is_told() {
    let sound = (Some(SEEN_MS - 9_000), 0);
    let entries = |report: &Report| {
        let times = report.findings.iter();
        let times = times.filter(|it| it.evidence.kind() == FindingKind::TimeOutOfBounds);
        times.map(|it| it.entries.iter().map(|at| at.0).collect()).collect::<Vec<Vec<u64>>>()
    };
    let told = |release, approval| entries(&of(release, approval));
    assert_eq!(told(sound, sound), Vec::<Vec<u64>>::new());
    assert_eq!(told((None, 0), (None, 0)), Vec::<Vec<u64>>::new(), "who has no clock says nothing");
    // Later than the witnesses saw it; the second in which they signed counts whole.
    assert_eq!(told(sound, (Some(SEEN_MS + 1_000), 0)), [[2]]);
    assert!(told(sound, (Some(SEEN_MS + 999), 0)).is_empty());
    assert!(told(sound, (Some(SEEN_MS + 1_000), 1)).is_empty());
    assert_eq!(told((Some(SEEN_MS + 5_000), 0), (Some(SEEN_MS + 5_000), 0)), [[1], [2]]);
    // Earlier than what it names.
    assert_eq!(told(sound, (Some(SEEN_MS - 9_001), 0)), [[1, 2]]);
    assert!(told(sound, (Some(SEEN_MS - 9_002), 2)).is_empty());
    assert!(told((sound.0, 2), (Some(SEEN_MS - 9_002), 0)).is_empty());
    assert_eq!(told((sound.0, 2), (Some(SEEN_MS - 9_003), 0)), [[1, 2]]);
}

/// Without a quorum nobody says when a tree was there.
#[test]
fn sta_064_only_a_quorum_bounds_a_time() {
    let mut log = Log::new(0);
    let begins = released(BUILD, ACME, release(0));
    log.put(at(&begins, Some(SEEN_MS * 2), None, (ACME, BUILD)));
    let found = |report: &Report| has(report, FindingKind::TimeOutOfBounds);
    assert!(found(&judged(&log).0));
    let mut bundle = log.whole();
    let unwitnessed = bundle.checkpoints[0].lines().take(5).collect::<Vec<_>>().join("\n") + "\n";
    bundle.checkpoints = vec![unwitnessed];
    let report = ask(&log, &bundle, Question::Image(IMAGE));
    assert_eq!(report.verdict, Verdict::VerifiedSoFar, "{:?}", report.mismatches);
    assert!(!found(&report));
}
