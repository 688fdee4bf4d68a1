//! Going on from the log's head, where damage hides the end of a device's chain.

use firmlog_agent::journal::Error;
use firmlog_agent::update::{Detail, LogBeforeInstall, Logged, Refused, Resume, Target};
use firmlog_sim::Device;
use firmlog_sim::board::{Board, SimUpdater, image};
use firmlog_sim::history::{PAGE, SimJournal, WORD};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType as T;
use firmlog_statement::{Parsed, Update, entry_hash};

/// A board whose journal holds an update up to `steps`, and its statements.
fn played(device: &Device, steps: &[T]) -> (Board, Vec<Vec<u8>>) {
    let mut board = Board::new(LogBeforeInstall::Required);
    let target = board.target;
    let (mut updater, _) = board.start(device).expect("starts");
    for step in steps {
        take(&mut updater, *step, target);
    }
    updater.flush();
    let said = statements(updater.journal());
    (board, said)
}

fn take(updater: &mut SimUpdater<'_>, step: T, target: Target) {
    let done = match step {
        T::SignatureVerified => updater.verified(target, Detail::default()),
        _ => updater.step(step, Detail::default()),
    };
    done.expect("in order");
}

fn statements<F: firmlog_agent::Flash>(
    journal: &mut firmlog_agent::Journal<F, PAGE, WORD>,
) -> Vec<Vec<u8>> {
    let mut buffer = [0; 1024];
    let mut said = Vec::new();
    while let Some(len) = journal.statement(said.len() as u64, &mut buffer).expect("readable") {
        said.push(buffer[..len].to_vec());
    }
    said
}

/// Damages the newest statement on the board's flash.
fn damage(board: &mut Board, last: &[u8]) {
    let at = board.flash.image().windows(last.len()).position(|window| window == last);
    board.flash.flip((at.expect("there") + 5) * 8);
}

fn head(said: &[Vec<u8>]) -> ChainHead {
    let seq = (said.len() as u64).checked_sub(1);
    ChainHead { seq, hash: entry_hash(said.last().expect("one")) }
}

fn update(entry: &[u8]) -> Update {
    Parsed::parse(entry).expect("a statement").update().expect("an update")
}

fn kinds(update: &Update) -> Vec<T> {
    update.events.iter().map(|event| event.kind).collect()
}

/// JRN-042, JRN-044, UPD-032: while the end is hidden nothing is said, the head is taken only with
/// the statement that tells of the gap, and that names what was lost.
#[test]
fn upd_032_the_gap_is_told_with_the_head() {
    let device = Device::new(1);
    let (mut board, said) = played(&device, &[T::TamperDetected, T::ServiceMode]);
    damage(&mut board, said.last().expect("said"));
    let (mut updater, started) = board.start(&device).expect("starts");
    assert!(started.report.losses() > 0);
    assert_eq!(updater.journal().next(), None);
    assert_eq!(updater.journal().readable().0, said.len() as u64 - 1);
    assert_eq!(
        updater.step(T::TamperDetected, Detail::default()),
        Ok(Logged::Dropped(Error::ChainUnknown))
    );
    let resumed = updater.resume(&head(&said), Some(&update(said.last().expect("said"))), None);
    assert_eq!(resumed, Ok(Resume::Idle));
    let gap = update(&read(&mut updater, said.len() as u64).expect("said"));
    assert_eq!(gap.prev.0, head(&said).hash);
    assert_eq!(kinds(&gap), [T::LogGap, T::LogWrap]);
    let unit = gap.unit.expect("what is lost");
    assert_eq!((unit.lost_from, unit.dropped), (Some(said.len() as u64 - 1), Some(1)));
    assert_eq!(updater.journal().lost_from(), None, "told once");
    assert_eq!(updater.step(T::TamperDetected, Detail::default()), Ok(Logged::Recorded));
    let later = update(&read(&mut updater, said.len() as u64 + 1).expect("said"));
    assert_eq!((kinds(&later), later.unit), (vec![T::TamperDetected], None));
}

fn read(updater: &mut SimUpdater<'_>, seq: u64) -> Option<Vec<u8>> {
    let mut buffer = [0; 1024];
    let len = updater.journal().statement(seq, &mut buffer).expect("readable")?;
    Some(buffer[..len].to_vec())
}

