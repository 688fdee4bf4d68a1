//! The update state machine: power cuts at every byte, a journal that is full or fails, and boots
//! that nobody announced.

use firmlog_agent::journal::{Class, Error, Note};
use firmlog_agent::update::{
    Detail, Identity, LogBeforeInstall, Logged, Refused, Resume, Target, Updater,
};
use firmlog_sim::Device;
use firmlog_sim::board::{Board, check_order, image};
use firmlog_sim::device::Key;
use firmlog_sim::history::{PAGE, SimJournal, WORD};
use firmlog_statement::disclosure::{Commitment, Commitments, FieldId};
use firmlog_statement::event::EventType as T;
use firmlog_statement::{Outcome, Parsed, PublicKey, SignError, Signer, Update};
use std::cell::Cell;

/// Lives until the update has ended, in few enough starts.
fn live(board: &mut Board, device: &Device) -> Result<(), String> {
    for _ in 0..12 {
        if board.live(device)? {
            return Ok(());
        }
        board.flash.power_up();
    }
    Err("the update does not end".to_owned())
}

fn events(updates: &[Update]) -> Vec<T> {
    updates.iter().flat_map(|update| update.events.iter().map(|event| event.kind)).collect()
}

/// What a history of this board must hold, wherever power was cut.
fn check(board: &mut Board, good: bool) -> Result<(), String> {
    let updates = board.updates()?;
    check_order(&updates)?;
    let all = events(&updates);
    let started = all.iter().filter(|kind| **kind == T::InstallStarted).count();
    if (started as u32) < board.touched {
        return Err(format!("flash was touched {} times, {started} said", board.touched));
    }
    let (last, outcome) = if good {
        (T::Committed, Outcome::Succeeded)
    } else {
        (T::RolledBack, Outcome::RolledBack)
    };
    let end = updates.last().ok_or("nothing was said")?;
    if (all.last(), end.outcome) != (Some(&last), outcome) {
        return Err(format!("ends with {:?}", all.last()));
    }
    if (end.image.0, end.release.map(|release| release.0)) != ([2; 32], Some([0x11; 32])) {
        return Err("the end names another image or release".to_owned());
    }
    if all.contains(&T::UnexpectedVersion) {
        return Err("an announced image is called unexpected".to_owned());
    }
    Ok(())
}

/// UPD-010, UPD-011.
#[test]
fn upd_010_a_cut_at_every_byte_resumes_in_legal_order() {
    let device = Device::new(1);
    for good in [true, false] {
        let mut whole = Board::new(LogBeforeInstall::Required);
        whole.good = good;
        let start = whole.flash.tally.bytes;
        live(&mut whole, &device).expect("installs");
        check(&mut whole, good).expect("a history");
        let bytes = whole.flash.tally.bytes - start;
        for byte in 0..bytes {
            let mut board = Board::new(LogBeforeInstall::Required);
            board.good = good;
            board.flash.faults.cut_after = Some(byte);
            live(&mut board, &device)
                .and_then(|()| check(&mut board, good))
                .unwrap_or_else(|e| panic!("good {good}, byte {byte} of {bytes}: {e}"));
        }
    }
}

#[test]
fn upd_020_required_logging_withholds_the_install_and_nothing_else() {
    let device = Device::new(1);
    for policy in [LogBeforeInstall::Required, LogBeforeInstall::BestEffort] {
        let mut board = Board::new(policy);
        let target = board.target;
        // Routine statements up to the reserve, urgent ones up to the end.
        let (mut updater, _) = board.start(&device).expect("starts");
        while updater.step(T::ServiceMode, Detail::default()).is_ok()
            && updater.flush() == Logged::Recorded
        {}
        for _ in 0..4 {
            updater.step(T::ServiceMode, Detail::default()).expect("in order");
            assert_eq!(updater.flush(), Logged::Dropped(Error::Full));
        }
        let reserve = updater.journal().reserve();
        assert_eq!(updater.journal().free_pages(), reserve, "the reserve is untouched");
        updater.step(T::Check, Detail::default()).expect("in order");
        updater.step(T::Downloaded, Detail::default()).expect("in order");
        updater.verified(target, Detail::default()).expect("in order");
        while updater.step(T::TamperDetected, Detail::default()) == Ok(Logged::Recorded) {}
        assert!(updater.journal().dropped().count > 0, "it is full");
        assert_eq!(updater.journal().free_pages(), 1, "the last page is for installs alone");
        // Installs that begin and fail, until that one is full too.
        let (dropped, last, answer) = loop {
            let (dropped, last) = (updater.journal().dropped().count, updater.progress().last);
            let answer = updater.install_started(Detail::default());
            if answer != Ok(Logged::Recorded) {
                break (dropped, last, answer);
            }
            for event in [T::InstallFailed, T::Check, T::Downloaded] {
                updater.step(event, Detail::default()).expect("in order");
            }
            updater.verified(target, Detail::default()).expect("in order");
        };
        match policy {
            LogBeforeInstall::Required => {
                assert!(matches!(answer, Err(Refused::NotLogged(_))), "{answer:?}");
                assert_eq!(updater.progress().last, last);
            }
            LogBeforeInstall::BestEffort => {
                assert_eq!(answer, Ok(Logged::Dropped(Error::Full)));
                assert!(updater.journal().dropped().count > dropped);
                // The outcome is dropped as well; the device goes on.
                let failed = updater.step(T::InstallFailed, Detail::default());
                assert_eq!(failed, Ok(Logged::Dropped(Error::Full)));
            }
        }
    }
}

