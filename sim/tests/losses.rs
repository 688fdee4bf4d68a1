//! Parts of the flash that are lost: told, never passed over, and gone on from.

use firmlog_agent::journal::{Covered, Error, Finding, Journal};
use firmlog_sim::SimFlash;
use firmlog_sim::history::{PAGE, PAGES, SEED, SimJournal, WORD};
use firmlog_sim::losses::{End, LOSSES, Life, Loss, history, lose};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType as T;

/// JRN-041, JRN-042, JRN-045, JRN-046, JRN-048: histories that a seed decides, with lost pages,
/// halves, copies of the head, old content, cuts, brown-outs, and builds for other flash.
#[test]
fn jrn_041_what_is_lost_is_told_and_gone_on_from() {
    let mut ends = [0; 3];
    for seed in 0..400 {
        let end = history(seed, 60).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        ends[match end {
            End::Lived => 0,
            End::HeadLost => 1,
            End::Hole => 2,
        }] += 1;
    }
    assert!(ends.iter().all(|end| *end > 10), "{ends:?}");
}

/// Eight statements, of which the log has so many, and the journal before them.
fn spoken(delivered: usize) -> (Life, SimJournal, Vec<u8>) {
    let mut life = Life::new();
    let mut journal = life.format(1);
    let mut old = Vec::new();
    for n in 0..8 {
        if n == 3 {
            old = journal.flash().image().to_vec();
        }
        assert_eq!(life.say(T::InstallStarted, &mut journal), Ok(true));
        if n + 1 == delivered {
            life.deliver(&mut journal).expect("delivers");
        }
    }
    (life, journal, old)
}

fn flash(image: Vec<u8>) -> SimFlash {
    SimFlash::from_image(image, PAGE, WORD, 1)
}

/// JRN-041, JRN-042: whichever page is lost, in whichever way: as many records are told to be lost
/// as were, and where they are the newest the end is hidden. Of the head one copy is enough.
#[test]
fn jrn_041_each_page_lost_in_each_way() {
    for delivered in [0, 3, 8] {
        let (life, journal, old) = spoken(delivered);
        let sound = journal.into_flash().image().to_vec();
        for (page, loss) in (0..PAGES).flat_map(|page| LOSSES.map(|loss| (page, loss))) {
            let mut image = sound.clone();
            lose(&mut image, page, loss, &old);
            let changed = image != sound;
            let case = format!("{delivered} delivered, page {page}: {loss:?}");
            let (mut journal, report) =
                SimJournal::open(flash(image)).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert_eq!(report.is_clean(), !changed, "{case}");
            life.check(&mut journal, &report).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert!(page >= 2 || report.losses() == 0, "{case}: {report:?}");
            let mut buffer = [0; 1024];
            let gone = (0..8).filter(|seq| journal.statement(*seq, &mut buffer) == Ok(None));
            assert_eq!(report.losses(), gone.count() as u32, "{case}: {report:?}");
            let newest_is_gone = journal.statement(7, &mut buffer) == Ok(None);
            assert_eq!(journal.next().is_none(), newest_is_gone, "{case}");
            let end = life.clone().live_on(&mut journal).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert!(delivered < 8 || end == End::Lived, "{case}: {end:?}");
        }
    }
}

/// JRN-043, JRN-046: both copies of the head lost, or older than pages they do not lead to: nothing
/// is written or erased.
#[test]
fn jrn_043_without_a_head_that_leads_to_every_page_nothing_is_touched() {
    let (_, mut journal, _) = spoken(0);
    let mut heads = vec![journal.flash().image()[..2 * PAGE].to_vec()];
    let mut life = Life::new();
    let mut other = life.format(1);
    for _ in 0..30 {
        life.say(T::InstallStarted, &mut other).expect("says");
        life.deliver(&mut other).expect("delivers");
    }
    journal = other;
    for loss in [Loss::Blank, Loss::Garbage] {
        let mut lost = journal.flash().image().to_vec();
        (0..2).for_each(|page| lose(&mut lost, page, loss, &[]));
        heads.push(lost[..2 * PAGE].to_vec());
    }
    for head in heads {
        let mut image = journal.flash().image().to_vec();
        image[..2 * PAGE].copy_from_slice(&head);
        let mut flash = flash(image.clone());
        assert_eq!(Journal::<_, PAGE, WORD>::open(&mut flash).err(), Some(Error::HeadLost));
        assert_eq!((flash.image(), flash.tally.bytes), (&image[..], 0));
    }
}

