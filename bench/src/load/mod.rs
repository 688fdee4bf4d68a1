//! The load generator: real HTTP from a process of its own.
//!
//! ```text
//! firmlog-load add --target 127.0.0.1:8080 --connections 64 --seconds 5
//! ```
//!
//! In scope: closed and open loops over keep-alive HTTP/1.1, with as little
//! processor time a request as can be, because the generator shares its cores
//! with what it measures. Out of scope: making signed statements (`prepare`).

pub mod answers;
pub mod engine;
pub mod http;
pub mod requests;
pub mod tally;
pub mod work;

use std::time::Duration;

use engine::Plan;
use tally::{Summary, Tally};
use work::Work;

/// Runs one engine a thread and merges what they counted.
///
/// `plan.connections` and `plan.rate` are those of each engine. `work` makes
/// the work of engine 0, 1, ….
///
/// # Errors
/// If an engine cannot open or poll its connections.
pub fn run(
    plan: &Plan,
    threads: usize,
    work: impl Fn(usize) -> Box<dyn Work> + Sync,
) -> anyhow::Result<Summary> {
    let results: Vec<_> = std::thread::scope(|scope| {
        let work = &work;
        let engines: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || engine::run(plan, work(thread).as_mut())))
            .collect();
        engines.into_iter().map(|engine| engine.join().expect("an engine panicked")).collect()
    });
    let mut total = Tally::default();
    let mut longest = Duration::ZERO;
    for result in results {
        let (tally, window) = result?;
        total.merge(tally);
        longest = longest.max(window);
    }
    Ok(total.summary(longest))
}
