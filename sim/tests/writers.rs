//! Two programs that hold one journal: what one of them is told is recorded is there.

use firmlog_agent::Journal;
use firmlog_agent::journal::{Append, Class, Covered, Error, Note};
use firmlog_agent::update::{Detail, Identity, LogBeforeInstall, Logged, Updater};
use firmlog_sim::board::{SimClock, image};
use firmlog_sim::device::Said;
use firmlog_sim::history::{PAGE, PAGES, SEED, WORD};
use firmlog_sim::{Device, Random, Shared, SimFlash};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType as T;
use firmlog_statement::{ChainEntry, Outcome};

fn shared() -> Shared {
    let mut flash = SimFlash::new(PAGES, PAGE, WORD, 1);
    let start = ChainHead::enrolled(SEED);
    Journal::<_, PAGE, WORD>::format(&mut flash, start).expect("blank flash");
    Shared::new(flash)
}

fn open(shared: &Shared) -> Journal<Shared, PAGE, WORD> {
    Journal::open(shared.clone()).expect("opens").0
}

fn say(
    device: &Device,
    uptime_ms: u64,
    journal: &mut Journal<Shared, PAGE, WORD>,
) -> Result<Vec<u8>, Error> {
    let (event, outcome, dropped) = (T::InstalledState, Outcome::State, None);
    let said = Said { event, outcome, image: [3; 32], version: 3, uptime_ms, dropped };
    let entry = device.say(journal.next().ok_or(Error::ChainUnknown)?, &said);
    journal.append(&Append {
        entry: ChainEntry::parse(&entry).map_err(Error::NotAnUpdate)?,
        note: &Note::EMPTY,
        class: Class::Urgent,
        tells_of_dropped: false,
        tells_of_lost: false,
    })?;
    Ok(entry)
}

/// JRN-049: in any order of two: who was not the last to write is told so and writes nothing, and
/// opens again; each statement that was acknowledged is there, once, in one chain.
#[test]
fn jrn_049_one_writer_at_a_time() {
    let device = Device::new(1);
    let mut random = Random::new(49);
    let shared = shared();
    let mut both = [open(&shared), open(&shared)];
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    for n in 0..400 {
        let journal = &mut both[random.below(2) as usize];
        let before = shared.0.borrow().image().to_vec();
        let done = match random.below(4) {
            0 => {
                let next = acknowledged.len() as u64;
                let known = journal.next().map_or(0, |(next, _)| next);
                let covered = Covered { next: known, size: next + 9, root: [1; 32] };
                journal.cover(covered)
            }
            _ => say(&device, n, journal).map(|entry| acknowledged.push(entry)),
        };
        if let Err(error) = done {
            assert!(matches!(error, Error::OtherWriter | Error::Full), "{n}: {error}");
            assert!(shared.0.borrow().image() == before, "{n}: {error}, and something is written");
            if error == Error::OtherWriter {
                assert_eq!(say(&device, n, journal).err(), Some(Error::NeedsOpening));
                assert_eq!(journal.reopen().map(|report| report.losses()), Ok(0));
                refused += 1;
            }
        }
    }
    assert!(refused > 50 && acknowledged.len() > 50, "{refused}, {}", acknowledged.len());
    let mut journal = open(&shared);
    let mut buffer = [0; 1024];
    let oldest = journal.oldest().expect("readable");
    for (seq, entry) in acknowledged.iter().enumerate().skip(oldest as usize) {
        let len = journal.statement(seq as u64, &mut buffer).expect("reads").expect("there");
        assert_eq!(&buffer[..len], entry, "statement {seq}");
    }
    assert_eq!(journal.next().map(|(next, _)| next), Some(acknowledged.len() as u64));
}

/// JRN-049: an update machine beside another is told, and says nothing more until it starts again:
/// the other may have moved the update.
#[test]
fn jrn_049_a_machine_beside_another_starts_again() {
    let device = Device::new(1);
    let shared = shared();
    let machine = || {
        let names =
            Identity { device: device.id, issuer: "acme.example/devices", subject: "ip-200/app" };
        let (key, policy) = (device.key().clone(), LogBeforeInstall::Required);
        let clock = SimClock::default();
        Updater::<_, _, _, PAGE, WORD>::new(shared.clone(), key, clock, names, policy)
    };
    let (mut application, mut bootloader) = (machine(), machine());
    application.start(image(1)).expect("starts");
    bootloader.start(image(1)).expect("starts");
    let tampered = |updater: &mut Updater<'_, _, _, _, PAGE, WORD>| {
        updater.step(T::TamperDetected, Detail::default())
    };
    assert_eq!(tampered(&mut bootloader), Ok(Logged::Recorded));
    let (next, _) = bootloader.journal().next().expect("known");
    assert_eq!(tampered(&mut application), Ok(Logged::Dropped(Error::OtherWriter)));
    assert_eq!(tampered(&mut application), Ok(Logged::Dropped(Error::OtherWriter)), "still");
    application.start(image(1)).expect("starts");
    assert_eq!(tampered(&mut application), Ok(Logged::Recorded));
    assert_eq!(application.journal().next().map(|(seq, _)| seq), Some(next + 1));
    // Seen while a receipt is noted, it counts as well.
    let (next, _) = bootloader.journal().next().expect("known");
    let covered = Covered { next, size: 9, root: [1; 32] };
    assert_eq!(bootloader.journal().cover(covered), Err(Error::OtherWriter));
    assert_eq!(tampered(&mut bootloader), Ok(Logged::Dropped(Error::OtherWriter)));
    bootloader.start(image(1)).expect("starts");
    assert_eq!(tampered(&mut bootloader), Ok(Logged::Recorded));
}

/// JRN-049: formatted under an open journal: that is told so with the next thing it would write, be
/// the new journal's head ever so like the old one's.
#[test]
fn jrn_049_formatted_under_an_open_journal() {
    let device = Device::new(1);
    for said in 1..6 {
        let shared = shared();
        let mut journal = open(&shared);
        (0..said).for_each(|n| drop(say(&device, n, &mut journal).expect("has room")));
        let start = ChainHead::enrolled([9; 32]);
        let made = Journal::<_, PAGE, WORD>::format(shared.clone(), start).expect("formats");
        let before = shared.0.borrow().image().to_vec();
        assert_eq!(say(&device, 9, &mut journal).err(), Some(Error::OtherWriter), "{said}");
        assert!(shared.0.borrow().image() == before);
        assert_eq!(made.next(), Some((0, [9; 32])));
    }
}
