//! How long the hot path takes, per kind and smallest of several rounds:
//! `cargo test --release -p firmlog-statement --test speed -- --ignored --nocapture`

mod samples;

use firmlog_statement::Parsed;
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: u32 = 20;
const TIMES: u32 = 20_000;

#[test]
#[ignore = "a measurement, not a check"]
fn parse_time() {
    for (name, statement) in samples::all() {
        let entry = samples::entry(&statement);
        let parse = fastest(|| Parsed::parse(black_box(&entry)).unwrap());
        let parsed = Parsed::parse(&entry).unwrap();
        let decode = fastest(|| black_box(&parsed).decode().unwrap());
        eprintln!("{name:16} {:5} bytes  parse {parse:5} ns  decode {decode:5} ns", entry.len());
    }
}

/// Nanoseconds per call in the fastest round: others share the machine.
fn fastest<T>(call: impl Fn() -> T) -> u128 {
    let round = |_| {
        let begin = Instant::now();
        (0..TIMES).for_each(|_| drop(black_box(call())));
        begin.elapsed()
    };
    (0..ROUNDS).map(round).min().unwrap_or(Duration::ZERO).as_nanos() / u128::from(TIMES)
}
