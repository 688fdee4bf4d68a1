//! `trust enrol|rotate|revoke`: who may speak as what, as `Trust` statements in the log.
//!
//! Invariants:
//! - Signed by an administrator's key; the log refuses anyone else.
//! - A serial number or a person's name enters only as a salted commitment.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use firmlog_statement::disclosure::FieldId;
use firmlog_statement::{
    DeviceId, Digest, Enrol, Extra, Revoke, RevokeReason, Role, Rotate, Statement, Thumbprint,
    Trust, TrustAction,
};
use serde_json::json;

use crate::Context;
use crate::answer::Answer;
use crate::command::key::{self, Lock};
use crate::error::{Error, Result};
use crate::submit::{self, LogArgs, Secret, SignArgs, digest, sign_and_submit};

/// `trust`
#[derive(Subcommand)]
pub(crate) enum TrustCommand {
    /// Let a key speak in a role
    Enrol(EnrolArgs),
    /// Put a new key in the place of another
    Rotate(RotateArgs),
    /// Withdraw a key
    Revoke(RevokeArgs),
}

/// Arguments of `trust enrol`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog trust enrol build.pem.pub --role manufacturer --issuer acme.example/build \\
    --key admin.pem --as acme.example/admin --log https://log.example --trust log.trust")]
pub(crate) struct EnrolArgs {
    /// Public half of the key (FILE.pub of `key new`)
    public: PathBuf,
    /// admin, manufacturer, approver, authoriser, device, auditor, log or witness
    #[arg(long)]
    role: String,
    /// Name its statements will carry
    #[arg(long)]
    issuer: String,
    /// Devices: the model
    #[arg(long)]
    model: Option<String>,
    /// Devices: 32 bytes in hex from which the device's chain starts
    #[arg(long)]
    chain_seed: Option<String>,
    /// The person's printed name; only its salted commitment is logged
    #[arg(long)]
    printed_name: Option<String>,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Arguments of `trust rotate`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog trust rotate OLD-THUMBPRINT new.pem.pub --key admin.pem --as acme.example/admin \\
    --log https://log.example --trust log.trust")]
pub(crate) struct RotateArgs {
    /// Thumbprint of the key replaced
    old: String,
    /// Public half of the new key
    new: PathBuf,
    /// Device id, when it is a device's key
    #[arg(long)]
    device: Option<String>,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Arguments of `trust revoke`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog trust revoke THUMBPRINT --reason compromised --key admin.pem --as acme.example/admin \\
    --log https://log.example --trust log.trust")]
pub(crate) struct RevokeArgs {
    /// Thumbprint of the key
    kid: String,
    /// compromised, lost, retired, decommissioned, left_role or unspecified
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Runs the command.
pub(crate) fn run(command: &TrustCommand, context: &Context) -> Result<Answer> {
    match command {
        TrustCommand::Enrol(args) => enrol(args, context),
        TrustCommand::Rotate(args) => rotate(args, context),
        TrustCommand::Revoke(args) => revoke(args, context),
    }
}

fn enrol(args: &EnrolArgs, context: &Context) -> Result<Answer> {
    let key = key::public(&args.public, &Lock::default())?;
    let role = Role::from_name(&args.role).ok_or_else(|| unknown("role", &args.role, Role::ALL))?;
    let chain_seed = args.chain_seed.as_deref().map(digest).transpose()?;
    if role == Role::Device && chain_seed.is_none() {
        return Err(Error::new("E-USAGE", "a device needs --chain-seed")
            .help("its secure element draws 32 bytes at enrolment; openssl rand -hex 32 will do"));
    }
    let secrets: Vec<Secret> =
        args.printed_name.iter().map(|name| Secret::new(FieldId::PrintedName, name)).collect();
    let enrol = Enrol { chain_seed, model: args.model.clone(), ..plain(key, &args.issuer, role) };
    let thumbprint = enrol.key.thumbprint().to_string();
    let statement = statement(TrustAction::Enrol(enrol), &secrets)?;
    let (sign, key) = (&args.sign, args.sign.open()?);
    let placed =
        sign_and_submit(&statement, &args.issuer, sign, &key, &secrets, &args.log, context)?;
    let mut json = placed.json();
    json["thumbprint"] = thumbprint.as_str().into();
    let text = format!("enrolled {} as {} ({thumbprint})\n{}", args.issuer, role, placed.text());
    Ok(Answer::new("trust-enrol", json, text))
}

/// An enrolment without anything optional.
pub(crate) fn plain(key: firmlog_statement::PublicKey, issuer: &str, role: Role) -> Enrol {
    Enrol {
        key,
        issuer: issuer.to_owned(),
        role,
        chain_seed: None,
        model: None,
        manufacturer: None,
        hw_rev: None,
        udi_di: None,
        attestation: None,
        training: None,
    }
}

fn rotate(args: &RotateArgs, context: &Context) -> Result<Answer> {
    let new = key::public(&args.new, &Lock::default())?;
    let Digest(old) = digest(&args.old)?;
    let device = args.device.as_deref().map(digest).transpose()?.map(|d| DeviceId(d.0));
    let thumbprint = new.thumbprint().to_string();
    let action = TrustAction::Rotate(Rotate { old: Thumbprint(old), new, device });
    let (sign, key) = (&args.sign, args.sign.open()?);
    let statement = statement(action, &[])?;
    let placed = sign_and_submit(&statement, &args.old, sign, &key, &[], &args.log, context)?;
    let mut json = placed.json();
    json["thumbprint"] = thumbprint.as_str().into();
    let text = format!("{} is replaced by {thumbprint}\n{}", args.old, placed.text());
    Ok(Answer::new("trust-rotate", json, text))
}

fn revoke(args: &RevokeArgs, context: &Context) -> Result<Answer> {
    let Digest(kid) = digest(&args.kid)?;
    let reason = RevokeReason::from_name(&args.reason)
        .ok_or_else(|| unknown("reason", &args.reason, RevokeReason::ALL))?;
    let action = TrustAction::Revoke(Revoke {
        kid: Thumbprint(kid),
        reason,
        from_ms: Some(submit::now_ms()),
        from_seq: None,
    });
    let (sign, key) = (&args.sign, args.sign.open()?);
    let statement = statement(action, &[])?;
    let placed = sign_and_submit(&statement, &args.kid, sign, &key, &[], &args.log, context)?;
    let text = format!("{} is revoked ({reason})\n{}", args.kid, placed.text());
    let mut json = placed.json();
    json["reason"] = json!(reason.name());
    Ok(Answer::new("trust-revoke", json, text))
}

/// A `Trust` statement made now.
pub(crate) fn statement(action: TrustAction, secrets: &[Secret]) -> Result<Statement> {
    Ok(Statement::Trust(Trust {
        time: Some(submit::now()),
        commitments: submit::commit(secrets)?,
        action,
        extra: Extra::default(),
    }))
}

/// A word that is none of a list.
pub(crate) fn unknown<T: std::fmt::Display>(what: &str, got: &str, known: &[T]) -> Error {
    let words: Vec<String> = known.iter().map(ToString::to_string).collect();
    Error::new("E-USAGE", format!("no such {what}")).expected(words.join(", "), got)
}
