//! `identify`: which release is this file?
//!
//! The file is hashed here and stays here; the log (or a bundle, with no network at all) is asked
//! for its SHA-256 only.
//!
//! Invariants:
//! - The verdict is `verify`'s own, over the same evidence that `bundle release` would write:
//!   nothing here decides trust.

use std::path::{Path, PathBuf};

use clap::Args;
use firmlog_keys::AwsLc;
use firmlog_statement::Digest;
use firmlog_verify::TrustRoot;
use firmlog_verify::report::{Question, Report, verify_bundle, verify_file};

use crate::Context;
use crate::answer::{Answer, table};
use crate::command::release::image_digests;
use crate::command::verify::{compared, exit, report_json, report_text};
use crate::error::{Error, Result};
use crate::http::Client;
use crate::scan::{FoundRelease, Scan};
use crate::submit::{grouped, trust_root};

/// Arguments of `identify`.
#[derive(Args)]
#[command(after_help = "\
Example:
  firmlog identify unknown.img --log https://log.example --trust log.trust")]
pub(crate) struct IdentifyArgs {
    /// The file; it is hashed here and not sent anywhere
    file: PathBuf,
    /// Address of the log
    #[arg(long, env = "FIRMLOG_LOG", value_name = "URL")]
    log: Option<String>,
    /// Look in this bundle instead, without network
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Trust root file that pins the log
    #[arg(long, env = "FIRMLOG_TRUST", value_name = "FILE")]
    trust: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &IdentifyArgs, context: &Context) -> Result<Answer> {
    let image = image_digests(&args.file, false)?.sha256;
    let root = trust_root(&args.trust)?;
    if let Some(bundle) = &args.bundle {
        let bytes = std::fs::read(bundle).map_err(|e| Error::io("read", bundle, e))?;
        let report = verify_file(&bytes, &root, &AwsLc, &Question::Image(image.0));
        let named = report.entries.iter().filter(|entry| entry.asked);
        let entries: Vec<String> = named.map(|entry| entry.index.to_string()).collect();
        let rows = vec![("entries", entries.join(", "))];
        return Ok(answer(&args.file, &image.0, report, rows));
    }
    let Some(url) = &args.log else {
        return Err(Error::new("E-USAGE", "where shall it be looked up?")
            .help("give --log URL, or --bundle FILE to stay offline"));
    };
    let client = Client::new(url, context)?;
    let log = Scan::fetch(&client, &root, &AwsLc, context)?;
    let Some((found, report, others)) = judged(&log, &root, &image)? else {
        let rows = vec![("note", "not in this log; that does not prove it bad".to_owned())];
        let bundle = log.release_bundle(&root, &image)?;
        let report = verify_bundle(&bundle, &root, &AwsLc, &Question::Image(image.0));
        return Ok(answer(&args.file, &image.0, report, rows));
    };
    let mut rows = vec![
        ("release", format!("{} {}", found.subject, found.release.version_name)),
        ("leaf hash", found.leaf.to_string()),
        ("entry", format!("{} of {}", found.index, log.head.size)),
        // Whether that name's key really signed it is what the report says.
        ("issuer", found.issuer),
    ];
    rows.extend(others.into_iter().map(|other| ("also", other)));
    Ok(answer(&args.file, &image.0, report, rows))
}

/// A release with what verify says of it. Where several name one image, that of which most is
/// proven, the newest of equals: nobody hides a release by logging another. The others are told.
pub(crate) fn judged(
    log: &Scan,
    root: &TrustRoot,
    wanted: &Digest,
) -> Result<Option<(FoundRelease, Report, Vec<String>)>> {
    let mut all = Vec::new();
    for found in log.releases(wanted) {
        let bundle = log.release_bundle(root, &Digest(found.leaf.0))?;
        let report = verify_bundle(&bundle, root, &AwsLc, &Question::Release(found.leaf));
        all.push((found, report));
    }
    let Some(best) = all.iter().map(|(_, report)| report.verdict).min() else { return Ok(None) };
    let at = all.iter().rposition(|(_, report)| report.verdict == best).unwrap_or(0);
    let (found, report) = all.remove(at);
    let others = all.iter().map(|(other, report)| {
        format!("entry {} names this image too: {}", other.index, report.verdict)
    });
    Ok(Some((found, report, others.collect())))
}

fn answer(
    file: &Path,
    sha256: &[u8; 32],
    report: Report,
    rows: Vec<(&'static str, String)>,
) -> Answer {
    let report = compared(report);
    let mut json = report_json(&report, Some(*sha256));
    json["file"] = file.display().to_string().into();
    json["sha256"] = crate::answer::hex(sha256).into();
    for (name, value) in rows.iter().filter(|(name, _)| *name != "also") {
        json[name.replace(' ', "_")] = value.as_str().into();
    }
    let also = rows.iter().filter(|(name, _)| *name == "also").map(|(_, value)| value.as_str());
    json["also"] = also.collect::<Vec<_>>().into();
    let mut text = format!("{}\n  sha256 {}\n", file.display(), grouped(sha256));
    text.push_str(&table(rows));
    text.push_str(&report_text(&report));
    Answer::new("identify", json, text).exit(exit(report.verdict))
}
