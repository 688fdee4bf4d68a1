//! The table of docs/safety/determinism.md: the most that a call took of key and flash, over lives
//! of devices that a seed decides, undisturbed ones and ones with cuts, failures, wear and damage.

use crate::board::{Board, Cost, RUNNING};
use crate::{compare, grouped};
use firmlog_capi::*;
use firmlog_sim::Random;
use std::collections::BTreeMap;

/// Pages, bytes of a page, bytes of a word.
type Size = (u32, u32, u32);

/// A small flash and a larger one, how many lives on it, and of how many calls: enough to fill it.
const FLASHES: [(Size, u64, usize); 2] = [((8, 1024, 4), 150, 120), ((24, 2048, 8), 40, 400)];

const HEADING: &str = "| Call | Signatures | Programs | Erases | Bytes read | of the flash | With \
                       faults: signatures | Programs | Erases | Bytes read | of the flash |\n\
                       |---|---|---|---|---|---|---|---|---|---|---|\n";

/// The most that each call took.
type Worst = BTreeMap<&'static str, Cost>;

#[test]
fn the_document_tells_what_a_call_costs_at_most() {
    let mut table = String::new();
    for ((pages, page, word), lives, calls) in FLASHES {
        let worst = |is_disturbed| worst((pages, page, word), lives, calls, is_disturbed);
        let (undisturbed, disturbed) = (worst(false), worst(true));
        let bytes = u64::from(pages * page);
        table += &format!(
            "\n{pages} pages of {} bytes, words of {word}; {lives} lives of {calls} calls:\n\n",
            grouped(u64::from(page))
        );
        table += HEADING;
        for (call, most) in &disturbed {
            let calm = undisturbed.get(call).copied().unwrap_or_default();
            let cells = [calm, *most].map(|it| cells(&it, bytes)).concat();
            table += &format!("| {call} |{cells}\n");
        }
    }
    compare("determinism.md", &table);
}

fn cells(cost: &Cost, flash: u64) -> String {
    let Cost { signatures, programs, erases, read } = *cost;
    let share = read as f64 / flash as f64;
    format!(" {signatures} | {programs} | {erases} | {} | {share:.1} × |", grouped(read))
}

fn worst(size: Size, lives: u64, calls: usize, is_disturbed: bool) -> Worst {
    let mut worst = Worst::new();
    for seed in 0..lives {
        live(&mut Random::new(seed), size, calls, is_disturbed, &mut worst);
    }
    worst
}

/// Counts what a call takes.
fn count<T>(
    board: &mut Board,
    worst: &mut Worst,
    name: &'static str,
    call: impl FnOnce(&mut Board) -> T,
) -> T {
    board.cost();
    let done = call(board);
    let cost = board.cost();
    let most = worst.entry(name).or_default();
    most.signatures = most.signatures.max(cost.signatures);
    most.programs = most.programs.max(cost.programs);
    most.erases = most.erases.max(cost.erases);
    most.read = most.read.max(cost.read);
    done
}

/// One device, from its enrolment on.
fn live(random: &mut Random, size: Size, calls: usize, is_disturbed: bool, worst: &mut Worst) {
    let (pages, page, word) = size;
    let mut board = Board::new(pages, page, word);
    board.config.log_before_install = (random.below(2) as u8).min(1);
    assert_eq!(count(&mut board, worst, "`firmlog_format`", Board::format), Status::Ok);
    if is_disturbed && random.one_in(8) {
        let at = u32::try_from(random.below(u64::from(pages * page))).expect("small");
        board.flash().faults.stuck = vec![(at, 1 << random.below(8), 0)];
    }
    let mut runs = RUNNING;
    let (mut next, mut is_open) = (0, false);
    for _ in 0..calls {
        if !is_open || random.one_in(20) {
            board.power_cycle();
            if is_disturbed && random.one_in(6) {
                damage(&mut board, random);
            }
            runs = if random.one_in(3) { image(random) } else { runs };
            disturb(&mut board, random, is_disturbed);
            let status = count(&mut board, worst, "`firmlog_start`", |board| board.start(&runs));
            is_open = !settle(&mut board) && status == Status::Ok;
            continue;
        }
        disturb(&mut board, random, is_disturbed);
        call(&mut board, random, &mut next, worst);
        is_open = !settle(&mut board);
    }
}

