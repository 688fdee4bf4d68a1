//! Whoever writes to the flash makes checksums, but no signatures: what the note says of what runs
//! is compared with what the device signed.

use firmlog_agent::journal::Report;
use firmlog_agent::update::{Detail, LogBeforeInstall, Resume};
use firmlog_sim::board::{Board, image};
use firmlog_sim::history::{PAGE, SimJournal, WORD};
use firmlog_sim::{Device, SimFlash};
use firmlog_statement::Parsed;
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType as T;

const FRAME: usize = 128;
const HEADER: usize = 64;
/// In a note: last step, committed image, target.
const LAST: usize = 1;
const COMMITTED: usize = 4;
const TARGET: usize = 48;
const IMAGE: usize = 44;

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 }
        })
    })
}

/// The newest record in flash: where it begins, and its end.
fn newest(flash: &[u8]) -> (usize, usize) {
    let mut found = (0, (0, 0));
    for page in (2..flash.len() / PAGE).map(|page| page * PAGE) {
        let mut at = page + FRAME;
        while at + HEADER <= page + PAGE && matches!(flash[at], 1 | 2) {
            let entry = usize::from(u16::from_be_bytes([flash[at + 2], flash[at + 3]]));
            let len = HEADER + usize::from(flash[at + 1]) + entry;
            let end = at + len.next_multiple_of(WORD);
            let number = u64::from_be_bytes(flash[at + 8..at + 16].try_into().expect("eight"));
            if number >= found.0 {
                found = (number, (at, end));
            }
            at = end;
        }
    }
    found.1
}

/// Makes the checksums of a record hold again.
fn seal(record: &mut [u8]) {
    let body = crc32c(&record[HEADER..]);
    record[56..60].copy_from_slice(&body.to_be_bytes());
    let header = crc32c(&record[..60]);
    record[60..HEADER].copy_from_slice(&header.to_be_bytes());
}

/// Rewrites the newest note, with checksums that hold.
fn forge(board: &mut Board, rewrite: impl FnOnce(&mut [u8])) {
    let mut flash = board.flash.image().to_vec();
    let (at, end) = newest(&flash);
    let note = at + HEADER..at + HEADER + usize::from(flash[at + 1]);
    rewrite(&mut flash[note]);
    seal(&mut flash[at..end]);
    board.flash = SimFlash::from_image(flash, PAGE, WORD, 1);
}

fn put(note: &mut [u8], at: usize, byte: u8) {
    let it = image(byte);
    note[at..at + 32].copy_from_slice(&it.sha256);
    note[at + 32..at + 40].copy_from_slice(&it.version.to_be_bytes());
    note[at + 40..at + IMAGE].copy_from_slice(&it.counter.to_be_bytes());
}

/// What the start after it says, besides what went before, and where it goes on.
fn start(board: &mut Board, device: &Device) -> (Vec<T>, Resume, Report) {
    let before = next(board);
    let (_, started) = board.start(device).expect("starts");
    (said_from(before, board), started.resume, started.report)
}

/// The seq of the next statement.
fn next(board: &mut Board) -> u64 {
    let (journal, _) = SimJournal::open(board.flash.clone()).expect("opens");
    journal.next().expect("known").0
}

/// The steps that were said from there on, whether or not the statements hang together.
fn said_from(from: u64, board: &mut Board) -> Vec<T> {
    let (mut journal, _) = SimJournal::open(board.flash.clone()).expect("opens");
    let mut buffer = [0; 1024];
    let mut said = Vec::new();
    for seq in from..journal.next().expect("known").0 {
        let len = journal.statement(seq, &mut buffer).expect("reads").expect("there");
        let update = Parsed::parse(&buffer[..len]).and_then(|it| it.update());
        said.extend(update.expect("an update").events.iter().map(|event| event.kind));
    }
    said
}

/// A board that has been updated to image 2, or that never was.
fn board(device: &Device, updated: bool) -> Board {
    let mut board = Board::new(LogBeforeInstall::Required);
    if updated {
        while !board.live(device).expect("lives") {}
    } else {
        board.start(device).expect("starts");
    }
    board
}

