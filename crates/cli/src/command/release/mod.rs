//! `release propose|publish|approve|step|authorise|show`.
//!
//! ```text
//! firmlog release publish pump-4.2.1.bin --version 4.2.1 --model ip-200 …   the build signs
//! firmlog release approve LEAF-HASH --meaning approval …                    a person signs
//! ```
//!
//! Invariants:
//! - The image's digest is computed here, over the whole file, and never taken from a flag.
//! - An approval is an e-signature (21 CFR 11.50): who, when, meaning, reason; two components.

mod behind;
mod step;

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use firmlog_keys::Key;
use firmlog_statement::disclosure::FieldId;
use firmlog_statement::event::EventType;
use firmlog_statement::image::{ImageDigests, ImageHasher};
use firmlog_statement::time::ZoneOffset;
use firmlog_statement::{
    Approval, Authorisation, ESignature, Extra, Factors, Gate, Meaning, ReasonCode, Release,
    SecurityCounter, Signer, Statement, VersionCode,
};
use serde_json::json;

use crate::Context;
use crate::answer::{Answer, table};
use crate::command::identify::{best, left_out};
use crate::command::key;
use crate::command::trust::unknown;
use crate::command::verify::{exit_of, report_json, report_text};
use crate::error::{Error, Exit, Result};
use crate::evidence::{HowArgs, Source};
use crate::http::Client;
use crate::submit::{self, LogArgs, Secret, SignArgs, digest, sign_and_submit};

/// `release`
#[derive(Subcommand)]
pub(crate) enum ReleaseCommand {
    /// Offer an image to be verified and approved; nobody installs it until it is published
    #[command(after_help = "\
Example:
  firmlog release propose pump-4.2.1.bin --version 4.2.1 --code 40201 --model ip-200 \\
    --key build.pem --as acme.example/build --log https://log.example --trust log.trust")]
    Propose(Box<PublishArgs>),
    /// Say that an image is a version for some models
    Publish(Box<PublishArgs>),
    /// Approve, review or reject a release, as a person
    Approve(ApproveArgs),
    /// Publish what was proposed; suspend, recall or end a release
    Step(Box<step::StepArgs>),
    /// Let devices install a release
    Authorise(AuthoriseArgs),
    /// What the log holds about a release
    Show(ShowArgs),
}

/// Arguments of `release publish`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog release publish pump-4.2.1.bin --version 4.2.1 --code 40201 --model ip-200 \\
    --key build.pem --as acme.example/build --log https://log.example --trust log.trust")]
pub(crate) struct PublishArgs {
    /// The image
    image: PathBuf,
    /// The version as people write it
    #[arg(long)]
    version: String,
    /// Number that orders versions; by default made of the version's three parts
    #[arg(long)]
    code: Option<u64>,
    /// Anti-rollback counter
    #[arg(long, default_value_t = 1)]
    counter: u32,
    /// Component
    #[arg(long, default_value = "app")]
    component: String,
    /// A model it is for; may be given again
    #[arg(long = "model", required = true)]
    models: Vec<String>,
    /// Manufacturer
    #[arg(long)]
    manufacturer: Option<String>,
    /// Also log the Keccak-256 of the image, for contracts
    #[arg(long)]
    keccak: bool,
    #[command(flatten)]
    behind: behind::BehindArgs,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    log: LogArgs,
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
        ReleaseCommand::Propose(args) => publish(args, EventType::ReleaseProposed, context),
        ReleaseCommand::Publish(args) => publish(args, EventType::ReleasePublished, context),
        ReleaseCommand::Step(args) => step::run(args, context),
        ReleaseCommand::Approve(args) => approve(args, context),
        ReleaseCommand::Authorise(args) => authorise(args, context),
        ReleaseCommand::Show(args) => show(args, context),
    }
}

fn publish(args: &PublishArgs, event: EventType, context: &Context) -> Result<Answer> {
    let digests = image_digests(&args.image, args.keccak)?;
    let code = args.code.or_else(|| version_code(&args.version)).ok_or_else(|| {
        Error::new("E-USAGE", "the version has no three numeric parts; give --code")
            .expected("a version such as 4.2.1", &args.version)
    })?;
    let mut release = Release {
        event,
        version: VersionCode(code),
        counter: SecurityCounter(args.counter),
        component: args.component.clone(),
        manufacturer: args.manufacturer.clone(),
        version_name: args.version.clone(),
        models: args.models.clone(),
        ..bare_release(&digests)
    };
    args.behind.describe(&mut release)?;
    let sbom = release.sbom.as_ref().map(|sbom| format!("{} {}", sbom.format, sbom.version));
    let subject = format!("{}/{}", args.models[0], args.component);
    let statement = Statement::Release(release);
    let (sign, key) = (&args.sign, args.sign.open()?);
    let placed = sign_and_submit(&statement, &subject, sign, &key, &[], &args.log, context)?;
    let mut json = placed.json();
    json["image"] = digests.sha256.to_string().into();
    json["version"] = args.version.as_str().into();
    json["version_code"] = code.to_string().into();
    json["sbom"] = sbom.clone().into();
    let text = format!(
        "{event} {subject} {}\nimage     sha256:{}\n{}{}",
        args.version,
        submit::grouped(&digests.sha256.0),
        sbom.map_or_else(String::new, |sbom| format!("SBOM      {sbom}\n")),
        placed.text()
    );
    json["step"] = event.name().into();
    let command = match event {
        EventType::ReleaseProposed => "release-propose",
        _ => "release-publish",
    };
    Ok(Answer::new(command, json, text))
}

