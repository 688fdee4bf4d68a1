//! What a log has about a release or a device: asked of the log, or found by reading all of it.
//!
//! ```text
//! asked    GET /api/v1/entries?… ─▶ which entries     GET /api/v1/…/bundle ─▶ evidence ─▶ verify
//! --scan   GET /tile/entries/…   ─▶ every entry, under the signed root ─────▶ evidence ─▶ verify
//! ```
//!
//! In scope: getting evidence bundles, and saying on what their completeness rests. Out of scope:
//! the verdict (`firmlog-verify`).
//!
//! Invariants:
//! - Everything shown of an entry comes from a bundle that was verified against the trust root.
//! - That a log did not name something is told as its word; only a scan shows that nothing is
//!   there.

use std::time::{Duration, Instant};

use clap::Args;
use firmlog_keys::AwsLc;
use firmlog_statement::event::EventType;
use firmlog_statement::{DeviceId, Digest, Meaning, Parsed, Release, Statement};
use firmlog_tlog::merkle::Hash;
use firmlog_verify::TrustRoot;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::checkpoint::verify_checkpoint;
use firmlog_verify::report::{EntryState, Question, Report, Verdict, verify_bundle, verify_file};
use serde_json::Value;

use crate::Context;
use crate::answer::counted;
use crate::error::{Error, Exit, Result};
use crate::http::Client;
use crate::scan::{Scan, head_error, newest_checkpoint};

/// How evidence is looked for.
#[derive(Args, Clone, Copy)]
pub(crate) struct HowArgs {
    /// Read every entry instead of asking the log: shows what is not there too, takes long, and
    /// needs a log that was not pruned
    #[arg(long)]
    scan: bool,
}

/// Where evidence of a log comes from.
pub(crate) enum Source<'a> {
    /// The log's own search. Its view covers so many of so many entries.
    Asked { client: &'a Client, root: &'a TrustRoot, covered: u64, size: u64 },
    /// Every entry was read here.
    Scanned { scan: Scan, root: &'a TrustRoot },
}

/// A release with the evidence about it.
pub(crate) struct Found {
    pub(crate) index: u64,
    pub(crate) leaf: Hash,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) release: Release,
    pub(crate) bundle: Bundle,
    pub(crate) report: Report,
}

/// A later word on a release.
pub(crate) struct Word {
    pub(crate) index: u64,
    pub(crate) kind: &'static str,
    pub(crate) issuer: String,
    pub(crate) event: EventType,
    /// What a person's signature means.
    pub(crate) meaning: Option<Meaning>,
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
            let scan = Scan::fetch(client, root, &AwsLc, context)?;
            return Ok(Self::Scanned { scan, root });
        }
        let note = newest_checkpoint(client)?;
        verify_checkpoint(note.as_bytes(), root, &AwsLc).map_err(head_error)?;
        let (covered, size) = caught_up(client, context)?;
        Ok(Self::Asked { client, root, covered, size })
    }

    /// The releases with this leaf hash or image, oldest first, each with its verified evidence.
    pub(crate) fn releases(&self, wanted: &Digest) -> Result<Vec<Found>> {
        match self {
            Self::Scanned { scan, root } => {
                let leaves = scan.releases(wanted).into_iter();
                leaves
                    .map(|leaf| {
                        let bundle = scan.release_bundle(root, &Digest(leaf.0))?;
                        let report = verify_bundle(&bundle, root, &AwsLc, &Question::Release(leaf));
                        found(leaf, bundle, report)
                    })
                    .collect()
            }
            Self::Asked { client, root, .. } => {
                let places = places(client, wanted)?;
                places.into_iter().map(|(_, leaf)| ask_release(client, root, leaf)).collect()
            }
        }
    }

    /// Everything about a device, if there is anything.
    pub(crate) fn device(&self, device: DeviceId) -> Result<Option<(Bundle, Report)>> {
        let question = Question::Device(device);
        match self {
            Self::Scanned { scan, root } => {
                if !scan.devices().contains(&device) {
                    return Ok(None);
                }
                let bundle = scan.device_bundle(root, &device)?;
                let report = verify_bundle(&bundle, root, &AwsLc, &question);
                Ok(Some((bundle, report)))
            }
            Self::Asked { client, root, .. } => {
                let path = format!("api/v1/devices/{device}/bundle");
                let answer = ask_bundle(client, root, &path, &question)?;
                // A bundle without a word of the device: the log no longer keeps any.
                Ok(answer.filter(|(_, report)| report.verdict != Verdict::NotFound))
            }
        }
    }

    /// How complete the answer is, for people and as the JSON value of `searched`.
    pub(crate) fn completeness(&self) -> (String, &'static str) {
        match self {
            Self::Scanned { scan, .. } => {
                (format!("every entry of {} was read", scan.head.size), "every entry")
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
            Self::Scanned { scan, root } => {
                format!("{} has no {what} among its {} entries", root.origin(), scan.head.size)
            }
            Self::Asked { root, .. } => format!(
                "{} did not name any {what}; that there is none is its word (--scan reads every \
                 entry)",
                root.origin()
            ),
        }
    }

    /// What was left out beside what a report says.
    pub(crate) fn not_checked(&self) -> Option<&'static str> {
        match self {
            Self::Scanned { .. } => None,
            Self::Asked { .. } => Some(NOT_SEARCHED),
        }
    }
}

