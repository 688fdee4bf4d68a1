//! `bundle device|release`: everything to check a claim offline, in one `.fwb` file.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use firmlog_keys::AwsLc;
use firmlog_statement::DeviceId;
use firmlog_verify::bundle::Bundle;
use serde_json::json;

use crate::Context;
use crate::answer::{Answer, counted};
use crate::error::{Error, Exit, Result};
use crate::http::Client;
use crate::scan::Scan;
use crate::submit::{LogArgs, digest, trust_root};

/// `bundle`
#[derive(Subcommand)]
pub(crate) enum BundleCommand {
    /// A device's whole history
    Device(BundleArgs),
    /// A release with its approvals
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
    let log = Scan::fetch(&client, &root, &AwsLc, context)?;
    let subject = digest(&args.subject)?;
    let known = match of_device {
        true => log.devices().contains(&DeviceId(subject.0)),
        false => log.release(&subject).is_some(),
    };
    if !known {
        let text = format!("NOT FOUND: {} says nothing of {subject}\n", root.origin());
        let json = json!({"verdict": "not found", "subject": subject.to_string()});
        return Ok(Answer::new("bundle", json, text).exit(Exit::Incomplete));
    }
    let mut bundle = match of_device {
        true => log.device_bundle(&root, &DeviceId(subject.0))?,
        false => log.release_bundle(&root, &subject)?,
    };
    for path in &args.disclosures {
        add_disclosures(&mut bundle, path)?;
    }
    bundle.disclosures.sort();
    bundle.disclosures.dedup();
    let bytes = bundle.encode();
    std::fs::write(&args.out, &bytes).map_err(|e| Error::io("write", &args.out, e))?;
    let file = args.out.display();
    let text = format!(
        "wrote {file}: {}, {} bytes, under {} and {}\n\
         check it anywhere: firmlog verify {file} --trust FILE\n",
        counted(bundle.entries.len() as u64, "entry", "entries"),
        bytes.len(),
        counted(log.head.size.0, "entry", "entries"),
        counted(log.witnesses as u64, "witness", "witnesses")
    );
    let json = json!({"file": file.to_string(), "entries": bundle.entries.len(),
        "bytes": bytes.len(), "tree_size": log.head.size.to_string(), "witnesses": log.witnesses,
        "quorum": log.quorum});
    Ok(Answer::new("bundle", json, text))
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
