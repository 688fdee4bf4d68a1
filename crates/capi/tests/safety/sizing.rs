//! The tables of docs/safety/sizing.md: how long a device may be offline, from journals that are
//! filled by real steps until one is not recorded.

use crate::board::Board;
use crate::{compare, grouped};
use firmlog_capi::*;
use std::collections::BTreeMap;

/// Bytes of a page, bytes of a word, and how many pages.
const FLASHES: [(u32, u32, &[u32]); 3] =
    [(1024, 4, &[8, 16, 32, 64]), (2048, 8, &[8, 16, 32, 64]), (4096, 8, &[6, 8, 16, 32])];
/// Updates a day, beside one heartbeat.
const UPDATES: [u32; 3] = [0, 1, 4];

#[test]
fn the_document_tells_how_long_a_flash_lasts_offline() {
    let mut table = String::from(
        "\n| Pages | Page, bytes | In all, KiB | Reserve, pages | Heartbeats alone, days | and 1 \
         update a day, days | and 4 updates a day, days | Urgent statements recorded then |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (page, word, counts) in FLASHES {
        for &pages in counts {
            let mut board = Board::started(pages, page, word);
            let reserve = board.room().reserve_pages;
            let days = UPDATES.map(|updates| days(pages, page, word, updates).to_string());
            let urgent = urgent_when_full(pages, page, word);
            table += &format!(
                "| {pages} | {} | {} | {reserve} | {} | {urgent} |\n",
                grouped(page.into()),
                pages * page / 1024,
                days.join(" | ")
            );
        }
    }
    compare("sizing.md", &(table + &sizes() + &endurance()));
}

/// The formula of docs/spec/journal.md, with as many statements on a page as found room there.
fn endurance() -> String {
    let mut table = String::from(
        "\n| Page, bytes | Word, bytes | Statements on a page | A receipt for each | Erases of a \
         head's copy for each page filled | Statements until it was erased 10,000 times |\n\
         |---|---|---|---|---|---|\n",
    );
    for (page, word, _) in FLASHES {
        let pages = 16;
        let routine = pages - 2 - Board::started(pages, page, word).room().reserve_pages;
        // The first statement says that recording began.
        let on_page = (days(pages, page, word, 0) + 1) / routine;
        for receipt in [1, on_page].into_iter().take(on_page.min(2) as usize) {
            let (s, r, page) = (f64::from(on_page), f64::from(receipt), f64::from(page));
            let erases = (s * f64::from(word) + 128.0 * (2.0 + s / r)) / page;
            let statements = (10_000.0 / erases * s / 1000.0).floor() as u64 * 1000;
            table += &format!(
                "| {} | {word} | {on_page} | {receipt} | {erases:.2} | {} |\n",
                grouped(page as u64),
                grouped(statements)
            );
        }
    }
    table
}

/// Whole days that a device without a network records, up to the first step that is not.
fn days(pages: u32, page: u32, word: u32, updates: u32) -> u32 {
    let mut board = Board::started(pages, page, word);
    let mut version = 1;
    for day in 0.. {
        if !heartbeat(&mut board) {
            return day;
        }
        for _ in 0..updates {
            version += 1;
            if !update(&mut board, version) {
                return day;
            }
        }
    }
    unreachable!("every flash is full in the end")
}

/// One statement: what runs.
fn heartbeat(board: &mut Board) -> bool {
    board.step(Event::InstalledState) == Status::Ok && board.flush() == Status::Ok
}

fn target(version: u64) -> Target {
    let [.., low] = version.to_be_bytes();
    let image = Image { version, counter: 1, sha256: [low | 1 << 7; 32] };
    Target { image, release: [3; 32] }
}

/// A whole update, in the three statements of docs/spec/update.md.
fn update(board: &mut Board, version: u64) -> bool {
    let target = target(version);
    let mut is_recorded = true;
    for event in [Event::Check, Event::DownloadStarted, Event::Downloaded] {
        is_recorded &= board.step(event) == Status::Ok;
    }
    is_recorded &= board.verified(&target) == Status::Ok;
    is_recorded &= board.install_started() == Status::Ok;
    is_recorded &= board.step(Event::Installed) == Status::Ok;
    is_recorded &= board.step(Event::Reboot) == Status::Ok;
    board.power_cycle();
    is_recorded &= board.start(&target.image) == Status::Ok;
    is_recorded && board.committed() == Status::Ok
}

/// How many urgent statements find room once routine ones do not.
fn urgent_when_full(pages: u32, page: u32, word: u32) -> u32 {
    let mut board = Board::started(pages, page, word);
    while heartbeat(&mut board) {}
    let mut count = 0;
    while board.step(Event::TamperDetected) == Status::Ok {
        count += 1;
    }
    count
}

/// What statements measure, by their events.
fn sizes() -> String {
    let mut board = Board::started(64, 2048, 8);
    assert!(heartbeat(&mut board) && update(&mut board, 2));
    assert_eq!(board.refuse(Event::RefusedBadSignature, &target(3).image), Status::Ok);
    let mut sizes = BTreeMap::new();
    let mut entry = [0; 640];
    for seq in 0..board.next().expect("is known") {
        let len = board.entry(seq, &mut entry).expect("is there");
        let parsed = firmlog_statement::Parsed::parse(&entry[..len]).expect("a statement");
        let update = parsed.update().expect("an update");
        let names: Vec<&str> = update.events.iter().map(|event| event.kind.name()).collect();
        sizes.insert(seq, (names.join(", "), len));
    }
    let mut table = String::from("\n| Statement | Bytes |\n|---|---|\n");
    for (names, len) in sizes.into_values() {
        table += &format!("| {names} | {len} |\n");
    }
    table
}
