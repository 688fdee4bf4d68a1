//! `statement template|sign|submit|show`: a statement of any kind, as JSON.
//!
//! ```text
//! template KIND ─▶ JSON ─ (a person fills it in) ─▶ sign ─▶ entry ─▶ submit ─▶ receipt
//! ```
//!
//! ```json
//! {"kind":"annotation","sub":"ip-200/app","payload":{"subject":"9f2c…","relation":"complaint"}}
//! ```
//!
//! In scope: everything the other commands have no flags for. Out of scope: whether a statement
//! belongs in the log, which the log decides.
//!
//! Invariants:
//! - JSON that is refused is refused with the place, what was expected and what came.
//! - An e-signature records who signed and the components that were used, whatever the file says.
//! - A private value enters as a salted commitment; its disclosure goes beside the entry.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use firmlog_statement::disclosure::FieldId;
use firmlog_statement::json::{Json as _, shape::Line, strict, to_json};
use firmlog_statement::{Kind, Parsed, Signer as _, Statement};
use firmlog_tlog::merkle::leaf_hash;
use serde_json::{Map, Value, json};

use crate::Context;
use crate::answer::{Answer, hex};
use crate::command::release::components;
use crate::command::trust::unknown;
use crate::error::{Error, Result};
use crate::http::Client;
use crate::submit::{
    self, LogArgs, Placed, Secret, SignArgs, sign_entry, submit, trust_root, with_set,
};

/// `statement`
#[derive(Subcommand)]
pub(crate) enum StatementCommand {
    /// Print the least a kind of statement needs, and every field it may have
    Template(TemplateArgs),
    /// Sign a statement written as JSON
    Sign(SignFileArgs),
    /// Bring a signed statement into a log
    Submit(SubmitArgs),
    /// Print a signed statement as JSON
    Show(ShowArgs),
}

/// Arguments of `statement template`.
#[derive(Args)]
#[command(after_help = "Example:\n  firmlog statement template annotation > remark.json")]
pub(crate) struct TemplateArgs {
    /// trust, release, approval, authorisation, update, annotation or audit
    kind: String,
}

/// Arguments of `statement sign`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog statement sign recall.json --key build.pem --as acme.example/build --out recall.cose")]
pub(crate) struct SignFileArgs {
    /// The statement: kind, sub and payload; `-` for stdin. Time and e-signature are filled in
    file: PathBuf,
    /// FIELD=VALUE to commit to with a salt (serial, udi, site, note, …); may be given again
    #[arg(long = "private", value_name = "FIELD=VALUE")]
    secrets: Vec<String>,
    #[command(flatten)]
    sign: SignArgs,
    /// Submit it to the log at this address
    #[arg(long, value_name = "URL", requires = "trust")]
    log: Option<String>,
    /// Trust root file that pins the log
    #[arg(long, env = "FIRMLOG_TRUST", value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Write the log's receipt here
    #[arg(long, value_name = "FILE", requires = "log")]
    receipt: Option<PathBuf>,
}

/// Arguments of `statement submit`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog statement submit recall.cose --log https://log.example --trust log.trust")]
pub(crate) struct SubmitArgs {
    /// The signed entry
    entry: PathBuf,
    /// Its disclosures; by default ENTRY.disclosures, if there is such a file
    #[arg(long, value_name = "FILE")]
    disclosures: Option<PathBuf>,
    /// Write the log's receipt here
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
}

/// Arguments of `statement show`.
#[derive(Args)]
#[command(after_help = "Example:\n  firmlog statement show recall.cose")]
pub(crate) struct ShowArgs {
    /// The signed entry
    entry: PathBuf,
}

/// Runs the command.
pub(crate) fn run(command: &StatementCommand, context: &Context) -> Result<Answer> {
    match command {
        StatementCommand::Template(args) => template(args, context),
        StatementCommand::Sign(args) => sign(args, context),
        StatementCommand::Submit(args) => bring(args, context),
        StatementCommand::Show(args) => show(args),
    }
}

