//! Which key signed last: another one says nothing unless the device was told of the rotation.

use firmlog_agent::journal::Error;
use firmlog_agent::update::{Detail, Identity, LogBeforeInstall, Logged, Resume, Started, Updater};
use firmlog_sim::Device;
use firmlog_sim::board::{Board, SimUpdater};
use firmlog_sim::device::Key;
use firmlog_statement::Signer as _;
use firmlog_statement::event::EventType as T;

/// The board's updater with a key, told of the one before or not.
fn updater(board: &mut Board, key: u8, earlier: Option<u8>) -> SimUpdater<'_> {
    let device = Device::new(1).id;
    let names = Identity { device, issuer: "acme.example/devices", subject: "ip-200/app" };
    let (clock, policy) = (board.clock.clone(), board.policy);
    let mut updater = Updater::new(&mut board.flash, Key::new(key), clock, names, policy);
    if let Some(earlier) = earlier {
        updater.follows_key(Key::new(earlier).public_key().thumbprint().0);
    }
    updater
}

fn start(board: &mut Board, key: u8, earlier: Option<u8>) -> Result<Started, Error> {
    let boots = board.boots;
    updater(board, key, earlier).start(boots)
}

fn said(board: &mut Board) -> Vec<T> {
    let updates = board.updates().expect("readable");
    updates.iter().flat_map(|it| it.events.iter().map(|event| event.kind)).collect()
}

#[test]
fn upd_037_a_key_that_nobody_told_of_says_nothing() {
    let mut board = Board::new(LogBeforeInstall::Required);
    start(&mut board, 1, None).expect("starts");
    for earlier in [None, Some(2), Some(3)] {
        let before = board.flash.image().to_vec();
        assert_eq!(start(&mut board, 2, earlier), Err(Error::OtherKey), "told of {earlier:?}");
        assert!(board.flash.image() == before);
        // Within a boot too.
        let mut updater = updater(&mut board, 2, earlier);
        assert_eq!(updater.attach(), Err(Error::OtherKey));
        assert!(updater.step(T::ServiceMode, Detail::default()).is_ok());
        // What it does all the same is counted, as where there is no room.
        assert_eq!(updater.flush(), Logged::Dropped(Error::NeedsOpening));
    }
    let started = start(&mut board, 1, None).expect("the right one starts");
    assert_eq!(started.resume, Resume::Idle);
    assert_eq!(said(&mut board), [T::LoggerStarted]);
}

#[test]
fn upd_037_a_rotation_is_said_once() {
    let mut board = Board::new(LogBeforeInstall::Required);
    start(&mut board, 1, None).expect("starts");
    for earlier in [Some(1), Some(1), None] {
        start(&mut board, 2, earlier).expect("starts");
        assert_eq!(said(&mut board), [T::LoggerStarted, T::KeyRotated], "told of {earlier:?}");
    }
    // The key before it does not come back unless that is told as well.
    assert_eq!(start(&mut board, 1, None), Err(Error::OtherKey));
    start(&mut board, 1, Some(2)).expect("starts");
    assert_eq!(said(&mut board), [T::LoggerStarted, T::KeyRotated, T::KeyRotated]);
}