/// JRN-046: heads that are older than pages they lead to: the pages are taken in, none is erased.
#[test]
fn jrn_046_pages_behind_an_older_head_are_taken_in() {
    let (life, journal, old) = spoken(0);
    let mut image = journal.into_flash().image().to_vec();
    image[..2 * PAGE].copy_from_slice(&old[..2 * PAGE]);
    let (mut journal, report) = SimJournal::open(flash(image)).expect("opens");
    assert!(report.findings().any(|it| it == Finding::RecordCompleted { number: 7 }));
    life.check(&mut journal, &report).expect("all of it is there");
    assert_eq!(journal.next().map(|(next, _)| next), Some(8));
    let (_, report) = SimJournal::open(journal.into_flash()).expect("opens");
    assert!(report.is_clean(), "{report:?}");
}

/// JRN-045: a gap is told once, however often the device starts, and told anew for new damage; what
/// was told of a page goes with it.
#[test]
fn jrn_045_a_loss_is_told_once() {
    let (mut life, journal, _) = spoken(8);
    let mut image = journal.into_flash().image().to_vec();
    lose(&mut image, 4, Loss::SecondHalf, &[]);
    let (mut journal, report) = SimJournal::open(flash(image)).expect("opens");
    assert!(report.losses() > 0);
    assert_eq!(journal.untold_lost(), report.losses());
    assert_eq!(life.say(T::LogGap, &mut journal), Ok(true));
    for _ in 0..3 {
        let (opened, report) = SimJournal::open(journal.into_flash()).expect("opens");
        journal = opened;
        assert!(report.losses() > 0, "it is still there");
        assert_eq!(journal.untold_lost(), 0, "and told");
    }
    let mut image = journal.into_flash().image().to_vec();
    lose(&mut image, 5, Loss::SecondHalf, &[]);
    journal = SimJournal::open(flash(image)).expect("opens").0;
    assert!(journal.untold_lost() > 0, "more is lost");
    assert_eq!(life.say(T::LogGap, &mut journal), Ok(true));
    for _ in 0..20 {
        life.deliver(&mut journal).expect("delivers");
        assert_eq!(life.say(T::InstallStarted, &mut journal), Ok(true));
    }
    let (mut journal, report) = SimJournal::open(journal.into_flash()).expect("opens");
    assert_eq!((report.losses(), journal.untold_lost()), (0, 0), "those pages are used again");
    let mut image = journal.flash().image().to_vec();
    let newest = life.clone().live_on(&mut journal);
    assert_eq!(newest, Ok(End::Lived));
    (2..PAGES).for_each(|page| lose(&mut image, page, Loss::Garbage, &[]));
    let (journal, report) = SimJournal::open(flash(image)).expect("opens");
    assert_eq!(journal.untold_lost(), report.losses());
    assert!(report.losses() > 0 && journal.next().is_none());
}

/// JRN-042: a chain that ends behind what a receipt covered is hidden, and a head behind that is
/// refused.
#[test]
fn jrn_042_never_behind_a_receipt() {
    let (life, mut journal, _) = spoken(0);
    journal.cover(Covered { next: 8, size: 9, root: [1; 32] }).expect("covers");
    let mut image = journal.into_flash().image().to_vec();
    (2..PAGES).for_each(|page| lose(&mut image, page, Loss::Blank, &[]));
    let (mut journal, _) = SimJournal::open(flash(image)).expect("opens");
    assert_eq!((journal.next(), journal.readable()), (None, (0, [0; 32])));
    let behind = ChainHead { seq: Some(6), hash: [6; 32] };
    assert_eq!(journal.resume(&behind), Err(Error::NotNext));
    assert_eq!(journal.resume(&ChainHead { seq: Some(7), hash: [7; 32] }), Ok(()));
    drop(life);
}

