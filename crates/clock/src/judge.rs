//! Which account of this computer's clock to believe, and how far.
//!
//! | chrony | kernel | stated |
//! |---|---|---|
//! | follows sources | any | the weakest of them; `holdover` where the selected one is out of reach |
//! | follows nothing | any | what it followed before, `holdover`; else `rtc` |
//! | off, or not there | synchronised | `ntp` with the kernel's greatest error |
//! | hung, or not understood | synchronised | `ntp`, `holdover` |
//! | any other | unsynchronised | `rtc`, `holdover` if it was synchronised before, else `never` |
//!
//! Invariants:
//! - Only chrony's own word, given now, or given before and coasted from since, makes NTS.
//! - A chrony that follows nothing is not overruled by the kernel: with `local` it tells the kernel
//!   that all is well.

use firmlog_statement::time::{Source, SyncState};

use crate::chrony::{Chrony, Followed, Kind, Tracking};
use crate::kernel::Kernel;

/// What can be said of this computer's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) source: Source,
    pub(crate) sync: SyncState,
    pub(crate) error_ms: Option<u32>,
    pub(crate) last_ms: Option<u64>,
}

/// The last time it was synchronised, since this program started and the clock last jumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) source: Source,
    pub(crate) uptime_ms: u64,
    pub(crate) error_ms: u32,
    pub(crate) last_ms: u64,
}

/// What passes for the present.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Present {
    pub(crate) utc_ms: u64,
    pub(crate) uptime_ms: u64,
    pub(crate) max_drift_ppm: u32,
}

/// Judges; `before` is how it was synchronised last.
pub(crate) fn judge(
    chrony: &Chrony,
    kernel: Kernel,
    before: Option<Synced>,
    now: &Present,
) -> State {
    match chrony {
        Chrony::Answered(tracking) => match (tracking.synchronised, weakest(&tracking.followed)) {
            (true, Some(source)) => followed(tracking, source),
            _ => coasting(before, now, |synced| synced.source),
        },
        Chrony::Off | Chrony::Absent(_) => by_kernel(kernel, SyncState::Synchronised, before, now),
        Chrony::Hung | Chrony::Garbled(_) => by_kernel(kernel, SyncState::Holdover, before, now),
    }
}

/// What `now` may be off by after so long without discipline.
pub(crate) fn drift_ms(elapsed_ms: u64, max_drift_ppm: u32) -> u64 {
    elapsed_ms.saturating_mul(max_drift_ppm.into()).div_ceil(1_000_000)
}

/// A chain of trust in time is as strong as the weakest source that moves the clock.
fn weakest(followed: &[Followed]) -> Option<Source> {
    let rank = |source: &Source| match source {
        Source::Nts => 3,
        Source::Gnss => 2,
        Source::Ntp => 1,
        _ => 0,
    };
    let sources = followed.iter().map(|one| match one.kind {
        Kind::Nts => Source::Nts,
        Kind::Gnss => Source::Gnss,
        Kind::Ntp => Source::Ntp,
        // A clock of this computer, of which nobody says what sets it.
        Kind::Local => Source::Rtc,
    });
    sources.min_by_key(rank)
}

fn followed(tracking: &Tracking, source: Source) -> State {
    let reachable = tracking.followed.first().is_some_and(|selected| selected.reachable);
    let sync = if reachable { SyncState::Synchronised } else { SyncState::Holdover };
    let (error_ms, last_ms) = (Some(tracking.error_ms), Some(tracking.last_ms));
    State { source, sync, error_ms, last_ms }
}

fn by_kernel(kernel: Kernel, best: SyncState, before: Option<Synced>, now: &Present) -> State {
    match kernel {
        Kernel::Synchronised { max_error_ms, .. } => {
            // Chrony answered before and is gone: what it set is coasting.
            let sync = if before.is_some_and(|it| it.source != Source::Ntp) {
                SyncState::Holdover
            } else {
                best
            };
            let last_ms = before.map(|it| it.last_ms);
            State { source: Source::Ntp, sync, error_ms: Some(max_error_ms), last_ms }
        }
        // Nobody vouches any more for what disciplined it.
        _ => coasting(before, now, |_| Source::Rtc),
    }
}

