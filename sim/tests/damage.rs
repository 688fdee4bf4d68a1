//! Bits that change, and flash that is copied or put back.

use firmlog_agent::journal::{Error, Finding, Journal};
use firmlog_sim::SimFlash;
use firmlog_sim::history::{self, PAGE, SimJournal, Step, WORD, World};
use firmlog_statement::chain::{ChainHead, Verdict, judge};
use firmlog_statement::event::EventType as T;
use firmlog_statement::{ChainEntry, Parsed, entry_hash};

/// JRN-002, JRN-040, JRN-041: whichever bit of the flash changes, it is reported, and what cannot
/// be read is named, never left out.
#[test]
fn jrn_040_every_flipped_bit_is_reported() {
    let histories = history::scripted();
    let wrap = histories.iter().find(|(name, _)| *name == "wrap").expect("that history");
    let (world, journal) = play(&wrap.1);
    let flash = journal.into_flash();
    for bit in 0..flash.image().len() * 8 {
        flip(&world, &flash, bit);
    }
    for (name, steps) in &histories {
        let (world, journal) = play(steps);
        assert!(world.said.len() > 3, "{name}");
        let flash = journal.into_flash();
        (0..flash.image().len() * 8).step_by(41).for_each(|bit| flip(&world, &flash, bit));
    }
}

fn flip(world: &World, flash: &SimFlash, bit: usize) {
    let mut flash = SimFlash::from_image(flash.image().to_vec(), PAGE, WORD, 1);
    flash.flip(bit);
    let (mut journal, report) =
        Journal::<_, PAGE, WORD>::open(&mut flash).unwrap_or_else(|e| panic!("bit {bit}: {e}"));
    assert!(!report.is_clean(), "bit {bit} is not reported");
    let oldest = world.covered.min(journal.oldest().expect("readable"));
    let mut buffer = [0; 1024];
    for (seq, said) in world.said.iter().enumerate().skip(oldest as usize) {
        match journal.statement(seq as u64, &mut buffer).expect("readable") {
            Some(len) => assert_eq!(&buffer[..len], said, "bit {bit}: statement {seq}"),
            None if (seq as u64) < world.covered => {}
            None => assert!(report.losses() > 0, "bit {bit}: statement {seq} is left out"),
        }
    }
    if report.losses() == 0 {
        assert_eq!(journal.next(), Some(world.place()), "bit {bit}");
    } else if let Some(next) = journal.next() {
        assert_eq!(next, world.place(), "bit {bit}: another end of the chain");
    }
}

fn play(steps: &[Step]) -> (World, SimJournal) {
    let mut world = World::new(1);
    let mut journal = world.format(1);
    steps.iter().for_each(|step| world.play(*step, &mut journal).expect("plays"));
    world.check(&mut journal).expect("as it should be");
    (world, journal)
}

fn say(events: &[T]) -> Vec<Step> {
    events.iter().map(|event| Step::Say(*event)).collect()
}

/// JRN-042: where damage hides the end of the chain nothing is appended, so that no fork is made by
/// accident; the log's head tells where to go on.
#[test]
fn jrn_042_a_hidden_end_is_asked_for() {
    let (world, journal) = play(&say(&[T::LoggerStarted, T::InstalledState, T::Check]));
    let mut flash = journal.into_flash();
    let last = &world.said[2];
    let at = flash.image().windows(last.len()).position(|window| window == last).expect("there");
    flash.flip((at + 5) * 8);
    let (mut journal, report) = SimJournal::open(flash).expect("opens");
    assert!(report.findings().any(|f| matches!(f, Finding::RecordDamaged { .. })));
    assert_eq!(journal.next(), None);
    let mut next = world.clone();
    assert_eq!(next.play(Step::Say(T::Check), &mut journal), Err(Error::ChainUnknown));
    // The log may not have seen what the journal still holds.
    let behind = ChainHead { seq: Some(0), hash: entry_hash(&world.said[0]) };
    assert_eq!(journal.resume(&behind), Err(Error::NotNext));
    let head = ChainHead { seq: Some(2), hash: entry_hash(last) };
    journal.resume(&head).expect("goes on");
    assert_eq!(journal.next(), Some(world.place()));
    next.play(Step::Say(T::LogGap), &mut journal).expect("appends");
    let (journal, report) = SimJournal::open(journal.into_flash()).expect("opens");
    assert!(report.losses() > 0, "damage is reported each time: {report:?}");
    assert_eq!(journal.next(), Some(next.place()));
}

