//! `agent …`: the device's agent as a Linux daemon, and the commands that reach it.
//!
//! ```text
//! updater's hook ── agent record ──▶ agent.sock ──▶ agent run ── journal ── outbox ──▶ the log
//!                         └── no agent runs: takes the lock, records, and ends
//! ```
//!
//! In scope: a file or partition as flash, the key by its name, the lock, the socket, systemd, the
//! connection to the log. Out of scope: what a statement says, what may follow what, when to send
//! again (`firmlog-agent`).
//!
//! Invariants:
//! - One process holds the journal; the kernel frees its lock however it ends.
//! - A command answers the same whether an agent runs or not.

mod clock;
pub(crate) mod config;
mod counter;
pub(crate) mod courier;
mod daemon;
pub(crate) mod flash;
mod head;
mod heard;
mod init;
mod notify;
mod offer;
mod private;
mod push;
pub(crate) mod receipts;
mod record;
mod request;
mod socket;
mod status;
mod unit;
mod verify_image;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use firmlog_agent::mcuboot;
use firmlog_agent::update::Image;

pub(crate) use self::clock::uptime_ms;
use self::config::{Config, encode_image};
use self::request::{Request, Step, WhyArgs};
use self::unit::{Held, Unit};
use crate::Context;
use crate::answer::Answer;
use crate::command::release::version_code;
use crate::error::{Error, Result};
use crate::image::{FormArgs, ImageFile, check_given, may_be_called};

/// `agent`
#[derive(Subcommand)]
pub(crate) enum AgentCommand {
    /// Make a folder for the agent, with an empty journal
    Init(Box<init::InitArgs>),
    /// Hold the journal, record what happens, and send it to the log
    Run(RunArgs),
    /// Record a step, as an updater's hooks do
    Record(Box<RecordArgs>),
    /// How the device, its journal and its sending stand
    Status(ShortArgs),
    /// What the device said and still has
    History(HistoryArgs),
    /// May this image be installed here? Offline, from the bundle beside it
    VerifyImage(verify_image::VerifyImageArgs),
    /// Send now, and wait until all is proven
    Push(ShortArgs),
}

/// Where the agent lives.
#[derive(Args, Clone)]
pub(crate) struct Place {
    /// The agent's folder
    #[arg(long, value_name = "DIR", default_value = "/var/lib/firmlog-agent")]
    dir: PathBuf,
}

/// Arguments of `agent run`.
#[derive(Args)]
#[command(after_help = "\
Stops at SIGTERM. Exit: 1 an older journal was put back

Example:
  firmlog agent run --dir /var/lib/firmlog-agent")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    place: Place,
    /// Say tamper_detected and go on, where the TPM shows that an older journal was put back
    #[arg(long)]
    after_rollback: bool,
}

/// Arguments of `agent record`.
#[derive(Args)]
#[command(after_help = "\
Exit: 0 recorded, or waiting for the next statement · 1 it may not follow, or the install is \
withheld · 3 it had no room and is counted

Example:
  firmlog agent record check --by person --role technician --reason service
  firmlog agent record signature_verified --image pump-4.2.1.bin --version 4.2.1
  firmlog agent record install_started || exit 1
  firmlog agent record install_failed --error 22")]
pub(crate) struct RecordArgs {
    /// check, download_started, downloaded, signature_verified, install_started, installed, reboot,
    /// boot_ok, committed, rollback_started, rolled_back, refused_…: as docs/spec/statement.md
    event: String,
    #[command(flatten)]
    place: Place,
    /// The updater's error number
    #[arg(long)]
    error: Option<u32>,
    /// mains, battery, battery_low or lost
    #[arg(long)]
    power: Option<String>,
    #[command(flatten)]
    image: ImageArgs,
    /// Leaf hash of the image's release
    #[arg(long, value_name = "HASH")]
    release: Option<String>,
    /// Make a statement at once, also of a step that may wait for the next
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    why: WhyArgs,
    /// FIELD=VALUE to commit to with a salt (technician, site, …), at once; may be given again
    #[arg(long = "private", value_name = "FIELD=VALUE")]
    private: Vec<String>,
}

/// An image.
#[derive(Args, Clone, Default)]
pub(crate) struct ImageArgs {
    /// The image
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Its version: 4.2.1, or the number it is ordered by; an image of MCUboot has its own
    #[arg(long, value_name = "V", requires = "image")]
    version: Option<String>,
    /// Its anti-rollback counter; by default 0, or what an image of MCUboot says
    #[arg(long, value_name = "N")]
    security_counter: Option<u32>,
    #[command(flatten)]
    form: FormArgs,
}

