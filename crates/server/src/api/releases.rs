//! Releases: what was published, who approved it, what runs it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use firmlog_index::{EntryFilter, ReleaseRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::shape::{EntryLine, Listed, ReleaseState};
use super::{EntryId, Parameters, ask, json, limit, listed, number};
use crate::app::App;
use crate::problem::Problem;

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
    let page = ask(&app, move |index| index.releases(which.name.as_deref(), cursor, limit)).await?;
    let answer: Listed<ReleaseState> = listed(&app, page).await?;
    Ok(json(&headers, StatusCode::OK, &answer))
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
    let (row, about) = find(&app, &id).await?;
    let answer = ReleaseAnswer { release: ReleaseState::from(&row), about };
    Ok(json(&headers, StatusCode::OK, &answer))
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
    let (row, about) = find(&app, &id).await?;
    crate::bundle::of_release(&app, row.entry.index, &about).await
}

/// The release's row and what is said about it, updates of devices aside.
pub(crate) async fn find(
    app: &Arc<App>,
    id: &str,
) -> Result<(ReleaseRow, Vec<EntryLine>), Problem> {
    let id = EntryId::parse(id)?;
    ask(app, move |index| {
        let place = match id {
            EntryId::Index(place) => Some(place),
            EntryId::Leaf(leaf) => index.index_of(&leaf)?,
        };
        let Some(row) = place.map(|place| index.release(place)).transpose()?.flatten() else {
            return Ok(None);
        };
        let mut about = Vec::new();
        for kind in [1, 2, 3, 5, 6] {
            let target = Some(row.entry.record.leaf);
            let filter = EntryFilter { kind: Some(kind), target, ..EntryFilter::default() };
            about.extend(index.entries(&filter, None, 200)?.rows);
        }
        about.sort_by_key(|entry| std::cmp::Reverse(entry.index));
        Ok(Some((row, about.iter().map(EntryLine::from).collect())))
    })
    .await?
    .ok_or_else(|| Problem::not_found("no release has this index or leaf hash"))
}
