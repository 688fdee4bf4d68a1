//! What measurements stand on: the machine, processes, a log to measure.

pub mod genesis;
pub mod loader;
pub mod log;
pub mod machine;
pub mod process;
