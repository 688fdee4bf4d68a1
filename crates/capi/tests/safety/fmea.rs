//! The analysis in docs/safety/fmea.md: every status has its row, every row its test, and the tests
//! here show what flash and chain are by the time a status is told.

use crate::board::{Board, RUNNING};
use crate::document;
use firmlog_capi::*;
use std::path::Path;

/// Statuses that no function of this version returns.
const NEVER: [&str; 3] = ["FLASH_BOUNDS", "NOT_AN_UPDATE", "BUG"];

const TARGET: Target =
    Target { image: Image { version: 2, counter: 1, sha256: [2; 32] }, release: [3; 32] };

#[test]
fn every_status_has_a_row_and_a_test_that_shows_it() {
    let page = document("fmea.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let wanted = statuses();
    assert!(wanted.len() > 40);
    assert_eq!(rows.len(), wanted.len(), "as many rows as statuses");
    for (row, (variant, number)) in rows.iter().zip(&wanted) {
        let name = screaming(variant);
        let start = format!("| `{name}` {number} |");
        assert!(row.starts_with(&start), "{start} is missing, or out of order: {row}");
        assert_eq!(row.matches(" | ").count(), 5, "six cells: {row}");
        let tests: Vec<&str> =
            row.split('`').filter(|code| code.contains(".rs::") || code.ends_with(".c")).collect();
        if NEVER.contains(&name.as_str()) {
            assert!(row.contains("Not returned"), "{row}");
            continue;
        }
        assert!(!tests.is_empty(), "no test: {row}");
        assert!(tests.iter().any(|test| shows(test, variant, &name)), "{tests:?} show no {name}");
        tests.iter().for_each(|test| assert!(source(test).is_some(), "no {test}"));
    }
}

/// `Variant = 7` of the source, in its order.
fn statuses() -> Vec<(String, i32)> {
    let source = include_str!("../../src/status.rs");
    let body = source.split("pub enum Status {\n").nth(1).expect("the statuses");
    let lines = body.split("\n}").next().expect("its end").lines();
    let pairs = lines.filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "));
    pairs.map(|(name, number)| (name.to_string(), number.parse().expect("a number"))).collect()
}

/// `NullPointer` as C reads it: `NULL_POINTER`.
fn screaming(variant: &str) -> String {
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

/// The text of a test that a row names: a function of a file, or a whole C program.
fn source(test: &str) -> Option<String> {
    let (path, function) = test.split_once("::").unwrap_or((test, ""));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join(path)).ok()?;
    if function.is_empty() {
        return Some(text);
    }
    let body = text.split_once(&format!("fn {function}("))?.1;
    Some(body.split("\n}\n").next()?.to_string())
}

fn shows(test: &str, variant: &str, name: &str) -> bool {
    let words = [format!("Status::{variant}"), format!("EXPECT({name},"), format!("_{name}}}")];
    source(test).is_some_and(|text| words.iter().any(|word| text.contains(word)))
}

/// Does something that is to be refused: no word is programmed, no page erased, and the chain stays
/// where it stood.
fn untouched<T>(board: &mut Board, call: impl FnOnce(&mut Board) -> T) -> T {
    let (image, next) = (board.image(), board.next());
    board.cost();
    let done = call(board);
    let cost = board.cost();
    assert_eq!((cost.programs, cost.erases), (0, 0), "flash was written");
    assert!(board.image() == image, "flash was changed");
    assert_eq!(board.next(), next, "the chain moved");
    done
}

/// Up to where `install_started` is next.
fn verify(board: &mut Board) {
    for event in [Event::Check, Event::DownloadStarted, Event::Downloaded] {
        assert_eq!(board.step(event), Status::Ok);
    }
    assert_eq!(board.verified(&TARGET), Status::Ok);
}

#[test]
fn what_a_caller_gets_wrong_changes_nothing() {
    let mut board = Board::started(8, 1024, 4);
    untouched(&mut board, |board| {
        let mut none = [0; 0];
        assert_eq!(board.start(&RUNNING), Status::AlreadyOpen);
        assert_eq!(board.entry(0, &mut none), Err(Status::BufferTooSmall));
        assert_eq!(board.entry(77, &mut [0; 640]), Err(Status::NotFound));
        assert_eq!(board.remember(&[0; 193]), Status::Range);
        assert_eq!(board.remember(&[1]), Status::NotBesideMachine);
        assert_eq!(board.build(&[Event::Installed], &mut [0; 640]), Err(Status::NotBesideMachine));
        assert_eq!(board.build(&[], &mut [0; 640]), Err(Status::Events));
        assert_eq!(board.build(&[Event::ServiceMode; 17], &mut [0; 640]), Err(Status::Events));
        assert_eq!(board.build(&[Event::ServiceMode], &mut [0; 10]), Err(Status::BufferTooSmall));
        assert_eq!(board.refuse(Event::Check, &RUNNING), Status::UnknownCode);
    });
    assert_eq!(board.close(), Status::Ok);
    assert_eq!(board.close(), Status::NotOpen);
    assert_eq!(board.step(Event::Check), Status::NotOpen);
}

#[test]
fn a_configuration_that_is_refused_changes_nothing() {
    let mut board = Board::started(8, 1024, 4);
    assert_eq!(board.close(), Status::Ok);
    let good = board.config;
    let start = |board: &mut Board, change: &dyn Fn(&mut Config)| {
        board.config = good;
        change(&mut board.config);
        let status = untouched(board, |board| board.start(&RUNNING));
        board.config = good;
        status
    };
    assert_eq!(start(&mut board, &|it| it.flash.erase = None), Status::NoCallback);
    assert_eq!(start(&mut board, &|it| it.issuer = c"".as_ptr()), Status::Name);
    assert_eq!(start(&mut board, &|it| it.key.public_key = [0; 64]), Status::Key);
    assert_eq!(start(&mut board, &|it| it.key.algorithm = 9), Status::UnknownCode);
    assert_eq!(start(&mut board, &|it| it.flash.word_bytes = 16), Status::GeometryNotBuilt);
    assert_eq!(start(&mut board, &|it| it.flash.page_bytes = 1000), Status::Geometry);
    assert_eq!(start(&mut board, &|it| it.flash.pages = 5), Status::Geometry);
    assert_eq!(start(&mut board, &|it| it.flash.pages = 7), Status::OtherGeometry);
    assert_eq!(board.start(&RUNNING), Status::Ok);
}

#[test]
fn a_journal_that_cannot_be_read_is_left_alone() {
    let mut board = Board::new(8, 1024, 4);
    assert_eq!(untouched(&mut board, |board| board.start(&RUNNING)), Status::Unformatted);
    board = Board::started(8, 1024, 4);
    let mut image = board.image();
    image[..2048].fill(0x55);
    board.put_image(image);
    assert_eq!(untouched(&mut board, |board| board.start(&RUNNING)), Status::HeadLost);

    // A note that is none of the update machine's, as another version may write one.
    board = Board::formatted(8, 1024, 4);
    assert_eq!(board.open(), Status::Ok);
    assert_eq!(board.step(Event::Check), Status::NoMachine);
    assert_eq!(board.remember(b"another version's"), Status::Ok);
    assert_eq!(board.close(), Status::Ok);
    assert_eq!(untouched(&mut board, |board| board.start(&RUNNING)), Status::OtherFormat);
}

#[test]
fn a_format_that_is_cut_is_begun_again() {
    let mut board = Board::new(8, 1024, 4);
    board.flash().faults.cut_after = Some(5000);
    assert_eq!(board.format(), Status::FlashFailed);
    board.power_cycle();
    assert_eq!(untouched(&mut board, |board| board.start(&RUNNING)), Status::FormatCut);
    assert_eq!(board.format(), Status::Ok);
    assert_eq!(board.start(&RUNNING), Status::Ok);
}

#[test]
fn flash_that_fails_once_leaves_what_was_confirmed() {
    for is_done in [false, true] {
        for after in 0..3 {
            let mut board = Board::formatted(8, 1024, 4);
            assert_eq!(board.open(), Status::Ok);
            let mut tbs = [0; 640];
            let len = board.build(&[Event::ServiceMode], &mut tbs).expect("builds");
            board.hiccup(after, is_done);
            assert_eq!(board.append(&mut tbs, len), Status::FlashFailed);
            board.no_hiccup();
            // Nothing more is taken before it is opened again, and then it is as before or after.
            let refused = untouched(&mut board, |board| board.remember(&[1]));
            assert_eq!(refused, Status::NeedsOpening);
            assert_eq!(board.close(), Status::Ok);
            assert_eq!(board.open(), Status::Ok);
            let next = board.next().expect("is known");
            assert_eq!(board.entry(0, &mut tbs).is_ok(), next == 1, "{after} {is_done}");
            assert_eq!(next, u64::from(after > 0 || is_done), "whole once the record is on flash");
        }
    }
}

#[test]
fn flash_that_keeps_nothing_is_worn() {
    let mut board = Board::new(8, 1024, 4);
    board.flash().faults.stuck = vec![(3000, 1, 0)];
    assert_eq!(board.format(), Status::FlashWorn);
    board.power_cycle();
    board.flash().faults.stuck.clear();
    assert_eq!(board.start(&RUNNING), Status::FormatCut);
}

#[test]
fn what_has_no_room_changes_nothing_and_comes_back_with_a_receipt() {
    let mut board = Board::formatted(8, 1024, 4);
    assert_eq!(board.open(), Status::Ok);
    let mut tbs = [0; 640];
    let full = loop {
        match board.build(&[Event::ServiceMode], &mut tbs) {
            Ok(len) => assert_eq!(board.append(&mut tbs, len), Status::Ok),
            Err(status) => break status,
        }
    };
    assert_eq!(full, Status::Full);
    let again = untouched(&mut board, |board| board.build(&[Event::ServiceMode], &mut tbs));
    assert_eq!(again, Err(Status::Full));
    assert!(board.build(&[Event::RefusedUnsigned], &mut tbs).is_ok(), "the reserve is left");
    let next = board.next().expect("is known");
    assert_eq!(untouched(&mut board, |board| board.confirm(next + 1)), Status::NotCovering);
    assert_eq!(board.confirm(next), Status::Ok);
    assert!(board.build(&[Event::ServiceMode], &mut tbs).is_ok());
}

#[test]
fn a_statement_that_is_none_changes_nothing() {
    let mut board = Board::formatted(8, 1024, 4);
    assert_eq!(board.open(), Status::Ok);
    let mut tbs = [0; 1024];
    let len = board.build(&[Event::ServiceMode], &mut tbs).expect("builds");
    let copy = tbs;
    untouched(&mut board, |board| {
        let signed = board.append_signed(&mut tbs, len, &[0xff; 64]);
        assert_eq!(signed, Status::Signature);
        assert_eq!(board.cause(), Status::Signature.code());
        assert_eq!(board.append(&mut [0; 640], 100), Status::Statement);
        assert!(board.cause() > 1000, "the cause is the rule it breaks");
        tbs = copy;
        assert_eq!(board.append_signed(&mut tbs, 1025, &[1; 64]), Status::Range);
    });
    tbs = copy;
    assert_eq!(board.append(&mut tbs, len), Status::Ok);
    tbs = copy;
    assert_eq!(untouched(&mut board, |board| board.append(&mut tbs, len)), Status::NotNext);

    // With names of 250 bytes each and 16 events a statement is longer than one may be: whatever
    // room there is, nothing is there to be signed.
    let name = std::ffi::CString::new([b'a'; 250]).expect("a name");
    let mut board = Board::formatted(8, 1024, 4);
    (board.config.issuer, board.config.subject) = (name.as_ptr(), name.as_ptr());
    assert_eq!(board.open(), Status::Ok);
    for room in [640, 700, 1024] {
        let build = |board: &mut Board| {
            board.build(&[Event::ServiceMode; 16], &mut tbs[..room]).expect_err("too long")
        };
        assert_eq!(untouched(&mut board, build), Status::TooLong, "room of {room}");
    }
    assert_eq!(board.close(), Status::Ok);
    // The update machine refuses such names at its start.
    assert_eq!(untouched(&mut board, |board| board.start(&RUNNING)), Status::TooLong);
}

#[test]
fn a_hidden_end_takes_no_statement_and_withholds_an_install() {
    let mut board = Board::started(8, 1024, 4);
    for _ in 0..3 {
        assert_eq!(board.step(Event::TamperDetected), Status::Ok);
    }
    let (mut image, next) = (board.image(), board.next().expect("is known"));
    // The newest page of records is gone.
    let page = image.chunks(1024).rposition(|page| page.iter().any(|b| *b != 0xff)).expect("one");
    image[page * 1024..(page + 1) * 1024].fill(0xff);
    board.put_image(image.clone());
    let (status, started) = board.start_told(&RUNNING);
    assert_eq!((status, started.resume), (Status::Ok, Resume::Idle as u8));
    assert!(started.losses > 0);
    assert_eq!(board.next(), Err(Status::ChainUnknown));
    verify(&mut board);
    assert_eq!(untouched(&mut board, Board::install_started), Status::NotLogged);
    assert_eq!(board.cause(), Status::ChainUnknown.code());
    assert_eq!(untouched(&mut board, |board| board.resume(0, [9; 32])), Status::NotNext);
    board.key_answers(1);
    assert_eq!(board.resume(next, [9; 32]), Status::SignerRefused);
    board.key_answers(2);
    assert_eq!(board.resume(next, [9; 32]), Status::SignerUnavailable);
    board.key_answers(0);
    assert_eq!(board.next(), Err(Status::ChainUnknown), "as before");
    assert_eq!(board.resume(next, [9; 32]), Status::Ok);
    assert_eq!(board.next(), Ok(next + 1), "the gap is told");
    assert_eq!(board.install_started(), Status::Ok);
}

#[test]
fn an_install_that_cannot_be_recorded_is_withheld() {
    let mut board = Board::started(8, 1024, 4);
    assert_eq!(untouched(&mut board, Board::install_started), Status::OutOfOrder);
    assert_eq!(untouched(&mut board, Board::committed), Status::OutOfOrder);
    verify(&mut board);
    for (answer, cause) in [(1, Status::SignerRefused), (2, Status::SignerUnavailable)] {
        board.key_answers(answer);
        assert_eq!(untouched(&mut board, Board::install_started), Status::NotLogged);
        assert_eq!(board.cause(), cause.code());
    }
    board.key_answers(0);
    assert_eq!(board.room().dropped, 0, "it is not counted: it did not happen");
    assert_eq!(board.install_started(), Status::Ok);
}

#[test]
fn a_step_that_cannot_be_recorded_is_taken_and_counted() {
    let mut board = Board::started(8, 1024, 4);
    let next = board.next();
    board.key_answers(1);
    let (status, logged) = board.step_logged(Event::TamperDetected);
    assert_eq!((status, logged), (Status::Dropped, Some(Logged::Dropped)));
    assert_eq!(board.cause(), Status::SignerRefused.code());
    let room = board.room();
    assert_eq!((board.next(), room.dropped, room.untold), (next, 1, 1));
    board.key_answers(0);
    assert_eq!(board.step(Event::ServiceMode), Status::Ok);
    assert_eq!(board.flush(), Status::Ok);
    let room = board.room();
    assert_eq!((room.dropped, room.untold), (1, 0), "the next statement tells of it");
}

#[test]
fn another_key_is_seen_before_anything_is_said() {
    let mut board = Board::started(8, 1024, 4);
    assert_eq!(board.close(), Status::Ok);
    let first = board.key_id();
    board.takes_key(9);
    // A key that nobody told of, and one that is told of wrongly.
    for earlier in [[0; 32], [7; 32], board.key_id()] {
        board.config.earlier_key = earlier;
        assert_eq!(untouched(&mut board, |board| board.start(&RUNNING)), Status::OtherKey);
        assert_eq!(untouched(&mut board, Board::open), Status::OtherKey);
    }
    // A journal by itself takes what it is handed: whoever makes statements by hand says so.
    board.config.earlier_key = first;
    assert_eq!(board.open(), Status::Ok);
    assert_eq!(board.close(), Status::Ok);
    assert_eq!(board.start(&RUNNING), Status::Ok);
    assert_eq!(board.next(), Ok(2), "the rotation is said");
    assert_eq!(board.close(), Status::Ok);
    // Once, and the key before need not be told any more.
    for earlier in [first, [0; 32]] {
        board.config.earlier_key = earlier;
        assert_eq!(board.start(&RUNNING), Status::Ok);
        assert_eq!(board.next(), Ok(2));
        assert_eq!(board.close(), Status::Ok);
    }
    // The first key again, as after a roll-back to an image that still has it.
    board.takes_key(1);
    assert_eq!(untouched(&mut board, |board| board.start(&RUNNING)), Status::OtherKey);
}

#[test]
fn another_writer_is_seen_before_anything_is_written() {
    let mut board = Board::started(8, 1024, 4);
    assert_eq!(board.format(), Status::Ok);
    let next = board.next();
    board.cost();
    let image = board.image();
    assert_eq!(board.step(Event::TamperDetected), Status::Dropped);
    assert_eq!(board.cause(), Status::OtherWriter.code());
    assert!(board.image() == image && board.cost().programs == 0);
    assert_eq!(board.next(), next);
    assert_eq!(board.close(), Status::Ok);
    assert_eq!(board.start(&RUNNING), Status::Ok);
}

#[test]
fn an_answer_that_has_no_place_comes_after_the_deed() {
    let mut board = Board::formatted(8, 1024, 4);
    let mut room = [Started::default(); 2];
    let askew = room.as_mut_ptr().cast::<u8>().wrapping_add(1).cast();
    assert_eq!(board.start_to(&RUNNING, askew), Status::Alignment);
    assert_eq!(board.next(), Ok(1), "it is started all the same");
}