/// A fault in the next call, now and then: power goes, or one operation fails.
fn disturb(board: &mut Board, random: &mut Random, is_disturbed: bool) {
    if is_disturbed && random.one_in(5) {
        match random.below(3) {
            0 => board.flash().faults.cut_after = Some(random.below(6000)),
            _ => board.hiccup(random.below(8) as u32, random.one_in(2)),
        }
    }
}

/// What did not come is forgotten. After a cut, which this tells, the context is of no use.
fn settle(board: &mut Board) -> bool {
    board.no_hiccup();
    board.flash().faults.cut_after = None;
    board.flash().is_dead()
}

/// Flash loses a bit, a piece of a page, or a page.
fn damage(board: &mut Board, random: &mut Random) {
    let page = board.config.flash.page_bytes as usize;
    let mut image = board.image();
    let pages = image.len() / page;
    let place = random.below(pages as u64) as usize;
    match random.below(3) {
        0 => image[place * page + random.below(page as u64) as usize] ^= 1,
        1 => image[place * page..][..page].fill(0xff),
        _ => image[place * page + page / 2..][..page / 2].fill(0),
    }
    board.put_image(image);
}

fn image(random: &mut Random) -> Image {
    let number = random.below(3) as u8 + 1;
    Image { version: number.into(), counter: 1, sha256: [number; 32] }
}

const STEPS: &str = "a step: `firmlog_step`, `_verified`, `_install_started`, `_committed`, \
                     `_refuse`, `_flush`";

/// One call, whichever the seed decides; what it is told does not matter here.
fn call(board: &mut Board, random: &mut Random, next: &mut u64, worst: &mut Worst) {
    const EVENTS: [Event; 12] = [
        Event::Check,
        Event::DownloadStarted,
        Event::Downloaded,
        Event::Installed,
        Event::Reboot,
        Event::InstallFailed,
        Event::RollbackStarted,
        Event::RolledBack,
        Event::TamperDetected,
        Event::TamperDetected,
        Event::ServiceMode,
        Event::InstalledState,
    ];
    let target = Target { image: image(random), release: [3; 32] };
    let mut bytes = [0; 640];
    match random.below(20) {
        0..=6 => {
            let event = EVENTS[random.below(12) as usize];
            count(board, worst, STEPS, |board| board.step(event));
        }
        7 => drop(count(board, worst, STEPS, |board| board.verified(&target))),
        8 => drop(count(board, worst, STEPS, Board::install_started)),
        9 => drop(count(board, worst, STEPS, Board::committed)),
        10 => {
            let event = Event::RefusedDowngrade;
            count(board, worst, STEPS, |board| board.refuse(event, &target.image));
        }
        11 => drop(count(board, worst, STEPS, Board::flush)),
        12 | 13 => {
            let said = board.next().unwrap_or_default();
            let behind = random.below(8);
            count(board, worst, "`firmlog_confirm`", |b| b.confirm(said.saturating_sub(behind)));
        }
        14 => {
            let seq = board.next().unwrap_or(*next).saturating_sub(random.below(20));
            let _ = count(board, worst, "`firmlog_entry`", |board| board.entry(seq, &mut bytes));
        }
        15 | 16 => {
            let events = [Event::ServiceMode];
            let build = |board: &mut Board| board.build(&events, &mut bytes);
            if let Ok(len) = count(board, worst, "`firmlog_statement_build`", build) {
                let append = |board: &mut Board| board.append(&mut bytes, len);
                count(board, worst, "`firmlog_statement_append`", append);
            }
        }
        17 => {
            let resume = |board: &mut Board| board.resume(*next, [9; 32]);
            count(board, worst, "`firmlog_chain_resume`", resume);
        }
        18 => {
            let _ = count(board, worst, "`firmlog_entry_oldest`", Board::oldest);
        }
        _ => {
            count(board, worst, "`firmlog_chain_next`, `_room`, `_progress`, `_note`", |board| {
                board.look();
            });
        }
    }
    *next = board.next().unwrap_or(*next).max(*next);
}
