//! `firmlog-sim power`: many histories with faults, until one breaks the journal's promise.
//!
//! ```text
//! firmlog-sim power --histories 100000 --seed 1
//! ```

#![expect(clippy::print_stdout, reason = "stdout is where the result goes")]

use firmlog_sim::{history, power};
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

const USAGE: &str = "firmlog-sim power [--histories N] [--seed S]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (mut histories, mut first) = (100_000, 1);
    match args.split_first() {
        Some((command, rest)) if command == "power" => {
            for pair in rest.chunks(2) {
                let number = pair.get(1).and_then(|value| value.parse().ok()).ok_or(USAGE)?;
                match pair[0].as_str() {
                    "--histories" => histories = number,
                    "--seed" => first = number,
                    _ => return Err(USAGE.to_owned()),
                }
            }
        }
        _ => return Err(USAGE.to_owned()),
    }
    let start = Instant::now();
    for (name, steps) in history::scripted() {
        let bytes = power::cut_everywhere(&steps, first).map_err(|e| format!("{name}: {e}"))?;
        println!("{name:<9} cut at each of {bytes} bytes");
    }
    let cuts = all_cores(first, histories)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{histories} histories from seed {first}, {cuts} cuts, {seconds:.0} s: all hold");
    Ok(())
}

/// Plays the histories of so many seeds, every core its share; tells how often power went.
fn all_cores(first: u64, histories: u64) -> Result<u64, String> {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let share = |core: u64| {
        (first..first.saturating_add(histories)).filter(|seed| seed % cores == core).try_fold(
            0,
            |cuts, seed| {
                let here = power::random_history(seed, 40);
                here.map(|here| cuts + u64::from(here)).map_err(|e| format!("seed {seed}: {e}"))
            },
        )
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|core| scope.spawn(move || share(core))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(Err("a history panicked".to_owned())))
            .sum()
    })
}
