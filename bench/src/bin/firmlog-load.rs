//! `firmlog-load`: puts load on a log over HTTP and prints what it saw as JSON.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use firmlog_bench::load::engine::Plan;
use firmlog_bench::load::requests::read_lanes;
use firmlog_bench::load::work::{Adds, BATCH_TYPE, Batches, Leaves, Reads, Replay, Work};
use firmlog_bench::load::{self, tally::Summary};

fn main() -> anyhow::Result<()> {
    raise_file_limit();
    let command = Command::parse();
    let summary = command.mode.run()?;
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, &summary)?;
    writeln!(stdout)?;
    Ok(())
}

/// Puts load on a transparency log and prints what it saw as one line of JSON.
///
/// Example: firmlog-load add --target 127.0.0.1:8080 --connections 64 --seconds 5
#[derive(Debug, Parser)]
#[command(name = "firmlog-load", version)]
struct Command {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// One raw leaf a request (`POST /add`), as other logs' load generators do.
    Add(RawArgs),
    /// Many raw leaves a request, as a CBOR sequence (`POST /batch`).
    Batch {
        #[command(flatten)]
        raw: RawArgs,
        /// Leaves in each request.
        #[arg(long, default_value_t = 1000)]
        batch: u32,
    },
    /// Prepared batches of signed statements (`POST /batch`), until they are used up.
    Signed(ReplayArgs),
    /// Prepared signed statements, one a request (`POST /entries`), until they are used up.
    Entries(ReplayArgs),
    /// Reads of the paths listed in a file, one a line.
    Reads {
        #[command(flatten)]
        common: CommonArgs,
        /// The file of paths.
        #[arg(long)]
        paths: PathBuf,
    },
}

#[derive(Debug, Args)]
struct CommonArgs {
    /// The server's address.
    #[arg(long)]
    target: SocketAddr,
    /// Keep-alive connections in all.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Measured seconds; work that runs out ends it earlier.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before anything is counted.
    #[arg(long, default_value_t = 0.5)]
    warmup: f64,
    /// Generator threads, each with its share of the connections.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Requests a second whatever the server does; latency then runs from when each was due.
    #[arg(long)]
    rate: Option<f64>,
}

#[derive(Debug, Args)]
struct RawArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Shortest leaf in bytes, before the counter.
    #[arg(long, default_value_t = 0)]
    leaf_min_size: usize,
    /// Chance that a leaf repeats an earlier one.
    #[arg(long, default_value_t = 0.1)]
    dup_chance: f64,
    /// First counter; drawn from the clock unless given, so that runs do not repeat each other.
    #[arg(long)]
    first: Option<u64>,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The request file that `firmlog-bench prepare` wrote.
    #[arg(long)]
    requests: PathBuf,
}

impl Mode {
    fn run(&self) -> anyhow::Result<Summary> {
        match self {
            Self::Add(raw) => {
                let host = raw.common.target.to_string();
                raw.common.run(|thread| Box::new(Adds::new(&host, "/add", raw.leaves(thread))))
            }
            Self::Batch { raw, batch } => {
                let host = raw.common.target.to_string();
                raw.common.run(|thread| {
                    Box::new(Batches::new(&host, "/batch", raw.leaves(thread), *batch))
                })
            }
            Self::Signed(replay) => replay.run("/batch", BATCH_TYPE),
            Self::Entries(replay) => replay.run("/entries", "application/cose"),
            Self::Reads { common, paths } => {
                let text = std::fs::read_to_string(paths)
                    .with_context(|| format!("failed to read {}", paths.display()))?;
                let paths: Vec<String> = text.lines().map(str::to_owned).collect();
                let host = common.target.to_string();
                common.run(|thread| Box::new(Reads::new(&host, paths.clone(), thread as u64)))
            }
        }
    }
}

impl CommonArgs {
    fn run(&self, work: impl Fn(usize) -> Box<dyn Work> + Sync) -> anyhow::Result<Summary> {
        load::run(&self.plan(), self.threads, work)
    }

    fn plan(&self) -> Plan {
        Plan {
            target: self.target,
            connections: self.connections.div_ceil(self.threads),
            warmup: Duration::from_secs_f64(self.warmup),
            window: Duration::from_secs_f64(self.seconds),
            rate: self.rate.map(|rate| rate / self.threads as f64),
            reconnect: true,
        }
    }
}

impl RawArgs {
    fn leaves(&self, thread: usize) -> Leaves {
        let first = self.first.unwrap_or_else(clock_counter);
        let step = self.common.threads as u64;
        Leaves::new(first + thread as u64, step, self.leaf_min_size, self.dup_chance)
    }
}

impl ReplayArgs {
    fn run(&self, path: &str, content_type: &str) -> anyhow::Result<Summary> {
        // At a fixed rate any idle connection takes the next request.
        let lanes =
            if self.common.rate.is_some() { self.common.threads } else { self.common.connections };
        let lanes = read_lanes(&self.requests, lanes)?;
        let host = self.common.target.to_string();
        let per_thread = lanes.len().div_ceil(self.common.threads);
        let mut shares = Vec::new();
        let mut lanes = lanes.into_iter();
        for _ in 0..self.common.threads {
            let share: Vec<_> = lanes.by_ref().take(per_thread).collect();
            shares.push(std::sync::Mutex::new(Some(share)));
        }
        self.common.run(|thread| {
            let share = shares[thread].lock().ok().and_then(|mut share| share.take());
            Box::new(Replay::new(&host, path, content_type, share.unwrap_or_default()))
        })
    }
}

/// Milliseconds since 1970 with room for a million leaves each.
fn clock_counter() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| since.as_millis() as u64 * 1_000_000)
}

/// Each connection needs a descriptor; the soft limit is often 1,024.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // If it cannot be raised, opening the connections will say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
