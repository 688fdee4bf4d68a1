//! A device's update in any order, with power cuts and images that nobody announced: its statements
//! chain and stand in legal order.

#![no_main]

use firmlog_agent::update::LogBeforeInstall;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &[u8])| {
    let (required, bytes) = input;
    let policy = if required { LogBeforeInstall::Required } else { LogBeforeInstall::BestEffort };
    if let Err(e) = firmlog_sim::lives::live(bytes, policy) {
        panic!("{e}");
    }
});