#[test]
fn upd_021_what_was_dropped_is_told_once_there_is_room() {
    use firmlog_agent::journal::Covered;
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::BestEffort);
    let (mut updater, _) = board.start(&device).expect("starts");
    while updater.step(T::TamperDetected, Detail::default()) == Ok(Logged::Recorded) {}
    let dropped = updater.journal().dropped();
    assert_eq!(updater.journal().untold(), 1);
    let (next, _) = updater.journal().next().expect("known");
    updater.journal().cover(Covered { next, size: 50, root: [1; 32] }).expect("covers");
    assert_eq!(updater.step(T::TamperDetected, Detail::default()), Ok(Logged::Recorded));
    assert_eq!(updater.journal().untold(), 0);
    let updates = board.updates().expect("readable");
    let last = updates.last().expect("said");
    let unit = last.unit.clone().expect("what was dropped");
    assert_eq!((unit.dropped, unit.dropped_root.map(|root| root.0)), (Some(1), Some(dropped.root)));
    assert!(events(&updates[updates.len() - 1..]).contains(&T::LogWrap));
}

/// A page that cannot be opened any more: each step ends, after two attempts at most.
#[test]
fn upd_022_a_failed_write_is_tried_once_more() {
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::Required);
    let second_page = 3 * PAGE as u32;
    board.flash.faults.stuck.push((second_page, 0x80, 0xff));
    let (mut updater, _) = board.start(&device).expect("starts");
    while updater.step(T::TamperDetected, Detail::default()) == Ok(Logged::Recorded) {}
    for _ in 0..3 {
        let before = updater.journal().flash().tally.programs[3];
        let dropped = updater.step(T::TamperDetected, Detail::default());
        assert!(matches!(dropped, Ok(Logged::Dropped(Error::Flash(_)))), "{dropped:?}");
        let programs = updater.journal().flash().tally.programs[3] - before;
        assert!((1..=3).contains(&programs), "{programs} operations on the page");
    }
    let updates = board.updates().expect("what was said before is readable");
    assert_eq!(events(&updates)[0], T::LoggerStarted);
}

#[test]
fn upd_030_what_nobody_announced_is_unexpected() {
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::Required);
    board.start(&device).expect("starts");
    board.boots = image(9);
    assert_eq!(board.start(&device).expect("starts").1.resume, Resume::Idle);
    board.start(&device).expect("starts again");
    let updates = board.updates().expect("readable");
    let unexpected = updates.iter().filter(|update| update.outcome == Outcome::Unexpected);
    let images: Vec<[u8; 32]> = unexpected.map(|update| update.image.0).collect();
    assert_eq!(images, [[9; 32]], "said once");
}

#[test]
fn upd_031_steps_out_of_order_are_refused() {
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::Required);
    let (mut updater, _) = board.start(&device).expect("starts");
    for event in [T::Installed, T::Committed, T::InstallStarted, T::RolledBack, T::ReleasePublished]
    {
        let answer = updater.step(event, Detail::default());
        assert!(matches!(answer, Err(Refused::OutOfOrder { .. })), "{event:?}: {answer:?}");
    }
}

