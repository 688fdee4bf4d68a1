//! What a device says of its state, and where a start finds an update that had not begun to write.

use firmlog_agent::journal::Covered;
use firmlog_agent::update::{Detail, LogBeforeInstall, Logged, Resume, Target};
use firmlog_sim::Device;
use firmlog_sim::board::{Board, SimUpdater, check_order, image};
use firmlog_statement::event::EventType as T;
use firmlog_statement::{Outcome, Update};

fn board() -> Board {
    Board::new(LogBeforeInstall::Required)
}

/// Takes the steps up to this one of an update to image 2.
fn take(updater: &mut SimUpdater<'_>, target: Target, upto: T) {
    let detail = Detail::default();
    for step in [T::Check, T::DownloadStarted, T::Downloaded, T::SignatureVerified] {
        match step {
            T::SignatureVerified => updater.verified(target, detail).expect("in order"),
            _ => updater.step(step, detail).expect("in order"),
        };
        if step == upto {
            return;
        }
    }
    match upto {
        T::VerificationFailed | T::RefusedDowngrade => {
            updater.refuse(upto, target.image, detail).expect("in order");
        }
        _ => {
            updater.install_started(detail).expect("in order");
            updater.step(upto, detail).expect("in order");
        }
    }
}

fn states(updates: &[Update]) -> Vec<[u8; 32]> {
    let of_state = updates.iter().filter(|it| it.outcome == Outcome::State);
    of_state.map(|it| it.image.0).collect()
}

/// Says things that move nothing until the log has all that led here and its pages are used again.
fn forget_the_way(board: &mut Board, device: &Device, beside: T) {
    let (mut updater, _) = board.start(device).expect("starts");
    let (before, _) = updater.journal().next().expect("known");
    while updater.journal().oldest().expect("reads") < before {
        updater.step(beside, Detail::default()).expect("in order");
        assert_eq!(updater.flush(), Logged::Recorded);
        let (next, _) = updater.journal().next().expect("known");
        let covered = Covered { next, size: next + 1, root: [1; 32] };
        updater.journal().cover(covered).expect("covers");
    }
}

/// UPD-038, and UPD-030 where nothing else is left to read: an update that failed, was refused or
/// was let be changes nothing of what runs.
#[test]
fn upd_038_a_state_names_what_runs() {
    let device = Device::new(1);
    let ends = [T::InstallFailed, T::VerificationFailed, T::RefusedDowngrade];
    for end in ends.into_iter().chain([T::Downloaded, T::SignatureVerified]) {
        for beside in [T::ServiceMode, T::InstalledState] {
            let mut board = board();
            let target = board.target;
            let (mut updater, _) = board.start(&device).expect("starts");
            take(&mut updater, target, end);
            updater.step(beside, Detail::default()).expect("in order");
            updater.flush();
            forget_the_way(&mut board, &device, beside);
            let named = states(&board.updates().expect("readable"));
            assert!(named.len() > 3 && named.iter().all(|it| *it == [1; 32]), "{end:?} {named:?}");
            // The same image again has nothing to say, another one has.
            for (boots, unexpected) in [(1, 0), (2, 1)] {
                let mut board = board.clone();
                board.boots = image(boots);
                let (updater, started) = board.start(&device).expect("starts");
                assert_eq!(updater.progress().committed, image(boots));
                assert_eq!(started.resume, Resume::Idle);
                let updates = board.updates().expect("readable");
                let kinds = updates.iter().flat_map(|it| it.events.iter().map(|event| event.kind));
                let found = kinds.filter(|kind| *kind == T::UnexpectedVersion).count();
                assert_eq!(found, unexpected, "after {end:?} and {beside:?}, {boots} runs");
            }
        }
    }
}

#[test]
fn upd_038_on_trial_the_image_on_trial_runs() {
    let device = Device::new(1);
    let mut board = board();
    while board.boots == image(1) {
        assert!(!board.live(&device).expect("lives"));
    }
    let (mut updater, started) = board.start(&device).expect("starts");
    assert_eq!(started.resume, Resume::Decide);
    for beside in [T::ServiceMode, T::InstalledState] {
        updater.step(beside, Detail::default()).expect("in order");
        assert_eq!(updater.flush(), Logged::Recorded);
    }
    let named = states(&board.updates().expect("readable"));
    assert_eq!(named[named.len() - 2..], [[2; 32]; 2]);
}

/// UPD-038: in one statement with steps of an update it would name what is on its way in.
#[test]
fn upd_038_a_heartbeat_stands_for_itself() {
    let device = Device::new(1);
    let mut board = board();
    let target = board.target;
    let (mut updater, _) = board.start(&device).expect("starts");
    take(&mut updater, target, T::SignatureVerified);
    for step in [T::InstalledState, T::InstalledState, T::ServiceMode] {
        updater.step(step, Detail::default()).expect("in order");
    }
    updater.install_started(Detail::default()).expect("recorded");
    let updates = board.updates().expect("readable");
    let said: Vec<_> = updates[1..]
        .iter()
        .map(|it| (it.image.0[0], it.outcome, it.events.iter().count()))
        .collect();
    let expected =
        [(2, Outcome::InProgress, 4), (1, Outcome::State, 3), (2, Outcome::InProgress, 1)];
    assert_eq!(said, expected);
}

/// UPD-039: power goes between the offer and the install, after what was said is durable.
#[test]
fn upd_039_an_offer_that_was_cut_short_is_let_be() {
    let device = Device::new(1);
    for last in [T::DownloadStarted, T::Downloaded, T::SignatureVerified] {
        let mut board = board();
        let target = board.target;
        let (mut updater, _) = board.start(&device).expect("starts");
        take(&mut updater, target, last);
        assert_eq!(updater.flush(), Logged::Recorded);
        for _ in 0..3 {
            let (_, started) = board.start(&device).expect("starts");
            assert_eq!(started.resume, Resume::Idle);
        }
        let updates = board.updates().expect("readable");
        let deferred = updates.iter().filter(|it| it.outcome == Outcome::Deferred).count();
        assert_eq!(deferred, 1, "once after {last:?}");
        // The same offer again, or another one, gets through.
        for other in [2, 3] {
            let mut board = board.clone();
            board.target.image = image(other);
            for _ in 0..6 {
                if board.live(&device).expect("in order") {
                    break;
                }
            }
            assert_eq!(board.boots, image(other));
            let updates = board.updates().expect("readable");
            check_order(&updates).expect("in order");
            assert_eq!(updates.last().expect("one").outcome, Outcome::Succeeded);
        }
    }
}
