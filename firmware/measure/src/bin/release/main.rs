//! The check of a release before install: what it needs of a small processor.
//!
//! ```text
//! release.instructions 101234567     to decide that it may be installed
//! release.stack 9000                 bytes, painted before; the device's buffer is among them
//! release.signatures.ed25519 5
//! release.reason 0                   nothing speaks against it
//! done
//! ```
//!
//! What is offered lies in flash, as on a device: a vector of `vectors/install`, its head in the
//! factory page and its bundle where downloads go.
#![no_std]
#![no_main]

mod offer;
mod tally;

use firmlog_board::{Uart, entry, halt, stack, ticks};
use firmlog_measure as _;
use firmlog_verify::install::{Evidence, Known, Reason};
use offer::Offer;
use tally::Tally;

/// Room for the longest statement and the checkpoint.
const SCRATCH: usize = 2048;

#[entry]
fn main() -> ! {
    let mut uart = Uart::open();
    ticks::start();
    let offer = Offer::read();
    let Some(offer) = &offer else {
        uart.text("failed offer").end();
        halt();
    };
    let tally = Tally::default();
    stack::paint();
    let before = ticks::instructions();
    let decided = decide(offer, &tally);
    let took = ticks::instructions() - before;
    let peak = stack::peak();
    let lines = [
        ("release.instructions", u32::try_from(took).unwrap_or(u32::MAX)),
        ("release.stack", peak),
        ("release.bundle.bytes", offer.bundle.len() as u32),
        ("release.signatures.p256", tally.p256()),
        ("release.signatures.ed25519", tally.ed25519()),
        ("release.reason", decided.err().map_or(0, |reason| u32::from(reason.code()))),
    ];
    for (name, value) in lines {
        uart.text(name).text(" ").number(value).end();
    }
    uart.text("done").end();
    halt();
}

#[inline(never)]
fn decide(offer: &Offer, tally: &Tally) -> Result<(), Reason> {
    let mut scratch = [0; SCRATCH];
    let evidence = Evidence::verify(offer.bundle, &offer.root(), tally, &mut scratch)?;
    evidence.installable(&offer.image, &offer.running(), &Known::default()).map(drop)
}