fn template(args: &TemplateArgs, context: &Context) -> Result<Answer> {
    let names = Kind::ALL.map(Kind::name);
    let kind = Kind::from_name(&args.kind).ok_or_else(|| unknown("kind", &args.kind, &names))?;
    let example = json!({"kind": kind.name(), "sub": "ip-200/app", "payload": least(kind)});
    let lines = Statement::json_lines(kind);
    context.talk.say(
        "every field; one is required in the object that it is in. The time, and an e-signature's \
         signer, time, zone and factors, are filled in",
    );
    for line in &lines {
        context.talk.say(described(line));
    }
    let fields: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!({"path": line.path, "required": line.required, "form": line.form,
                "about": line.about})
        })
        .collect();
    let text = serde_json::to_string_pretty(&example).unwrap_or_default();
    Ok(Answer::new("statement-template", json!({"template": example, "fields": fields}), text))
}

fn described(line: &Line) -> String {
    let needed = if line.required { "required" } else { "optional" };
    format!("{}  ({needed}) {}\n    {}", line.path, line.about, line.form)
}

/// What a kind cannot do without, beside what is filled in.
fn least(kind: Kind) -> Value {
    let hash = "00".repeat(32);
    match kind {
        Kind::Trust => json!({"action": {"policy": {"approvals": 2}}}),
        Kind::Release => json!({"image": hash, "version": 40201, "counter": 1,
            "event": "release_published", "component": "app", "version_name": "4.2.1",
            "models": ["ip-200"], "size_bytes": 1_048_576}),
        Kind::Approval => json!({"event": "release_approved", "release": hash,
            "esig": {"meaning": "approval", "reason": "feature"}}),
        Kind::Authorisation => json!({"event": "update_authorised", "release": hash,
            "esig": {"meaning": "responsibility", "reason": "feature"}, "models": ["ip-200"]}),
        Kind::Update => json!({"device": hash, "image": hash, "version": 40201, "counter": 1,
            "outcome": "state", "seq": 0, "prev": hash,
            "events": [{"kind": "installed_state", "ago_ms": 0}]}),
        Kind::Annotation => json!({"subject": hash, "relation": "comment"}),
        Kind::Audit => json!({"action": "report_made"}),
    }
}

fn sign(args: &SignFileArgs, context: &Context) -> Result<Answer> {
    let text = read_text(&args.file)?;
    let secrets = args.secrets.iter().map(|text| secret(text)).collect::<Result<Vec<_>>>()?;
    let mut draft = Draft::read(&text)?;
    let (key, factors) = match draft.has_esignature() {
        true => components(&args.sign, context).map(|(key, factors)| (key, Some(factors.0)))?,
        false => (args.sign.open()?, None),
    };
    let (issuer, kid) = (args.sign.issuer.as_str(), key.public_key().thumbprint().to_string());
    let algorithm = key.public_key().algorithm().to_json();
    draft.is_by(&[("iss", issuer.into()), ("kid", kid.as_str().into()), ("alg", algorithm)])?;
    draft.fill_in(&kid, factors)?;
    draft.commit(&secrets)?;
    let entry = sign_entry(&draft.statement()?, issuer, &draft.subject, &key)?;
    submit::keep(&args.sign, &entry, &secrets)?;
    let mut json = json!({"kind": draft.kind.name(), "leaf_hash": leaf_hash(&entry).to_string(),
        "bytes": entry.len(), "entry": hex(&entry)});
    let mut text = format!("signed {} of {issuer}\n", draft.kind.name());
    let (Some(url), Some(trust)) = (&args.log, &args.trust) else {
        text.push_str(&match &args.sign.out {
            Some(out) => format!("leaf hash {}\nwrote {}\n", leaf_hash(&entry), out.display()),
            None => format!("leaf hash {}\n{}\n", leaf_hash(&entry), hex(&entry)),
        });
        return Ok(Answer::new("statement-sign", json, text));
    };
    let (root, client) = (trust_root(trust)?, Client::new(url, context)?);
    let placed = submit(&client, &root, &entry, &secrets)?;
    write_receipt(args.receipt.as_deref(), &placed)?;
    merge(&mut json, placed.json());
    text.push_str(&placed.text());
    Ok(Answer::new("statement-sign", json, text))
}

