//! A device: it measures what runs, keeps its journal, and obeys a gateway on its UART.
//!
//! ```text
//! ready idle 3f5c…                    what runs, and where the update goes on
//! > image 5120 …bytes…                into the download area
//! > proof 3300 …bytes…                the evidence bundle of its release
//! > install                           verified, said, written, said: "installed", or "refused 11"
//! > statements 0                      "statement 0 d284…", …, "end"
//! > receipt 7 31 …root…               the log has all below 7
//! > head 7 …hash…                     damage hides the end: the log's next one is 7
//! ```
//!
//! In scope: what every port does: drivers, trust root, the order of steps. Out of scope: therapy,
//! and fetching anything: the gateway brings it.
//!
//! Invariants:
//! - Flash of a slot is touched only after `install_started` is durable.
//! - What the gateway says is never believed: images are hashed, signatures and evidence verified.
//! - Nothing runs that the image key did not sign.
#![no_std]
#![no_main]

mod factory;
mod gateway;
mod install;

use core::panic::PanicInfo;
use factory::Factory;
use firmlog_agent::update::{Identity, LogBeforeInstall, Resume, Started, Updater};
use firmlog_board::flash::{PAGE, WORD};
use firmlog_board::{Boot, NorFlash, Uart, bench, entry, halt, layout, ticks};
use firmlog_cortex_m4::Key;

/// The agent of this device.
type Agent<'a> = Updater<'a, NorFlash, Key, firmlog_board::Uptime, PAGE, WORD>;

#[entry]
fn main() -> ! {
    ticks::start();
    let mut uart = Uart::open();
    let reason = match live(&mut uart) {
        Ok(()) => "off",
        Err(reason) => reason,
    };
    uart.text(reason).end();
    halt()
}

/// One life, from power-up until power goes.
fn live(uart: &mut Uart) -> Result<(), &'static str> {
    bench::obey();
    let factory = Factory::read().ok_or("the factory page does not hold")?;
    let mut boot = Boot::start().ok_or("no choice of a slot")?;
    let running = install::measure(boot.running(), &factory).ok_or("no image to run")?;
    let flash = NorFlash::region(layout::JOURNAL, bench::journal_pages()).ok_or("no flash")?;
    let flash = factory::format_once(flash, &factory).ok_or("the journal cannot be made")?;
    let names =
        Identity { device: factory.device, issuer: factory.issuer, subject: factory.subject };
    let policy = LogBeforeInstall::Required;
    let key = Key::new(factory.secret).ok_or("no key")?;
    let mut agent = Updater::new(flash, key, firmlog_board::Uptime, names, policy);
    let started = agent.start(running).map_err(|_| "the journal does not open")?;
    greet(uart, &running.sha256, &started);
    gateway::serve(uart, &mut agent, &mut boot, &factory, running)
}

fn greet(uart: &mut Uart, running: &[u8; 32], started: &Started) {
    let resume = match started.resume {
        Resume::Idle => "idle",
        Resume::InstallAgain => "install_again",
        Resume::Decide => "decide",
        Resume::RollBackAgain => "roll_back_again",
    };
    uart.text("ready ").text(resume).text(" ").hex(running).text(" ");
    uart.number(started.report.count()).text(" ").number(started.report.losses()).end();
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    Uart::open().text("panic").end();
    halt()
}