/// JRN-043: both copies of the head damaged: nothing is erased, nothing written.
#[test]
fn jrn_043_without_a_head_nothing_is_touched() {
    let (_, journal) = play(&say(&[T::LoggerStarted, T::InstalledState]));
    let mut flash = journal.into_flash();
    flash.flip(9 * 8);
    flash.flip((PAGE + 9) * 8);
    flash.clear_tally();
    let before = flash.image().to_vec();
    assert_eq!(Journal::<_, PAGE, WORD>::open(&mut flash).err(), Some(Error::HeadLost));
    assert_eq!((flash.image(), flash.tally.bytes), (&before[..], 0));
    let mut blank = SimFlash::new(6, PAGE, WORD, 1);
    assert_eq!(Journal::<_, PAGE, WORD>::open(&mut blank).err(), Some(Error::Unformatted));
    let mut small = SimFlash::new(5, PAGE, WORD, 1);
    assert_eq!(Journal::<_, PAGE, WORD>::open(&mut small).err(), Some(Error::Geometry));
}

/// JRN-020, JRN-021: at most two program operations on each page touched, no erase but to free a
/// page, and all data pages wear alike.
#[test]
fn jrn_020_two_operations_a_page_and_even_wear() {
    let mut world = World::new(1);
    let mut journal = world.format(1);
    let mut wear = [0; history::PAGES];
    let mut erasing = 0;
    for _ in 0..600 {
        let mut flash = journal.into_flash();
        flash.clear_tally();
        journal = SimJournal::open(flash).expect("opens").0;
        world.play(Step::Say(T::InstalledState), &mut journal).expect("has room");
        let tally = &journal.flash().tally;
        assert!(tally.programs.iter().all(|programs| *programs <= 2), "{tally:?}");
        erasing += u32::from(tally.erases.iter().any(|erases| *erases > 0));
        wear.iter_mut().zip(&tally.erases).for_each(|(sum, erases)| *sum += erases);
        world.play(Step::Receipt(0), &mut journal).expect("covers");
    }
    let data = &wear[2..];
    let (least, most) = (data.iter().min().unwrap(), data.iter().max().unwrap());
    assert!(most - least <= 1, "{wear:?}");
    assert!(erasing < 600 / 2, "{erasing} of 600 appends erased a page");
}

/// JRN-001, JRN-003: only the next statement of the chain is taken, and no entry that does not fit.
#[test]
fn jrn_003_only_the_next_statement_is_taken() {
    use firmlog_agent::journal::{Append, Class, Covered, Note};
    let (world, mut journal) = play(&say(&[T::LoggerStarted, T::InstalledState]));
    let append = |entry: &[u8], journal: &mut SimJournal| {
        let class = Class::Urgent;
        let entry = ChainEntry::parse(entry).expect("an update");
        journal.append(&Append {
            entry,
            note: &Note::EMPTY,
            class,
            tells_of_dropped: false,
            tells_of_lost: false,
        })
    };
    assert_eq!(append(&world.said[1], &mut journal), Err(Error::NotNext));
    let more = Covered { next: 3, size: 9, root: [0; 32] };
    assert_eq!(journal.cover(more), Err(Error::NotCovering));
    world.check(&mut journal).expect("as it was");
}

/// JRN-050: a second board with the same flash and key, and an old image put back, each end in a
/// second statement of the same seq: the log's rule calls it a fork and keeps both.
#[test]
fn jrn_050_copies_and_old_images_show_in_the_log() {
    let (world, journal) = play(&say(&[T::LoggerStarted, T::InstalledState]));
    let (mut one, mut other) = (world.clone(), world);
    let mut copy = journal.clone();
    let mut journal = journal;
    let mut head = ChainHead::enrolled(history::SEED);
    for entry in &one.said {
        assert_eq!(judged(&mut head, entry), Verdict::Next);
    }
    one.play(Step::Say(T::Check), &mut journal).expect("plays");
    assert_eq!(judged(&mut head, &one.said[2]), Verdict::Next);
    other.play(Step::Say(T::ServiceMode), &mut copy).expect("the copy does not know");
    assert_eq!(judged(&mut head, &other.said[2]), Verdict::Fork);
    // An old image opens without a finding: only who saw what came later can tell.
    let old = copy.into_flash();
    one.play(Step::Say(T::Check), &mut journal).expect("plays");
    assert_eq!(judged(&mut head, &one.said[3]), Verdict::Next);
    let (mut restored, report) = SimJournal::open(old).expect("opens");
    assert!(report.is_clean());
    other.play(Step::Say(T::Check), &mut restored).expect("plays");
    assert_eq!(judged(&mut head, &other.said[3]), Verdict::Fork);
}

/// What the log says, and its head afterwards.
fn judged(head: &mut ChainHead, entry: &[u8]) -> Verdict {
    let parsed = Parsed::parse(entry).expect("a statement");
    let front = parsed.update_head().expect("an update");
    let verdict = judge(head, front.seq, &front.prev, &parsed.entry_hash());
    if verdict == Verdict::Next {
        *head = head.advance(front.seq, parsed.entry_hash());
    }
    verdict
}
