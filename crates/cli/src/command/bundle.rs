//! `bundle device|release`: everything to check a claim offline, in one `.fwb` file.
//!
//! Invariants:
//! - What is written was verified against the trust root first, and what it says is told, with the
//!   exit code of `verify`, 3 excepted: making a bundle succeeds where it is verified so far.
//!   Evidence that does not hold, or speaks against its subject, is written all the same.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use firmlog_statement::DeviceId;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::report::Question;
use serde_json::json;

use crate::Context;
use crate::answer::{Answer, counted};
use crate::error::{Error, Exit, Result};
use crate::evidence::{Found, HowArgs, Source};
use crate::http::Client;
use crate::said::{exit_of, history, report_json, report_text};
use crate::submit::{LogArgs, digest, trust_root};

/// `bundle`
#[derive(Subcommand)]
pub(crate) enum BundleCommand {
    /// A device's whole history
    Device(BundleArgs),
    /// A release with its approvals, as devices read it before they install
    Release(BundleArgs),
}

/// Arguments of both.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog bundle device DEVICE-ID --out pump-0007.fwb --log https://log.example --trust log.trust")]
pub(crate) struct BundleArgs {
    /// Device id; or leaf hash of a release, or SHA-256 of its image
    subject: String,
    /// Where the bundle goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Disclosures to put in, for those who may see them
    #[arg(long, value_name = "FILE")]
    disclosures: Vec<PathBuf>,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Runs the command.
pub(crate) fn run(command: &BundleCommand, context: &Context) -> Result<Answer> {
    let (args, of_device) = match command {
        BundleCommand::Device(args) => (args, true),
        BundleCommand::Release(args) => (args, false),
    };
    let root = trust_root(&args.log.trust)?;
    let client = Client::new(&args.log.log, context)?;
    let mut source = Source::open(&client, &root, args.how, context)?;
    let subject = digest(&args.subject)?;
    let found = match of_device {
        true => source.ask(&Question::Device(DeviceId(subject.0)))?,
        false => source.release(&subject)?,
    };
    let Some(Found { mut bundle, report }) = found else {
        let what = if of_device { "statement (still kept) of device" } else { "release" };
        let text = format!("NOT FOUND: {}\n", source.absence(&format!("{what} {subject}")));
        let json = json!({"verdict": "not found", "subject": subject.to_string()});
        let mut answer = Answer::new("bundle", json, text).exit(Exit::Incomplete);
        source.tell(&mut answer);
        return Ok(answer);
    };
    for path in &args.disclosures {
        add_disclosures(&mut bundle, path)?;
    }
    bundle.disclosures.sort();
    bundle.disclosures.dedup();
    let bytes = bundle.encode();
    std::fs::write(&args.out, &bytes).map_err(|e| Error::io("write", &args.out, e))?;
    let file = args.out.display();
    let (size, witnesses, quorum) = report
        .head
        .as_ref()
        .map_or((0, 0, false), |head| (head.head.size.0, head.witnesses.len(), head.quorum));
    let history = history(&report, Some(&bundle));
    let mut json = report_json(&report, None, &history);
    json["file"] = file.to_string().into();
    json["bytes"] = bytes.len().into();
    json["witnesses"] = witnesses.into();
    json["quorum"] = quorum.into();
    let text = format!(
        "{}wrote {file}: {}, {} bytes, under {} and {}\ncheck it anywhere: firmlog verify {file} \
         --trust FILE\n",
        report_text(&report, &history),
        counted(bundle.entries.len() as u64, "entry", "entries"),
        bytes.len(),
        counted(size, "entry", "entries"),
        counted(witnesses as u64, "witness", "witnesses")
    );
    let exit = match exit_of(&report) {
        Exit::Incomplete => Exit::Proven,
        other => other,
    };
    let mut answer = Answer::new("bundle", json, text).exit(exit);
    source.tell(&mut answer);
    Ok(answer)
}

/// Takes one disclosure per item of a disclosure file.
fn add_disclosures(bundle: &mut Bundle, path: &Path) -> Result<()> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let set = firmlog_statement::disclosure::DisclosureSet::parse(&bytes)
        .map_err(|e| Error::form(&path.display().to_string(), e))?;
    for disclosure in set.as_slice() {
        bundle.disclosures.push(encode(disclosure)?);
    }
    Ok(())
}

fn encode(disclosure: &firmlog_statement::disclosure::Disclosure) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    firmlog_statement::Field::encode(disclosure, &mut out)
        .map_err(|e| Error::form("disclosure", e))?;
    Ok(out)
}