#[test]
fn upd_035_a_forged_note_makes_no_image_the_committed_one() {
    let device = Device::new(1);
    for (updated, runs) in [(false, 1), (true, 2)] {
        let mut board = board(&device, updated);
        forge(&mut board, |note| {
            put(note, COMMITTED, 66);
            put(note, TARGET, 66);
        });
        let clean = board.clone();
        board.boots = image(66);
        let (said, resume, report) = start(&mut board, &device);
        assert_eq!((said.as_slice(), resume), ([T::UnexpectedVersion].as_slice(), Resume::Idle));
        assert!(report.is_clean(), "checksums hold: {report:?}");
        // What the device said it runs does run: there is nothing to say.
        let mut board = clean;
        board.boots = image(runs);
        let (said, ..) = start(&mut board, &device);
        assert_eq!(said, [], "updated {updated}");
    }
}

/// The same for its version and its counter alone: a lower one would let older images in.
#[test]
fn upd_035_a_forged_counter_does_not_count() {
    let device = Device::new(1);
    let mut board = board(&device, true);
    forge(&mut board, |note| {
        for at in [COMMITTED, TARGET] {
            note[at + 32..at + IMAGE].fill(0);
        }
    });
    let (updater, _) = board.start(&device).expect("starts");
    assert_eq!(updater.progress().committed, image(2));
    assert!(!updater.progress().is_under_way());
}

#[test]
fn upd_035_a_forged_note_puts_no_image_on_trial() {
    let device = Device::new(1);
    for last in [T::InstallStarted, T::Installed, T::Reboot, T::BootOk, T::RollbackStarted] {
        let mut board = board(&device, true);
        forge(&mut board, |note| {
            note[LAST] = u8::try_from(last.code()).expect("small");
            put(note, TARGET, 66);
        });
        board.boots = image(66);
        let (said, resume, _) = start(&mut board, &device);
        assert_eq!((said.as_slice(), resume), ([T::UnexpectedVersion].as_slice(), Resume::Idle));
    }
    // And while another one really is.
    let mut board = Board::new(LogBeforeInstall::Required);
    while board.boots == image(1) {
        assert!(!board.live(&device).expect("lives"));
    }
    forge(&mut board, |note| put(note, TARGET, 66));
    board.boots = image(66);
    let (said, resume, _) = start(&mut board, &device);
    assert_eq!((said.as_slice(), resume), ([T::UnexpectedVersion].as_slice(), Resume::Idle));
}

/// A statement in front of another cannot be rewritten, though its checksums hold.
#[test]
fn upd_036_a_rewritten_statement_is_told() {
    let device = Device::new(1);
    let mut board = board(&device, false);
    // The newest record is rewritten, and then another one follows.
    let clean = board.clone();
    let mut next = clean.clone();
    let (mut updater, _) = next.start(&device).expect("starts");
    updater.step(T::ServiceMode, Detail::default()).expect("in order");
    updater.flush();
    let (at, end) = newest(clean.flash.image());
    let mut flash = next.flash.image().to_vec();
    let place = flash[at..end].windows(32).position(|it| it == [1; 32]).expect("an image") + at;
    let entry = flash[at..end].windows(32).rposition(|it| it == [1; 32]).expect("an image") + at;
    assert!(entry > place, "in the note, and in the statement");
    flash[entry] ^= 1;
    seal(&mut flash[at..end]);
    board.flash = SimFlash::from_image(flash, PAGE, WORD, 1);
    let (said, ..) = start(&mut board, &device);
    assert_eq!(said, [T::TamperDetected]);
    // It is told: no other start says it again.
    let (said, ..) = start(&mut board, &device);
    assert_eq!(said, []);
}

