//! What a log has about a release or a device: asked of the log, or found by reading all of it.
//!
//! ```text
//! asked    GET /api/v1/…/bundle  ─▶ evidence, by the log's word all of it ─▶ verify: so far
//! --scan   GET /tile/entries/…   ─▶ every entry, under the signed root    ─▶ verify: all of it
//!          GET /api/v1/…/bundle  ─▶ what was forbidden after that root    ─▶ that instead
//! ```
//!
//! In scope: getting evidence bundles, and saying on what their completeness rests. Out of scope:
//! which entries belong into one (`firmlog_verify::gather`), the verdict (`report`).
//!
//! Invariants:
//! - Everything shown of an entry comes from a bundle that was verified against the trust root.
//! - That a log did not name something is told as its word; only a scan shows that nothing is
//!   there.

use std::time::{Duration, Instant};

use clap::Args;
use firmlog_keys::AwsLc;
use firmlog_statement::Digest;
use firmlog_tlog::merkle::{Hash, TreeSize};
use firmlog_verify::TrustRoot;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::checkpoint::verify_checkpoint;
use firmlog_verify::report::{
    Extent, Outcome, Question, Report, Verdict, verify_file, verify_gathered,
};
use serde_json::Value;

use crate::Context;
use crate::answer::Answer;
use crate::answer::counted;
use crate::error::{Error, Exit, Result};
use crate::http::Client;
use crate::scan::{Scan, head_error, newest_checkpoint};

/// How evidence is looked for.
#[derive(Args, Clone, Copy)]
pub(crate) struct HowArgs {
    /// Read every entry instead of asking the log: only this shows that nothing was left out; takes
    /// long, and needs a log that was not pruned
    #[arg(long)]
    scan: bool,
}

/// Where evidence of a log comes from.
pub(crate) enum Source<'a> {
    /// The log's own search. Its view covers so many of so many entries.
    Asked { client: &'a Client, root: &'a TrustRoot, covered: u64, size: u64 },
    /// Every entry was read here; of what came after that, the log can be asked.
    Scanned { client: &'a Client, scan: Box<Scan>, root: &'a TrustRoot, asked_later: bool },
}

/// Evidence, and what verify says of it.
pub(crate) struct Found {
    pub(crate) bundle: Bundle,
    pub(crate) report: Report,
}

impl<'a> Source<'a> {
    /// Asks or reads, as the person wants.
    pub(crate) fn open(
        client: &'a Client,
        root: &'a TrustRoot,
        how: HowArgs,
        context: &Context,
    ) -> Result<Self> {
        if how.scan {
            let scan = Box::new(Scan::fetch(client, root, &AwsLc, context)?);
            // A log that answers no questions was read all the same.
            drop(caught_up(client, context));
            return Ok(Self::Scanned { client, scan, root, asked_later: true });
        }
        let note = newest_checkpoint(client)?;
        verify_checkpoint(note.as_bytes(), root, &AwsLc).map_err(head_error)?;
        let (covered, size) = caught_up(client, context)?;
        Ok(Self::Asked { client, root, covered, size })
    }

    /// The answer to a question, with its evidence; none if the log has nothing about it.
    pub(crate) fn ask(&mut self, question: &Question) -> Result<Option<Found>> {
        let found = match self {
            Self::Scanned { client, scan, root, asked_later } => {
                let bundle = scan.bundle(root, question)?;
                let every = Extent::EveryEntry;
                let report = verify_gathered(&bundle, root, &AwsLc, question, every);
                let read = Found { bundle, report };
                let later = ask_bundle(client, root, question);
                *asked_later &= later.as_ref().is_ok_and(|it| answers(&read, it.as_ref()));
                let later = later.ok().flatten();
                Some(later.and_then(|later| worse_since(&read, later)).unwrap_or(read))
            }
            Self::Asked { client, root, .. } => ask_bundle(client, root, question)?,
        };
        Ok(found.filter(|found| found.report.verdict != Verdict::NotFound))
    }

    /// A release by leaf hash, or by the SHA-256 of its image.
    pub(crate) fn release(&mut self, wanted: &Digest) -> Result<Option<Found>> {
        match self.ask(&Question::Release(Hash(wanted.0)))? {
            Some(found) => Ok(Some(found)),
            None => self.ask(&Question::Image(wanted.0)),
        }
    }

    /// Adds on what the answer's completeness rests, for people and as JSON: `searched`, and of a
    /// scan whether the log answered for later entries.
    pub(crate) fn tell(&self, answer: &mut Answer) {
        let (how, word) = self.completeness();
        answer.json["searched"] = word.into();
        if let Self::Scanned { asked_later, .. } = self {
            answer.json["later_entries"] = if *asked_later { "asked" } else { "no answer" }.into();
        }
        answer.text.push_str(&format!("search: {how}\n"));
    }