fn bring(args: &SubmitArgs, context: &Context) -> Result<Answer> {
    let entry = read(&args.entry)?;
    let parsed = Parsed::parse(&entry).map_err(|e| {
        Error::form(&args.entry.display().to_string(), e).help("firmlog inspect FILE explains it")
    })?;
    let beside = submit::beside(&args.entry);
    let disclosures = match &args.disclosures {
        Some(path) => Some(read(path)?),
        None if beside.exists() => Some(read(&beside)?),
        None => None,
    };
    let root = trust_root(&args.log.trust)?;
    let client = Client::new(&args.log.log, context)?;
    let body = disclosures.map(|set| with_set(&entry, &set)).transpose()?;
    let placed = submit::submit_as(&client, &root, &entry, body)?;
    write_receipt(args.receipt.as_deref(), &placed)?;
    let mut json = json!({"kind": parsed.kind().name(), "issuer": parsed.issuer()});
    merge(&mut json, placed.json());
    Ok(Answer::new("statement-submit", json, placed.text()))
}

fn show(args: &ShowArgs) -> Result<Answer> {
    let entry = read(&args.entry)?;
    let name = args.entry.display().to_string();
    let parsed = Parsed::parse(&entry).map_err(|e| Error::form(&name, e))?;
    let statement = to_json(&parsed).map_err(|e| Error::form(&name, e))?;
    let text = serde_json::to_string_pretty(&statement).unwrap_or_default();
    let json = json!({"leaf_hash": leaf_hash(&entry).to_string(), "statement": statement,
        "not_checked": ["the signature (firmlog verify checks it, with the keys of a bundle)"]});
    Ok(Answer::new("statement-show", json, text))
}

/// A statement that a person wrote.
struct Draft {
    kind: Kind,
    subject: String,
    claims: Map<String, Value>,
    payload: Value,
}

