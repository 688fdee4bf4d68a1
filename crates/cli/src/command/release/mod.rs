//! `release propose|publish|approve|step|authorise|show|tlv`.
//!
//! ```text
//! firmlog release publish pump-4.2.1.bin --version 4.2.1 --model ip-200 …   the build signs
//! firmlog release approve LEAF-HASH --meaning approval …                    a person signs
//! ```
//!
//! Invariant: an approval is an e-signature (21 CFR 11.50): who, when, meaning, reason; two
//! components.

mod behind;
mod publish;
mod step;
mod tlv;

pub(crate) use publish::version_code;

use clap::{Args, Subcommand};
use firmlog_keys::Key;
use firmlog_statement::disclosure::FieldId;
use firmlog_statement::event::EventType;
use firmlog_statement::time::ZoneOffset;
use firmlog_statement::{
    Approval, Authorisation, ESignature, Extra, Factors, Gate, Meaning, ReasonCode, Signer,
    Statement,
};
use serde_json::json;

use crate::Context;
use crate::answer::Answer;
use crate::command::key;
use crate::command::trust::unknown;
use crate::error::{Exit, Result};
use crate::evidence::{HowArgs, Source};
use crate::http::Client;
use crate::said::{exit_of, report_json, report_text};
use crate::submit::{self, LogArgs, Secret, SignArgs, digest, sign_and_submit};

/// `release`
#[derive(Subcommand)]
pub(crate) enum ReleaseCommand {
    /// Offer an image to be verified and approved; nobody installs it until it is published
    #[command(after_help = "\
Example:
  firmlog release propose pump-4.2.1.bin --version 4.2.1 --code 40201 --model ip-200 \\
    --key build.pem --as acme.example/build --log https://log.example --trust log.trust")]
    Propose(Box<publish::PublishArgs>),
    /// Say that an image is a version for some models
    Publish(Box<publish::PublishArgs>),
    /// Approve, review or reject a release, as a person
    Approve(ApproveArgs),
    /// Publish what was proposed; suspend, recall or end a release
    Step(Box<step::StepArgs>),
    /// Let devices install a release
    Authorise(AuthoriseArgs),
    /// What the log holds about a release
    Show(ShowArgs),
    /// Write what `imgtool sign` puts into an image of MCUboot: leaf hash and evidence
    Tlv(tlv::TlvArgs),
}

/// Arguments of `release approve`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog release approve LEAF-HASH --meaning approval --name 'R. Okafor' \\
    --key okafor.pem --as acme.example/quality --log https://log.example --trust log.trust")]
