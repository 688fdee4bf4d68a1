//! Losing power, again and again.
//!
//! ```text
//! for each step, for each byte it writes: the same flash, cut there, opened again
//! ```
//!
//! What must hold is [`World::check`]; what breaks it is told with the step and the byte.

use crate::Random;
use crate::flash::Faults;
use crate::history::{self, SimJournal, Step, World};
use crate::history::{PAGE, WORD};
use firmlog_agent::FlashError;
use firmlog_agent::journal::{Error, Finding, Journal, Report};
use firmlog_statement::event::EventType;

/// Plays a history and cuts power at every byte it writes; tells how many there were.
///
/// # Errors
/// The first cut after which the journal is not what it must be.
pub fn cut_everywhere(steps: &[Step], seed: u64) -> Result<u64, String> {
    let mut world = World::new(1);
    let mut journal = world.format(seed);
    let mut cuts = 0;
    for (at, step) in steps.iter().enumerate() {
        let (mut after, mut journal_after) = (world.clone(), journal.clone());
        let before = journal.flash().tally.bytes;
        after.play(*step, &mut journal_after).map_err(|e| format!("step {at}: {e}"))?;
        after.check(&mut journal_after).map_err(|e| format!("step {at}: {e}"))?;
        let bytes = journal_after.flash().tally.bytes - before;
        for byte in 0..bytes {
            cut(&world, &after, &journal, *step, byte)
                .map_err(|e| format!("step {at} ({step:?}), byte {byte} of {bytes}: {e}"))?;
        }
        cuts += bytes;
        (world, journal) = (after, journal_after);
    }
    Ok(cuts)
}

/// One cut, and life after it.
fn cut(
    world: &World,
    after: &World,
    journal: &SimJournal,
    step: Step,
    byte: u64,
) -> Result<(), String> {
    let mut flash = journal.flash().clone();
    flash.faults.cut_after = Some(byte);
    let (mut journal, report) = SimJournal::open(flash).map_err(|e| e.to_string())?;
    if !report.is_clean() {
        return Err(format!("not clean before the step: {report:?}"));
    }
    let mut world = world.clone();
    if world.clone().play(step, &mut journal) != Err(Error::Flash(FlashError::Driver)) {
        return Err("the step took no notice of the cut".to_owned());
    }
    let mut flash = journal.into_flash();
    flash.power_up();
    let (mut journal, report) = SimJournal::open(flash).map_err(|e| e.to_string())?;
    world.check_cut(after, &mut journal, &report)?;
    go_on(world, journal)
}

/// The journal opens without a finding, takes another statement, and opens again.
fn go_on(mut world: World, journal: SimJournal) -> Result<(), String> {
    let (mut journal, report) =
        SimJournal::open(journal.into_flash()).map_err(|e| e.to_string())?;
    // The remains of a record stay, and are told of, until the next one covers them.
    let remains = |it| matches!(it, Finding::RecordTorn { .. } | Finding::FreeSpaceNotBlank { .. });
    if !report.findings().all(remains) {
        return Err(format!("found again: {report:?}"));
    }
    let next = Step::Say(EventType::InstalledState);
    world.play(next, &mut journal).map_err(|e| format!("does not go on: {e}"))?;
    world.check(&mut journal)
}

