//! The journal on other pages and words, and on a file.

use firmlog_agent::journal::{Append, Class, Covered, Error, Note};
use firmlog_agent::{Flash, FlashError, Journal};
use firmlog_sim::device::Said;
use firmlog_sim::history::SEED;
use firmlog_sim::{Device, SimFlash};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType as T;
use firmlog_statement::{ChainEntry, Outcome};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Says so many things, the log confirming every third; opens again after each, at first with power
/// going in the middle.
fn live<const PAGE: usize, const WORD: usize>() {
    let device = Device::new(1);
    let mut flash = SimFlash::new(8, PAGE, WORD, 1);
    Journal::<_, PAGE, WORD>::format(&mut flash, ChainHead::enrolled(SEED)).expect("blank flash");
    for number in 0..40u64 {
        for cut in (0..700).step_by(37) {
            let mut flash = flash.clone();
            flash.faults.cut_after = Some(cut);
            if say::<_, PAGE, WORD>(&mut flash, &device, number).is_ok() {
                assert!(cut > 300, "nothing was written");
                break;
            }
            flash.power_up();
            let (journal, report) = Journal::<_, PAGE, WORD>::open(&mut flash).expect("opens");
            assert_eq!(report.losses(), 0);
            let (next, _) = journal.next().expect("known");
            assert!((number..=number + 1).contains(&next), "{PAGE}/{WORD}: {next}");
        }
        say::<_, PAGE, WORD>(&mut flash, &device, number).expect("has room");
    }
    for bit in (0..flash.image().len() * 8).step_by(101) {
        let mut flash = SimFlash::from_image(flash.image().to_vec(), PAGE, WORD, 1);
        flash.flip(bit);
        let opened = Journal::<_, PAGE, WORD>::open(&mut flash);
        assert!(opened.is_ok_and(|(_, report)| !report.is_clean()), "{PAGE}/{WORD}: bit {bit}");
    }
}

/// Opens, says one thing, and lets the log confirm it every third time.
fn say<F: Flash, const PAGE: usize, const WORD: usize>(
    flash: F,
    device: &Device,
    number: u64,
) -> Result<(), Error> {
    let (mut journal, report) = Journal::<_, PAGE, WORD>::open(flash)?;
    assert!(report.is_clean(), "{report:?}");
    let (event, outcome, dropped) = (T::InstalledState, Outcome::State, None);
    let said = Said { event, outcome, image: [3; 32], version: 3, uptime_ms: number, dropped };
    let place = journal.next().ok_or(Error::ChainUnknown)?;
    let entry = device.say(place, &said);
    let (note, class) = (&Note::EMPTY, Class::Routine);
    let entry = ChainEntry::parse(&entry).map_err(Error::NotAnUpdate)?;
    journal.append(&Append {
        entry,
        note,
        class,
        tells_of_dropped: false,
        tells_of_lost: false,
    })?;
    if number.is_multiple_of(3) {
        journal.cover(Covered { next: number + 1, size: number + 9, root: [1; 32] })?;
    }
    Ok(())
}

/// JRN-010, JRN-040 where words are bytes, and where they are the longest.
#[test]
fn other_pages_and_words() {
    live::<1024, 1>();
    live::<1024, 4>();
    live::<1024, 16>();
    live::<2048, 32>();
    live::<4096, 2>();
}

/// A file as flash: written through before a call returns.
struct FileFlash(File);

const PAGE: u32 = 1024;

fn driver(_: std::io::Error) -> FlashError {
    FlashError::Driver
}

impl Flash for FileFlash {
    fn pages(&self) -> u32 {
        self.0.metadata().map_or(0, |data| data.len() as u32 / PAGE)
    }
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError> {
        self.0.read_exact_at(out, at.into()).map_err(driver)
    }
    fn program(&mut self, at: u32, words: &[u8]) -> Result<(), FlashError> {
        self.0.write_all_at(words, at.into()).and_then(|()| self.0.sync_data()).map_err(driver)
    }
    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        self.program(page * PAGE, &[0xff; PAGE as usize])
    }
}

#[test]
fn a_file_is_flash() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("journal");
    std::fs::write(&path, [0xff; 8 * PAGE as usize]).expect("writes");
    let open = || {
        let file = File::options().read(true).write(true).open(&path);
        FileFlash(file.expect("opens"))
    };
    Journal::<_, { PAGE as usize }, 8>::format(open(), ChainHead::enrolled(SEED)).expect("formats");
    for number in 0..20 {
        say::<_, { PAGE as usize }, 8>(open(), &Device::new(1), number).expect("has room");
    }
    let (mut journal, report) = Journal::<_, { PAGE as usize }, 8>::open(open()).expect("opens");
    assert!(report.is_clean());
    assert_eq!(journal.next().map(|(next, _)| next), Some(20));
    let mut buffer = [0; 1024];
    assert!(journal.statement(19, &mut buffer).expect("readable").is_some());
}