#[test]
fn upd_040_a_storm_of_refusals_makes_few_statements() {
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::Required);
    let (mut updater, _) = board.start(&device).expect("starts");
    let detail = Detail::default();
    for kind in [T::RefusedBadSignature, T::VerificationFailed] {
        for _ in 0..500 {
            updater.step(T::Check, detail).expect("in order");
            updater.step(T::Downloaded, detail).expect("in order");
            updater.refuse(kind, image(7), detail).expect("in order");
        }
    }
    updater.refuse(T::RefusedDowngrade, image(6), detail).expect("in order");
    let updates = board.updates().expect("readable");
    assert!(updates.len() <= 6, "{} statements", updates.len());
    for kind in [T::RefusedBadSignature, T::VerificationFailed] {
        let alike = updates.iter().flat_map(|update| update.events.iter());
        let alike = alike.filter(|event| event.kind == kind);
        assert_eq!(alike.map(|event| event.count.unwrap_or(1)).sum::<u32>(), 500, "{kind}");
    }
    check_order(&updates).expect("in order");
}

/// JRN-022: an image that was turned away, for whichever reason a decision may name, is recorded
/// though the space for routine statements is full, and names the image.
#[test]
fn jrn_022_an_image_turned_away_is_recorded_in_the_reserve() {
    let device = Device::new(1);
    let turned = T::ALL.iter().copied().filter(|event| event.turns_away());
    assert!(turned.clone().any(|event| event == T::VerificationFailed));
    for event in turned {
        let mut board = Board::new(LogBeforeInstall::Required);
        let (mut updater, _) = board.start(&device).expect("starts");
        while updater.step(T::ServiceMode, Detail::default()).is_ok()
            && updater.flush() == Logged::Recorded
        {}
        updater.step(T::Check, Detail::default()).expect("in order");
        assert_eq!(updater.flush(), Logged::Dropped(Error::Full), "the ordinary space is full");
        let logged = updater.refuse(event, image(7), Detail::default());
        assert_eq!(logged, Ok(Logged::Recorded), "{event}");
        let before = updater.journal().next();
        updater.refuse(event, image(7), Detail::default()).expect("in order");
        assert_eq!(updater.journal().next(), before, "{event}: the same again is counted");
        let updates = board.updates().expect("readable");
        let last = updates.last().expect("said");
        assert!(last.events.iter().any(|said| said.kind == event), "{event}");
        assert_eq!(last.image.0, image(7).sha256, "{event}");
    }
}

#[test]
fn upd_041_a_count_survives_a_start() {
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::Required);
    let (mut updater, _) = board.start(&device).expect("starts");
    for _ in 0..5 {
        updater.refuse(T::RefusedUnsigned, image(7), Detail::default()).expect("in order");
    }
    let (mut updater, _) = board.start(&device).expect("starts");
    updater.step(T::Check, Detail::default()).expect("in order");
    assert_eq!(updater.flush(), Logged::Recorded);
    let updates = board.updates().expect("readable");
    let counts: Vec<Option<u32>> = updates
        .iter()
        .flat_map(|update| update.events.iter())
        .filter(|event| event.kind == T::RefusedUnsigned)
        .map(|event| event.count)
        .collect();
    assert_eq!(counts, [None, Some(4)]);
    check_order(&updates).expect("in order");
}

#[test]
fn upd_050_a_clock_that_jumps_is_said() {
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::Required);
    board.clock.jump = Some((6_000, -86_400_000));
    let (mut updater, _) = board.start(&device).expect("starts");
    for _ in 0..4 {
        updater.step(T::InstalledState, Detail::default()).expect("in order");
    }
    updater.flush();
    let updates = board.updates().expect("readable");
    assert_eq!(events(&updates).iter().filter(|kind| **kind == T::ClockStep).count(), 1);
}

