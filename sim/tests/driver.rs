//! A part or a driver that goes wrong: what was confirmed stays, and no number stands for two
//! statements.

use firmlog_agent::Journal;
use firmlog_agent::update::{Detail, Identity, LogBeforeInstall, Logged, Updater};
use firmlog_sim::board::{SimClock, image};
use firmlog_sim::device::Key;
use firmlog_sim::flash::Failing;
use firmlog_sim::history::SEED;
use firmlog_sim::{Device, Shared, SimFlash};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType as T;
use firmlog_statement::{Parsed, entry_hash};

/// Several statements fit on a page.
const PAGE: usize = 4096;
const WORD: usize = 8;

type SharedUpdater = Updater<'static, Shared, Key, SimClock, PAGE, WORD>;

fn updater(flash: &Shared) -> SharedUpdater {
    let device = Device::new(1);
    let names =
        Identity { device: device.id, issuer: "acme.example/devices", subject: "ip-200/app" };
    let mut clock = SimClock::default();
    clock.utc_ms = Some(1_800_000_000_000);
    Updater::new(flash.clone(), device.key().clone(), clock, names, LogBeforeInstall::Required)
}

fn start(flash: &Shared) -> SharedUpdater {
    let mut updater = updater(flash);
    updater.start(image(1)).expect("starts");
    updater
}

fn formatted() -> SimFlash {
    let flash = SimFlash::new(8, PAGE, WORD, 1);
    let start = ChainHead::enrolled(SEED);
    Journal::<_, PAGE, WORD>::format(flash, start).expect("blank flash").into_flash()
}

/// The statements on flash, each naming the one before, the last one at the end of the chain.
fn chain(flash: &SimFlash) -> Vec<Vec<u8>> {
    let opened = Journal::<_, PAGE, WORD>::open(flash.clone());
    let (mut journal, _) = opened.expect("opens");
    let (next, end) = journal.next().expect("known");
    let mut buffer = [0; 1024];
    let (mut chain, mut last) = (Vec::new(), None);
    for seq in journal.oldest().expect("reads")..next {
        let len = journal.statement(seq, &mut buffer).expect("reads").expect("there");
        let entry = buffer[..len].to_vec();
        let head = Parsed::parse(&entry).expect("parses").update_head().expect("an update");
        assert!(last.is_none_or(|hash| hash == head.prev), "statement {seq} names another");
        last = Some(entry_hash(&entry));
        chain.push(entry);
    }
    assert_eq!(last, Some(end), "the end is the newest statement");
    chain
}

/// JRN-013: with journals from empty to full, each read of a step has one wrong bit, once.
#[test]
fn jrn_013_one_wrong_read_leaves_one_history() {
    let flash = Shared::new(formatted());
    let mut filling = start(&flash);
    let (mut tried, mut left) = (0, 3);
    while left > 0 {
        filling.step(T::ServiceMode, Detail::default()).expect("in order");
        left -= u32::from(filling.flush() != Logged::Recorded);
        let so_far = flash.0.borrow().clone();
        for nth in 0.. {
            let flash = Shared::new(so_far.clone());
            let mut updater = start(&flash);
            flash.0.borrow_mut().faults.misread = Some(nth);
            updater.step(T::ServiceMode, Detail::default()).expect("in order");
            updater.flush();
            let bad = updater.refuse(T::RefusedBadSignature, image(9), Detail::default());
            bad.expect("in order");
            if flash.0.borrow_mut().faults.misread.take().is_some() {
                break;
            }
            let said = chain(&flash.0.borrow());
            let end = updater.journal().next().map(|(_, hash)| hash);
            assert!(end.is_none_or(|end| said.last().is_some_and(|it| entry_hash(it) == end)));
            drop(start(&flash));
            chain(&flash.0.borrow());
            tried += 1;
        }
    }
    assert!(tried > 500, "{tried} tried");
}

/// JRN-013: from some operation on each goes wrong, in any way, over several starts. Once the part
/// is well, the journal opens and has what was confirmed.
#[test]
fn jrn_013_a_failing_part_ruins_nothing() {
    for how in [Failing::Nothing, Failing::Half, Failing::Whole, Failing::Flips] {
        for before in [1, 9, 23, 40] {
            let flash = Shared::new(formatted());
            let mut filling = start(&flash);
            for _ in 0..before {
                filling.step(T::ServiceMode, Detail::default()).expect("in order");
                filling.flush();
            }
            let well = flash.0.borrow().clone();
            for after in 0..24 {
                let flash = Shared::new(well.clone());
                let mut confirmed = chain(&well).len();
                let mut working = start(&flash);
                flash.0.borrow_mut().faults.failing = Some((after, how));
                for n in 0..9 {
                    if n % 3 == 2 {
                        working = updater(&flash);
                        let _ = working.start(image(1));
                    }
                    let done = working.step(T::TamperDetected, Detail::default());
                    confirmed += usize::from(done == Ok(Logged::Recorded));
                }
                flash.0.borrow_mut().faults.failing = None;
                drop(start(&flash));
                let there = chain(&flash.0.borrow()).len();
                assert!(there >= confirmed, "{how:?} after {after}: {there} of {confirmed}");
            }
        }
    }
}