/// What asking leaves open.
const NOT_SEARCHED: &str = "whether the log named everything it has about this (--scan)";

impl Found {
    /// What was said about the release later, by signed statements that are in the log.
    pub(crate) fn words(&self) -> Vec<Word> {
        let good = self.bundle.entries.iter().zip(&self.report.entries);
        let good = good.filter(|(_, report)| report.state == EntryState::Good);
        good.filter_map(|(entry, _)| word(&entry.bytes, entry.index.0, &self.leaf)).collect()
    }

    /// The newest step of its life, and whether that takes it back.
    pub(crate) fn step(&self) -> (EventType, bool) {
        let mut steps = self.words().into_iter().filter(|word| word.kind == "release");
        let event = steps.next_back().map_or(self.release.event, |word| word.event);
        let withdrawn = [
            EventType::ReleaseSuspended,
            EventType::ReleaseRecalled,
            EventType::ReleaseEndOfSupport,
        ];
        (event, withdrawn.contains(&event))
    }
}

impl Found {
    /// The step, with what follows from it for who holds the image.
    pub(crate) fn step_text(&self) -> String {
        match self.step() {
            (step, true) => format!("{step}: WITHDRAWN"),
            (EventType::ReleasePublished, false) => EventType::ReleasePublished.to_string(),
            (step, false) => format!("{step}: NOT PUBLISHED"),
        }
    }
}

fn word(entry: &[u8], index: u64, of: &Hash) -> Option<Word> {
    let parsed = Parsed::parse(entry).ok()?;
    let (kind, event, meaning, about) = match parsed.decode().ok()? {
        Statement::Release(it) => ("release", it.event, None, it.release?),
        Statement::Approval(it) => ("approval", it.event, Some(it.esig.meaning), it.release),
        Statement::Authorisation(it) => {
            ("authorisation", it.event, Some(it.esig.meaning), it.release)
        }
        _ => return None,
    };
    let issuer = parsed.issuer().to_owned();
    (about.0 == of.0).then_some(Word { index, kind, issuer, event, meaning })
}

