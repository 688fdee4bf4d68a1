//! Releases: what was published, who approved it, what runs it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use firmlog_index::{EntryFilter, ReleaseRow};
use firmlog_tlog::merkle::Hash;
use firmlog_verify::report::Question;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::shape::{EntryLine, Listed, ReleaseState};
use super::{EntryId, Parameters, ask, json, lag, limit, listed_as, number};
use crate::app::App;
use crate::problem::Problem;

/// Most entries about a release that an answer names; its bundle has all of them.
const ABOUT_MAX: usize = 1000;

/// Which releases.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only releases of this subject.
    name: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Lines of the page, 1 to 1000.
    limit: Option<String>,
}

/// Releases, newest first.
#[utoipa::path(get, path = "/releases", tag = "releases", params(Which),
    responses((status = 200, body = Listed<ReleaseState>), (status = 304, description = "Unchanged"),
        (status = 400, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Parameters(which): Parameters<Which>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let cursor = number("cursor", which.cursor.as_deref())?;
    let limit = limit(which.limit.as_deref())?;
    let lag = lag(&app).await?;
    let page = ask(&app, move |index| index.releases(which.name.as_deref(), cursor, limit)).await?;
    let next = page.next;
    let items = states(&app, &page.rows).await?;
    Ok(json(&headers, StatusCode::OK, &listed_as(lag, items, next)))
}

/// A release and every entry that names it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReleaseAnswer {
    /// The release.
    release: ReleaseState,
    /// Approvals, authorisations and other entries about it, newest first; at most 1000.
    about: Vec<EntryLine>,
}

/// One release with its approvals.
#[utoipa::path(get, path = "/releases/{id}", tag = "releases", params(
    ("id" = String, Path, description = "Index or leaf hash of the release's entry")),
    responses((status = 200, body = ReleaseAnswer), (status = 304, description = "Unchanged"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let (release, about) = find(&app, &id).await?;
    Ok(json(&headers, StatusCode::OK, &ReleaseAnswer { release, about }))
}

/// A release, its approvals and its issuers' keys as one file that proves itself offline.
#[utoipa::path(get, path = "/releases/{id}/bundle", tag = "releases", params(
    ("id" = String, Path, description = "Index or leaf hash of the release's entry")),
    responses((status = 200, description = "Evidence bundle (.fwb)", content_type = "application/vnd.firmlog.bundle+cbor"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn bundle(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Problem> {
    let row = row(&app, &id).await?;
    let question = Question::Release(Hash(row.entry.record.leaf));
    crate::bundle::of(&app, question, format!("release-{}", row.entry.index)).await
}

/// The release as it stands and what is said about it, updates of devices aside.
pub(crate) async fn find(
    app: &Arc<App>,
    id: &str,
) -> Result<(ReleaseState, Vec<EntryLine>), Problem> {
    let row = row(app, id).await?;
    let target = Some(row.entry.record.leaf);
    let about = ask(app, move |index| {
        let mut about = Vec::new();
        for kind in [1, 2, 3, 5, 6] {
            let filter = EntryFilter { kind: Some(kind), target, ..EntryFilter::default() };
            about.extend(index.entries(&filter, None, ABOUT_MAX)?.rows);
        }
        about.sort_by_key(|entry| std::cmp::Reverse(entry.index));
        about.truncate(ABOUT_MAX);
        Ok(about.iter().map(EntryLine::from).collect())
    });
    let about = about.await?;
    let state = states(app, &[row]).await?.pop();
    Ok((state.ok_or_else(no_release)?, about))
}

/// Releases of the index with where they stand.
pub(crate) async fn states(
    app: &Arc<App>,
    rows: &[ReleaseRow],
) -> Result<Vec<ReleaseState>, Problem> {
    let asked = rows.iter().map(|row| Question::Release(Hash(row.entry.record.leaf)));
    let judged = crate::bundle::standings(app, asked.collect()).await?;
    let states = rows.iter().zip(&judged);
    // A release that its log should not have taken stands nowhere.
    Ok(states.filter_map(|(row, it)| Some(ReleaseState::new(row, it.first()?))).collect())
}

async fn row(app: &Arc<App>, id: &str) -> Result<ReleaseRow, Problem> {
    let id = EntryId::parse(id)?;
    let found = ask(app, move |index| {
        let place = match id {
            EntryId::Index(place) => Some(place),
            EntryId::Leaf(leaf) => index.index_of(&leaf)?,
        };
        Ok(place.map(|place| index.release(place)).transpose()?.flatten())
    });
    // A later step of a release's life is no release; the one that it names is.
    let begins = |row: &ReleaseRow| row.entry.record.target.is_none();
    found.await?.filter(begins).ok_or_else(no_release)
}

fn no_release() -> Problem {
    Problem::not_found("no release begins with this index or leaf hash")
}
