//! `firmlog`, the one binary people type.
//!
//! ```console
//! $ firmlog verify pump-0007.fwb --trust hospital.trust
//! $ firmlog inspect '(01)00844588003288(21)7X-0091(17)291231'
//! ```
//!
//! In scope: arguments, files, the HTTP client, what is printed. Out of scope: anything that
//! decides trust (`firmlog-verify`) or keeps state (`firmlog-log`).
//!
//! Invariants:
//! - Exit 0 if and only if the whole claim was proven.
//! - stdout carries the result, stderr the talk; `--json` documents carry a versioned schema.
//! - Secrets come from files or a prompt, never from a flag.

mod agent;
mod answer;
mod challenge;
mod command;
mod device;
mod error;
mod evidence;
mod http;
mod image;
mod inspect;
mod messages;
mod problem;
mod said;
mod scan;
mod submit;
mod when;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::answer::Talk;
use crate::error::{Error, Exit, Result};

/// A request's buffers are made on one thread and freed on another; the system's allocator spends a
/// tenth of the server's time on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXAMPLE: &str = "\
Exit: 0 proven or done · 1 evidence against · 2 could not run · 3 incomplete so far · \
4 authentication · 5 network

Example:
  firmlog inspect '(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234'";

/// Proof of which firmware ran on a medical device, when, and who put it there.
#[derive(Parser)]
#[command(name = "firmlog", version, after_help = EXAMPLE, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Global {
    /// Print one JSON document with a versioned schema
    #[arg(long, global = true, help_heading = "Global")]
    json: bool,
    /// Print the exit code only
    #[arg(short, long, global = true, help_heading = "Global")]
    quiet: bool,
    /// Say what is done on the way
    #[arg(short, long, global = true, help_heading = "Global")]
    verbose: bool,
    /// No colour, as with NO_COLOR
    #[arg(long, global = true, help_heading = "Global")]
    no_color: bool,
    /// Seconds to wait for the other side
    #[arg(long, global = true, help_heading = "Global", value_name = "S", default_value_t = 30)]
    timeout: u64,
}

#[derive(Subcommand)]
enum Command {
    /// Run and look after a log
    #[command(subcommand)]
    Log(command::log::LogCommand),
    /// Settings
    #[command(subcommand)]
    Config(command::log::ConfigCommand),
    /// Cosign checkpoints of logs
    Witness(command::witness::WitnessArgs),
    /// Make and show keys
    #[command(subcommand)]
    Key(command::key::KeyCommand),
    /// Quotes and counters of a TPM 2.0
    #[command(subcommand)]
    Tpm(command::tpm::TpmCommand),
    /// What this computer knows of the time, and evidence of it
    #[command(subcommand)]
    Time(command::time::TimeCommand),
    /// Change who may speak as what
    #[command(subcommand)]
    Trust(command::trust::TrustCommand),
    /// Publish, approve and show releases
    #[command(subcommand)]
    Release(command::release::ReleaseCommand),
    /// Statements of any kind, as JSON
    #[command(subcommand)]
    Statement(command::statement::StatementCommand),
    /// The device's agent: journal, update steps, sending
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// Simulated devices
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// Check what a file proves, offline
    Verify(command::verify::VerifyArgs),
    /// Which release is this file?
    Identify(command::identify::IdentifyArgs),
    /// Put evidence into one file
    #[command(subcommand)]
    Bundle(command::bundle::BundleCommand),
    /// Put checkpoints where nobody can take them back
    #[command(subcommand)]
    Anchor(command::anchor::AnchorCommand),
    /// Log a device's updates one by one on a chain, without a log
    #[command(subcommand)]
    Chain(command::chain::ChainCommand),
    /// Spot-check a log with entries neither side chose alone
    #[command(subcommand)]
    Challenge(challenge::ChallengeCommand),
    /// Explain any artefact: statement, checkpoint, tile, receipt, bundle, key, UDI, …
    Inspect(inspect::InspectArgs),
    /// Write the completions of a shell to stdout
    Completions(command::pages::CompletionsArgs),
    /// Write the manual pages into a directory
    Man(command::pages::ManArgs),
}

/// What every command may use beside its own arguments.
pub(crate) struct Context {
    pub(crate) talk: Talk,
    pub(crate) timeout: Duration,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unusable(&error),
    };
    let g = &cli.global;
    let talk = Talk::new(g.json, g.quiet, g.verbose, g.no_color);
    let context = Context { talk, timeout: Duration::from_secs(g.timeout) };
    match run(cli.command, &context) {
        Ok(answer) => match talk.print(&answer) {
            Ok(()) => ExitCode::from(answer.exit as u8),
            // A reader that went away, as in `| head`, is no failure of ours.
            Err(_) => ExitCode::from(answer.exit as u8),
        },
        Err(error) => {
            if talk.json {
                print_json(&error);
            }
            talk.say(&error);
            ExitCode::from(error.exit as u8)
        }
    }
}

/// Arguments that make no command: a document where one was asked for, as for every other error.
fn unusable(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if error.use_stderr() && wants_json {
        print_json(&Error::usage(error));
    }
    // Help and version go to stdout, everything else to stderr.
    drop(error.print());
    ExitCode::from(if error.use_stderr() { Exit::CannotRun as u8 } else { Exit::Proven as u8 })
}

fn print_json(error: &Error) {
    let mut out = std::io::stdout();
    drop(std::io::Write::write_fmt(&mut out, format_args!("{}\n", error.json())));
}

fn run(command: Command, context: &Context) -> Result<answer::Answer> {
    match command {
        Command::Log(args) => command::log::run(&args, context),
        Command::Config(args) => command::log::config(&args),
        Command::Witness(args) => command::witness::run(&args, context),
        Command::Key(args) => command::key::run(&args),
        Command::Tpm(args) => command::tpm::run(&args),
        Command::Time(args) => command::time::run(&args),
        Command::Trust(args) => command::trust::run(&args, context),
        Command::Release(args) => command::release::run(&args, context),
        Command::Statement(args) => command::statement::run(&args, context),
        Command::Agent(args) => agent::run(&args, context),
        Command::Device(args) => device::run(&args, context),
        Command::Verify(args) => command::verify::run(&args),
        Command::Identify(args) => command::identify::run(&args, context),
        Command::Bundle(args) => command::bundle::run(&args, context),
        Command::Anchor(args) => command::anchor::run(&args, context),
        Command::Chain(args) => command::chain::run(&args, context),
        Command::Challenge(args) => challenge::run(&args, context),
        Command::Inspect(args) => inspect::run(&args, context),
        Command::Completions(args) => command::pages::completions(&args, Cli::command()),
        Command::Man(args) => command::pages::man(&args, Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }
}
