//! `verify`: what a file proves, offline.
//!
//! ```console
//! $ firmlog verify pump-4.2.1.bin --bundle pump-4.2.1.fwb --trust hospital.trust
//! VERIFIED SO FAR
//!   release      ip-200/app 4.2.1, version code 40201, security counter 3
//!   released by  acme.example/build (entry 5)
//!   ✓ signed        12 of 12 statements
//!   ✓ in log        log.example.org/pumps, 48930 entries
//!   ✓ witnessed     hospital, regulator (quorum reached)
//! not checked: whether anything was left out, such as a recall
//! ```
//!
//! Invariants:
//! - No socket is opened, no clock is read.
//! - No bundle is `verified`: exit 0 is for a witnessed checkpoint, and for who reads every entry.

use std::path::{Path, PathBuf};

use clap::Args;
use firmlog_keys::AwsLc;
use firmlog_statement::{DeviceId, Parsed};
use firmlog_tlog::merkle::{Hash, leaf_hash};
use firmlog_tlog::proof;
use firmlog_verify::bundle::{Bundle, Object};
use firmlog_verify::checkpoint::{HeadError, verify_checkpoint};
use firmlog_verify::receipt::Receipt;
use firmlog_verify::receipt::cose::CoseReceipt;
use firmlog_verify::report::{
    Level, Mismatch, Question, Report, Rung, RungState, Verdict, verify_file,
};
use firmlog_verify::{Crypto, TrustRoot};
use serde_json::{Value, json};

use crate::answer::{Answer, counted, hex};
use crate::error::{Error, Exit, Result};
use crate::image::{FormArgs, ImageFile, own_release};
use crate::said::{
    compared, exit, exit_of, history, report_json, report_text, rung_json, rung_line,
};
use crate::submit::{digest, grouped, log_key, trust_root};
use crate::when::{of_devices, times_json, times_text};

/// Arguments of `verify`.
#[derive(Args)]
#[command(after_help = "\
Exit: 1 altered, misbehaviour is proven, or the log says it must not be used · 2 cannot check · \
3 verified so far (the most a file can show: a recall may have been left out), or not found · \
0 a checkpoint that the quorum witnessed

Example:
  firmlog verify pump-4.2.1.bin --bundle pump-4.2.1.fwb --trust hospital.trust")]
pub(crate) struct VerifyArgs {
    /// An evidence bundle, a firmware image, an entry or a checkpoint
    file: PathBuf,
    /// Trust root file that pins the log
    #[arg(long, env = "FIRMLOG_TRUST", value_name = "FILE")]
    trust: PathBuf,
    /// For an image: the bundle of its release; one of MCUboot may carry it
    #[arg(long, value_name = "FILE", conflicts_with = "receipt")]
    bundle: Option<PathBuf>,
    /// For an entry: its receipt, COSE or tlog-proof
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Ask for one device's history
    #[arg(long, value_name = "ID", conflicts_with = "release")]
    device: Option<String>,
    /// Ask for one release, by the leaf hash of the statement that begins it
    #[arg(long, value_name = "HASH", conflicts_with = "statement")]
    release: Option<String>,
    /// Ask for one statement, by leaf hash
    #[arg(long, value_name = "HASH", conflicts_with = "device")]
    statement: Option<String>,
    #[command(flatten)]
    form: FormArgs,
}

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs) -> Result<Answer> {
    let root = trust_root(&args.trust)?;
    if let Some(bundle) = &args.bundle {
        let (image, bytes) = (ImageFile::read(&args.file, args.form)?, read(bundle)?);
        must_be_bundle(bundle, &bytes)?;
        return of_image(&args.file, &image, &bytes, &root);
    }
    // Nothing else that is checked begins as an image of MCUboot does.
    let image = ImageFile::read(&args.file, args.form)?;
    if let Some(bundle) = image.bundle() {
        return of_image(&args.file, &image, &bundle, &root);
    }
    let bytes = read(&args.file)?;
    if let Some(receipt) = &args.receipt {
        return of_receipt(&bytes, &read(receipt)?, &root);
    }
    if bytes.first() == Some(&0xd2) {
        return Err(Error::new("E-USAGE", "an entry alone proves nothing about the log")
            .help("give its receipt: firmlog verify ENTRY --receipt FILE --trust FILE"));
    }
    if bytes.starts_with(proof::HEADER.as_bytes()) {
        let file = args.file.display();
        return Err(Error::new("E-USAGE", format!("{file} is a tlog-proof: it is about an entry"))
            .help(format!("give both: firmlog verify ENTRY --receipt {file} --trust FILE")));
    }
    if let Ok(text) = std::str::from_utf8(&bytes)
        && text.contains("\n\n\u{2014} ")
    {
        return of_checkpoint(text, &root);
    }
    must_be_bundle(&args.file, &bytes)?;
    let report = verify_file(&bytes, &root, &AwsLc, &question(args)?);
    Ok(of_report(report, None, &bytes, &root))
}

