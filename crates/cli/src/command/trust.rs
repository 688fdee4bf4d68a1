//! `trust enrol|rotate|revoke`: who may speak as what, as `Trust` statements in the log.
//!
//! Invariants:
//! - Signed by an administrator's key; the log refuses anyone else.
//! - A serial number or a person's name enters only as a salted commitment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use firmlog_keys::KeyUri;
use firmlog_statement::disclosure::FieldId;
use firmlog_statement::udi::Udi;
use firmlog_statement::{
    DeviceId, Digest, Enrol, Extra, Revoke, RevokeReason, Role, Rotate, Statement, Thumbprint,
    Trust, TrustAction,
};
use serde_json::json;

use crate::Context;
use crate::answer::{Answer, hex};
use crate::command::key::{self, Lock};
use crate::error::{Error, Result};
use crate::image::image_digests;
use crate::inspect::udi::date;
use crate::submit::{self, LogArgs, Secret, SignArgs, digest, sign_and_submit};

/// `trust`
#[derive(Subcommand)]
pub(crate) enum TrustCommand {
    /// Let a key speak in a role
    Enrol(Box<EnrolArgs>),
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
    --key admin.pem --as acme.example/admin --log https://log.example --trust log.trust
  firmlog trust enrol pump.pem.pub --role device --issuer acme.example/devices --model ip-200 \\
    --udi '(01)00844588003288(21)7X-0091' --chain-seed SEED --out pump.enrol \\
    --key admin.pem --as acme.example/admin --log https://log.example --trust log.trust")]
pub(crate) struct EnrolArgs {
    /// Public half of the key (FILE.pub of `key new`), or the key itself: tpm:… or pkcs11:…
    public: OsString,
    /// admin, manufacturer, approver, authoriser, device, auditor, log or witness
    #[arg(long)]
    role: String,
    /// Name its statements will carry
    #[arg(long)]
    issuer: String,
    /// People: printed name; only its salted commitment is logged
    #[arg(long)]
    printed_name: Option<String>,
    /// People: reference of the training record (21 CFR 11.10(i))
    #[arg(long, value_name = "REF")]
    training: Option<String>,
    /// Approvers and authorisers: an issuer whose releases they may speak about; may be given
    /// again; left out, the log's one manufacturer, if it has one by now
    #[arg(long = "for", value_name = "ISSUER")]
    issuers: Vec<String>,
    /// Certificate chain or key attestation; its SHA-256 is logged
    #[arg(long, value_name = "FILE")]
    attestation: Option<PathBuf>,
    #[command(flatten)]
    unit: UnitArgs,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Which device it is. What names the unit is logged as salted commitments only, and can be opened
/// with the disclosures that `--out FILE` writes to FILE.disclosures.
#[derive(Args)]
pub(crate) struct UnitArgs {
    /// Devices: 32 bytes in hex from which the device's chain starts; `drawn` has the TPM or token
    /// that holds the device's key draw them
    #[arg(long, value_name = "HEX")]
    chain_seed: Option<String>,
    /// With `drawn`: file with the passphrase or PIN of the device's key; `-` asks for it
    #[arg(long, value_name = "FILE", requires = "chain_seed")]
    device_passphrase_file: Option<PathBuf>,
    /// Devices: the model
    #[arg(long)]
    model: Option<String>,
    /// Devices: manufacturer
    #[arg(long)]
    manufacturer: Option<String>,
    /// Devices: hardware revision
    #[arg(long, value_name = "REV")]
    hw_rev: Option<String>,
    /// Devices: the whole UDI as scanned; the DI is logged, the rest committed to
    #[arg(long)]
    udi: Option<String>,
    /// Devices: serial number, committed to
    #[arg(long)]
    serial: Option<String>,
    /// Devices: hospital or site, committed to
    #[arg(long)]
    site: Option<String>,
    /// Devices: the owner's inventory number, committed to
    #[arg(long)]
    asset_tag: Option<String>,
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
    /// Public half of the new key, or the key itself: tpm:… or pkcs11:…
    new: OsString,
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
    /// Compromised: the index in the log from which on its words permit nothing; all of them if
    /// left out
    #[arg(long, value_name = "INDEX")]
    from_entry: Option<u64>,
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
    let uri = key::uri(&args.public)?;
    let key = key::public(&uri, &Lock::default())?;
    let role = Role::from_name(&args.role).ok_or_else(|| unknown("role", &args.role, Role::ALL))?;
    let mut enrol = plain(key, &args.issuer, role);
    let mut secrets = args.unit.describe(&mut enrol, &uri)?;
    enrol.training = args.training.clone();
    enrol.issuers.clone_from(&args.issuers);
    enrol.attestation = args.attestation.as_deref().map(sha256_of).transpose()?;
    secrets.extend(args.printed_name.iter().map(|name| Secret::new(FieldId::PrintedName, name)));
    let thumbprint = enrol.key.thumbprint().to_string();
    let seed = enrol.chain_seed;
    let statement = statement(TrustAction::Enrol(enrol), &secrets)?;
    let (sign, key) = (&args.sign, args.sign.open()?);
    let placed =
        sign_and_submit(&statement, &args.issuer, sign, &key, &secrets, &args.log, context)?;
    let mut json = placed.json();
    json["thumbprint"] = thumbprint.as_str().into();
    json["chain_seed"] = seed.map(|seed| hex(&seed.0)).into();
    let committed: Vec<&str> = secrets.iter().map(|secret| secret.field.name()).collect();
    let mut text = format!("enrolled {} as {} ({thumbprint})\n", args.issuer, role);
    if let Some(seed) = seed {
        text.push_str(&format!("chain seed {}\n", hex(&seed.0)));
    }
    if !committed.is_empty() {
        text.push_str(&format!("committed to {}\n", committed.join(", ")));
    }
    text.push_str(&placed.text());
    json["committed"] = committed.into();
    Ok(Answer::new("trust-enrol", json, text))
}

impl UnitArgs {
    /// Fills in what may be public, and returns what may not.
    fn describe(&self, enrol: &mut Enrol, key: &KeyUri) -> Result<Vec<Secret>> {
        let given = self.given();
        if enrol.role != Role::Device {
            return match given.first() {
                None => Ok(Vec::new()),
                Some(flag) => Err(Error::new("E-USAGE", format!("{flag} is about a device"))
                    .expected("--role device", format!("--role {}", enrol.role))),
            };
        }
        let seed = match self.chain_seed.as_deref() {
            Some("drawn") => Some(self.draw(key)?),
            given => given.map(digest).transpose()?,
        };
        enrol.chain_seed = Some(seed.ok_or_else(|| {
            Error::new("E-USAGE", "a device needs --chain-seed").help(
                "its secure element draws 32 bytes at enrolment: `drawn` for a key that is named \
                 as tpm:… or pkcs11:…; openssl rand -hex 32 will do",
            )
        })?);
        (enrol.model, enrol.manufacturer) = (self.model.clone(), self.manufacturer.clone());
        enrol.hw_rev = self.hw_rev.clone();
        let mut private = vec![
            (FieldId::Serial, self.serial.clone()),
            (FieldId::Site, self.site.clone()),
            (FieldId::AssetTag, self.asset_tag.clone()),
        ];
        if let Some(text) = &self.udi {
            let udi = Udi::parse(text).map_err(|e| {
                Error::form("UDI", e).expected("a UDI of GS1, HIBCC or ICCBBA", text)
            })?;
            enrol.udi_di = Some(udi.di.to_owned());
            private.push((FieldId::Udi, Some(text.clone())));
            private.extend(production(&udi));
            if let (Some(serial), Some(of_udi)) = (&self.serial, udi.serial) {
                if serial != of_udi {
                    return Err(Error::new("E-USAGE", "--serial and --udi name two units")
                        .expected(of_udi, serial));
                }
                private.remove(0);
            }
        }
        let secret = |(field, value): (_, Option<String>)| Some(Secret::new(field, &value?));
        Ok(private.into_iter().filter_map(secret).collect())
    }