#[test]
fn upd_051_who_began_it_and_why_is_said() {
    use firmlog_statement::{Initiator, InitiatorKind, Reason, ReasonCode};
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::Required);
    let (mut updater, _) = board.start(&device).expect("starts");
    let kind = InitiatorKind::Person;
    let who = Initiator { kind, subject: None, role: None, organisation: None };
    let code = ReasonCode::Periodic;
    let why = Reason { code, clinical: None, campaign: None, policy: None };
    let detail = Detail::default();
    updater.because(Some(who.clone()), Some(why.clone())).expect("fits");
    updater.refuse(T::RefusedUnsigned, image(7), detail).expect("in order");
    updater.because(None, None).expect("fits");
    updater.refuse(T::RefusedUnsigned, image(8), detail).expect("in order");
    // To the end of an update, and no further.
    updater.because(Some(who), Some(why)).expect("fits");
    updater.step(T::DownloadStarted, detail).expect("in order");
    updater.step(T::Downloaded, detail).expect("in order");
    let target = Target { image: image(2), release: [0x11; 32] };
    updater.verified(target, detail).expect("in order");
    updater.install_started(detail).expect("in order");
    for step in [T::InstallFailed, T::RollbackStarted, T::RolledBack, T::InstalledState] {
        updater.step(step, detail).expect("in order");
    }
    updater.flush();
    let updates = board.updates().expect("readable");
    let said: Vec<_> = updates
        .iter()
        .map(|update| {
            let kind = update.initiator.as_ref().map(|initiator| initiator.kind);
            (kind, update.reason.as_ref().map(|reason| reason.code))
        })
        .collect();
    let (told, not) = ((Some(kind), Some(code)), (None, None));
    assert_eq!(said, [not, told, not, told, told, told, not]);
}

/// UPD-052.
#[test]
fn upd_052_a_commitment_is_in_one_statement() {
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::Required);
    let (mut updater, _) = board.start(&device).expect("starts");
    let one = Commitment::new(FieldId::Technician, &[9; 16], "badge T-0412");
    updater.commit(Commitments::new(&[one]).expect("one")).expect("fits");
    for _ in 0..2 {
        updater.step(T::ServiceMode, Detail::default()).expect("in order");
        assert_eq!(updater.flush(), Logged::Recorded);
    }
    let updates = board.updates().expect("readable");
    let said: Vec<usize> = updates.iter().map(|update| update.commitments.len()).collect();
    assert_eq!(said, [0, 1, 0]);
    assert_eq!(updates[1].commitments.find(one.field), Some(&one.digest));
}

#[test]
fn upd_060_a_step_takes_at_most_400_bytes() {
    use firmlog_agent::Journal;
    use firmlog_sim::history::WORD;
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::Required);
    live(&mut board, &device).expect("installs");
    let (mut journal, _) = Journal::<_, PAGE, WORD>::open(&mut board.flash).expect("opens");
    let (next, _) = journal.next().expect("known");
    let mut buffer = [0; 1024];
    for seq in 0..next {
        let len = journal.statement(seq, &mut buffer).expect("readable").expect("there");
        let parsed = Parsed::parse(&buffer[..len]).expect("a statement");
        let more = parsed.update().expect("an update").events.len() - 1;
        assert!(len <= 400 + 8 * more, "statement {seq} has {len} bytes, {more} steps more");
    }
}

/// UPD-010, UPD-031, over steps in any order, starts with any image and cuts anywhere.
#[test]
fn lives_that_a_seed_decides_stay_in_order() {
    let mut said = 0;
    for seed in 0..2000 {
        let mut random = firmlog_sim::Random::new(seed);
        let bytes: Vec<u8> = (0..8).flat_map(|_| random.digest()).collect();
        let required = seed.is_multiple_of(2);
        let policy =
            if required { LogBeforeInstall::Required } else { LogBeforeInstall::BestEffort };
        said += firmlog_sim::lives::live(&bytes[..60], policy)
            .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
    assert!(said > 1000, "only {said} statements");
}

/// UPD-034: a note of another version is not taken for none: the start fails with its own status,
/// nothing is written. The newest note of this version is what every later one is told from.
#[test]
fn upd_034_a_note_of_another_version_ends_the_start() {
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::Required);
    board.start(&device).expect("starts");
    let mut journal = SimJournal::open(board.flash.clone()).expect("opens").0;
    let ours = *journal.note();
    for version in [0, 2, 9] {
        let mut bytes = ours.as_bytes().to_vec();
        bytes[0] = version;
        bytes.push(version);
        let note = Note::new(&bytes).expect("short");
        journal.remember(&note, Class::Urgent).expect("remembers");
        board.flash = journal.flash().clone();
        let before = board.flash.image().to_vec();
        board.boots = image(77);
        assert_eq!(board.start(&device).err(), Some(Error::OtherFormat), "{version}");
        assert_eq!(board.flash.image(), before);
    }
    journal.remember(&ours, Class::Urgent).expect("remembers");
    board.flash = journal.flash().clone();
    let (mut updater, _) = board.start(&device).expect("starts");
    let (next, _) = updater.journal().next().expect("known");
    let mut buffer = [0; 1024];
    let len = updater.journal().statement(next - 1, &mut buffer).expect("reads").expect("there");
    let update = Parsed::parse(&buffer[..len]).and_then(|it| it.update()).expect("an update");
    let kinds: Vec<T> = update.events.iter().map(|event| event.kind).collect();
    assert!(kinds.contains(&T::UnexpectedVersion), "{kinds:?}");
}