fn of_image(path: &Path, image: &ImageFile, bundle: &[u8], root: &TrustRoot) -> Result<Answer> {
    let sha256 = image.digests.sha256.0;
    let ask = |question: &Question| verify_file(bundle, root, &AwsLc, question);
    let mut report = ask(&Question::Image(sha256));
    let found = report.verdict != Verdict::NotFound;
    if let Some(mcuboot) = image.mcuboot.as_ref().filter(|_| found)
        && let Some(own) = own_release(path, mcuboot, &report)?
    {
        report = ask(&Question::Release(own));
    }
    if !found {
        report.mismatches.push(other_image(&sha256, bundle));
    }
    let mut answer = of_report(report, Some((path, sha256)), bundle, root);
    if !found {
        answer.text.push_str("firmlog identify FILE --log URL tells which release it is, if any\n");
        // 3 is the best that a bundle comes to: who takes that must not take another file for it.
        if answer.exit == Exit::Incomplete {
            answer = answer.exit(Exit::Against);
        }
    }
    if image.mcuboot.is_some() {
        leave_signature_out(&mut answer);
    }
    Ok(answer)
}

/// Whose keys may sign an image for its bootloader is not known here.
pub(crate) fn leave_signature_out(answer: &mut Answer) {
    const LEFT_OUT: &str = "the image's own signature, which its bootloader checks";
    if let Some(list) = answer.json["not_checked"].as_array_mut() {
        list.push(LEFT_OUT.into());
    }
    answer.text.push_str(&format!("not checked: {LEFT_OUT}\n"));
}

/// Refuses what is no bundle at all. A bundle says so at its beginning; damage later is named.
pub(crate) fn must_be_bundle(path: &Path, bytes: &[u8]) -> Result<()> {
    let window = bytes.get(..40).unwrap_or(bytes);
    let is_map = bytes.first().is_some_and(|byte| byte >> 5 == 5);
    if is_map && window.windows(7).any(|w| w == b"firmlog" || w == b"bundle ") {
        return Ok(());
    }
    let got = if bytes.is_empty() { "an empty file" } else { "something else" };
    Err(Error::new("E-KIND", format!("{} is not an evidence bundle", path.display()))
        .expected("a file made by firmlog bundle (.fwb)", got)
        .help("for a firmware image, give the bundle of its release: --bundle FILE"))
}