impl Draft {
    fn read(text: &str) -> Result<Self> {
        let value = strict::parse(text).map_err(|e| Error::new("E-JSON", e))?;
        let Value::Object(claims) = value else {
            return Err(refused("the file", "an object with kind, sub and payload", Some(&value)));
        };
        let known = ["kind", "sub", "payload", "iss", "alg", "kid"];
        if let Some(signature) = claims.get("signature") {
            return Err(refused("signature", "nothing: it is made here", Some(signature)));
        }
        if let Some((name, value)) = claims.iter().find(|(name, _)| !known.contains(&name.as_str()))
        {
            return Err(refused(name, &format!("one of {}", known.join(", ")), Some(value)));
        }
        let text = |name: &str, expected: &str| match claims.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            other => Err(refused(name, expected, other)),
        };
        let words = Kind::ALL.map(Kind::name).join(" | ");
        let kind = Kind::from_name(&text("kind", &words)?)
            .ok_or_else(|| refused("kind", &words, claims.get("kind")))?;
        let subject = text("sub", "text of 1 to 255 bytes: what the statement is about")?;
        let payload = claims.get("payload").filter(|payload| payload.is_object()).cloned();
        let payload =
            payload.ok_or_else(|| refused("payload", "an object", claims.get("payload")))?;
        Ok(Self { kind, subject, claims, payload })
    }

    fn has_esignature(&self) -> bool {
        self.payload["esig"].is_object()
    }

    /// What the file says of its signer must be who signs.
    fn is_by(&self, signer: &[(&str, Value)]) -> Result<()> {
        for (name, value) in signer {
            match self.claims.get(*name) {
                Some(said) if said != value => {
                    return Err(refused(name, &format!("{value}, who signs"), Some(said)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The time, and of an e-signature who signs when with which components.
    fn fill_in(&mut self, kid: &str, factors: Option<u8>) -> Result<()> {
        let now = submit::now();
        if let Some(payload) = self.payload.as_object_mut() {
            payload.entry("time").or_insert_with(|| now.to_json());
        }
        let esig = self.payload.get_mut("esig").and_then(Value::as_object_mut);
        let (Some(factors), Some(esig)) = (factors, esig) else { return Ok(()) };
        for (name, used) in [("signer", Value::from(kid)), ("factors", factors.into())] {
            let said = esig.entry(name).or_insert_with(|| used.clone());
            if *said != used {
                let place = format!("payload.esig.{name}");
                return Err(refused(&place, &format!("{used}, as used"), Some(said)));
            }
        }
        esig.entry("time_ms").or_insert_with(|| submit::now_ms().into());
        esig.entry("zone_min").or_insert_with(|| 0.into());
        Ok(())
    }

    /// Adds commitments to private values.
    fn commit(&mut self, secrets: &[Secret]) -> Result<()> {
        if secrets.is_empty() {
            return Ok(());
        }
        let Some(payload) = self.payload.as_object_mut() else { return Ok(()) };
        let given = payload.entry("commitments").or_insert_with(|| json!({}));
        let Some(given) = given.as_object_mut() else { return Ok(()) };
        for one in submit::commit(secrets)?.iter() {
            let name = one.field.name();
            if let Some(twice) = given.insert(name.into(), one.digest.to_json()) {
                let place = format!("payload.commitments.{name}");
                return Err(refused(&place, "nothing beside --private", Some(&twice)));
            }
        }
        Ok(())
    }

    fn statement(&self) -> Result<Statement> {
        if let Some(fault) = Statement::json_fault(self.kind, &self.payload) {
            let got = at(&self.payload, &fault.path);
            let error = refused(&fault.path, &fault.expected, got);
            let message = format!("{}: {}", fault.path, fault.error);
            return Err(Error { message, ..error });
        }
        Statement::from_json(self.kind, &self.payload).map_err(|e| Error::new("E-JSON", e))
    }
}

fn refused(place: &str, expected: &str, got: Option<&Value>) -> Error {
    let got = got.map_or_else(|| "nothing".to_owned(), |value| shortened(&value.to_string()));
    Error::new("E-JSON", format!("{place}: not what this version knows"))
        .expected(expected, got)
        .help("firmlog statement template KIND tells every field")
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(100).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The value at `payload.events[0].kind`.
fn at<'v>(payload: &'v Value, path: &str) -> Option<&'v Value> {
    let pointer = path.strip_prefix("payload")?.replace(['.', '['], "/").replace(']', "");
    payload.pointer(&pointer)
}

/// `serial=7X-0091`
pub(crate) fn secret(text: &str) -> Result<Secret> {
    let (name, value) =
        text.split_once('=').filter(|(_, value)| !value.is_empty()).ok_or_else(|| {
            Error::new("E-USAGE", "a private value is FIELD=VALUE").expected("serial=7X-0091", text)
        })?;
    let field = FieldId::from_name(name).ok_or_else(|| unknown("field", name, FieldId::ALL))?;
    Ok(Secret::new(field, value))
}

fn write_receipt(path: Option<&Path>, placed: &Placed) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, &placed.receipt).map_err(|e| Error::io("write", path, e))
}

fn merge(json: &mut Value, more: Value) {
    if let (Value::Object(json), Value::Object(more)) = (json, more) {
        json.extend(more);
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io("read", path, e))
}

fn read_text(path: &Path) -> Result<String> {
    if path.as_os_str() != "-" {
        return std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|e| Error::io("read", path, e))?;
    Ok(text)
}
