//! The log itself, without HTTP: what the server could at most make of it.
//!
//! Batches of raw leaves are checked on the submitting threads and appended to
//! a log in this process, on the real disk, with every sync a served log does.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::Context;
use firmlog_keys::{Algorithm, AwsLc, FileKey};
use firmlog_log::{Appender, Batch, Checker, Config, Log, Registration};
use firmlog_tlog::note::{self, NoteSigner};

use crate::bare::Rate;
use crate::load::work::Leaves;
use crate::rig::genesis::genesis;

const ORIGIN: &str = "log.example/core";
/// Batches each submitter keeps waiting for the sequencer.
const IN_FLIGHT: usize = 4;

/// Appends batches of `batch` raw leaves from `threads` threads for `duration`.
///
/// # Errors
/// If the log cannot be created in `dir`, or refuses a batch.
pub fn append_batches(
    dir: &Path,
    threads: u64,
    batch: usize,
    leaf_bytes: usize,
    duration: Duration,
) -> anyhow::Result<Rate> {
    let config = Config::new(dir.join("log"), dir.join("record"), ORIGIN, Registration::Any);
    let key = FileKey::generate(Algorithm::Ed25519)?;
    let signer = key.note_signer(ORIGIN, note::Algorithm::Ed25519)?;
    let genesis =
        genesis(ORIGIN, signer.verifier_key(), firmlog_statement::Registration::Any, &key)?;
    Log::create(&config, &genesis, &AwsLc).context("failed to create a log")?;
    let (log, _) =
        Log::open(config, Box::new(signer), Arc::new(AwsLc)).context("failed to open a log")?;
    let start = Instant::now();
    let counts: Vec<anyhow::Result<u64>> = std::thread::scope(|scope| {
        let submitters: Vec<_> = (0..threads)
            .map(|thread| {
                let (appender, checker) = (log.appender(), log.checker());
                let leaves = Leaves::new(thread + 1, threads, leaf_bytes, 0.0);
                scope.spawn(move || submit(&appender, &checker, leaves, batch, start + duration))
            })
            .collect();
        submitters.into_iter().map(|thread| thread.join().expect("a thread panicked")).collect()
    });
    let elapsed = start.elapsed();
    let count = counts.into_iter().sum::<anyhow::Result<u64>>()?;
    log.close()?;
    Ok(Rate { count, elapsed })
}

fn submit(
    appender: &Appender,
    checker: &Checker,
    mut leaves: Leaves,
    batch: usize,
    until: Instant,
) -> anyhow::Result<u64> {
    let (sender, receiver) = mpsc::channel();
    let (mut waiting, mut done) = (0, 0);
    let mut leaf = Vec::new();
    while Instant::now() < until {
        let mut entries = Batch::with_capacity(batch, batch * 32);
        for _ in 0..batch {
            leaves.write_next(&mut leaf);
            checker.push(&mut entries, &leaf)?;
        }
        let sender = sender.clone();
        // The receiver outlives every reply.
        appender.submit(entries, Box::new(move |result| drop(sender.send(result))))?;
        waiting += 1;
        if waiting == IN_FLIGHT {
            done += receiver.recv()??.outcomes.len() as u64;
            waiting -= 1;
        }
    }
    for _ in 0..waiting {
        done += receiver.recv()??.outcomes.len() as u64;
    }
    Ok(done)
}
