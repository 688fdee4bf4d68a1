//! The agent under a scripted history: what it needs of a small processor.
//!
//! ```text
//! stack.peak 7080          bytes, painted before and looked at afterwards
//! append.instructions 9180300
//! done
//! ```
#![no_std]
#![no_main]

mod script;
mod tally;

use firmlog_board::{Uart, entry, halt, stack, ticks};

#[entry]
fn main() -> ! {
    let mut uart = Uart::open();
    ticks::start();
    stack::paint();
    if let Err(where_) = script::run(&mut uart) {
        uart.text("failed ").text(where_).end();
        halt();
    }
    uart.text("stack.peak ").number(stack::peak()).end();
    uart.text("done").end();
    halt();
}
