//! `chain`: firmware updates one by one in a contract, without a log; direct mode.
//!
//! ```text
//! firmlog chain log pump-42 --config chain.toml --image fw.bin --version 1.2.3
//! ✓ final  record 3 of pump-42 in block #21000042, transaction 0x9f2c…
//! ```
//!
//! In scope: arguments, files, what is printed. Out of scope: what follows what, and what is
//! compared (`firmlog_anchor::direct`).
//!
//! Invariants: those of `anchor`; and who logs is told that the device's id is there for everybody.

mod log;
mod read;

use clap::Subcommand;
use firmlog_anchor::contract::Deployment;
use firmlog_anchor::direct::history::{History, history};
use firmlog_anchor::direct::index::Index;

use super::anchor::{ConfigArgs, anchor_error, providers, wait_for};
use crate::Context;
use crate::answer::Answer;
use crate::error::Result;

/// `chain`
#[derive(Subcommand)]
pub(crate) enum ChainCommand {
    /// Log an update of one device and wait until that is final
    Log(log::LogArgs),
    /// What was logged of one device: events and the contract's records, compared
    History(read::HistoryArgs),
    /// Compare a device's image with what was logged of it
    Verify(read::VerifyArgs),
}

/// Runs the command.
pub(crate) fn run(command: &ChainCommand, context: &Context) -> Result<Answer> {
    match command {
        ChainCommand::Log(args) => log::run(args, context),
        ChainCommand::History(args) => read::history(args, context),
        ChainCommand::Verify(args) => read::verify(args, context),
    }
}

/// Reads the index on, and compares what it has of a device with the contract.
fn follow(args: &ConfigArgs, device: &str, reread: bool, context: &Context) -> Result<History> {
    let config = args.read()?;
    let direct = config.direct().map_err(|e| anchor_error(&e))?;
    let all = providers(&config)?;
    let deployment = Deployment { chain_id: config.chain.id, contract: direct.contract };
    let mut index =
        Index::open(&direct.dir, deployment, direct.from_block).map_err(|e| anchor_error(&e))?;
    if reread {
        index.clear().map_err(|e| anchor_error(&e))?;
    }
    let tell = |at: u64, of: u64| context.talk.progress(format!("events of block #{at} of #{of}"));
    let read = wait_for(history(&mut index, &all, device, tell))?;
    context.talk.progress_end();
    read.map_err(|e| anchor_error(&e))
}