    /// 32 random bytes of where the device's key is.
    fn draw(&self, uri: &KeyUri) -> Result<Digest> {
        if uri.file().is_some() {
            return Err(Error::new("E-USAGE", "a file draws no seed")
                .expected("a key named as tpm:… or pkcs11:…", uri)
                .help("openssl rand -hex 32"));
        }
        let key = key::open(uri, &Lock::from_file(self.device_passphrase_file.clone()))?;
        let mut seed = [0; 32];
        key.random(&mut seed).map_err(|e| key::key_error(uri, &e))?;
        Ok(Digest(seed))
    }

    fn given(&self) -> Vec<&'static str> {
        let flags = [
            ("--chain-seed", &self.chain_seed),
            ("--model", &self.model),
            ("--manufacturer", &self.manufacturer),
            ("--hw-rev", &self.hw_rev),
            ("--udi", &self.udi),
            ("--serial", &self.serial),
            ("--site", &self.site),
            ("--asset-tag", &self.asset_tag),
        ];
        flags.into_iter().filter(|(_, value)| value.is_some()).map(|(flag, _)| flag).collect()
    }
}

/// What a UDI says of the unit.
fn production(udi: &Udi<'_>) -> [(FieldId, Option<String>); 4] {
    [
        (FieldId::Serial, udi.serial.map(str::to_owned)),
        (FieldId::Lot, udi.lot.map(str::to_owned)),
        (FieldId::Manufactured, udi.manufactured.map(date)),
        (FieldId::Expires, udi.expires.map(date)),
    ]
}

/// SHA-256 of a whole file.
pub(crate) fn sha256_of(path: &Path) -> Result<Digest> {
    image_digests(path, false).map(|digests| digests.sha256)
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
        issuers: Vec::new(),
    }
}

fn rotate(args: &RotateArgs, context: &Context) -> Result<Answer> {
    let new = key::public(&key::uri(&args.new)?, &Lock::default())?;
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
        from_entry: args.from_entry,
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
