//! What a report says, in words and as JSON: the same for `verify`, `identify`, `release show` and
//! `bundle`.
//!
//! ```text
//! RECALLED by entry 9: do not use it
//!   release       ip-200/app 4.2.1, version code 40201, security counter 3
//!   released by   acme.example/build (entry 5)
//!   approval      acme.example/quality (entry 6): 1 of 1
//!   withdrawn     release_recalled by log.example/admin (entry 9)
//!   as of         48930 entries, cosigned 2026-11-30T03:00:00Z
//!   ✓ signed      …
//! VERIFIED SO FAR
//! not checked: whether anything was left out, such as a recall
//! ```
//!
//! In scope: showing. Out of scope: deciding, which is `firmlog_verify::report`'s.
//!
//! Invariant: the headline comes first, and nothing below it says anything better.

mod anchors;

use firmlog_statement::event::EventType;
use firmlog_statement::{Kind, Meaning, Parsed, Statement};
use firmlog_verify::Verdict;
use firmlog_verify::bundle::Bundle;
use firmlog_verify::report::{
    EntryState, NotChecked, Outcome, Question, Released, Report, Rung, RungState, Word,
};
use serde_json::{Value, json};

use crate::answer::table;
use crate::error::Exit;
use crate::inspect::text::utc;

/// Statements of a device that a person reads; programs get all of them.
const HISTORY_MAX: usize = 50;

/// The exit code of a verdict alone.
pub(crate) fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Verified => Exit::Proven,
        Verdict::VerifiedSoFar | Verdict::NotFound => Exit::Incomplete,
        Verdict::CannotCheck => Exit::CannotRun,
        Verdict::Altered => Exit::Against,
    }
}

/// The exit code of a report.
pub(crate) fn exit_of(report: &Report) -> Exit {
    match report.outcome() {
        Outcome::Proven => Exit::Proven,
        Outcome::Against => Exit::Against,
        Outcome::CannotRun => Exit::CannotRun,
        Outcome::Incomplete => Exit::Incomplete,
    }
}

/// A report for which the image itself was hashed and looked up: that is no longer left out.
pub(crate) fn compared(mut report: Report) -> Report {
    report.not_checked.retain(|left_out| *left_out != NotChecked::Image);
    report
}

/// Headline, what it is about, the ladder, what is wrong, what was found, the verdict, and what was
/// left out.
pub(crate) fn report_text(report: &Report, history: &[Told]) -> String {
    let mut text = format!("{}\n", report.headline());
    for it in &report.releases {
        text.push_str(&table(release_rows(report, it)));
    }
    text.push_str(&history_text(history));
    text.push_str(&as_of(report));
    for rung in &report.rungs {
        text.push_str(&rung_line(rung));
    }
    for mismatch in &report.mismatches {
        text.push_str(&format!(
            "  ✗ {}\n    expected  {}\n    got       {}\n",
            mismatch.object, mismatch.expected, mismatch.got
        ));
    }
    for finding in &report.findings {
        let entries: Vec<String> = finding.entries.iter().map(ToString::to_string).collect();
        let at = match entries.as_slice() {
            [] => String::new(),
            [one] => format!(" (entry {one})"),
            many => format!(" (entries {})", many.join(", ")),
        };
        text.push_str(&format!("  ! {} {}{at}\n", finding.severity, finding.evidence));
    }
    let verdict = report.verdict.word().to_uppercase();
    if report.headline() != verdict {
        text.push_str(&format!("evidence: {}\n", report.verdict.word()));
    }
    for left_out in &report.not_checked {
        text.push_str(&format!("not checked: {left_out}\n"));
    }
    text
}