/// While an update is on trial, the note says that it is of another image, or of none.
#[test]
fn upd_035_a_forged_note_hides_no_trial() {
    use Resume::{Decide, Idle};
    const TRIED: &[T] = &[T::BootOk];
    const WENT_BACK: &[T] = &[T::BootFailed, T::RollbackStarted, T::RolledBack];
    let device = Device::new(1);
    let mut tried = Board::new(LogBeforeInstall::Required);
    while tried.boots == image(1) {
        assert!(!tried.live(&device).expect("lives"));
    }
    for forged in [66, 1] {
        for (boots, expected, resume) in
            [(66, &[T::UnexpectedVersion][..], Idle), (2, TRIED, Decide), (1, WENT_BACK, Idle)]
        {
            let mut board = tried.clone();
            forge(&mut board, |note| put(note, TARGET, forged));
            board.boots = image(boots);
            let (said, went_on, _) = start(&mut board, &device);
            assert_eq!((&*said, went_on), (expected, resume), "forged {forged}, boots {boots}");
            let last = board.updates().expect("readable").pop().expect("one");
            assert_eq!(last.image.0, image(if boots == 66 { 66 } else { 2 }).sha256);
        }
    }
}

/// Where the end of the chain is hidden nothing is compared until it is found: then it is, and by
/// what was said.
#[test]
fn upd_035_a_damaged_end_hides_no_forged_note() {
    let device = Device::new(1);
    let mut board = board(&device, true);
    let (next, hash) = board.start(&device).expect("starts").0.journal().next().expect("known");
    let head = ChainHead { seq: next.checked_sub(1), hash };
    forge(&mut board, |note| {
        put(note, COMMITTED, 66);
        put(note, TARGET, 66);
    });
    // In both copies of the head one more record is counted than there is.
    let mut flash = board.flash.image().to_vec();
    for copy in [0, PAGE] {
        let mut marks = flash[copy + FRAME..copy + PAGE].chunks_exact_mut(WORD);
        let free = marks.find(|word| word.iter().all(|byte| *byte == 0xff));
        free.expect("room for a mark").fill(0);
    }
    board.flash = SimFlash::from_image(flash, PAGE, WORD, 1);
    board.boots = image(66);
    let (mut updater, started) = board.start(&device).expect("starts");
    assert_eq!((started.resume, updater.journal().next()), (Resume::Idle, None));
    updater.resume(&head, None, Some(image(66))).expect("goes on");
    assert_eq!(said_from(next, &mut board), [T::LogGap, T::UnexpectedVersion]);
}

/// An update that is over, or never began to write, is not on trial, whatever the note says.
#[test]
fn upd_035_a_forged_note_puts_nothing_back_on_trial() {
    let device = Device::new(1);
    let detail = Detail::default();
    let mut rolled_back = Board::new(LogBeforeInstall::Required);
    rolled_back.good = false;
    while !rolled_back.live(&device).expect("lives") {}
    let upto = |installs: bool| {
        let mut board = Board::new(LogBeforeInstall::Required);
        let target = board.target;
        let (mut updater, _) = board.start(&device).expect("starts");
        for step in [T::Check, T::DownloadStarted, T::Downloaded] {
            updater.step(step, detail).expect("in order");
        }
        updater.verified(target, detail).expect("in order");
        if installs {
            updater.install_started(detail).expect("recorded");
            updater.step(T::InstallFailed, detail).expect("in order");
        }
        updater.flush();
        board
    };
    for (what, over) in
        [("rolled back", rolled_back), ("verified", upto(false)), ("failed", upto(true))]
    {
        for last in 46..=55u8 {
            let mut board = over.clone();
            forge(&mut board, |note| {
                note[LAST] = last;
                put(note, TARGET, 2);
            });
            board.boots = image(2);
            let (said, resume, _) = start(&mut board, &device);
            let expected = ([T::UnexpectedVersion].as_slice(), Resume::Idle);
            assert_eq!((said.as_slice(), resume), expected, "{what}, last step {last}");
        }
    }
}

/// While one really is on trial, its last step is the one that was said.
#[test]
fn upd_035_a_forged_step_ends_no_trial() {
    let device = Device::new(1);
    let mut tried = Board::new(LogBeforeInstall::Required);
    while tried.boots == image(1) {
        assert!(!tried.live(&device).expect("lives"));
    }
    for last in [0].into_iter().chain(40..=56).chain(70..=76) {
        let mut board = tried.clone();
        forge(&mut board, |note| note[LAST] = last);
        board.boots = image(2);
        let (said, resume, _) = start(&mut board, &device);
        assert_eq!((said.as_slice(), resume), ([T::BootOk].as_slice(), Resume::Decide), "{last}");
    }
}
