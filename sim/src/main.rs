//! `firmlog-sim power`: many histories with power cuts and faults, and as many with parts of the
//! flash lost, until one breaks the journal's promise.
//!
//! ```text
//! firmlog-sim power --histories 100000 --seed 1
//! ```

#![expect(clippy::print_stdout, reason = "stdout is where the result goes")]

use firmlog_sim::losses::{self, End};
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
    let cuts: u32 =
        all_cores(first, histories, |seed| power::random_history(seed, 40))?.into_iter().sum();
    let ends = all_cores(first, histories, |seed| losses::history(seed, 60))?;
    let count = |end| ends.iter().filter(|it| **it == end).count();
    let (lived, lost, holes) = (count(End::Lived), count(End::HeadLost), count(End::Hole));
    println!("of those with losses {lived} lived on, {lost} lost their head, {holes} have a hole");
    let seconds = start.elapsed().as_secs_f64();
    println!("2 × {histories} histories from seed {first}, {cuts} cuts, {seconds:.0} s: all hold");
    Ok(())
}

/// Plays the histories of so many seeds, every core its share.
fn all_cores<T: Send>(
    first: u64,
    histories: u64,
    play: impl Fn(u64) -> Result<T, String> + Sync,
) -> Result<Vec<T>, String> {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let play = &play;
    let share = |core: u64| {
        (first..first.saturating_add(histories))
            .filter(|seed| seed % cores == core)
            .map(|seed| play(seed).map_err(|e| format!("seed {seed}: {e}")))
            .collect::<Result<Vec<_>, _>>()
    };
    thread::scope(|scope| {
        let share = &share;
        let workers: Vec<_> = (0..cores).map(|core| scope.spawn(move || share(core))).collect();
        let shares = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(Err("a history panicked".to_owned())))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(shares.into_iter().flatten().collect())
    })
}
