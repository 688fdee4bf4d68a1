//! The history: an install, a rollback, refusals, and then so many heartbeats that the journal
//! wraps, with receipts in between.

use crate::tally::{Counted, PAGES, Tally};
use firmlog_agent::journal::{Covered, Journal};
use firmlog_agent::update::{
    Detail, Identity, Image, LogBeforeInstall, Logged, Resume, Target, Updater,
};
use firmlog_board::flash::{PAGE, WORD};
use firmlog_board::{NorFlash, Uart, ticks};
use firmlog_measure::clock::Rtc;
use firmlog_measure::key::{Key, key};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType as T;
use firmlog_statement::{DeviceId, Signer as _};

const SEED: [u8; 32] = [0x5e; 32];

type Agent<'a> = Updater<'a, Counted<'a>, Key, Rtc, PAGE, WORD>;

fn image(byte: u8) -> Image {
    Image { sha256: [byte; 32], version: u64::from(byte), counter: u32::from(byte) }
}

const TARGET: Target = Target { image: IMAGE_2, release: [0x11; 32] };
const IMAGE_2: Image = Image { sha256: [2; 32], version: 2, counter: 2 };

/// What was seen of the statements so far.
#[derive(Default)]
struct Seen {
    statements: u32,
    /// Bytes of a statement of one step with release, result and time.
    common: u32,
    longest: u32,
    append: u64,
    /// Operations of an append that opens no page.
    common_programs: u32,
    most_on_a_page: u32,
    /// Appends that erased something, and how much at most.
    with_erase: u32,
    most_erases: u32,
}

/// Plays it all.
pub(crate) fn run(uart: &mut Uart) -> Result<(), &'static str> {
    let tally = Tally::default();
    let mut seen = Seen::default();
    let seen = &mut seen;
    format(&tally)?;
    on_start(&tally, image(1), Resume::Idle, |agent| put_in(agent, seen))?;
    on_start(&tally, IMAGE_2, Resume::Decide, |agent| commit(agent, seen))?;
    on_start(&tally, IMAGE_2, Resume::Idle, |agent| try_another(agent, seen))?;
    on_start(&tally, IMAGE_2, Resume::Idle, refuse)?;
    on_start(&tally, IMAGE_2, Resume::Idle, |agent| wrap(agent, seen))?;
    tell(uart, seen);
    Ok(())
}

fn tell(uart: &mut Uart, seen: &Seen) {
    let lines = [
        ("statements", seen.statements),
        ("statement.bytes.common", seen.common),
        ("statement.bytes.longest", seen.longest),
        ("append.instructions", u32::try_from(seen.append).unwrap_or(u32::MAX)),
        ("append.programs.common", seen.common_programs),
        ("append.programs.page", seen.most_on_a_page),
        ("append.with_erase", seen.with_erase),
        ("append.erases.most", seen.most_erases),
    ];
    for (name, value) in lines {
        uart.text(name).text(" ").number(value).end();
    }
}

fn flash(tally: &Tally) -> Result<Counted<'_>, &'static str> {
    let flash = NorFlash::region(0, PAGES).ok_or("flash")?;
    Ok(Counted { flash, tally })
}

fn format(tally: &Tally) -> Result<(), &'static str> {
    let journal = Journal::<_, PAGE, WORD>::format(flash(tally)?, ChainHead::enrolled(SEED));
    journal.map(drop).map_err(|_| "format")
}

/// A life of the device: from a start to the next.
fn on_start<'a>(
    tally: &'a Tally,
    runs: Image,
    wanted: Resume,
    live: impl FnOnce(&mut Agent<'a>) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    let key = key().ok_or("key")?;
    let device = DeviceId::from(key.public_key().thumbprint());
    let names = Identity { device, issuer: "acme.example/devices", subject: "ip-200/app" };
    let policy = LogBeforeInstall::Required;
    let mut agent = Updater::new(flash(tally)?, key, Rtc, names, policy);
    let started = agent.start(runs).map_err(|_| "start")?;
    if started.resume == wanted { live(&mut agent) } else { Err("resume") }
}