/// What was released, by whom, who judged it, and where it stands.
fn release_rows(report: &Report, it: &Released) -> Vec<(&'static str, String)> {
    let body = &it.statement;
    let asked = report.release().is_none_or(|best| best.leaf == it.leaf);
    let name = format!("{} {}", it.subject, body.version_name);
    let codes = format!("version code {}, security counter {}", body.version, body.counter);
    let mut rows = vec![
        (if asked { "  release" } else { "  also" }, format!("{name}, {codes}")),
        ("  leaf hash", it.leaf.to_string()),
        ("  image", format!("sha256:{}", body.image)),
        ("  for", format!("{}, component {}", listed(&body.models), body.component)),
        ("  released by", format!("{} (entry {})", it.issuer, it.index)),
        ("  standing", standing_text(report, it)),
    ];
    rows.extend(it.words.iter().map(|word| (label(word), word_text(word))));
    rows
}

fn listed(models: &[String]) -> String {
    if models.is_empty() { "any model".to_owned() } else { models.join(", ") }
}

/// Evidence that is not sound permits nothing, whatever it says.
fn standing_text(report: &Report, it: &Released) -> String {
    let standing = &it.standing;
    let usable = match standing.is_usable() {
        true if is_sound(report) => "may be used",
        true => "not shown, the evidence is not sound",
        false => "not to be used",
    };
    format!(
        "{} (entry {}), {} of {} approvals: {usable}",
        standing.standing, standing.since, standing.approvals, standing.required
    )
}

fn is_sound(report: &Report) -> bool {
    report.verdict < Verdict::CannotCheck && !report.proves_misbehaviour()
}

fn label(word: &Word) -> &'static str {
    match (word.kind, word.meaning) {
        (Kind::Approval, Some(Meaning::Rejection)) => "  rejection",
        (Kind::Approval, Some(Meaning::Approval)) => "  approval",
        (Kind::Approval, _) => "  signature",
        (Kind::Authorisation, _) => "  authorisation",
        (_, _) if word.event == EventType::ReleasePublished => "  published",
        _ => "  step",
    }
}

fn word_text(word: &Word) -> String {
    let what = word.meaning.map_or_else(|| word.event.name(), Meaning::name);
    format!("{what} by {} (entry {})", word.issuer, word.index)
}

/// As of when this is so.
fn as_of(report: &Report) -> String {
    let Some(head) = &report.head else { return String::new() };
    let when = match head.as_of_s {
        Some(time_s) if !head.witnesses.is_empty() => format!("cosigned {}", utc(time_s)),
        _ => "when is not known: no quorum of witnesses".to_owned(),
    };
    format!("  as of         {} entries, {when}\n", head.head.size)
}

/// What a device says happened, in words.
fn history_text(lines: &[Told]) -> String {
    let mut text: String = lines.iter().take(HISTORY_MAX).map(Told::text).collect();
    if let Some(more) = lines.len().checked_sub(HISTORY_MAX).filter(|more| *more > 0) {
        text.push_str(&format!("  … and {more} more statements (--json has all of them)\n"));
    }
    text
}

/// One statement of the device that was asked for.
pub(crate) struct Told {
    index: u64,
    seq: u64,
    events: Vec<&'static str>,
    version: String,
    outcome: &'static str,
}

impl Told {
    fn text(&self) -> String {
        let events = self.events.join(", ").replace('_', " ");
        let outcome = self.outcome.replace('_', " ");
        format!("  {:>5}  {events}: {} ({outcome}; entry {})\n", self.seq, self.version, self.index)
    }

    fn json(&self) -> Value {
        json!({"index": self.index.to_string(), "seq": self.seq.to_string(),
            "events": self.events, "version": self.version, "outcome": self.outcome})
    }
}

/// What the device that was asked for says happened; of another question nothing.
pub(crate) fn history(report: &Report, bundle: Option<&Bundle>) -> Vec<Told> {
    let (Question::Device(_), Some(bundle)) = (&report.question, bundle) else { return vec![] };
    let asked = bundle.entries.iter().zip(&report.entries);
    let asked = asked.filter(|(_, it)| it.asked && it.state == EntryState::Good);
    let told = asked.filter_map(|(entry, it)| {
        let Ok(Statement::Update(update)) = Parsed::parse(&entry.bytes).ok()?.decode() else {
            return None;
        };
        let named = update.to.as_ref().and_then(|to| to.name);
        let version = named.map(|name| name.as_str().to_owned());
        Some(Told {
            index: it.index.0,
            seq: update.seq.0,
            events: update.events.iter().map(|event| event.kind.name()).collect(),
            version: version.unwrap_or_else(|| format!("version code {}", update.version)),
            outcome: update.outcome.name(),
        })
    });
    told.collect()
}