    fn completeness(&self) -> (String, &'static str) {
        match self {
            Self::Scanned { scan, asked_later, .. } => {
                let later = match asked_later {
                    true => "the log was asked for later ones",
                    false => "and the log did not answer what it took since",
                };
                (format!("every entry of {} was read, {later}", scan.head.size), "every entry")
            }
            Self::Asked { covered, size, .. } => {
                let lag = size.saturating_sub(*covered);
                let behind = match lag {
                    0 => String::new(),
                    _ => format!(", which is {} behind", counted(lag, "entry", "entries")),
                };
                (format!("the log was asked{behind}; --scan reads every entry"), "by the log")
            }
        }
    }

    /// That something is not there, as far as is known.
    pub(crate) fn absence(&self, what: &str) -> String {
        match self {
            Self::Scanned { scan, root, .. } => {
                format!("{} has no {what} among its {} entries", root.origin(), scan.head.size)
            }
            Self::Asked { root, .. } => format!(
                "{} did not name any {what}; that there is none is its word (--scan reads every \
                 entry)",
                root.origin()
            ),
        }
    }
}

/// Waits until the log's view covers what the log had when this began; entries covered, and all.
fn caught_up(client: &Client, context: &Context) -> Result<(u64, u64)> {
    let started = Instant::now();
    let patience = context.timeout.min(Duration::from_secs(10));
    let mut target = None;
    loop {
        let answer = document(client, "api/v1/releases?limit=1")?.unwrap_or_default();
        let covered = decimal(&answer["index"]["covered"]);
        let size = covered.saturating_add(decimal(&answer["index"]["lag"]));
        let target = *target.get_or_insert(size);
        if covered >= target || started.elapsed() > patience {
            return Ok((covered, covered.max(target)));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Where the log keeps the evidence that answers a question.
fn path(question: &Question) -> String {
    match question {
        Question::Device(device) => format!("api/v1/devices/{device}/bundle"),
        Question::Release(leaf) => format!("api/v1/releases/{leaf}/bundle"),
        Question::Image(image) => format!("api/v1/identify/{}/bundle", Hash(*image)),
        Question::Statement(leaf) => format!("api/v1/entries/{leaf}/bundle"),
        Question::Whole => "api/v1/bundle".to_owned(),
    }
}

/// A bundle with what verify says of it; none if the log has none.
fn ask_bundle(client: &Client, root: &TrustRoot, question: &Question) -> Result<Option<Found>> {
    let path = path(question);
    let reply = client.fetch_any(&path, "*/*")?;
    match reply.status {
        200 => {}
        404 => return Ok(None),
        _ => return Err(unasked(client.refused(&path, &reply))),
    }
    let report = verify_file(&reply.body, root, &AwsLc, question);
    match Bundle::parse(&reply.body) {
        Ok(bundle) => Ok(Some(Found { bundle, report })),
        Err(error) => {
            let got =
                report.mismatches.first().map_or_else(|| error.to_string(), |m| m.got.clone());
            Err(Error::new("E-BUNDLE", "ALTERED: what the log handed out is no sound bundle")
                .exit(Exit::Against)
                .expected("an evidence bundle", got))
        }
    }
}

/// Whether the log answered for what it took after the tree that was read: by evidence of that tree
/// or a larger one that can be checked, or by none where nothing was found either.
fn answers(read: &Found, later: Option<&Found>) -> bool {
    let Some(later) = later else { return read.report.verdict == Verdict::NotFound };
    later.report.verdict != Verdict::CannotCheck && size(later) >= size(read)
}

fn size(found: &Found) -> Option<TreeSize> {
    found.report.head.as_ref().map(|it| it.head.size)
}

/// What the log itself shows in a later tree than was read, where that is worse: what forbids waits
/// for no witness, and neither does what convicts the log.
fn worse_since(read: &Found, later: Found) -> Option<Found> {
    let (was, is) = (&read.report, &later.report);
    // The file may still be used, by another release than the one that was read.
    let answered = was.release().map(|it| it.leaf);
    let mut releases = is.releases.iter().filter(|it| Some(it.leaf) == answered);
    let is_gone = releases.any(|it| it.standing.forbids());
    let worse = is.outcome() == Outcome::Against
        || is_gone
        || was.is_usable() == Some(true) && is.is_usable() == Some(false);
    (worse && was.outcome() != Outcome::Against && size(&later) > size(read)).then_some(later)
}

/// A JSON document; none for 404.
fn document(client: &Client, path: &str) -> Result<Option<Value>> {
    let reply = client.fetch_any(path, "application/json")?;
    match reply.status {
        200 => serde_json::from_slice(&reply.body)
            .map(Some)
            .map_err(|e| unasked(Error::form("the log's answer", e))),
        // Of a log that serves tiles only, there is nothing to ask.
        404 if !path.starts_with("api/v1/releases?") => Ok(None),
        _ => Err(unasked(client.refused(path, &reply))),
    }
}

/// Asking failed; reading everything may still do.
fn unasked(error: Error) -> Error {
    match error.help {
        Some(_) => error,
        None => error.help("where the log answers no questions, --scan reads every entry"),
    }
}

fn decimal(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}
