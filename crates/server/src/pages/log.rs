//! `/`: how fresh the log is, who watches it, what came in last.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use firmlog_index::{EntryFilter, Page};

use super::{Html, LINES, Sorry, base, render};
use crate::api::ask;
use crate::api::shape::{EntryLine, FindingLine};
use crate::app::{App, now_ms};
use crate::show;

#[derive(Template)]
#[template(path = "log.html")]
struct LogPage {
    origin: String,
    size: u64,
    root: String,
    signed_at: String,
    age: String,
    vkey: String,
    witnessed: String,
    witnesses: Vec<(String, bool)>,
    anchored: Option<String>,
    lag: String,
    findings: Vec<FindingLine>,
    entries: Vec<EntryLine>,
    base: String,
}

pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Html, Sorry> {
    let published = app.engine.published();
    let (findings, entries, covered) = match &app.index {
        None => (Vec::new(), Vec::new(), published.head.size.0),
        Some(_) => {
            let (findings, entries, covered) = ask(&app, |index| {
                let none = EntryFilter::default();
                let entries: Page<_> = index.entries(&none, None, LINES)?;
                Ok((index.findings(None, None, 5)?, entries, index.covered()?))
            })
            .await?;
            let findings = findings.rows.iter().map(FindingLine::from).collect();
            (findings, entries.rows.iter().map(EntryLine::from).collect(), covered)
        }
    };
    let now = now_ms();
    Ok(render(&LogPage {
        origin: app.engine.origin.clone(),
        size: published.head.size.0,
        root: published.head.root.to_string(),
        signed_at: show::utc(published.time_ms),
        age: show::age(now.saturating_sub(published.time_ms) / 1000),
        vkey: app.vkey.clone(),
        witnessed: witnessed(&app, published.head.size.0, now),
        witnesses: witnesses(&app),
        anchored: anchored(&app, published.head.size.0),
        lag: published.head.size.0.saturating_sub(covered).to_string(),
        findings,
        entries,
        base: base(&app, &headers),
    }))
}

fn witnessed(app: &App, size: u64, now_ms: u64) -> String {
    match (app.policy.is_some(), app.witnessed.load_full()) {
        (false, _) => "No witness policy is set, so nobody else vouches for it.".to_owned(),
        (true, None) => "The quorum of witnesses has not been met yet.".to_owned(),
        (true, Some(it)) => {
            let late =
                if app.quorum() == "behind" { " Newer entries wait for witnesses." } else { "" };
            format!(
                "The quorum of witnesses was met {} ago for {} of {size} entries.{late}",
                show::age(now_ms.saturating_sub(it.at_ms) / 1000),
                it.head.size
            )
        }
    }
}

/// How far the log is anchored, if it is to be.
fn anchored(app: &App, size: u64) -> Option<String> {
    app.config.anchor.config.0.as_ref()?;
    let standing = app.anchoring.load();
    Some(match &standing.newest {
        None => format!("not yet ({})", standing.says),
        Some(it) => format!(
            "{} of {size} entries by {}, in block {} {} of chain {}, contract {} (as its nodes say; \
             bundles carry the proof)",
            it.head.size,
            show::utc(it.block_ms),
            it.block_number,
            it.block_hash,
            it.chain_id,
            it.contract
        ),
    })
}

fn witnesses(app: &App) -> Vec<(String, bool)> {
    let witnessed = app.witnessed.load_full();
    let cosigned = |name: &String| witnessed.as_ref().is_some_and(|it| it.names.contains(name));
    let known = app.policy.as_ref().map(|policy| policy.witnesses()).unwrap_or_default();
    known.iter().map(|it| (it.name.clone(), cosigned(&it.name))).collect()
}
