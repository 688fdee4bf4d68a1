//! Developer commands: `cargo xtask COMMAND`.
//!
//! ```text
//! cargo xtask demo --yes
//! cargo xtask test
//! ```
//!
//! In scope: installing what the checks need, and running them. Out of scope: anything a user of
//! firmlog would run (`crates/cli`).
//!
//! Invariants:
//! - Everything installed beyond Debian packages lives under `.setup/` and
//!   `contracts/node_modules/`; deleting them undoes it.
//! - Every version is pinned in the repository.
//! - Background programs are stopped by their process id, also when a step fails.

#![expect(clippy::print_stdout, reason = "stdout is where a command's result goes")]

mod agent_kill;
mod api_test;
mod bench;
mod bench_against;
mod c_library;
mod chaos;
mod contracts;
mod crash;
mod demo;
mod deny;
mod firmware;
mod fuzz;
mod header;
mod judge;
mod mutants;
mod nightly;
mod ports;
mod power;
mod setup;
mod sh;
mod size;
mod soup;
mod test;
mod tidy;
mod vectors;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  setup [--check]              install what the other commands need, pinned; --check only tells
  demo [--firmware FILE] [-y]  the whole story on this machine, from keys to a verified bundle
  test                         setup, every test with its foreign oracles, then the API fuzzer
  contracts [--gas-json F]     the Solidity contracts: fresh, measured, deployed, tested
  bench [--quick] [--json F]   measure the figures of docs/benchmarks.md
  vectors [--check]            regenerate vectors/; --check fails when that changes a file
  c-library --out DIR          the library for C with its header, pkg-config and CMake files
  header [--check]             write the C header; --check fails when that changes it
  fuzz [TARGET] [--smoke]      cargo-fuzz; --smoke runs every target for 60 seconds
  crash [--rounds N]           kill the server at random moments and check what survived
  chaos [--rounds N]           kill, fork and lie to the anchor client on a real node
  agent-kill [--rounds N]      kill the device's daemon on a bad link and look for what it said
  power [--histories N]        cut the power of simulated devices and check their journals
  firmware                     devices in QEMU: install, power cut, rollback, refusal, into a log
  size [--baseline] [--json F] what the agent takes of a small processor, against its budgets
  soup [--check]               write the list of crates in the C library; --check: is it fresh
  judge --planted [J3 …]       put faults of trust back into a copy; a test must find each
  nightly [PART …]             what takes too long for every change; alone it tells what stands
  tidy                         floors, links, rules without a test, words, widths
  deny                         licences, sources and yanked crates of the dependencies

Example: cargo xtask fuzz note --seconds 30
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let result = match command {
        "setup" => setup::run(rest),
        "demo" => demo::run(rest),
        "test" => test::run(rest),
        "agent-kill" => agent_kill::run(rest),
        "bench" => bench::run(rest),
        "c-library" => c_library::run(rest),
        "contracts" => contracts::run(rest),
        "vectors" => vectors::run(rest),
        "firmware" => firmware::run(rest),
        "fuzz" => fuzz::run(rest),
        "header" => header::run(rest),
        "chaos" => chaos::run(rest),
        "crash" => crash::run(rest),
        "power" => power::run(rest),
        "size" => size::run(rest),
        "soup" => soup::run(rest),
        "judge" => judge::run(rest),
        "nightly" => nightly::run(rest),
        "tidy" => tidy::run(rest),
        "deny" => deny::run(rest),
        "help" | "-h" | "--help" => {
            eprint!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => Err(anyhow::anyhow!("unknown command `{other}`\n\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
