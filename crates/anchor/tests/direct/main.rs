//! Direct mode on a real node: from an update to a final record, and back out of the contract.

#[path = "../world/mod.rs"]
mod world;

mod desk;
mod foreign;
mod kill;
mod log;
mod read;