/// JRN-047: power cut at every byte of formatting: what was there before opens, or it is told that
/// formatting is to be done again; never that a head is lost.
#[test]
fn jrn_047_a_cut_format_is_told() {
    let (life, journal, _) = spoken(8);
    for before in [journal.into_flash(), SimFlash::new(PAGES, PAGE, WORD, 3)] {
        let was_blank = before.image().iter().all(|byte| *byte == 0xff);
        let mut again = 0;
        for byte in (0..).step_by(13) {
            let mut flash = before.clone();
            flash.faults.cut_after = Some(byte);
            let made =
                Journal::<_, PAGE, WORD>::format(&mut flash, ChainHead::enrolled(SEED)).map(|_| ());
            flash.power_up();
            match Journal::<_, PAGE, WORD>::open(&mut flash) {
                Ok((mut journal, report)) if journal.next() == Some((0, SEED)) => {
                    assert!(report.losses() == 0 && journal.statement(0, &mut [0; 9]) == Ok(None));
                }
                Ok((journal, report)) => {
                    assert_eq!(journal.next().map(|(next, _)| next), Some(8), "byte {byte}");
                    assert!(report.losses() == 0 && !was_blank, "byte {byte}: {report:?}");
                }
                Err(Error::FormatCut) => again += 1,
                Err(Error::Unformatted) if was_blank => again += 1,
                Err(e) => panic!("byte {byte}: {e}"),
            }
            if made.is_ok() {
                break;
            }
        }
        assert!(again > 100, "{again}");
    }
    drop(life);
}

/// JRN-014: power goes in every start, again and again: pages are not used up, and the next install
/// is recorded.
#[test]
fn jrn_014_brown_outs_take_no_pages() {
    let (mut life, mut journal, _) = spoken(8);
    for round in 0..60u64 {
        let before = journal.free_pages();
        let mut flash = journal.into_flash();
        flash.faults.cut_after = Some(40 + round * 7 % 200);
        let mut cut = SimJournal::open(flash).expect("opens").0;
        let done = life.clone().say(T::LoggerStarted, &mut cut);
        assert!(done.is_err(), "round {round}: power went");
        flash = cut.into_flash();
        flash.power_up();
        let (opened, report) = SimJournal::open(flash).expect("opens");
        assert_eq!(report.losses(), 0, "round {round}");
        assert!(opened.free_pages() >= before, "round {round}: {report:?}");
        journal = opened;
    }
    assert_eq!(life.live_on(&mut journal), Ok(End::Lived));
}

/// JRN-025: however a page looks, opening reads the flash a few times over, and so does reading one
/// statement. The worst are pages of what may begin a record at every word.
#[test]
fn jrn_025_reads_are_bounded() {
    let (_, journal, _) = spoken(0);
    let sound = journal.into_flash().image().to_vec();
    let whole = sound.len() as u64;
    for fill in [0x01, 0x02, 0x00, 0xa5] {
        for page in 2..PAGES {
            let mut image = sound.clone();
            image[page * PAGE + 128..(page + 1) * PAGE].fill(fill);
            let (mut journal, _) = SimJournal::open(flash(image)).expect("opens");
            let opened = journal.flash().tally.read;
            assert!(opened < 9 * whole, "{fill:02x} in page {page}: {opened} of {whole} bytes");
            let mut one = [0; 1024];
            for seq in 0..9 {
                let before = journal.flash().tally.read;
                let _ = journal.statement(seq, &mut one).expect("readable");
                let read = journal.flash().tally.read - before;
                assert!(read < 4 * whole, "{fill:02x} in page {page}: {read} of {whole} bytes");
            }
        }
    }
}

/// The endurance of docs/spec/journal.md: how often a copy of the head is erased.
#[test]
fn the_head_wears_as_the_formula_says() {
    for receipts in [1, 2, 5] {
        let mut life = Life::new();
        let mut journal = life.format(1);
        let statements = 3000;
        for n in 0..statements {
            assert_eq!(life.say(T::InstallStarted, &mut journal), Ok(true));
            if n % receipts == 0 {
                life.deliver(&mut journal).expect("delivers");
            }
        }
        let erases = &journal.flash().tally.erases;
        let pages = f64::from(erases[2..].iter().sum::<u32>());
        let (s, page) = (f64::from(statements) / pages, PAGE as f64);
        let written = s * WORD as f64 + 128.0 * (2.0 + s / f64::from(receipts));
        let (least, most) = (pages * written / page, pages * written / (page - 127.0));
        let range = least * 0.98 - 1.0..most * 1.02 + 1.0;
        assert!(range.contains(&f64::from(erases[0])), "{erases:?}: {range:?}");
        // Formatting erases the first one twice.
        assert_eq!(erases[0], erases[1] + 1);
    }
}
