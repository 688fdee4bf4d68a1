//! What is bounded: how many statements refusals make, and how long a statement is.

use firmlog_agent::journal::Error;
use firmlog_agent::repeats::Repeats;
use firmlog_agent::update::{Detail, Identity, LogBeforeInstall, Logged, Updater};
use firmlog_sim::board::{Board, check_order, image};
use firmlog_sim::history::{PAGE, WORD};
use firmlog_sim::{Device, SimFlash};
use firmlog_statement::disclosure::{Commitment, Commitments, FieldId};
use firmlog_statement::event::EventType as T;
use firmlog_statement::{
    CheckpointSeen, Digest, Initiator, InitiatorKind, Reason, ReasonCode, Text,
};

/// UPD-042: images in turn, the log out of reach: few statements, the head hardly worn, all of them
/// counted, and a good image is installed and recorded all the same.
#[test]
fn upd_042_a_flood_of_images_in_turn_is_counted() {
    let device = Device::new(1);
    for (images, offers) in [(2, 20_000u32), (3, 300), (200, 20_000)] {
        let mut board = Board::new(LogBeforeInstall::Required);
        let target = board.target;
        let (mut updater, _) = board.start(&device).expect("starts");
        for n in 0..offers {
            updater.step(T::Check, Detail::default()).expect("in order");
            let it = image(8 + (n % images) as u8);
            updater.refuse(T::RefusedBadSignature, it, Detail::default()).expect("in order");
        }
        let dropped = updater.journal().dropped().count;
        for event in [T::Check, T::DownloadStarted, T::Downloaded] {
            updater.step(event, Detail::default()).expect("in order");
        }
        updater.verified(target, Detail::default()).expect("in order");
        assert_eq!(updater.install_started(Detail::default()), Ok(Logged::Recorded));
        assert_eq!(dropped, 0, "{images} images");
        let (next, _) = updater.journal().next().expect("known");
        assert!(next <= 2 + 2 * u64::from(Repeats::BURST), "{next} statements");
        let mut left = updater.progress().repeats;
        let left: u32 = [left.take(), left.take()].into_iter().flatten().map(|it| it.1).sum();
        let erases = &board.flash.tally.erases;
        assert!(erases[0].max(erases[1]) < 40, "the head was erased {erases:?} times");
        let updates = board.updates().expect("readable");
        let refused = updates.iter().flat_map(|update| update.events.iter());
        let refused = refused.filter(|event| event.kind == T::RefusedBadSignature);
        let told: u32 = refused.map(|event| event.count.unwrap_or(1)).sum();
        assert_eq!((told + left, left), (offers, 0), "{images} images");
        check_order(&updates).expect("in order");
    }
}

/// UPD-053: names with which not every statement fits are refused at the start, and with the
/// longest that are not, everything fits.
#[test]
fn upd_053_every_statement_fits_or_the_start_says_so() {
    let device = Device::new(1);
    let name = "n".repeat(255);
    let mut longest = 0;
    for len in (10..255).step_by(5) {
        let mut board = Board::new(LogBeforeInstall::Required);
        let clock = board.clock.clone();
        let names = Identity { device: device.id, issuer: &name[..len], subject: &name[..len] };
        let (key, policy) = (device.key().clone(), LogBeforeInstall::Required);
        let mut updater =
            Updater::<_, _, _, PAGE, WORD>::new(&mut board.flash, key, clock, names, policy);
        if let Err(error) = updater.start(image(1)) {
            assert_eq!(error, Error::TooLong);
            assert_eq!(updater.flush(), Logged::Recorded, "nothing waits, nothing is said");
            continue;
        }
        longest = len;
        let root = Digest([9; 32]);
        updater.saw_checkpoint(CheckpointSeen { size: u64::MAX >> 2, root });
        let detail = Detail { error: Some(u32::MAX), power: None };
        for n in 0..12 {
            for event in [T::ServiceMode, T::Check, T::DownloadStarted, T::Downloaded] {
                let taken = updater.step(event, detail).expect("in order");
                assert!(!matches!(taken, Logged::Dropped(_)), "{len}: {taken:?}");
            }
            for _ in 0..3 {
                let refused = updater.refuse(T::RefusedDowngrade, image(50 + n), detail);
                let taken = refused.expect("in order");
                assert!(!matches!(taken, Logged::Dropped(Error::TooLong)), "{len}: {taken:?}");
            }
        }
    }
    // UPD-060 promises names of 30 bytes in all.
    assert!((15..150).contains(&longest), "{longest}");
}

