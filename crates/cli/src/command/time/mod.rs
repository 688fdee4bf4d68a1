//! `time status|query|check`: what this computer knows of the time, and evidence of it.
//!
//! ```text
//! $ firmlog time query --config time.toml --over 5f3a… --out now.time
//! $ firmlog time check now.time --config time.toml --statement update.cose
//! ```
//!
//! Invariants:
//! - `check` opens no socket, and believes only servers whose keys the settings have.
//! - Nothing here sets a clock.

mod show;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use firmlog_clock::agree::Outcome;
use firmlog_clock::evidence::{Checked, Evidence, EvidenceError};
use firmlog_clock::report::report;
use firmlog_clock::{ClockError, Query, Server, Settings, TrustedClock};
use firmlog_statement::{Parsed, Statement, Update};
use serde_json::json;

use crate::answer::{Answer, table};
use crate::error::{Error, Exit, Result};
use crate::submit::digest;

/// `time`
#[derive(Subcommand)]
pub(crate) enum TimeCommand {
    /// What the kernel and chrony say, and what a statement would
    Status(StatusArgs),
    /// Ask Roughtime servers, and keep what they signed
    Query(QueryArgs),
    /// Check such evidence, anywhere and offline
    Check(CheckArgs),
}

/// Arguments of `time status`.
#[derive(Args)]
#[command(after_help = "Example:\n  firmlog time status --config time.toml")]
pub(crate) struct StatusArgs {
    /// Settings; without them chrony is asked where it usually is
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Arguments of `time query`.
#[derive(Args)]
#[command(after_help = "\
Exit: 0 most servers agree · 1 they contradict each other · 3 too few replied · 5 none did

Example:
  firmlog time query --config time.toml --over 5f3a… --out now.time")]
pub(crate) struct QueryArgs {
    /// Settings that name the servers
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// SHA-256 of what the servers' signatures shall be later than: the device's last statement
    #[arg(long, value_name = "SHA256")]
    over: String,
    /// Where the evidence goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where the report of a lying server goes, in the form of RFC 10049
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Arguments of `time check`.
#[derive(Args)]
#[command(after_help = "\
Exit: 0 it proves a time · 1 it was altered, or the servers contradict each other · 2 a server is
not in the settings · 3 too few replied

Example:
  firmlog time check now.time --config time.toml --statement update.cose")]
pub(crate) struct CheckArgs {
    /// The evidence
    evidence: PathBuf,
    /// Settings that name the servers you trust
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A device's statement that names the evidence
    #[arg(long, value_name = "ENTRY")]
    statement: Option<PathBuf>,
    /// Where the report of a lying server goes, in the form of RFC 10049
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(command: &TimeCommand) -> Result<Answer> {
    match command {
        TimeCommand::Status(args) => status(args),
        TimeCommand::Query(args) => query(args),
        TimeCommand::Check(args) => check(args),
    }
}

fn status(args: &StatusArgs) -> Result<Answer> {
    let settings = args.config.as_deref().map_or(Ok(Settings::default()), read)?;
    let reading = TrustedClock::new(settings).map_err(clock_error)?.now();
    let json = show::reading_json(&reading);
    Ok(Answer::new("time-status", json, show::reading_text(&reading)))
}

fn query(args: &QueryArgs) -> Result<Answer> {
    let over = digest(&args.over)?;
    let settings = read(&args.config)?;
    let servers = settings.roughtime.servers.clone();
    let mut clock = TrustedClock::new(settings).map_err(clock_error)?;
    let Query { evidence, outcome, silent } = clock.query(&over).map_err(clock_error)?;
    let Some(evidence) = evidence else {
        let why: Vec<String> = silent.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        return Err(Error::network(format!("no server gave a time: {}", why.join("; ")))
            .help("compare addresses and keys in the settings with what the servers publish"));
    };
    let bytes = evidence.encode();
    std::fs::write(&args.out, &bytes).map_err(|e| Error::io("write", &args.out, e))?;
    write_report(args.report.as_deref(), &evidence, &outcome)?;
    let checked = evidence.check(&servers).map_err(|e| against(&args.out, e))?;
    let mut rows = show::evidence_rows(&evidence, &checked);
    rows.push(("evidence", format!("{} (sha256:{})", args.out.display(), evidence.digest())));
    let mut json = show::evidence_json(&evidence, &checked);
    json["silent"] = silent.iter().map(|(name, why)| json!([name, why.to_string()])).collect();
    let mut text = table(rows);
    for (name, why) in &silent {
        text.push_str(&format!("! {name} gave no time: {why}\n"));
    }
    text.push_str(&show::liars_text(&outcome));
    Ok(Answer::new("time-query", json, text).exit(exit(&outcome)))
}

fn check(args: &CheckArgs) -> Result<Answer> {
    let servers = read(&args.config)?.roughtime.servers;
    let bytes = std::fs::read(&args.evidence).map_err(|e| Error::io("read", &args.evidence, e))?;
    let (evidence, checked) = checked(&args.evidence, &bytes, &servers)?;
    let mut rows = show::evidence_rows(&evidence, &checked);
    let mut json = show::evidence_json(&evidence, &checked);
    if let Some(path) = &args.statement {
        let update = update(path)?;
        let named = names(path, &update, &evidence)?;
        rows.push(("statement", show::statement_text(path, named)));
        json["statement"] = json!({"seq": update.seq.0.to_string(), "over_the_one_before": named});
    }
    write_report(args.report.as_deref(), &evidence, &checked.outcome)?;
    let mark = if exit(&checked.outcome) == Exit::Proven {
        "✓ proves a time"
    } else {
        "✗ proves no time"
    };
    let text = format!("{mark}\n{}{}", table(rows), show::liars_text(&checked.outcome));
    Ok(Answer::new("time-check", json, text).exit(exit(&checked.outcome)))
}

fn checked(path: &Path, bytes: &[u8], servers: &[Server]) -> Result<(Evidence, Checked)> {
    let evidence = Evidence::parse(bytes).map_err(|e| against(path, e))?;
    let checked = evidence.check(servers).map_err(|e| against(path, e))?;
    Ok((evidence, checked))
}

/// Whether the statement names this evidence (else it is refused), and whether the evidence is over
/// the statement right before it.
fn names(path: &Path, update: &Update, evidence: &Evidence) -> Result<bool> {
    let (named, digest) = (update.time.evidence, evidence.digest());
    if named != Some(digest) {
        let named = named.map_or("none".to_owned(), |named| named.to_string());
        let message = format!("{} names other evidence", path.display());
        return Err(Error::new("E-TIME", message).exit(Exit::Against).expected(digest, named));
    }
    Ok(update.prev == evidence.over)
}

fn update(path: &Path) -> Result<Update> {
    let entry = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let form = |e| Error::form(&path.display().to_string(), e);
    match Parsed::parse(&entry).and_then(|parsed| parsed.decode()).map_err(form)? {
        Statement::Update(update) => Ok(update),
        other => Err(Error::new("E-KIND", "only a device's statement names such evidence")
            .expected("update", other.kind().name())),
    }
}

fn write_report(path: Option<&Path>, evidence: &Evidence, outcome: &Outcome) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let Outcome::Agreed { liars, .. } = outcome else { return Ok(()) };
    let Some(report) = liars.iter().find_map(|liar| report(evidence, liar)) else { return Ok(()) };
    std::fs::write(path, report.to_string()).map_err(|e| Error::io("write", path, e))
}

fn exit(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::Agreed { .. } => Exit::Proven,
        Outcome::NoMajority { .. } => Exit::Against,
        Outcome::TooFew { .. } => Exit::Incomplete,
    }
}

fn against(path: &Path, error: EvidenceError) -> Error {
    let unknown = matches!(error, EvidenceError::UnknownServer(_) | EvidenceError::Version(_));
    let exit = if unknown { Exit::CannotRun } else { Exit::Against };
    Error::new("E-TIME", format!("{}: {error}", path.display())).exit(exit)
}

fn read(path: &Path) -> Result<Settings> {
    Settings::read(path).map_err(clock_error)
}

fn clock_error(error: ClockError) -> Error {
    let error = Error::new("E-TIME-SETTINGS", format!("failed to {error}"));
    error.help("docs/operating.md, \"Time of a device\", has every key")
}
