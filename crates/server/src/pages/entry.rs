//! `/entry/{index}`: one entry as a sentence, its fields, and where its proof is.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use firmlog_tlog::merkle::Hash;
use firmlog_verify::report::Question;

use super::{Html, Sorry, base, render};
use crate::api::entries::EntryAnswer;
use crate::api::shape::EntryLine;
use crate::api::{digest, entry_view};
use crate::app::App;
use crate::scrapi::locate;
use crate::show;

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryPage {
    sentence: String,
    /// The release that it is, or is about.
    release: Option<String>,
    /// Why that one is not to be used.
    banner: Option<String>,
    entry: EntryAnswer,
    statement: Option<String>,
    base: String,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Html, Sorry> {
    let index = locate(&app, &id).await?;
    let entry = entry_view(&app, index).await?;
    let statement = entry.statement.as_ref();
    let release = release(&entry.line);
    let banner = match &release {
        Some(leaf) => {
            let leaf = Hash(digest("release", leaf)?);
            crate::bundle::why_not(&app, Question::Release(leaf)).await
        }
        None => None,
    };
    Ok(render(&EntryPage {
        sentence: sentence(&entry.line),
        release,
        banner,
        statement: statement.and_then(|value| serde_json::to_string_pretty(value).ok()),
        base: base(&app, &headers),
        entry,
    }))
}

/// The leaf hash of the release that an entry begins, or that it speaks of.
fn release(line: &EntryLine) -> Option<String> {
    let begins = (line.kind == "release").then_some(&line.leaf_hash);
    let speaks = matches!(&*line.kind, "release" | "approval" | "authorisation");
    line.about.as_ref().filter(|_| speaks).or(begins).cloned()
}

/// What the entry says, for somebody who has never seen one.
pub(super) fn sentence(line: &EntryLine) -> String {
    let version = line.version.as_deref().or(line.version_code.as_deref());
    let version = version.map(|it| format!(" {it}")).unwrap_or_default();
    let event = line.event.as_deref().unwrap_or("").replace('_', " ");
    match line.kind.as_str() {
        "trust" => format!("{} changed who is trusted: {}", line.issuer, line.subject),
        "release" => format!("{} says {event} of {}{version}", line.issuer, line.subject),
        "approval" => {
            let meaning = line.meaning.as_deref().unwrap_or("approval");
            format!("A person of {} signed {event} of {} ({meaning})", line.issuer, line.subject)
        }
        "authorisation" => format!("{} says {event} for {}", line.issuer, line.subject),
        "update" => {
            let device = line.device.as_deref().map(show::short).unwrap_or_default();
            let outcome = line.outcome.as_deref().unwrap_or("").replace('_', " ");
            format!("Device {device} says {event} of {}{version}: {outcome}", line.subject)
        }
        "annotation" => format!("{} corrects or comments on another entry", line.issuer),
        "audit" => format!("{} records what the system did: {}", line.issuer, line.subject),
        _ => format!("Entry {} is bytes without a statement", line.index),
    }
}