/// Reads a release out of its own evidence.
fn found(leaf: Hash, bundle: Bundle, report: Report) -> Result<Found> {
    let place = bundle.entries.iter().find_map(|entry| {
        let parsed = Parsed::parse(&entry.bytes).ok()?;
        let Ok(Statement::Release(release)) = parsed.decode() else { return None };
        (parsed.leaf_hash() == leaf.0).then(|| {
            let (issuer, subject) = (parsed.issuer().to_owned(), parsed.subject().to_owned());
            (entry.index.0, issuer, subject, release)
        })
    });
    let Some((index, issuer, subject, release)) = place else {
        return Err(Error::new("E-EVIDENCE", "the bundle does not hold the release it is of")
            .expected(format!("a release with leaf hash {leaf}"), "none"));
    };
    Ok(Found { index, leaf, issuer, subject, release, bundle, report })
}

/// Whether an entry is a release that was looked for: by its own hash, or by its image if it is the
/// first word on it. Later steps of its life name the first.
pub(crate) fn is_wanted(parsed: &Parsed<'_>, wanted: &Digest) -> bool {
    let Ok(Statement::Release(release)) = parsed.decode() else { return false };
    parsed.leaf_hash() == wanted.0 || release.image == *wanted && release.release.is_none()
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

/// Index and leaf hash of the releases the log names, oldest first.
fn places(client: &Client, wanted: &Digest) -> Result<Vec<(u64, Hash)>> {
    let mut places = Vec::new();
    if let Some(answer) = document(client, &format!("api/v1/releases/{wanted}"))? {
        places.extend(place(&answer["release"]["entry"]));
    }
    let list = format!("api/v1/entries?kind=release&firmware={wanted}&limit=1000");
    let mut page = list.clone();
    while let Some(answer) = document(client, &page)? {
        let lines = answer["items"].as_array().cloned().unwrap_or_default();
        // Later steps of a release's life name it; they are part of its bundle.
        places.extend(lines.iter().filter(|line| line["about"].is_null()).filter_map(place));
        match answer["next_cursor"].as_str() {
            Some(cursor) if !lines.is_empty() => page = format!("{list}&cursor={cursor}"),
            _ => break,
        }
    }
    places.sort_unstable_by_key(|(index, leaf)| (*index, leaf.0));
    places.dedup();
    Ok(places)
}

fn place(line: &Value) -> Option<(u64, Hash)> {
    let leaf = crate::submit::digest(line["leaf_hash"].as_str()?).ok()?;
    Some((line["index"].as_str()?.parse().ok()?, Hash(leaf.0)))
}

fn ask_release(client: &Client, root: &TrustRoot, leaf: Hash) -> Result<Found> {
    let path = format!("api/v1/releases/{leaf}/bundle");
    let claimed = format!("it named a release with leaf hash {leaf}");
    let answer = ask_bundle(client, root, &path, &Question::Release(leaf))?;
    let (bundle, report) = answer.ok_or_else(|| contradiction(client, &claimed))?;
    found(leaf, bundle, report).map_err(|_| contradiction(client, &claimed))
}

/// A bundle with what verify says of it; none if the log has none.
fn ask_bundle(
    client: &Client,
    root: &TrustRoot,
    path: &str,
    question: &Question,
) -> Result<Option<(Bundle, Report)>> {
    let reply = client.fetch_any(path, "*/*")?;
    match reply.status {
        200 => {}
        404 => return Ok(None),
        _ => return Err(unasked(client.refused(path, &reply))),
    }
    let report = verify_file(&reply.body, root, &AwsLc, question);
    match Bundle::parse(&reply.body) {
        Ok(bundle) => Ok(Some((bundle, report))),
        Err(error) => {
            let got =
                report.mismatches.first().map_or_else(|| error.to_string(), |m| m.got.clone());
            Err(Error::new("E-BUNDLE", "ALTERED: what the log handed out is no sound bundle")
                .exit(Exit::Against)
                .expected("an evidence bundle", got))
        }
    }
}

fn contradiction(client: &Client, claimed: &str) -> Error {
    Error::new("E-EVIDENCE", format!("{} contradicts itself", client.prefix()))
        .expected("evidence for what it names", format!("{claimed}, and none is in its bundle"))
        .help("nothing is believed of it; --scan reads every entry instead")
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
