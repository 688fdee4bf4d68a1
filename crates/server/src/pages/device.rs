//! `/device/{id}`: what a device runs, by its own word, and how it got there.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use firmlog_index::{DeviceRow, EntryFilter};
use firmlog_log::LogError;
use firmlog_tlog::merkle::LeafIndex;
use firmlog_verify::report::{DeviceStanding, Question};

use super::{Html, LINES, Since, Sorry, base, render};
use crate::api::devices::standing;
use crate::api::shape::{DeviceState, EntryLine, FindingLine};
use crate::api::when::{When, of_entry};
use crate::api::{Parameters, ask, digest, number};
use crate::app::App;
use crate::problem::Problem;

/// Statements looked through for the version timeline.
const TIMELINE_MAX: usize = 1000;

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    headline: String,
    /// Why what it says it runs is not to be used, or why the device is not to be trusted.
    warnings: Vec<String>,
    device: DeviceState,
    timeline: Vec<Step>,
    findings: Vec<FindingLine>,
    history: Vec<EntryLine>,
    times: Vec<Time>,
    next: Option<u64>,
    base: String,
}

/// When a statement of the history was.
struct Time {
    index: u64,
    when: When,
}

struct Step {
    version: String,
    since: String,
    index: String,
    how: String,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Parameters(from): Parameters<Since>,
    headers: HeaderMap,
) -> Result<Html, Sorry> {
    let device = digest("device", &id)?;
    let cursor = number("cursor", from.cursor.as_deref())?;
    let filter = EntryFilter { device: Some(device), ..EntryFilter::default() };
    let (state, page, all, findings) = ask(&app, move |index| {
        Ok((
            index.device(&device)?,
            index.entries(&filter, cursor, LINES)?,
            index.entries(&filter, None, TIMELINE_MAX)?,
            index.findings(Some(&device), None, LINES)?,
        ))
    })
    .await?;
    let state = state.ok_or_else(|| Problem::not_found("no entry names this device"))?;
    let warnings = warnings(&app, &state).await?;
    let lines: Vec<_> = all.rows.iter().rev().map(EntryLine::from).collect();
    let device = DeviceState::from(&state);
    let times = times(&app, page.rows.iter().map(|row| row.index).collect()).await?;
    Ok(render(&DevicePage {
        headline: headline(&device, &lines),
        warnings,
        timeline: timeline(&lines),
        findings: findings.rows.iter().map(FindingLine::from).collect(),
        history: page.rows.iter().map(EntryLine::from).collect(),
        times,
        next: page.next,
        base: base(&app, &headers),
        device,
    }))
}

/// What speaks against the device, and against the releases of the image that it says it runs.
async fn warnings(app: &Arc<App>, state: &DeviceRow) -> Result<Vec<String>, Problem> {
    let against = match standing(app, state).await? {
        DeviceStanding::Decommissioned => Some("DECOMMISSIONED: it said that it is out of use"),
        standing => standing.headline(),
    };
    let mut warnings: Vec<String> = against.into_iter().map(str::to_owned).collect();
    let Some(image) = state.image else { return Ok(warnings) };
    let said = crate::bundle::why_not(app, Question::Image(image)).await;
    warnings.extend(said.map(|why| format!("What it says it runs: {why}")));
    Ok(warnings)
}

/// Read from the log itself: the index keeps no clocks.
async fn times(app: &Arc<App>, indexes: Vec<u64>) -> Result<Vec<Time>, Problem> {
    let read = app.engine.read(move |reader| {
        let mut times = Vec::with_capacity(indexes.len());
        for index in indexes {
            let bytes = match reader.entry(LeafIndex(index)) {
                // The index remembers entries that are no longer kept.
                Err(LogError::Pruned { .. }) => continue,
                entry => entry?,
            };
            let (_, when) = of_entry(reader, LeafIndex(index), &bytes)?;
            times.extend(when.map(|when| Time { index, when }));
        }
        Ok(times)
    });
    read.await
}

fn headline(device: &DeviceState, lines: &[EntryLine]) -> String {
    let runs = match device.version.as_deref().or(device.version_code.as_deref()) {
        Some(version) => format!("Says it runs {version}"),
        None => "Has not said what it runs".to_owned(),
    };
    let chain = match device.forks.as_str() {
        "0" => "unbroken chain".to_owned(),
        forks => format!("chain forked {forks} times"),
    };
    let last = lines.last().and_then(|line| line.seen_at.as_deref());
    let last = last.map(|at| format!(", last heard {at}")).unwrap_or_default();
    format!("{runs}; {} statements, {chain}{last}", device.entries)
}

/// Statements after which the device ran something else than before.
fn timeline(lines: &[EntryLine]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        let how = line.outcome.as_deref().unwrap_or("");
        if !matches!(how, "succeeded" | "state" | "unexpected" | "rolled_back") {
            continue;
        }
        let version = line.version.clone().or_else(|| line.version_code.clone());
        let version = version.unwrap_or_else(|| "an unnamed version".to_owned());
        let version = if how == "rolled_back" { format!("back from {version}") } else { version };
        if steps.last().is_some_and(|last| last.version == version) {
            continue;
        }
        steps.push(Step {
            version,
            since: line.seen_at.clone().unwrap_or_default(),
            index: line.index.clone(),
            how: how.replace('_', " "),
        });
    }
    steps
}