/// A release of an image with nothing optional.
fn bare_release(digests: &ImageDigests) -> Release {
    Release {
        image: digests.sha256,
        version: VersionCode(0),
        counter: SecurityCounter(0),
        event: EventType::ReleasePublished,
        time: submit::now(),
        release: None,
        commitments: Default::default(),
        supersedes: None,
        component: String::new(),
        manufacturer: None,
        keccak: digests.keccak256,
        version_name: String::new(),
        models: Vec::new(),
        hw_revs: Vec::new(),
        size_bytes: digests.size_bytes,
        manifest: None,
        image_signer: None,
        sbom: None,
        vex: None,
        provenance: None,
        change_requests: Vec::new(),
        problem_reports: Vec::new(),
        quality_refs: Vec::new(),
        risk_ref: None,
        anomalies: None,
        udi_change: None,
        udi_di_old: None,
        udi_di_new: None,
        regulatory: None,
        support: None,
        certificates: None,
        extra: Extra::default(),
    }
}

/// `4.2.1` → 40201: two digits per part after the first.
pub(crate) fn version_code(version: &str) -> Option<u64> {
    let parts: Vec<u64> =
        version.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    match parts[..] {
        [major, minor, patch] if minor < 100 && patch < 100 => {
            major.checked_mul(10_000)?.checked_add(minor * 100 + patch)
        }
        _ => None,
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
    let source = Source::open(&client, &root, args.how, context)?;
    let (how, searched) = source.completeness();
    let (Some(found), others) = best(source.releases(&wanted)?) else {
        let text = format!("NOT FOUND: {}\n", source.absence(&format!("release {wanted}")));
        let json = json!({"verdict": "not found", "release": wanted.to_string(),
            "searched": searched});
        return Ok(Answer::new("release-show", json, text).exit(Exit::Incomplete));
    };
    let (step, withdrawn) = found.step();
    let mut rows = vec![
        ("release", format!("{} {}", found.subject, found.release.version_name)),
        ("image", format!("sha256:{}", found.release.image)),
        ("leaf hash", found.leaf.to_string()),
        ("entry", found.index.to_string()),
        ("models", found.release.models.join(", ")),
        ("issuer", found.issuer.clone()),
        ("step", found.step_text()),
    ];
    let mut json = report_json(&found.report, None);
    json["also"] = others.clone().into();
    rows.extend(others.into_iter().map(|other| ("also", other)));
    let (mut signatures, mut steps) = (Vec::new(), Vec::new());
    for word in found.words() {
        let what = word.meaning.map_or_else(|| word.event.name(), Meaning::name);
        rows.push((word.kind, format!("{what} by {} (entry {})", word.issuer, word.index)));
        let line = json!({"kind": word.kind, "issuer": word.issuer, "event": word.event.name(),
            "meaning": word.meaning.map(Meaning::name), "index": word.index.to_string()});
        if word.meaning.is_some() { signatures.push(line) } else { steps.push(line) }
    }
    rows.push(("search", how));
    json["index"] = found.index.to_string().into();
    json["leaf_hash"] = found.leaf.to_string().into();
    json["image"] = found.release.image.to_string().into();
    json["version"] = found.release.version_name.as_str().into();
    json["step"] = step.name().into();
    json["withdrawn"] = withdrawn.into();
    json["signatures"] = signatures.into();
    json["steps"] = steps.into();
    json["searched"] = searched.into();
    let text = table(rows) + &report_text(&found.report);
    let mut answer = Answer::new("release-show", json, text).exit(exit_of(&found.report));
    left_out(&mut answer, &source);
    Ok(answer)
}

/// Digests of a file of any size.
pub(crate) fn image_digests(path: &Path, keccak: bool) -> Result<ImageDigests> {
    let mut file = std::fs::File::open(path).map_err(|e| Error::io("open", path, e))?;
    let (mut hasher, mut buffer) = (ImageHasher::new(keccak), vec![0; 1 << 16]);
    loop {
        let n = file.read(&mut buffer).map_err(|e| Error::io("read", path, e))?;
        if n == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_code() {
        assert_eq!(version_code("4.2.1"), Some(40_201));
        assert!(version_code("4.2.1") < version_code("4.10.0"));
        assert_eq!(version_code("4.2"), None);
        assert_eq!(version_code("4.100.0"), None);
    }
}
