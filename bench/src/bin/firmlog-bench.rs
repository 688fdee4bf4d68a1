//! `firmlog-bench`: measures the figures of `docs/benchmarks.md` and runs the crash harness.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use firmlog_bench::figures::{self, stage::Stage, table};
use firmlog_bench::rig::loader::Loader;
use firmlog_bench::{core, crash};

/// The server's allocator, so that the echo differs from it in nothing but the log.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    match Command::parse().task {
        Task::Figures(args) => args.run(),
        Task::Crash(args) => args.run(),
        Task::Echo { listen } => firmlog_bench::echo::serve(listen, |address| {
            let _ = writeln!(std::io::stdout(), "listening on {address}");
        }),
        Task::Core { dir, threads, batch, leaf_bytes, seconds } => {
            let dir = tempfile::tempdir_in(dir)?;
            let duration = Duration::from_secs_f64(seconds);
            let rate = core::append_batches(dir.path(), threads, batch, leaf_bytes, duration)?;
            writeln!(std::io::stdout(), "{:.0} entries/s", rate.per_s())?;
            Ok(())
        }
    }
}

/// Measures the log against the bare loops under it.
#[derive(Debug, Parser)]
#[command(name = "firmlog-bench", version)]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measures the figures of docs/benchmarks.md.
    Figures(FiguresArgs),
    /// Kills the server again and again and looks for what is missing.
    Crash(CrashArgs),
    /// Serves a bare echo over the product's HTTP stack.
    Echo {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Appends raw batches to a log in this process, without HTTP.
    Core {
        /// Where the log is made, and removed afterwards.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Submitting threads.
        #[arg(long, default_value_t = 2)]
        threads: u64,
        /// Entries of one batch.
        #[arg(long, default_value_t = 1000)]
        batch: usize,
        /// Shortest leaf in bytes, before the counter.
        #[arg(long, default_value_t = 0)]
        leaf_bytes: usize,
        /// How long.
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
    },
}

#[derive(Debug, Args)]
struct FiguresArgs {
    /// The product's binary.
    #[arg(long)]
    firmlog: PathBuf,
    /// Where logs are made, on the disk to be measured.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Few short rounds, and nothing at ten million entries.
    #[arg(long)]
    quick: bool,
    /// Where the report goes.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measures only the group that this figure is in.
    #[arg(long)]
    only: Option<String>,
    /// The page whose table is filled in; with --only, the rows that were measured.
    #[arg(long)]
    docs: Option<PathBuf>,
}

impl FiguresArgs {
    fn run(self) -> anyhow::Result<()> {
        let bench = std::env::current_exe().context("failed to find this program")?;
        let loader = Loader(bench.with_file_name("firmlog-load"));
        std::fs::create_dir_all(&self.dir)?;
        let stage =
            Stage { firmlog: self.firmlog, bench, loader, dir: self.dir, quick: self.quick };
        let report = figures::run(&stage, self.only.as_deref(), self.json.as_deref())?;
        firmlog_bench::say(&report.machine.line());
        if let Some(path) = self.docs {
            let page = std::fs::read_to_string(&path)?;
            let page = match self.only {
                None => table::fill(&page, &report).context("the page has no place for figures")?,
                Some(_) => table::update(&page, &report)
                    .context("the page has no row for it, or its table is of another machine")?,
            };
            std::fs::write(&path, page)?;
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
struct CrashArgs {
    /// The product's binary.
    #[arg(long)]
    firmlog: PathBuf,
    /// Where logs are made.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// How often a server is started, put under load and killed.
    #[arg(long, default_value_t = 200)]
    rounds: u64,
    /// Decides every random choice but the machine's own timing; drawn from the clock unless given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many steps of each kind fail in turn, in each way.
    #[arg(long, default_value_t = 12)]
    fault_depth: u64,
}

impl CrashArgs {
    fn run(self) -> anyhow::Result<()> {
        let seed = self.seed.unwrap_or_else(|| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            since.map_or(1, |since| since.as_millis() as u64)
        });
        std::fs::create_dir_all(&self.dir)?;
        crash::run(&crash::Options {
            firmlog: self.firmlog,
            dir: self.dir,
            rounds: self.rounds,
            seed,
            fault_depth: self.fault_depth,
        })
    }
}
