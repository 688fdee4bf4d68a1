//! A device's journal on flash that somebody changed: opening ends, changes no confirmed statement,
//! never programs a word that is not blank, and goes on where it can.

#![no_main]

use firmlog_agent::journal::Report;
use firmlog_agent::{Flash, Journal};
use firmlog_sim::history::{self, PAGE, SimJournal, Step, WORD, World};
use firmlog_sim::SimFlash;
use firmlog_statement::event::EventType;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// The flash and the world after each scripted history.
static BEFORE: LazyLock<Vec<(World, Vec<u8>)>> = LazyLock::new(|| {
    let play = |steps: Vec<Step>| {
        let mut world = World::new(1);
        let mut journal = world.format(1);
        steps.iter().for_each(|step| world.play(*step, &mut journal).expect("plays"));
        (world, journal.into_flash().image().to_vec())
    };
    history::scripted().into_iter().map(|(_, steps)| play(steps)).collect()
});

fuzz_target!(|input: (u8, Vec<(u16, u8)>, Vec<u8>)| {
    let (which, edits, raw) = input;
    let (world, image) = &BEFORE[usize::from(which) % BEFORE.len()];
    let mut bytes = image.clone();
    for (at, value) in &edits {
        let at = usize::from(*at) % bytes.len();
        bytes[at] = *value;
    }
    bytes.iter_mut().zip(&raw).for_each(|(to, from)| *to = *from);
    let changed: u32 = bytes.iter().zip(image).map(|(a, b)| (a ^ b).count_ones()).sum();
    let mut flash = SimFlash::from_image(bytes, PAGE, WORD, 1);
    let Ok((mut journal, report)) = Journal::<_, PAGE, WORD>::open(&mut flash) else {
        assert!(changed > 1, "one bit never closes the journal");
        return;
    };
    // No checksum here misses three changed bits; a whole page overwritten is another matter.
    if changed <= 3 {
        judge(world, &mut journal, &report, changed);
    }
    let losses = report.losses();
    let (mut journal, again) = SimJournal::open(flash).expect("what was put right opens");
    assert!(changed > 3 || (again.losses() > 0) == (losses > 0), "a loss is reported each time");
    if journal.next() == Some(world.place()) {
        let _ = world.clone().play(Step::Say(EventType::InstalledState), &mut journal);
    }
});

fn judge<F: Flash>(
    world: &World,
    journal: &mut Journal<F, PAGE, WORD>,
    report: &Report,
    changed: u32,
) {
    assert_eq!(report.is_clean(), changed == 0, "what was changed is reported, and nothing else");
    let mut buffer = [0; 1024];
    for (seq, said) in (0..).zip(&world.said) {
        if let Ok(Some(len)) = journal.statement(seq, &mut buffer) {
            assert_eq!(&buffer[..len], said);
        }
    }
    if report.losses() == 0 {
        assert_eq!(journal.next(), Some(world.place()));
    }
}