fn question(args: &VerifyArgs) -> Result<Question> {
    let hash = |text: &String| digest(text).map(|it| Hash(it.0));
    Ok(match (&args.device, &args.release, &args.statement) {
        (Some(device), ..) => Question::Device(DeviceId(digest(device)?.0)),
        (_, Some(release), _) => Question::Release(hash(release)?),
        (.., Some(statement)) => Question::Statement(hash(statement)?),
        _ => Question::Whole,
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io("read", path, e))
}

/// The file is none of the images that the bundle's releases name: another one, or altered.
fn other_image(got: &[u8; 32], bundle: &[u8]) -> Mismatch {
    let entries = Bundle::parse(bundle).map(|bundle| bundle.entries).unwrap_or_default();
    let images: Vec<String> = entries
        .iter()
        .filter_map(|entry| Parsed::parse(&entry.bytes).ok()?.release_head())
        .map(|head| format!("sha256:{}", hex(&head.image)))
        .collect();
    let expected = match images.is_empty() {
        true => "a bundle of the file's release; this one has no release".to_owned(),
        false => images.join(" or "),
    };
    Mismatch { object: Object::Image, expected, got: format!("sha256:{}", hex(got)) }
}

fn of_report(
    report: Report,
    image: Option<(&Path, [u8; 32])>,
    bundle: &[u8],
    root: &TrustRoot,
) -> Answer {
    let parsed = Bundle::parse(bundle).ok();
    let (mut text, mut report) = (String::new(), report);
    if let Some((path, sha256)) = image {
        text.push_str(&format!("{}\n  sha256 {}\n", path.display(), grouped(&sha256)));
        report = compared(report);
    }
    let times = parsed.as_ref().map_or_else(Vec::new, |bundle| of_devices(bundle, &report, root));
    let history = history(&report, parsed.as_ref());
    // A bundle unfolds to several times its size.
    drop(parsed);
    text.push_str(&report_text(&report, &history));
    text.push_str(&times_text(&times));
    let mut json = report_json(&report, image.map(|(_, sha256)| sha256), &history);
    json["times"] = times_json(&times);
    Answer::new("verify", json, text).exit(exit_of(&report))
}

/// What a receipt cannot show, in words.
const SIGNATURE_NOT_CHECKED: &str = "the statement's signature (a bundle has the keys for it)";

/// An entry with a receipt: in the log by the log's word. Whose signature the entry carries, if
/// any, takes keys that are not here, so this is never the whole claim.
fn of_receipt(entry: &[u8], receipt: &[u8], root: &TrustRoot) -> Result<Answer> {
    let leaf = leaf_hash(entry);
    let proven = match receipt.first() {
        Some(0xd2) => CoseReceipt::parse(receipt)
            .and_then(|parsed| parsed.verify_inclusion(&leaf, &log_key(root), &AwsLc))
            .map(|proven| (proven.index.0, proven.head.size.0, false))
            .map_err(|e| e.to_string()),
        _ => of_tlog_proof(receipt, &leaf, root, &AwsLc),
    };
    let (index, size, witnessed) = match proven {
        Ok(proven) => proven,
        Err(why) => return Ok(altered("receipt", &why)),
    };
    let rung = |level, state, detail: &str| Rung { level, state, detail: detail.to_owned() };
    let (by, by_detail) = match witnessed {
        true => (RungState::Reached, "by the trust root's quorum"),
        false => (RungState::Missing, "no quorum of witnesses in the receipt"),
    };
    let signed = match Parsed::parse(entry) {
        Ok(_) => "not checked",
        Err(_) => "not checked; not even a firmlog statement",
    };
    let rungs = [
        rung(Level::Signed, RungState::NotChecked, signed),
        rung(Level::InLog, RungState::Reached, &format!("entry {index} of {size}")),
        rung(Level::Witnessed, by, by_detail),
    ];
    let verdict = Verdict::VerifiedSoFar;
    let mut text: String = rungs.iter().map(rung_line).collect();
    text.push_str(&format!(
        "{}\nnot checked: {SIGNATURE_NOT_CHECKED}\n",
        verdict.word().to_uppercase()
    ));
    let rungs: Vec<Value> = rungs.iter().map(rung_json).collect();
    let json = json!({"verdict": verdict.word(), "index": index.to_string(),
        "tree_size": size.to_string(), "leaf_hash": leaf.to_string(), "rungs": rungs,
        "not_checked": [SIGNATURE_NOT_CHECKED]});
    Ok(Answer::new("verify", json, text).exit(exit(verdict)))
}

fn of_tlog_proof(
    receipt: &[u8],
    leaf: &Hash,
    root: &TrustRoot,
    crypto: &dyn Crypto,
) -> std::result::Result<(u64, u64, bool), String> {
    let parsed = Receipt::parse(receipt).map_err(|e| e.to_string())?;
    let head = verify_checkpoint(parsed.unverified().checkpoint.as_bytes(), root, crypto)
        .map_err(|e| e.to_string())?;
    head.verify_inclusion(parsed.unverified().index, leaf, &parsed.unverified().path)
        .map(|proven| {
            (proven.index.0, proven.head.size.0, head.quorum && !head.witnesses.is_empty())
        })
        .map_err(|e| e.to_string())
}

fn of_checkpoint(note: &str, root: &TrustRoot) -> Result<Answer> {
    let head = match verify_checkpoint(note.as_bytes(), root, &AwsLc) {
        Ok(head) => head,
        // Of another log, or signed by a key that is not pinned: nothing was altered.
        Err(e @ (HeadError::OriginMismatch | HeadError::LogSignatureMissing)) => {
            let expected = format!("signed by {}", root.log_key());
            let json = json!({"verdict": "cannot check", "mismatches": [{"object": "checkpoint",
                "expected": expected, "got": e.to_string()}]});
            let text = format!(
                "CANNOT CHECK\n  ✗ checkpoint\n    expected  {expected}\n    got       {e}\n"
            );
            return Ok(Answer::new("verify", json, text).exit(Exit::CannotRun));
        }
        Err(e) => return Ok(altered("checkpoint", &e.to_string())),
    };
    let names: Vec<&str> = head.witnesses.iter().map(|w| w.name.as_str()).collect();
    let witnessed = head.quorum && !names.is_empty();
    let verdict = if witnessed { Verdict::Verified } else { Verdict::VerifiedSoFar };
    let mark = if witnessed { '✓' } else { '◷' };
    let text = format!(
        "  ✓ {:<13} {}, {}\n  {mark} {:<13} {}\n{}\nnot checked: any entry\n",
        "signed",
        head.origin,
        counted(head.head.size.0, "entry", "entries"),
        "witnessed",
        names.join(", "),
        verdict.word().to_uppercase()
    );
    let json = json!({"verdict": verdict.word(), "origin": head.origin,
        "tree_size": head.head.size.to_string(), "root": head.head.root.to_string(),
        "witnesses": names, "not_checked": ["any entry"]});
    Ok(Answer::new("verify", json, text).exit(exit(verdict)))
}

fn altered(object: &str, why: &str) -> Answer {
    let json = json!({"verdict": "altered", "mismatches": [{"object": object, "got": why}]});
    Answer::new("verify", json, format!("  ✗ {object}: {why}\nALTERED\n")).exit(Exit::Against)
}
