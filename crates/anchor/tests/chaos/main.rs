//! Chaos: clients that die at every step, on a node that forgets, forks and is overpriced, among
//! providers that lie; and in the end every checkpoint is anchored, once.
//!
//! ```text
//! chaos: 200 rounds, seed 7: 231 checkpoints wanted, 200 anchored, 31 covered by newer ones;
//!   84 kills, …; 0 lost, 0 doubled, 0 called final that are not
//! ```
//!
//! `cargo xtask chaos --rounds N [--seed S]`; a few rounds in `cargo test`. The program runs itself
//! as the client (`client …`), with the option to die at a point that no shipped program has.

#![expect(clippy::print_stdout, reason = "stdout is where the result goes")]

#[path = "../world/mod.rs"]
mod world;

mod check;
mod client;
mod round;

use round::Chaos;

/// Rounds in `cargo test`: each kind of fault at least once.
const ROUNDS: u64 = 12;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "client") {
        return client::main(&args[1..]);
    }
    let number = |name: &str, usual: u64| {
        let at = args.iter().position(|arg| arg == name);
        at.and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(usual)
    };
    let (rounds, seed) = (number("--rounds", ROUNDS), number("--seed", 1));
    let Some(program) = world::node::program("chaos") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut chaos = Chaos::start(&program, rounds, seed).await;
        for number in 0..rounds {
            chaos.round(number).await;
        }
        chaos.check().await;
    });
}