fn coasting(before: Option<Synced>, now: &Present, source: impl Fn(&Synced) -> Source) -> State {
    let Some(synced) = before else {
        return State {
            source: Source::Rtc,
            sync: SyncState::Never,
            error_ms: None,
            last_ms: None,
        };
    };
    let elapsed = now.uptime_ms.saturating_sub(synced.uptime_ms);
    let error = u64::from(synced.error_ms) + drift_ms(elapsed, now.max_drift_ppm);
    State {
        source: source(&synced),
        sync: SyncState::Holdover,
        error_ms: Some(u32::try_from(error).unwrap_or(u32::MAX)),
        last_ms: Some(synced.last_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Present = Present { utc_ms: 2_000_000, uptime_ms: 900_000, max_drift_ppm: 200 };
    const FINE: Kernel = Kernel::Synchronised { max_error_ms: 32, estimated_error_us: 1 };
    const SYNCED: Synced =
        Synced { source: Source::Nts, uptime_ms: 400_000, error_ms: 3, last_ms: 1_400_000 };

    fn tracking(kinds: &[(Kind, bool)]) -> Chrony {
        let one = |(kind, reachable): &(Kind, bool)| Followed {
            name: "a".into(),
            kind: *kind,
            reachable: *reachable,
        };
        Chrony::Answered(Tracking {
            synchronised: true,
            last_ms: 1_990_000,
            error_ms: 2,
            followed: kinds.iter().map(one).collect(),
        })
    }

    /// TIM-010.
    #[test]
    fn nts_is_said_only_where_every_source_is_authenticated() {
        use Kind::*;
        for (kinds, source) in [
            (&[(Nts, true)][..], Source::Nts),
            (&[(Nts, true), (Nts, true)], Source::Nts),
            (&[(Nts, true), (Ntp, true)], Source::Ntp),
            (&[(Gnss, true), (Nts, true)], Source::Gnss),
            (&[(Local, true), (Nts, true)], Source::Rtc),
        ] {
            let state = judge(&tracking(kinds), Kernel::Unsynchronised, None, &NOW);
            assert_eq!((state.source, state.sync), (source, SyncState::Synchronised));
            assert_eq!((state.error_ms, state.last_ms), (Some(2), Some(1_990_000)));
        }
        let state = judge(&tracking(&[(Nts, false)]), FINE, None, &NOW);
        assert_eq!((state.source, state.sync), (Source::Nts, SyncState::Holdover));
    }

    /// TIM-011, TIM-014.
    #[test]
    fn a_chrony_that_follows_nothing_is_not_overruled_by_the_kernel() {
        let state = judge(&tracking(&[]), FINE, None, &NOW);
        assert_eq!((state.source, state.sync), (Source::Rtc, SyncState::Never));
        let state = judge(&tracking(&[]), FINE, Some(SYNCED), &NOW);
        assert_eq!((state.source, state.sync), (Source::Nts, SyncState::Holdover));
        // 500 s at 200 ppm on top of 3 ms.
        assert_eq!((state.error_ms, state.last_ms), (Some(103), Some(1_400_000)));
    }

    /// TIM-012.
    #[test]
    fn without_chrony_nothing_is_better_than_ntp() {
        use SyncState::*;
        let absent = || Chrony::Absent(String::new());
        let garbled = Chrony::Garbled(String::new());
        for (chrony, kernel, before, expected) in [
            (Chrony::Off, FINE, None, (Source::Ntp, Synchronised)),
            (absent(), FINE, None, (Source::Ntp, Synchronised)),
            (absent(), FINE, Some(SYNCED), (Source::Ntp, Holdover)),
            (Chrony::Hung, FINE, Some(SYNCED), (Source::Ntp, Holdover)),
            (Chrony::Hung, FINE, None, (Source::Ntp, Holdover)),
            (garbled, FINE, None, (Source::Ntp, Holdover)),
            (Chrony::Hung, Kernel::Unsynchronised, Some(SYNCED), (Source::Rtc, Holdover)),
            (absent(), Kernel::Unsynchronised, None, (Source::Rtc, Never)),
            (Chrony::Off, Kernel::Unknown, None, (Source::Rtc, Never)),
        ] {
            let state = judge(&chrony, kernel, before, &NOW);
            assert_eq!((state.source, state.sync), expected, "{chrony:?} {kernel:?}");
        }
    }
}