/// One rung of the ladder.
pub(crate) fn rung_line(rung: &Rung) -> String {
    let mark = match rung.state {
        RungState::Reached => '✓',
        RungState::Failed => '✗',
        RungState::Missing | RungState::NotChecked => '◷',
    };
    format!("  {mark} {:<13} {}\n", rung.level.name(), rung.detail)
}

/// The whole report for programs.
pub(crate) fn report_json(report: &Report, image: Option<[u8; 32]>, history: &[Told]) -> Value {
    let mismatches: Vec<Value> = report
        .mismatches
        .iter()
        .map(|m| json!({"object": m.object.to_string(), "expected": m.expected, "got": m.got}))
        .collect();
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|f| {
            let (entries, kind): (Vec<String>, _) =
                (f.entries.iter().map(ToString::to_string).collect(), f.evidence.kind());
            json!({"kind": kind.word(), "number": kind.code(), "severity": f.severity.name(),
                "against": kind.against().word(), "what": f.evidence.to_string(),
                "entries": entries})
        })
        .collect();
    let head = report.head.as_ref();
    json!({
        "question": report.asked(),
        "headline": report.headline(),
        "verdict": report.verdict.word(),
        "standing": report.standing(),
        "usable": report.is_usable(),
        "leaf_hash": report.release().map(|it| it.leaf.to_string()),
        "version": report.release().map(|it| it.statement.version_name.clone()),
        "releases": report.releases.iter().map(|it| release_json(report, it)).collect::<Vec<_>>(),
        "history": history.iter().map(Told::json).collect::<Vec<_>>(),
        "image": image.map(|sha256| crate::answer::hex(&sha256)),
        "origin": head.map(|head| head.origin.clone()),
        "tree_size": head.map(|head| head.head.size.to_string()),
        "as_of": head.filter(|it| !it.witnesses.is_empty()).and_then(|it| it.as_of_s).map(utc),
        "rungs": report.rungs.iter().map(rung_json).collect::<Vec<_>>(),
        "mismatches": mismatches,
        "findings": findings,
        "misbehaviour": report.proves_misbehaviour(),
        "anchors": report.anchors.iter().map(anchors::json).collect::<Vec<Value>>(),
        "entries": report.entries.len(),
        "not_checked": report.not_checked.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// What is altered, or cannot be checked, makes no release usable.
fn release_json(report: &Report, it: &Released) -> Value {
    let (body, standing) = (&it.statement, &it.standing);
    let usable = standing.is_usable() && report.verdict < Verdict::CannotCheck;
    let words: Vec<Value> = it
        .words
        .iter()
        .map(|word| {
            json!({"index": word.index.to_string(), "kind": word.kind.name(),
                "issuer": word.issuer, "event": word.event.name(),
                "meaning": word.meaning.map(Meaning::name)})
        })
        .collect();
    json!({
        "index": it.index.to_string(), "leaf_hash": it.leaf.to_string(), "issuer": it.issuer,
        "subject": it.subject, "version": body.version_name,
        "version_code": body.version.to_string(), "counter": body.counter.0,
        "image": body.image.to_string(), "component": body.component, "models": body.models,
        "standing": standing.standing.word(), "since": standing.since.to_string(),
        "usable": usable, "approvals": standing.approvals,
        "approvals_required": standing.required, "words": words,
    })
}

pub(crate) fn rung_json(rung: &Rung) -> Value {
    json!({"level": rung.level.name(), "state": state(rung.state), "detail": rung.detail})
}

fn state(state: RungState) -> &'static str {
    match state {
        RungState::Reached => "reached",
        RungState::Missing => "missing",
        RungState::Failed => "failed",
        RungState::NotChecked => "not checked",
    }
}