pub(crate) struct ApproveArgs {
    /// Leaf hash of the release, as `release publish` printed it
    release: String,
    /// approval, review (of its verification), authorship, responsibility or rejection
    #[arg(long, default_value = "approval")]
    meaning: String,
    /// Your printed name; only its salted commitment is logged
    #[arg(long)]
    name: String,
    /// Why, in a word (security_fix, defect_fix, feature, …)
    #[arg(long, default_value = "feature")]
    reason: String,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Arguments of `release authorise`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog release authorise LEAF-HASH --model ip-200 --name 'M. Adeyemi' \\
    --key adeyemi.pem --as acme.example/field --log https://log.example --trust log.trust")]
pub(crate) struct AuthoriseArgs {
    /// Leaf hash of the release
    release: String,
    /// A model that may install it; may be given again
    #[arg(long = "model", required = true)]
    models: Vec<String>,
    /// Your printed name; only its salted commitment is logged
    #[arg(long)]
    name: String,
    /// Do not install unlogged, instead of logging later
    #[arg(long)]
    log_required: bool,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Arguments of `release show`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog release show LEAF-HASH --log https://log.example --trust log.trust")]
pub(crate) struct ShowArgs {
    /// Leaf hash of the release, or SHA-256 of its image
    release: String,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Runs the command.
pub(crate) fn run(command: &ReleaseCommand, context: &Context) -> Result<Answer> {
    match command {
        ReleaseCommand::Propose(args) => publish::run(args, EventType::ReleaseProposed, context),
        ReleaseCommand::Publish(args) => publish::run(args, EventType::ReleasePublished, context),
        ReleaseCommand::Step(args) => step::run(args, context),
        ReleaseCommand::Approve(args) => approve(args, context),
        ReleaseCommand::Authorise(args) => authorise(args, context),
        ReleaseCommand::Show(args) => show(args, context),
        ReleaseCommand::Tlv(args) => tlv::run(args),
    }
}

fn approve(args: &ApproveArgs, context: &Context) -> Result<Answer> {
    let release = digest(&args.release)?;
    let meaning = Meaning::from_name(&args.meaning)
        .ok_or_else(|| unknown("meaning", &args.meaning, Meaning::ALL))?;
    let reason = ReasonCode::from_name(&args.reason)
        .ok_or_else(|| unknown("reason", &args.reason, ReasonCode::ALL))?;
    let secrets = [Secret::new(FieldId::PrintedName, &args.name)];
    let (sign, (key, factors)) = (&args.sign, components(&args.sign, context)?);
    let statement = Statement::Approval(Approval {
        image: None,
        // The step that was judged; how it was judged is the signature's meaning.
        event: match meaning {
            Meaning::Review => EventType::ReleaseVerified,
            _ => EventType::ReleaseApproved,
        },
        time: submit::now(),
        release,
        commitments: submit::commit(&secrets)?,
        supersedes: None,
        esig: esignature(&key, factors, meaning, reason),
        evidence: Vec::new(),
        extra: Extra::default(),
    });
    let placed =
        sign_and_submit(&statement, &args.release, sign, &key, &secrets, &args.log, context)?;
    let mut json = placed.json();
    json["meaning"] = meaning.name().into();
    let text = format!("{} by {}: {meaning}\n{}", args.sign.issuer, args.name, placed.text());
    Ok(Answer::new("release-approve", json, text))
}

fn authorise(args: &AuthoriseArgs, context: &Context) -> Result<Answer> {
    let secrets = [Secret::new(FieldId::PrintedName, &args.name)];
    let (sign, (key, factors)) = (&args.sign, components(&args.sign, context)?);
    let gate = if args.log_required { Gate::Required } else { Gate::BestEffort };
    let statement = Statement::Authorisation(Authorisation {
        image: None,
        event: EventType::UpdateAuthorised,
        time: submit::now(),
        release: digest(&args.release)?,
        authorisation: None,
        reason: None,
        commitments: submit::commit(&secrets)?,
        esig: esignature(&key, factors, Meaning::Responsibility, ReasonCode::Feature),
        devices: Vec::new(),
        models: args.models.clone(),
        from_ms: None,
        until_ms: None,
        downgrade: None,
        log_before_install: Some(gate),
        over_version: None,
        extra: Extra::default(),
    });
    let placed =
        sign_and_submit(&statement, &args.release, sign, &key, &secrets, &args.log, context)?;
    let text = format!("authorised for {}\n{}", args.models.join(", "), placed.text());
    Ok(Answer::new("release-authorise", placed.json(), text))
}

/// Opens a person's key: the key is one component, the passphrase or PIN that opened it the other.
pub(crate) fn components(sign: &SignArgs, context: &Context) -> Result<(Key, Factors)> {
    let uri = key::uri(&sign.key)?;
    let (key, by_passphrase) = key::unlock(&uri, &sign.lock)?;
    if by_passphrase {
        return Ok((key, Factors(Factors::KEY | Factors::SECRET)));
    }
    context.talk.say(format_args!(
        "warning: {uri} has no passphrase, so this electronic signature has one component, the key \
         file; 21 CFR 11.200(a)(1) asks for two\n  help: firmlog key new FILE --passphrase-file - \
         makes a key with both",
    ));
    Ok((key, Factors(Factors::KEY)))
}

/// The person's signature, made now.
fn esignature(key: &Key, factors: Factors, meaning: Meaning, reason: ReasonCode) -> ESignature {
    ESignature {
        signer: key.public_key().thumbprint(),
        meaning,
        reason,
        time_ms: submit::now_ms(),
        zone_min: ZoneOffset::UTC,
        factors,
        certificate: None,
    }
}

fn show(args: &ShowArgs, context: &Context) -> Result<Answer> {
    let root = submit::trust_root(&args.log.trust)?;
    let client = Client::new(&args.log.log, context)?;
    let wanted = digest(&args.release)?;
    let mut source = Source::open(&client, &root, args.how, context)?;
    let Some(found) = source.release(&wanted)? else {
        let text = format!("NOT FOUND: {}\n", source.absence(&format!("release {wanted}")));
        let json = json!({"verdict": "not found", "release": wanted.to_string(),
            "usable": false});
        let mut answer = Answer::new("release-show", json, text).exit(Exit::Incomplete);
        source.tell(&mut answer);
        return Ok(answer);
    };
    let json = report_json(&found.report, None, &[]);
    let text = report_text(&found.report, &[]);
    let mut answer = Answer::new("release-show", json, text).exit(exit_of(&found.report));
    source.tell(&mut answer);
    Ok(answer)
}
