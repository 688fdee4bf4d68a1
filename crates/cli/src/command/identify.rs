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
use firmlog_statement::{Release, ReleaseHead};
use firmlog_verify::bundle::Bundle;
use firmlog_verify::report::{Question, Report, Verdict, verify_file};
use serde_json::json;

use crate::Context;
use crate::answer::{Answer, hex, table};
use crate::command::verify::{
    compared, exit, exit_of, leave_signature_out, report_json, report_text,
};
use crate::error::{Error, Result};
use crate::evidence::{Found, HowArgs, Source};
use crate::http::Client;
use crate::image::{FormArgs, ImageFile, check_release, is_of, releases_of};
use crate::inspect::mcuboot::to_json;
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
    if let Some(bundle) = &args.bundle {
        let bytes = std::fs::read(bundle).map_err(|e| Error::io("read", bundle, e))?;
        let report = verify_file(&bytes, &root, &AwsLc, &Question::Image(image.0));
        let named = report.entries.iter().filter(|entry| entry.asked);
        let entries: Vec<String> = named.map(|entry| entry.index.to_string()).collect();
        let rows = vec![("entries", entries.join(", "))];
        if let (Some(mcuboot), Ok(bundle)) = (&file.mcuboot, Bundle::parse(&bytes)) {
            check_release(&args.file, mcuboot, &releases_of(&bundle, &image.0))?;
        }
        return Ok(answer(&args.file, &file, report, rows));
    }
    let Some(url) = &args.log else {
        return Err(Error::new("E-USAGE", "where shall it be looked up?")
            .help("give --log URL, or --bundle FILE to stay offline"));
    };
    let client = Client::new(url, context)?;
    let source = Source::open(&client, &root, args.how, context)?;
    let (found, others) = best(releases(&args.file, &file, &source)?);
    let Some(found) = found else { return Ok(unknown(&args.file, &image.0, &source)) };
    let step = found.step_text();
    let mut rows = vec![
        ("release", format!("{} {}", found.subject, found.release.version_name)),
        ("leaf hash", found.leaf.to_string()),
        ("entry", found.index.to_string()),
        // Whether that name's key really signed it is what the report says.
        ("issuer", found.issuer),
        ("step", step),
    ];
    rows.extend(others.into_iter().map(|other| ("also", other)));
    let (how, searched) = source.completeness();
    rows.push(("search", how));
    let mut answer = answer(&args.file, &file, found.report, rows);
    answer.json["searched"] = searched.into();
    left_out(&mut answer, &source);
    Ok(answer)
}

/// The releases of an image; of one of MCUboot, those that are of it in all that a device compares.
fn releases(path: &Path, file: &ImageFile, source: &Source<'_>) -> Result<Vec<Found>> {
    let mut all = source.releases(&file.digests.sha256)?;
    if let Some(image) = &file.mcuboot {
        let heads: Vec<_> = all.iter().map(|found| (found.leaf, head(found))).collect();
        check_release(path, image, &heads)?;
        all.retain(|found| is_of(image, &found.leaf, &head(found)));
    }
    Ok(all)
}

fn head(found: &Found) -> ReleaseHead {
    let Release { image, version, counter, .. } = &found.release;
    ReleaseHead { image: image.0, version: version.0, counter: counter.0 }
}

/// Adds what asking instead of reading leaves open.
pub(crate) fn left_out(answer: &mut Answer, source: &Source<'_>) {
    let Some(what) = source.not_checked() else { return };
    if let Some(list) = answer.json["not_checked"].as_array_mut() {
        list.push(what.into());
    }
    answer.text.push_str(&format!("not checked: {what}\n"));
}

/// No release of this file: how sure that is, is told with it.
fn unknown(file: &Path, sha256: &[u8; 32], source: &Source<'_>) -> Answer {
    let (_, searched) = source.completeness();
    let (verdict, absence) = (Verdict::NotFound, source.absence("release of this file"));
    let note = "not being found does not prove a file bad";
    let json = json!({"verdict": verdict.word(), "file": file.display().to_string(),
        "sha256": hex(sha256), "note": note, "absence": absence, "searched": searched,
        "not_checked": source.not_checked().into_iter().collect::<Vec<_>>()});
    let text = format!(
        "{}\n  sha256 {}\n{}\n{absence}\n{note}\n",
        file.display(),
        grouped(sha256),
        verdict.word().to_uppercase()
    );
    Answer::new("identify", json, text).exit(exit(verdict))
}

/// Of several releases that name one image that of which most is proven, the newest of equals:
/// nobody hides a release by logging another. The others are told.
pub(crate) fn best(mut all: Vec<Found>) -> (Option<Found>, Vec<String>) {
    let Some(best) = all.iter().map(|found| found.report.verdict).min() else {
        return (None, Vec::new());
    };
    let at = all.iter().rposition(|found| found.report.verdict == best).unwrap_or(0);
    let found = all.remove(at);
    let others = all.iter().map(|other| {
        format!("entry {} names this image too: {}", other.index, other.report.verdict)
    });
    (Some(found), others.collect())
}

fn answer(
    file: &Path,
    image: &ImageFile,
    report: Report,
    rows: Vec<(&'static str, String)>,
) -> Answer {
    let (report, sha256) = (compared(report), &image.digests.sha256.0);
    let mut json = report_json(&report, Some(*sha256));
    json["file"] = file.display().to_string().into();
    json["sha256"] = hex(sha256).into();
    for (name, value) in rows.iter().filter(|(name, _)| *name != "also") {
        json[name.replace(' ', "_")] = value.as_str().into();
    }
    let also = rows.iter().filter(|(name, _)| *name == "also").map(|(_, value)| value.as_str());
    json["also"] = also.collect::<Vec<_>>().into();
    let mut text = format!("{}\n  sha256 {}\n", file.display(), grouped(sha256));
    text.push_str(&table(rows));
    text.push_str(&report_text(&report));
    json["mcuboot"] = image.mcuboot.as_ref().map(to_json).into();
    let mut answer = Answer::new("identify", json, text).exit(exit_of(&report));
    if image.mcuboot.is_some() {
        leave_signature_out(&mut answer);
    }
    answer
}
