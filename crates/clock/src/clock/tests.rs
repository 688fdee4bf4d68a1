//! Readings over a clock that does what the test says.

use super::*;
use crate::chrony::{Followed, Kind, Tracking};
use firmlog_statement::time::Quality;

const T0: u64 = 1_781_870_400_000;

fn clock() -> TrustedClock {
    TrustedClock::new(Settings::default()).unwrap()
}

fn nts() -> Chrony {
    let source = Followed { name: "192.0.2.1".into(), kind: Kind::Nts, reachable: true };
    let (last_ms, error_ms) = (T0, 3);
    Chrony::Answered(Tracking { synchronised: true, last_ms, error_ms, followed: vec![source] })
}

fn rough(clock: &mut TrustedClock, from_ms: u64, to_ms: u64) {
    // As of uptime 1,000 ms.
    let region = Region { from_ms: from_ms as i64 - 1000, to_ms: to_ms as i64 - 1000 };
    clock.rough = Some(Rough { region, uptime_ms: 1000, evidence: Digest([5; 32]) });
}

fn stated(reading: &Reading) -> (Source, SyncState, Option<u32>) {
    (reading.time.source, reading.time.sync, reading.time.uncertainty_ms)
}

/// TIM-004.
#[test]
fn a_jump_is_noticed_and_makes_the_clock_suspect_until_it_is_synchronised_again() {
    let mut clock = clock();
    let kernel = Kernel::Unsynchronised;
    assert_eq!(clock.reading(nts(), kernel, T0, 1000).notes, []);
    // 60 s later by uptime, 90 s by the clock.
    let jumped = clock.reading(nts(), kernel, T0 + 90_000, 61_000);
    assert_eq!(jumped.notes, [Note::Jumped { by_ms: 30_000 }]);
    assert_eq!(stated(&jumped), (Source::Nts, SyncState::Suspect, None));
    assert_eq!(jumped.time.quality(), Quality::T1);
    let lost = clock.reading(Chrony::Hung, kernel, T0 + 91_000, 62_000);
    assert_eq!(lost.time.sync, SyncState::Suspect);
    let again = clock.reading(nts(), kernel, T0 + 92_000, 63_000);
    assert_eq!(stated(&again), (Source::Nts, SyncState::Synchronised, Some(3)));
    let back = clock.reading(nts(), kernel, T0, 64_000);
    assert_eq!(back.notes, [Note::Jumped { by_ms: -93_000 }]);
}

/// TIM-004.
#[test]
fn slewing_is_no_jump() {
    let mut clock = clock();
    for step in 0..100 {
        // A twelfth faster than time passes.
        let reading = clock.reading(nts(), Kernel::Unknown, T0 + step * 65_000, step * 60_000);
        assert_eq!(reading.notes, []);
    }
}

/// TIM-027.
#[test]
fn what_roughtime_proved_is_joined_while_it_is_fresh() {
    let mut clock = clock();
    rough(&mut clock, T0 - 5000, T0 + 4000);
    // A clock that nobody vouched for, within: stated as it is, as wide as the proof.
    let reading = clock.reading(Chrony::Off, Kernel::Unsynchronised, T0, 1000);
    assert_eq!(stated(&reading), (Source::Roughtime, SyncState::Synchronised, Some(5000)));
    assert_eq!(reading.time.utc_ms, Some(T0));
    assert_eq!(reading.time.evidence, Some(Digest([5; 32])));
    assert_eq!(reading.time.quality(), Quality::T3);
    // NTS within: closer, and borne out.
    let reading = clock.reading(nts(), Kernel::Unsynchronised, T0 + 1000, 2000);
    assert_eq!(stated(&reading), (Source::Nts, SyncState::Synchronised, Some(3)));
    assert_eq!(reading.time.evidence, Some(Digest([5; 32])));
    // 50 minutes later drift has widened it by 600 ms on both sides.
    let later = 3_000_000;
    let reading = clock.reading(Chrony::Off, Kernel::Unknown, T0 + later, 1000 + later);
    assert_eq!(stated(&reading), (Source::Roughtime, SyncState::Synchronised, Some(5600)));
    // Too old.
    let later = 3_700_000;
    let reading = clock.reading(Chrony::Off, Kernel::Unknown, T0 + later, 1000 + later);
    assert_eq!((reading.time.source, reading.time.evidence), (Source::Rtc, None));
}

/// TIM-028.
#[test]
fn a_clock_outside_the_proof_is_not_stated_and_the_difference_is_noted() {
    let mut clock = clock();
    rough(&mut clock, T0 - 5000, T0 + 5000);
    let hour = 3_600_000;
    for (utc_ms, by_ms) in [(T0 + hour, 3_595_000), (T0 - hour, -3_595_000)] {
        clock.before = None;
        let reading = clock.reading(nts(), Kernel::Unsynchronised, utc_ms, 1000);
        assert_eq!(reading.notes, [Note::Disagrees { by_ms }]);
        assert_eq!(reading.time.utc_ms, Some(T0));
        assert_eq!(stated(&reading), (Source::Roughtime, SyncState::Synchronised, Some(5000)));
    }
}

/// TIM-001.
#[test]
fn trouble_with_chrony_is_said() {
    let mut clock = clock();
    for chrony in [Chrony::Hung, Chrony::Absent("no".into()), Chrony::Garbled("?".into())] {
        let reading = clock.reading(chrony, Kernel::Unknown, T0, 1000);
        assert!(matches!(reading.notes[..], [Note::Chrony(_)]));
        assert_eq!(stated(&reading), (Source::Rtc, SyncState::Never, None));
    }
}