/// JRN-044: power cut at every byte of going on: the end is hidden as before, or the gap is told;
/// never a place in the chain without word of the gap.
#[test]
fn jrn_044_a_cut_at_every_byte_hides_the_end_or_tells_the_gap() {
    let device = Device::new(1);
    // One end in the middle of a page, one where the page is nearly full.
    for more in 0..4 {
        let steps = [&[T::TamperDetected; 4][..more], &[T::ServiceMode]].concat();
        let (mut damaged, said) = played(&device, &steps);
        damage(&mut damaged, said.last().expect("said"));
        let (mut hidden, mut told) = (0, 0);
        for byte in 0.. {
            let mut board = damaged.clone();
            board.start(&device).expect("starts");
            board.flash.faults.cut_after = Some(byte);
            let done = board
                .start(&device)
                .and_then(|(mut updater, _)| updater.resume(&head(&said), None, None));
            board.flash.power_up();
            board.flash.faults.cut_after = None;
            let mut journal = SimJournal::open(board.flash.clone()).expect("opens").0;
            let mut buffer = [0; 1024];
            let gap = journal.statement(said.len() as u64, &mut buffer).expect("readable");
            match (journal.next(), gap) {
                (None, None) => hidden += 1,
                (Some((next, _)), Some(len)) => {
                    assert_eq!(next, said.len() as u64 + 1, "byte {byte}");
                    assert_eq!(kinds(&update(&buffer[..len]))[0], T::LogGap, "byte {byte}");
                    told += 1;
                }
                other => panic!("byte {byte}: {other:?}"),
            }
            // Hidden as before: the next start goes on from the head all the same.
            let (mut again, _) = board.start(&device).expect("starts");
            if again.journal().next().is_none() {
                again.resume(&head(&said), None, None).expect("goes on");
                let next = again.journal().next().map(|(next, _)| next);
                assert_eq!(next, Some(said.len() as u64 + 1));
            }
            if done.is_ok() {
                break;
            }
        }
        assert!(hidden > 100 && told > 1, "{hidden} hidden, {told} told");
    }
}

/// JRN-042: a head behind what can be read, or another statement in its place, is refused.
#[test]
fn jrn_042_a_head_that_contradicts_the_journal_is_refused() {
    let device = Device::new(1);
    let (mut board, said) = played(&device, &[T::TamperDetected, T::ServiceMode]);
    damage(&mut board, said.last().expect("said"));
    let (mut updater, _) = board.start(&device).expect("starts");
    let known = said.len() as u64 - 1;
    for (seq, hash) in [(known - 1, [9; 32]), (known - 2, entry_hash(&said[said.len() - 3]))] {
        let other = ChainHead { seq: Some(seq), hash };
        assert_eq!(updater.resume(&other, None, None), Err(Error::NotNext), "seq {seq}");
        assert_eq!(updater.journal().next(), None);
    }
    assert_eq!(updater.resume(&head(&said), None, None), Ok(Resume::Idle));
    assert_eq!(updater.resume(&head(&said), None, None), Err(Error::NotNext), "the end is known");
}

/// UPD-033: what runs is compared when the head is there, by the newer of the two accounts.
#[test]
fn upd_033_what_runs_is_compared_when_the_head_is_there() {
    let device = Device::new(1);
    let way = [T::Downloaded, T::SignatureVerified, T::InstallStarted, T::Installed];
    let steps = [&way[..], &[T::Reboot, T::BootOk, T::Committed]].concat();
    for (boots, unexpected) in [(2, false), (1, true), (9, true)] {
        let (mut board, said) = played(&device, &steps);
        damage(&mut board, said.last().expect("said"));
        board.boots = image(boots);
        let (mut updater, started) = board.start(&device).expect("starts");
        assert_eq!((started.resume, updater.journal().next()), (Resume::Idle, None));
        let last = update(said.last().expect("said"));
        updater.resume(&head(&said), Some(&last), Some(image(boots))).expect("goes on");
        let gap = update(&read(&mut updater, said.len() as u64).expect("said"));
        assert_eq!(kinds(&gap).contains(&T::UnexpectedVersion), unexpected, "boots {boots}");
        assert_eq!(updater.progress().committed, image(boots));
        let (mut updater, _) = board.start(&device).expect("starts");
        assert_eq!(read(&mut updater, said.len() as u64 + 1), None, "JRN-045: told once");
    }
}

/// UPD-020, UPD-032: while the end is hidden no install begins where logging is required.
#[test]
fn upd_032_no_install_begins_unrecorded() {
    let device = Device::new(1);
    let (mut board, said) = played(&device, &[T::TamperDetected]);
    damage(&mut board, said.last().expect("said"));
    let target = board.target;
    let (mut updater, _) = board.start(&device).expect("starts");
    for step in [T::Downloaded, T::SignatureVerified] {
        take(&mut updater, step, target);
    }
    let withheld = updater.install_started(Detail::default());
    assert_eq!(withheld, Err(Refused::NotLogged(Error::ChainUnknown)));
    updater.resume(&head(&said), None, None).expect("goes on");
    let gap = update(&read(&mut updater, said.len() as u64).expect("said"));
    assert_eq!(kinds(&gap), [T::LogGap, T::Downloaded, T::SignatureVerified]);
    assert_eq!(updater.install_started(Detail::default()), Ok(Logged::Recorded));
}