/// UPD-053: names that fit once fit for good: with an image on its way in, on trial and after, and
/// with a clock that was set meanwhile.
#[test]
fn upd_053_names_that_fit_once_fit_for_good() {
    let device = Device::new(1);
    let name = "n".repeat(255);
    let detail = Detail { error: Some(u32::MAX), power: None };
    let (mut taken, mut refused) = (0, 0);
    for len in 20..90 {
        let board = Board::new(LogBeforeInstall::Required);
        let updater = |flash, utc_ms| {
            let (issuer, subject) = (&name[..len / 2], &name[..len - len / 2]);
            let names = Identity { device: device.id, issuer, subject };
            let (key, mut clock) = (device.key().clone(), board.clock.clone());
            clock.utc_ms = utc_ms;
            let policy = LogBeforeInstall::Required;
            Updater::<SimFlash, _, _, PAGE, WORD>::new(flash, key, clock, names, policy)
        };
        let mut first = updater(board.flash.clone(), None);
        if first.start(image(1)).is_err() {
            refused += 1;
            continue;
        }
        taken += 1;
        let mut flash = first.into_flash();
        for stage in 0..5 {
            let mut updater = updater(flash, board.clock.utc_ms);
            let boots = image(if stage < 3 { 1 } else { 2 });
            let started = updater.start(boots).map(|_| ());
            assert_eq!(started, Ok(()), "names of {len} bytes, stage {stage}");
            if stage < 2 {
                for event in [T::Check, T::DownloadStarted, T::Downloaded] {
                    updater.step(event, detail).expect("in order");
                }
                updater.verified(board.target, detail).expect("in order");
            }
            if stage == 1 || stage == 2 {
                updater.install_started(detail).expect("recorded");
            }
            if stage == 2 {
                updater.step(T::Installed, detail).expect("in order");
                updater.step(T::Reboot, detail).expect("in order");
            }
            if stage == 4 {
                updater.committed(detail).expect("in order");
            }
            assert_eq!(updater.flush(), Logged::Recorded, "names of {len} bytes, stage {stage}");
            flash = updater.into_flash();
        }
    }
    assert!(taken > 10 && refused > 10, "{taken} taken, {refused} refused");
}

/// UPD-053: what is told besides is refused where a step would not fit with it.
#[test]
fn upd_053_whoever_began_it_fits_or_is_refused() {
    let device = Device::new(1);
    let (mut taken, mut refused) = (0, 0);
    for parts in 0..64u32 {
        let has = |bit: u32| parts >> bit & 1 == 1;
        let text = |len: usize| "r".repeat(len);
        let who = Initiator {
            kind: InitiatorKind::Person,
            subject: has(0).then_some(Digest([1; 32])),
            role: has(1).then(|| Text::new(&text(24)).expect("short")),
            organisation: has(2).then(|| Text::new(&text(32)).expect("short")),
        };
        let why = Reason {
            code: ReasonCode::DataEntryError,
            clinical: None,
            campaign: has(3).then_some([2; 16]),
            policy: has(4).then_some(Digest([3; 32])),
        };
        let mut board = Board::new(LogBeforeInstall::Required);
        let (mut updater, _) = board.start(&device).expect("starts");
        let root = Digest([9; 32]);
        updater.saw_checkpoint(CheckpointSeen { size: u64::MAX >> 2, root });
        let private: Vec<Commitment> =
            FieldId::ALL[..2].iter().map(|it| Commitment::new(*it, &[1; 16], "x")).collect();
        updater.step(T::Check, Detail::default()).expect("in order");
        let told = updater.because(Some(who), Some(why));
        let told = told.and_then(|()| match has(5) {
            true => updater.commit(Commitments::new(&private).expect("ascending")),
            false => Ok(()),
        });
        (taken, refused) = (taken + u32::from(told.is_ok()), refused + u32::from(told.is_err()));
        for event in [T::DownloadStarted, T::Downloaded] {
            updater.step(event, Detail::default()).expect("in order");
        }
        let detail = Detail { error: Some(u32::MAX), power: None };
        let logged = updater.refuse(T::RefusedDowngrade, image(50), detail);
        assert_eq!(logged, Ok(Logged::Recorded), "{parts:b}, {told:?}");
    }
    assert!(taken > 20 && refused > 2, "{taken} taken, {refused} refused");
}

/// UPD-053: as many private values as fit.
#[test]
fn upd_053_what_does_not_fit_is_refused_when_it_is_told() {
    let device = Device::new(1);
    let all: Vec<Commitment> =
        FieldId::ALL.iter().map(|field| Commitment::new(*field, &[1; 16], "x")).collect();
    let mut fitted = 0;
    for len in 1..=all.len().min(8) {
        let mut board = Board::new(LogBeforeInstall::Required);
        let (mut updater, _) = board.start(&device).expect("starts");
        updater.step(T::Check, Detail::default()).expect("in order");
        match updater.commit(Commitments::new(&all[..len]).expect("ascending")) {
            Ok(()) => fitted = len,
            Err(error) => assert_eq!(error, Error::TooLong),
        }
        let refused = updater.refuse(T::RefusedDowngrade, image(50 + len as u8), Detail::default());
        assert_eq!(refused, Ok(Logged::Recorded), "{len}");
    }
    assert!((2..8).contains(&fitted), "{fitted}");
}
