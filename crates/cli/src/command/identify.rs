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
use firmlog_verify::report::{Question, Report, Verdict, verify_file};
use serde_json::json;

use crate::Context;
use crate::answer::{Answer, hex};
use crate::command::verify::{leave_signature_out, must_be_bundle};
use crate::error::{Error, Result};
use crate::evidence::{HowArgs, Source};
use crate::http::Client;
use crate::image::{FormArgs, ImageFile, own_release};
use crate::inspect::mcuboot::to_json;
use crate::said::{compared, exit, exit_of, report_json, report_text};
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
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    how: HowArgs,
}

/// Runs the command.
pub(crate) fn run(args: &IdentifyArgs, context: &Context) -> Result<Answer> {
    let file = ImageFile::read(&args.file, args.form)?;
    let image = file.digests.sha256;
    let root = trust_root(&args.trust)?;
    let question = Question::Image(image.0);
    let own = |file: &ImageFile, report: &Report| {
        file.mcuboot.as_ref().map_or(Ok(None), |image| own_release(&args.file, image, report))
    };
    if let Some(path) = &args.bundle {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        must_be_bundle(path, &bytes)?;
        let mut report = verify_file(&bytes, &root, &AwsLc, &question);
        if let Some(own) = own(&file, &report)? {
            report = verify_file(&bytes, &root, &AwsLc, &Question::Release(own));
        }
        return Ok(answer(&args.file, &file, report));
    }
    let Some(url) = &args.log else {
        return Err(Error::new("E-USAGE", "where shall it be looked up?")
            .help("give --log URL, or --bundle FILE to stay offline"));
    };
    let client = Client::new(url, context)?;
    let mut source = Source::open(&client, &root, args.how, context)?;
    let Some(found) = source.ask(&question)? else {
        return Ok(unknown(&args.file, &image.0, &source));
    };
    let mut report = found.report;
    if let Some(own) = own(&file, &report)? {
        let Some(found) = source.ask(&Question::Release(own))? else {
            return Ok(unknown(&args.file, &image.0, &source));
        };
        report = found.report;
    }
    let mut answer = answer(&args.file, &file, report);
    source.tell(&mut answer);
    Ok(answer)
}

/// No release of this file: how sure that is, is told with it.
fn unknown(file: &Path, sha256: &[u8; 32], source: &Source<'_>) -> Answer {
    let (verdict, absence) = (Verdict::NotFound, source.absence("release of this file"));
    let note = "not being found does not prove a file bad";
    let json = json!({"verdict": verdict.word(), "file": file.display().to_string(),
        "sha256": hex(sha256), "usable": false, "note": note, "absence": absence});
    let text = format!(
        "{}\n{}\n  sha256 {}\n{absence}\n{note}\n",
        verdict.word().to_uppercase(),
        file.display(),
        grouped(sha256),
    );
    let mut answer = Answer::new("identify", json, text).exit(exit(verdict));
    source.tell(&mut answer);
    answer
}

fn answer(path: &Path, file: &ImageFile, report: Report) -> Answer {
    let (report, sha256) = (compared(report), &file.digests.sha256.0);
    let mut json = report_json(&report, Some(*sha256), &[]);
    json["file"] = path.display().to_string().into();
    json["sha256"] = hex(sha256).into();
    json["mcuboot"] = file.mcuboot.as_ref().map(to_json).into();
    let text =
        format!("{}\n  sha256 {}\n{}", path.display(), grouped(sha256), report_text(&report, &[]));
    let mut answer = Answer::new("identify", json, text).exit(exit_of(&report));
    if file.mcuboot.is_some() {
        leave_signature_out(&mut answer);
    }
    answer
}