/// Up to the reboot into image 2.
fn put_in(agent: &mut Agent<'_>, seen: &mut Seen) -> Result<(), &'static str> {
    let detail = Detail::default();
    for event in [T::Check, T::DownloadStarted, T::Downloaded] {
        agent.step(event, detail).map_err(|_| "step")?;
    }
    agent.verified(TARGET, detail).map_err(|_| "verified")?;
    measured(agent, seen, |agent| agent.install_started(detail))?;
    agent.step(T::Installed, detail).map_err(|_| "installed")?;
    agent.step(T::Reboot, detail).map_err(|_| "reboot")?;
    agent.flush();
    Ok(())
}

fn commit(agent: &mut Agent<'_>, seen: &mut Seen) -> Result<(), &'static str> {
    seen.common = measured(agent, seen, |agent| agent.committed(Detail::default()))?;
    receipt(agent)
}

/// Image 3, which does not come up: the next start goes back to image 2.
fn try_another(agent: &mut Agent<'_>, seen: &mut Seen) -> Result<(), &'static str> {
    let detail = Detail::default();
    let target = Target { image: image(3), ..TARGET };
    for event in [T::Check, T::DownloadStarted, T::Downloaded] {
        agent.step(event, detail).map_err(|_| "step")?;
    }
    agent.verified(target, detail).map_err(|_| "verified")?;
    measured(agent, seen, |agent| agent.install_started(detail))?;
    agent.step(T::Installed, detail).map_err(|_| "installed")?;
    agent.flush();
    Ok(())
}

fn refuse(agent: &mut Agent<'_>) -> Result<(), &'static str> {
    for _ in 0..9 {
        let refused = agent.refuse(T::RefusedBadSignature, image(4), Detail::default());
        refused.map_err(|_| "refuse")?;
    }
    receipt(agent)
}

/// Heartbeats until each data page was used twice.
fn wrap(agent: &mut Agent<'_>, seen: &mut Seen) -> Result<(), &'static str> {
    for beat in 0..120 {
        agent.step(T::InstalledState, Detail::default()).map_err(|_| "heartbeat")?;
        measured(agent, seen, |agent| Ok(agent.flush()))?;
        if beat % 8 == 7 {
            receipt(agent)?;
        }
    }
    Ok(())
}

/// Counts what one statement costs; returns its length.
fn measured<'a>(
    agent: &mut Agent<'a>,
    seen: &mut Seen,
    say: impl FnOnce(&mut Agent<'a>) -> Result<Logged, firmlog_agent::update::Refused>,
) -> Result<u32, &'static str> {
    let tally = agent.journal().flash().tally;
    tally.clear();
    let before = ticks::instructions();
    let logged = say(agent).map_err(|_| "refused")?;
    let took = ticks::instructions() - before;
    if logged != Logged::Recorded {
        return Err("not recorded");
    }
    // The record and its marks, unless a copy of the head begins anew.
    if !tally.opened_a_page() && tally.erases() == 0 {
        seen.append = seen.append.max(took);
        seen.common_programs = seen.common_programs.max(tally.programs());
    }
    seen.most_on_a_page = seen.most_on_a_page.max(tally.most_on_a_page());
    seen.with_erase += u32::from(tally.erases() > 0);
    seen.most_erases = seen.most_erases.max(tally.erases());
    seen.statements += 1;
    let len = newest_len(agent)?;
    seen.longest = seen.longest.max(len);
    Ok(len)
}

fn newest_len(agent: &mut Agent<'_>) -> Result<u32, &'static str> {
    let mut buffer = [0; firmlog_agent::journal::ENTRY_MAX];
    let (next, _) = agent.journal().next().ok_or("chain")?;
    let newest = next.checked_sub(1).ok_or("nothing said")?;
    let len = agent.journal().statement(newest, &mut buffer).map_err(|_| "read")?;
    len.and_then(|len| u32::try_from(len).ok()).ok_or("not there")
}

/// The log has everything.
fn receipt(agent: &mut Agent<'_>) -> Result<(), &'static str> {
    let (next, _) = agent.journal().next().ok_or("chain")?;
    agent.journal().cover(Covered { next, size: next, root: [7; 32] }).map_err(|_| "cover")
}
