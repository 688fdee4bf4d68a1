//! The gateway's commands, a line each.

use firmlog_agent::Flash as _;
use firmlog_agent::journal::{Covered, ENTRY_MAX};
use firmlog_agent::update::{Detail, Image, Logged};
use firmlog_board::{Boot, NorFlash, Uart, flash, layout};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType as T;

use crate::Agent;
use crate::factory::Factory;
use crate::install::{self, Outcome};

/// The longest line.
const LINE: usize = 128;

/// Obeys until the gateway switches the device off.
pub(crate) fn serve(
    uart: &mut Uart,
    agent: &mut Agent<'_>,
    boot: &mut Boot,
    factory: &Factory,
    running: Image,
) -> Result<(), &'static str> {
    loop {
        let mut line = [0; LINE];
        let line = core::str::from_utf8(uart.line(&mut line)).unwrap_or_default();
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let done = match command {
            "off" => return Ok(()),
            "check" => step_all(agent, &[T::Check]),
            "image" => receive(uart, layout::IMAGE, rest)
                .and_then(|()| step_all(agent, &[T::DownloadStarted, T::Downloaded])),
            "install" => {
                install(uart, agent, boot, factory);
                continue;
            }
            "commit" => {
                agent.committed(Detail::default()).ok().and_then(|_| boot.confirm().then_some(()))
            }
            "rollback" => step_all(agent, &[T::RollbackStarted])
                .filter(|()| agent.flush() == Logged::Recorded && boot.revert()),
            "beat" => {
                step_all(agent, &[T::InstalledState]).filter(|()| agent.flush() == Logged::Recorded)
            }
            "statements" => statements(uart, agent, rest),
            "receipt" => receipt(agent, rest),
            "head" => head(agent, rest, running),
            "cut" => rest.parse().ok().map(flash::stop_after),
            _ => None,
        };
        uart.text(if done.is_some() { "ok" } else { "no" }).end();
    }
}

fn step_all(agent: &mut Agent<'_>, events: &[T]) -> Option<()> {
    events.iter().try_for_each(|event| agent.step(*event, Detail::default()).map(drop)).ok()
}

fn install(uart: &mut Uart, agent: &mut Agent<'_>, boot: &mut Boot, factory: &Factory) {
    match install::install(agent, boot, factory) {
        Outcome::Installed => uart.text("installed"),
        Outcome::Refused(code) => uart.text("refused ").number(u32::from(code)),
        Outcome::NotNow => uart.text("no"),
    };
    uart.end();
}

/// Takes `rest` bytes into a part of the download area, a page at a time.
fn receive(uart: &mut Uart, at: usize, rest: &str) -> Option<()> {
    let mut left: usize = rest.parse().ok()?;
    let mut flash = NorFlash::region(at, layout::DOWNLOAD_PAGES)?;
    for page in 0..flash.pages() {
        flash.erase(page).ok()?;
    }
    flash.program(0, &u32::try_from(left).ok()?.to_le_bytes()).ok()?;
    let mut at = 4;
    while left > 0 {
        let mut word = [0; flash::WORD];
        word.iter_mut().take(left).for_each(|byte| *byte = uart.wait());
        flash.program(at, &word).ok()?;
        at += 4;
        left = left.saturating_sub(flash::WORD);
    }
    Some(())
}

fn statements(uart: &mut Uart, agent: &mut Agent<'_>, rest: &str) -> Option<()> {
    let from: u64 = rest.parse().ok()?;
    let (next, _) = agent.journal().next()?;
    let mut entry = [0; ENTRY_MAX];
    for seq in from.max(agent.journal().oldest().ok()?)..next {
        let len = agent.journal().statement(seq, &mut entry).ok()??;
        uart.text("statement ").number(u32::try_from(seq).ok()?).text(" ");
        uart.hex(entry.get(..len)?).end();
    }
    Some(())
}

/// `next size root`: the gateway has checked the log's receipt.
fn receipt(agent: &mut Agent<'_>, rest: &str) -> Option<()> {
    let mut words = rest.split(' ');
    let (next, size) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let root = hash(words.next()?)?;
    agent.journal().cover(Covered { next, size, root }).ok()
}

/// `next hash`: where the log's chain of this device goes on, which the gateway has checked.
fn head(agent: &mut Agent<'_>, rest: &str, running: Image) -> Option<()> {
    let (next, hex) = rest.split_once(' ')?;
    let next: u64 = next.parse().ok()?;
    let head = ChainHead { seq: next.checked_sub(1), hash: hash(hex)? };
    agent.resume(&head, None, Some(running)).ok().map(drop)
}

fn hash(hex: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().as_chunks::<2>().0) {
        *byte = u8::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}