/// UPD-012: the committed image, installed once more, leads back to where another update can begin,
/// wherever power was lost.
#[test]
fn upd_012_the_committed_image_may_be_installed_again() {
    let device = Device::new(1);
    let way = [T::InstallStarted, T::Installed, T::Reboot];
    for steps in 1..=way.len() {
        let mut board = Board::new(LogBeforeInstall::Required);
        let same = Target { image: image(1), release: [0x11; 32] };
        let (mut updater, _) = board.start(&device).expect("starts");
        for event in [T::Check, T::DownloadStarted, T::Downloaded] {
            updater.step(event, Detail::default()).expect("in order");
        }
        updater.verified(same, Detail::default()).expect("in order");
        for event in &way[..steps] {
            updater.step(*event, Detail::default()).expect("in order");
        }
        updater.flush();
        let (updater, started) = board.start(&device).expect("starts");
        let resume = if steps == 1 { Resume::InstallAgain } else { Resume::Idle };
        assert_eq!((started.resume, updater.progress().committed), (resume, image(1)), "{steps}");
        let (mut updater, _) = board.start(&device).expect("starts");
        updater.step(T::Check, Detail::default()).expect("another update can begin");
        let updates = board.updates().expect("readable");
        check_order(&updates).expect("in order");
        let end = if steps == 1 { T::InstallFailed } else { T::Committed };
        assert_eq!(events(&updates).last(), Some(&end), "{steps}");
    }
}

/// UPD-050: an uptime that goes back is said, and what waited is said all the same.
#[test]
fn upd_050_an_uptime_that_goes_back_is_said() {
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::Required);
    board.clock.back = Some((20_000, 15_000));
    let (mut updater, _) = board.start(&device).expect("starts");
    for _ in 0..6 {
        for _ in 0..5 {
            updater.step(T::ServiceMode, Detail::default()).expect("in order");
        }
        assert_eq!(updater.flush(), Logged::Recorded);
    }
    let all = events(&board.updates().expect("readable"));
    assert_eq!(all.iter().filter(|kind| **kind == T::ClockStep).count(), 1);
    assert_eq!(all.iter().filter(|kind| **kind == T::ServiceMode).count(), 30);
}

/// A key that counts what it signs.
struct Counting<'a>(Key, &'a Cell<u32>);

impl Signer for Counting<'_> {
    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }
    fn sign(&self, tbs: &[u8]) -> Result<[u8; 64], SignError> {
        self.1.set(self.1.get() + 1);
        self.0.sign(tbs)
    }
}

/// JRN-026: what has no room is not signed: a secure element is slow, and wears.
#[test]
fn jrn_026_what_has_no_room_is_not_signed() {
    let device = Device::new(1);
    let mut board = Board::new(LogBeforeInstall::BestEffort);
    let signed = Cell::new(0);
    let names =
        Identity { device: device.id, issuer: "acme.example/devices", subject: "ip-200/app" };
    let (key, policy) = (Counting(device.key().clone(), &signed), LogBeforeInstall::BestEffort);
    let clock = board.clock.clone();
    let mut updater =
        Updater::<_, _, _, PAGE, WORD>::new(&mut board.flash, key, clock, names, policy);
    updater.start(image(1)).expect("starts");
    while updater.step(T::TamperDetected, Detail::default()) == Ok(Logged::Recorded) {}
    let (full, (next, _)) = (signed.get(), updater.journal().next().expect("known"));
    assert!(u64::from(full) <= next + 1, "{full} signatures for {next} statements");
    for _ in 0..50 {
        let dropped = updater.step(T::TamperDetected, Detail::default());
        assert_eq!(dropped, Ok(Logged::Dropped(Error::Full)));
    }
    assert_eq!(signed.get(), full);
}
