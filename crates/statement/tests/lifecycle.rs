//! The legal order of events: the specification's table against the code, and walks.

use firmlog_statement::event::{EventType as T, Life};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SPEC: &str = include_str!("../../../docs/spec/statement.md");

/// The table of "Order of events": last step (none at the beginning) to what may follow.
fn table() -> BTreeMap<Option<T>, BTreeSet<T>> {
    let (_, section) = SPEC.split_once("## Order of events").unwrap();
    let (_, body) = section.split_once("|---|---|\n").unwrap();
    let mut table = BTreeMap::new();
    for line in body.lines().take_while(|line| line.starts_with('|')) {
        let (after, next) = line.trim_matches(['|', ' ']).split_once(" | ").unwrap();
        let mut lasts: Vec<_> = events(after).into_iter().map(Some).collect();
        if after.contains("(nothing yet)") {
            lasts.push(None);
        }
        if after.contains("any refusal") {
            lasts.extend(T::ALL.iter().filter(|event| event.is_refusal()).map(|e| Some(*e)));
        }
        for last in lasts {
            assert!(table.insert(last, events(next)).is_none(), "{last:?} twice");
        }
    }
    table
}

fn events(cell: &str) -> BTreeSet<T> {
    cell.split('`').skip(1).step_by(2).map(|name| T::from_name(name).unwrap()).collect()
}

fn judged_by_table(event: T) -> bool {
    !event.is_operational() && !event.turns_away()
}

/// STM-041, exhaustively.
#[test]
fn stm_041_the_table_is_the_code() {
    let table = table();
    for (last, next) in &table {
        let life = Life::after(*last);
        let plain = T::ALL.iter().filter(|event| judged_by_table(**event));
        let legal: BTreeSet<T> = plain.copied().filter(|event| life.allows(*event)).collect();
        assert_eq!(legal, *next, "after {last:?}");
    }
    for event in T::ALL.iter().filter(|event| judged_by_table(**event)) {
        assert!(table.contains_key(&Some(*event)) || *event == T::InstalledState, "{event}");
    }
}

#[test]
fn stm_041_refusals_and_operational_events() {
    let writing = [T::InstallStarted, T::Installed, T::Reboot, T::RollbackStarted];
    for last in T::ALL.iter().filter(|last| **last != T::Decommissioned) {
        let life = Life::after(Some(*last));
        assert!(life.allows(T::TamperDetected), "{last}");
        for away in [T::RefusedUnsigned, T::VerificationFailed] {
            assert_eq!(life.allows(away), !writing.contains(last), "{last}");
        }
    }
    assert!(T::ALL.iter().all(|next| !Life::after(Some(T::Decommissioned)).allows(*next)));
}

proptest! {
    /// Any order of steps: exactly the illegal ones are reported, the reported step
    /// counts all the same, and heartbeats never move the life.
    #[test]
    fn stm_041_walks(steps in prop::collection::vec(prop::sample::select(T::ALL), 0..64)) {
        let mut life = Life::NEW;
        for step in steps {
            let before = life;
            let legal = before.allows(step);
            match life.observe(step) {
                Ok(()) => prop_assert!(legal),
                Err(found) => {
                    prop_assert!(!legal);
                    prop_assert_eq!((found.after, found.found), (before.last(), step));
                }
            }
            let stays = [T::InstalledState, T::ClockStep, T::LogGap].contains(&step);
            let expected = if stays { before.last() } else { life.last() };
            prop_assert_eq!(life.last(), expected);
            prop_assert!(step.is_operational() || stays || life.last() == Some(step));
        }
    }

    /// A walk along the table is never reported.
    #[test]
    fn stm_041_legal_walks(choices in prop::collection::vec(any::<prop::sample::Index>(), 0..64)) {
        let table = table();
        let mut life = Life::NEW;
        for choice in choices {
            let next: Vec<T> = table[&life.last()].iter().copied().collect();
            if next.is_empty() {
                break;
            }
            prop_assert_eq!(life.observe(*choice.get(&next)), Ok(()));
        }
    }
}