/// A history that a seed decides, on flash that fails; tells how often power went.
///
/// # Errors
/// What the journal lost or did not say.
pub fn random_history(seed: u64, steps: usize) -> Result<u32, String> {
    let mut random = Random::new(seed);
    let mut world = World::new(2);
    let mut flash = world.format(seed).into_flash();
    let mut cuts = 0;
    for step in history::random(&mut random, steps) {
        flash.power_up();
        if !random.one_in(3) {
            let mut journal = SimJournal::open(flash).map_err(|e| e.to_string())?.0;
            world.play(step, &mut journal).map_err(|e| format!("{step:?}: {e}"))?;
            world.check(&mut journal)?;
            flash = journal.into_flash();
            continue;
        }
        let mut after = world.clone();
        let mut ideal = SimJournal::open(flash.clone()).map_err(|e| e.to_string())?.0;
        after.play(step, &mut ideal).map_err(|e| format!("{step:?}: {e}"))?;
        flash.faults.cut_after = Some(random.below(1400));
        // Where a page was missing before, opening writes, and power may go in that.
        let Ok((mut journal, _)) = SimJournal::open(flash.clone()) else { continue };
        let done = world.clone().play(step, &mut journal);
        if !journal.flash().is_dead() {
            done.map_err(|e| format!("{step:?} without a cut: {e}"))?;
            world = after;
            world.check(&mut journal)?;
            flash = journal.into_flash();
            continue;
        }
        cuts += 1;
        let (mut journal, report) = open_under_cuts(journal, &mut random)?;
        world.check_cut(&after, &mut journal, &report)?;
        flash = journal.into_flash();
    }
    flash.power_up();
    let journal = SimJournal::open(flash).map_err(|e| e.to_string())?.0;
    worn(&world, journal, &mut random)?;
    Ok(cuts)
}

/// Opens it with power going a few times more while it recovers.
fn open_under_cuts(
    journal: SimJournal,
    random: &mut Random,
) -> Result<(SimJournal, Report), String> {
    let mut flash = journal.into_flash();
    for _ in 0..random.below(3) {
        flash.power_up();
        flash.faults.cut_after = Some(random.below(1400));
        // What it says now, nobody hears.
        let _ = Journal::<_, PAGE, WORD>::open(&mut flash);
    }
    flash.power_up();
    SimJournal::open(flash).map_err(|e| e.to_string())
}

/// The end of a flash's life: a bit sticks or a page cannot be erased. What was confirmed stays,
/// and every call returns.
fn worn(world: &World, journal: SimJournal, random: &mut Random) -> Result<(), String> {
    let (mut world, mut flash) = (world.clone(), journal.into_flash());
    if random.one_in(2) {
        let at = random.below(flash.image().len() as u64) as u32;
        let held = flash.image()[at as usize];
        flash.faults.stuck.push((at, 1 << random.below(8), held));
    } else {
        flash.faults.unerasable.push(random.below(history::PAGES as u64) as u32);
    }
    let mut journal = SimJournal::open(flash).map_err(|e| e.to_string())?.0;
    for step in history::random(random, 40) {
        let mut healthy = journal.clone().into_flash();
        healthy.faults = Faults::default();
        let mut healthy = SimJournal::open(healthy).map_err(|e| e.to_string())?.0;
        let mut after = world.clone();
        let ideal = after.play(step, &mut healthy);
        let dropped = world.dropping(step, &journal);
        let mut tried = world.clone();
        match tried.play(step, &mut journal) {
            // A page that does not keep what is written may leave no room, which counts as dropped.
            Ok(()) => {
                world = tried;
                world.check(&mut journal)?;
            }
            refused if refused == ideal => {}
            Err(Error::Flash(_) | Error::NeedsOpening) => {
                let (opened, report) =
                    SimJournal::open(journal.into_flash()).map_err(|e| e.to_string())?;
                journal = opened;
                if report.losses() > 0 {
                    // Remains that look like a record: said, and nothing confirmed is touched.
                    let oldest = journal.oldest().map_err(|e| e.to_string())?;
                    return world.check_statements(&mut journal, oldest);
                }
                // One that was opened meanwhile may have had room where this one had none.
                let mut checked = world.clone();
                if checked.check_cut(&dropped, &mut journal, &report).is_err() {
                    world.check_cut(&after, &mut journal, &report)?;
                } else {
                    world = checked;
                }
            }
            other => return Err(format!("{step:?} on worn flash: {other:?}")),
        }
    }
    Ok(())
}
