//! `release step`: a later step in a release's life, as a statement that names the first.
//!
//! ```text
//! proposed ─▶ verified, approved (people) ─▶ published ─▶ suspended | recalled | eos
//! ```
//!
//! Invariants:
//! - What the release is comes from its own entry, found by its leaf hash, not from flags.
//! - A step out of order is logged all the same, and told: it is evidence.

use std::path::PathBuf;

use clap::Args;
use firmlog_statement::event::{EventType, Life};
use firmlog_statement::{
    Digest, Regulatory, RegulatoryAction, Release, Statement, disclosure::Commitments,
};
use firmlog_tlog::merkle::Hash;
use firmlog_verify::report::Question;
use serde_json::json;

use crate::Context;
use crate::answer::Answer;
use crate::command::trust::{sha256_of, unknown};
use crate::error::{Error, Exit, Result};
use crate::evidence::{HowArgs, Source};
use crate::http::Client;
use crate::submit::{self, LogArgs, SignArgs, digest, sign_and_submit, trust_root};

/// Arguments of `release step`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog release step LEAF-HASH recalled --regulatory 806_reported --reference Z-1234-2026 \\
    --key build.pem --as acme.example/build --log https://log.example --trust log.trust")]
pub(crate) struct StepArgs {
    /// Leaf hash of the release
    release: String,
    /// published, suspended, recalled or eos
    step: String,
    /// What regulators are told: none, 806_reported, 806_not_reported or fsca
    #[arg(long, value_name = "ACTION")]
    regulatory: Option<String>,
    /// Reference of the report
    #[arg(long, value_name = "REF", requires = "regulatory")]
    reference: Option<String>,
    /// Justification of not reporting; its SHA-256 is logged
    #[arg(long, value_name = "FILE", requires = "regulatory")]
    justification: Option<PathBuf>,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    log: LogArgs,
}

const STEPS: [EventType; 4] = [
    EventType::ReleasePublished,
    EventType::ReleaseSuspended,
    EventType::ReleaseRecalled,
    EventType::ReleaseEndOfSupport,
];

/// Runs the command.
pub(super) fn run(args: &StepArgs, context: &Context) -> Result<Answer> {
    let event = event(&args.step)?;
    let (root, client) = (trust_root(&args.log.trust)?, Client::new(&args.log.log, context)?);
    let mut source = Source::open(&client, &root, args.how, context)?;
    let wanted = digest(&args.release)?;
    let found = source.ask(&Question::Release(Hash(wanted.0)))?;
    let found = found.and_then(|found| found.report.releases.into_iter().next());
    let found = found.ok_or_else(|| {
        Error::new("E-NOT-FOUND", source.absence(&format!("release {wanted}")))
            .exit(Exit::Incomplete)
            .help("give the leaf hash that firmlog release publish or propose printed")
    })?;
    let last = found.standing.standing.step();
    let in_order = Life::after(Some(last)).allows(event);
    if !in_order {
        context.talk.say(format_args!(
            "warning: {event} does not follow {last}{}; the log decides whether it takes it",
            if event == EventType::ReleasePublished { " without an approval" } else { "" }
        ));
    }
    let statement = Statement::Release(Release {
        event,
        time: submit::now(),
        release: Some(wanted),
        commitments: Commitments::default(),
        supersedes: None,
        regulatory: regulatory(args)?,
        ..found.statement
    });
    let (sign, key) = (&args.sign, args.sign.open()?);
    let placed = sign_and_submit(&statement, &found.subject, sign, &key, &[], &args.log, context)?;
    let mut json = placed.json();
    json["release"] = wanted.to_string().into();
    json["step"] = event.name().into();
    json["after"] = last.name().into();
    json["in_order"] = json!(in_order);
    let text = format!("{} {event} (after {last})\n{}", found.subject, placed.text());
    Ok(Answer::new("release-step", json, text))
}

fn event(step: &str) -> Result<EventType> {
    let short = |event: &EventType| event.name().trim_start_matches("release_");
    let found = STEPS.into_iter().find(|event| short(event) == step || event.name() == step);
    found.ok_or_else(|| unknown("step", step, &STEPS.each_ref().map(short)))
}

fn regulatory(args: &StepArgs) -> Result<Option<Regulatory>> {
    let Some(name) = &args.regulatory else { return Ok(None) };
    let action = RegulatoryAction::from_name(name)
        .ok_or_else(|| unknown("regulatory action", name, RegulatoryAction::ALL))?;
    let justification: Option<Digest> = args.justification.as_deref().map(sha256_of).transpose()?;
    let reference = args.reference.clone();
    Ok(Some(Regulatory { action, justification, designated: None, reference }))
}
