//! `agent status` and `agent history`: what the device knows of itself.

use firmlog_agent::journal::{ENTRY_MAX, Report};
use firmlog_agent::outbox::{Outbox, Trouble};
use firmlog_agent::update::Resume;
use firmlog_statement::{Parsed, Update};
use serde_json::{Value, json};

use super::courier::Sender;
use super::unit::Unit;
use crate::answer::{Answer, counted, hex, table};
use crate::error::{Error, Exit, Result};

/// How things stand; `sender` where one is at work.
pub(crate) fn status(unit: &mut Unit<'_>, sender: Option<&Sender<'_>>) -> Answer {
    let opened = unit.opened;
    let progress = *unit.device.progress();
    let journal = unit.device.journal();
    let next = journal.next().map(|(next, _)| next);
    let (covered, dropped) = (journal.covered(), journal.dropped());
    let (free, reserve, untold) = (journal.free_pages(), journal.reserve(), journal.untold());
    let unsent = next.map_or(0, |next| next.saturating_sub(covered.next));
    let trouble = sender.and_then(Sender::in_the_way).map(|way| way.text);
    let last = progress.last.map_or("nothing", |event| event.name());
    let findings: Vec<String> =
        opened.report.findings().map(|finding| format!("{finding:?}")).collect();
    let json = json!({
        "last": last, "committed": image_json(&progress.committed),
        "target": image_json(&progress.target.image), "attempts": progress.attempts,
        "next_seq": next.map(|next| next.to_string()), "proven_below": covered.next.to_string(),
        "tree_size": covered.size.to_string(), "unsent": unsent.to_string(),
        "free_pages": free, "reserve_pages": reserve,
        "dropped": dropped.count, "dropped_untold": untold,
        "sending": sender.is_some(),
        "failures": sender.map(|sender| Outbox::failures(&sender.outbox)),
        "trouble": trouble, "findings": findings, "losses": opened.report.losses(),
        "resume": opened.resume.map(resume_word),
        "counter": opened.standing.map(|standing| format!("{standing:?}").to_lowercase()),
    });
    let mut rows = vec![
        ("last step", last.to_owned()),
        (
            "runs",
            format!("{} version {}", hex(&progress.committed.sha256), progress.committed.version),
        ),
        ("said", counted(next.unwrap_or_default(), "statement", "statements")),
        ("in the log", format!("{}, of {} entries", covered.next, covered.size)),
        ("not yet", unsent.to_string()),
        ("free pages", format!("{free}, {reserve} of them kept for what is urgent")),
    ];
    if next.is_none() {
        let text = "hidden by damage: asks the log for its head (agent run, agent push)";
        rows.push(("end", text.to_owned()));
    }
    if dropped.count > 0 {
        rows.push(("dropped", format!("{}, {untold} not told yet", dropped.count)));
    }
    rows.extend(trouble.map(|text| ("trouble", text)));
    rows.extend(findings_rows(&opened.report));
    let exit = if opened.report.losses() > 0 { Exit::Against } else { Exit::Proven };
    Answer::new("agent-status", json, table(rows)).exit(exit)
}

fn findings_rows(report: &Report) -> Vec<(&'static str, String)> {
    report.findings().map(|finding| ("found", format!("{finding:?}"))).collect()
}

fn image_json(image: &firmlog_agent::update::Image) -> Value {
    // MCUboot's version codes are numbers that few JSON readers keep: as text too.
    json!({"sha256": hex(&image.sha256), "version": image.version,
        "version_code": image.version.to_string(), "counter": image.counter})
}

fn resume_word(resume: Resume) -> &'static str {
    match resume {
        Resume::Idle => "idle",
        Resume::InstallAgain => "install_again",
        Resume::Decide => "decide",
        Resume::RollBackAgain => "roll_back_again",
    }
}

/// What stands between the device and the log, for people.
pub(crate) fn trouble_text(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Unreachable => "the log does not answer".to_owned(),
        Trouble::Status(status) => format!("the log, or something before it, answers {status}"),
        Trouble::Busy => "the log has no time".to_owned(),
        Trouble::Refused { seq } => format!("the log refuses statement {seq}"),
        Trouble::Nonsense => "the answer is none to what was sent".to_owned(),
        Trouble::Unproven => "the log's word was not believed: not signed by its key".to_owned(),
        Trouble::WentBack { proven, .. } => {
            format!("THE LOG WENT BACK: it had proven the statements below {proven}")
        }
        Trouble::SplitView { size } => {
            format!("SPLIT VIEW: two roots of {size} entries, both signed by the log")
        }
        Trouble::OtherHistory { seq } => {
            format!("FORK: the log has another history of this device before statement {seq}")
        }
        Trouble::Missing { seq } => format!("statement {seq} cannot be read from the journal"),
        _ => format!("{trouble:?}"),
    }
}

/// The statements that the journal still has, from one on.
pub(crate) fn history(unit: &mut Unit<'_>, from: u64) -> Result<Answer> {
    let said = |e| Error::new("E-JOURNAL", e);
    let journal = unit.device.journal();
    let oldest = journal.oldest().map_err(said)?;
    let covered = journal.covered().next;
    let next = journal.next().map_or(oldest, |(next, _)| next);
    let (mut items, mut text) = (Vec::new(), String::new());
    let mut buffer = [0; ENTRY_MAX];
    for seq in from.max(oldest)..next {
        let len = journal.statement(seq, &mut buffer).map_err(said)?;
        let entry = len.and_then(|len| buffer.get(..len));
        let update = entry.and_then(|entry| Parsed::parse(entry).ok()?.update().ok());
        let proven = seq < covered;
        text.push_str(&line(seq, update.as_ref(), proven));
        items.push(item(seq, entry, update.as_ref(), proven));
    }
    let json = json!({"oldest": oldest.to_string(), "items": items});
    Ok(Answer::new("agent-history", json, text))
}

fn line(seq: u64, update: Option<&Update>, proven: bool) -> String {
    let mark = if proven { "✓ in the log" } else { "◷ not yet" };
    match update {
        Some(update) => {
            let events: Vec<&str> = update.events.iter().map(|event| event.kind.name()).collect();
            format!("{seq:>6}  {mark:<12}  {:<12}  {}\n", update.outcome.name(), events.join(" · "))
        }
        None => format!("{seq:>6}  ✗ cannot be read\n"),
    }
}

fn item(seq: u64, entry: Option<&[u8]>, update: Option<&Update>, proven: bool) -> Value {
    let Some((entry, update)) = entry.zip(update) else {
        return json!({"seq": seq.to_string(), "readable": false});
    };
    let events: Vec<Value> = update
        .events
        .iter()
        .map(|event| {
            json!({"type": event.kind.name(), "count": event.count,
            "code": event.code, "ago_ms": event.ago_ms})
        })
        .collect();
    json!({"seq": seq.to_string(), "readable": true, "in_log": proven, "events": events,
        "outcome": update.outcome.name(), "image": hex(&update.image.0),
        "version": update.version.0, "utc_ms": update.time.utc_ms,
        "quality": update.time.quality().name(), "counter": update.time.counter,
        "entry": hex(entry)})
}