impl ImageArgs {
    /// The image named, if one is.
    pub(crate) fn image(&self) -> Result<Option<Image>> {
        let Some(path) = &self.image else { return Ok(None) };
        let file = ImageFile::read(path, self.form)?;
        let (version, counter) = match &file.mcuboot {
            Some(own) => self.order_of_mcuboot(path, own)?,
            None => (self.version_of_file()?, self.security_counter.unwrap_or_default()),
        };
        Ok(Some(Image { sha256: file.digests.sha256.0, version, counter }))
    }

    fn order_of_mcuboot(&self, path: &Path, own: &mcuboot::Image) -> Result<(u64, u32)> {
        let (version, counter) = (own.header.version.code(), own.counter);
        if let Some(given) = &self.version {
            let same = given.parse() == Ok(version) || may_be_called(own.header.version, given);
            check_given(path, ("--version", given), own.header.version, same)?;
        }
        if let Some(given) = self.security_counter {
            check_given(path, ("--security-counter", &given), counter, given == counter)?;
        }
        Ok((version, counter))
    }

    fn version_of_file(&self) -> Result<u64> {
        let expected = |got: &str| {
            Error::new("E-USAGE", "the version has no order").expected("4.2.1 or a number", got)
        };
        let version = self.version.as_deref().ok_or_else(|| expected("no --version"))?;
        version.parse().ok().or_else(|| version_code(version)).ok_or_else(|| expected(version))
    }
}

/// Arguments of `agent status` and `agent push`.
#[derive(Args)]
#[command(after_help = "Example:\n  firmlog agent status --dir /var/lib/firmlog-agent")]
pub(crate) struct ShortArgs {
    #[command(flatten)]
    place: Place,
}

/// Arguments of `agent history`.
#[derive(Args)]
#[command(after_help = "Example:\n  firmlog agent history --from 12")]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    place: Place,
    /// From this statement on
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
}

/// Runs the command.
pub(crate) fn run(command: &AgentCommand, context: &Context) -> Result<Answer> {
    match command {
        AgentCommand::Init(args) => init::run(args),
        AgentCommand::Run(args) => {
            crate::messages::listen(&context.talk);
            daemon::run(&Config::load(&args.place.dir)?, args.after_rollback, context)
        }
        AgentCommand::Record(args) => {
            let request = Request::Record(step(args)?);
            ask(&args.place, &request, "agent-record", context)
        }
        AgentCommand::Status(args) => ask(&args.place, &Request::Status, "agent-status", context),
        AgentCommand::History(args) => {
            let request = Request::History { from: args.from };
            ask(&args.place, &request, "agent-history", context)
        }
        AgentCommand::VerifyImage(args) => verify_image::run(args, context),
        AgentCommand::Push(args) => ask(&args.place, &Request::Push, "agent-push", context),
    }
}

fn step(args: &RecordArgs) -> Result<Step> {
    record::event(&args.event)?;
    Ok(Step {
        event: args.event.clone(),
        error: args.error,
        power: args.power.clone(),
        image: args.image.image()?.as_ref().map(encode_image),
        release: args.release.clone(),
        now: args.now,
        why: Box::new(args.why.clone()),
        private: args.private.clone(),
    })
}

/// Asks the agent that runs, or does it in its place.
fn ask(
    place: &Place,
    request: &Request,
    command: &'static str,
    context: &Context,
) -> Result<Answer> {
    let config = Config::load(&place.dir)?;
    // An answer of the log, and all the receipts after it, may take their time.
    let patience = match request {
        Request::Push => context.timeout.max(Duration::from_secs(config.answer_s.into())) * 4,
        _ => context.timeout,
    };
    let other = || socket::ask(&config, request, command, patience);
    let held = match Held::take_or(&config, other)? {
        Ok(held) => held,
        Err(answer) => return Ok(answer),
    };
    let mut unit = Unit::open(&config, held, false)?;
    let answer = match request {
        Request::Record(step) => {
            // Nobody says later what waits here.
            record::record(&mut unit, &Step { now: true, ..step.clone() })
        }
        Request::Status => Ok(status::status(&mut unit, None)),
        Request::History { from } => status::history(&mut unit, *from),
        Request::Push => push::push(&mut unit, &config, context),
    }?;
    Ok(Answer { command, ..answer })
}
