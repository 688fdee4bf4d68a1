//! Looking up: which release is this file, what is this string, what was found.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use firmlog_index::{EntryFilter, Hit, detect};
use firmlog_verify::report::Question;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::releases::states;
use super::shape::{EntryLine, FindingLine, Lag, Listed, ReleaseState};
use super::{Parameters, ask, digest, json, lag, limit, listed, number};
use crate::admin;
use crate::app::App;
use crate::problem::Problem;
use crate::show;

/// Most things one search names.
const HITS_MAX: usize = 20;

/// Longest text that is searched for.
const TYPED_MAX: usize = 256;

/// What this log knows of a file.
#[derive(Serialize, ToSchema)]
pub(crate) struct Identity {
    /// SHA-256 asked for, hex.
    firmware: String,
    /// Whether a release of exactly this file may be used, by the log's rules and its own word: the
    /// evidence bundle is what proves it. That there is no release does not prove a file bad.
    usable: bool,
    /// Releases of exactly this file, newest first.
    releases: Vec<ReleaseState>,
    /// Newest device statements that name it, at most 10.
    statements: Vec<EntryLine>,
    /// How far the view is.
    index: Lag,
}

/// Which release is this file?
#[utoipa::path(get, path = "/identify/{sha256}", tag = "lookup", params(
    ("sha256" = String, Path, description = "SHA-256 of the file, 64 hex digits")),
    responses((status = 200, body = Identity), (status = 304, description = "Unchanged"),
        (status = 400, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn identify(
    State(app): State<Arc<App>>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let image = digest("sha256", &sha256)?;
    let index = lag(&app).await?;
    let (rows, statements) = ask(&app, move |index| {
        let mut releases = Vec::new();
        for place in index.releases_of_image(&image, HITS_MAX)? {
            releases.extend(index.release(place)?);
        }
        let filter = EntryFilter { image: Some(image), kind: Some(4), ..EntryFilter::default() };
        Ok((releases, index.entries(&filter, None, 10)?.rows))
    })
    .await?;
    let releases = states(&app, &rows).await?;
    let answer = Identity {
        firmware: show::hex(&image),
        usable: releases.iter().any(|release| release.usable),
        releases,
        statements: statements.iter().map(EntryLine::from).collect(),
        index,
    };
    Ok(json(&headers, StatusCode::OK, &answer))
}

/// Everything that decides whether this file is a release that may be used, as one file that
/// proves itself offline.
#[utoipa::path(get, path = "/identify/{sha256}/bundle", tag = "lookup", params(
    ("sha256" = String, Path, description = "SHA-256 of the file, 64 hex digits")),
    responses((status = 200, description = "Evidence bundle (.fwb)", content_type = "application/vnd.firmlog.bundle+cbor"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn bundle(
    State(app): State<Arc<App>>,
    Path(sha256): Path<String>,
) -> Result<Response<Body>, Problem> {
    let image = digest("sha256", &sha256)?;
    let name = format!("file-{}", show::hex(&image[..8]));
    crate::bundle::of(&app, Question::Image(image), name).await
}

/// What to look for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Typed {
    /// A digest (hex or base64), an index, a release name; for administrators, or where
    /// `index.disclose` is set, a disclosed UDI, serial number, site or name.
    q: String,
}

/// One thing found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Found {
    /// `entry`, `release`, `device` or `firmware`.
    #[schema(example = "device")]
    pub(crate) kind: &'static str,
    /// Its index, device id or digest.
    pub(crate) id: String,
    /// Its page.
    pub(crate) page: String,
    /// Its JSON.
    pub(crate) json: String,
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchAnswer {
    /// Best first.
    items: Vec<Found>,
    /// Whether serial numbers, UDIs, sites and names were looked for: `searched` or `not searched`.
    #[schema(example = "not searched")]
    private_values: &'static str,
    /// How far the view is.
    index: Lag,
}

/// One box for everything: recognises what was typed.
#[utoipa::path(get, path = "/search", tag = "lookup", params(Typed),
    responses((status = 200, body = SearchAnswer), (status = 304, description = "Unchanged"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json",
            description = "The bearer token is not the administrators'")))]
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    Parameters(typed): Parameters<Typed>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let private = admin::sees_private(&app, &headers)?;
    let index = lag(&app).await?;
    let items = found(&app, &typed.q, private).await?;
    let private_values = if private { "searched" } else { "not searched" };
    let answer = SearchAnswer { items, private_values, index };
    Ok(admin::not_kept(json(&headers, StatusCode::OK, &answer), private))
}

/// Everything the typed text can mean; among private values only for those who may know them.
pub(crate) async fn found(
    app: &Arc<App>,
    typed: &str,
    private: bool,
) -> Result<Vec<Found>, Problem> {
    if typed.trim().is_empty() || typed.len() > TYPED_MAX {
        let expected = format!("1 to {TYPED_MAX} bytes");
        return Err(Problem::bad_parameter("q", &expected, &format!("{} bytes", typed.len())));
    }
    let typed = typed.to_owned();
    let hits = ask(app, move |index| {
        let mut hits = index.search(&detect(&typed), HITS_MAX)?;
        if private {
            hits.extend(index.search_disclosed(&typed, HITS_MAX - hits.len())?);
        }
        // A later step in the life of a release is an entry, and no release.
        for hit in &mut hits {
            if let Hit::Release(at) = *hit
                && index.release(at)?.is_some_and(|row| row.entry.record.target.is_some())
            {
                *hit = Hit::Entry(at);
            }
        }
        Ok(hits)
    });
    let hits = hits.await?;
    Ok(hits.iter().filter_map(describe).collect())
}

fn describe(hit: &Hit) -> Option<Found> {
    let found = |kind, id: String, page: String, json: String| Some(Found { kind, id, page, json });
    match hit {
        Hit::Entry(index) => found(
            "entry",
            index.to_string(),
            format!("/entry/{index}"),
            format!("/api/v1/entries/{index}"),
        ),
        Hit::Release(index) => found(
            "release",
            index.to_string(),
            format!("/release/{index}"),
            format!("/api/v1/releases/{index}"),
        ),
        Hit::Device(device) => {
            let id = show::hex(device);
            let (page, json) = (format!("/device/{id}"), format!("/api/v1/devices/{id}"));
            found("device", id, page, json)
        }
        Hit::Firmware(image, _) => {
            let id = show::hex(image);
            let (page, json) = (format!("/search?q={id}"), format!("/api/v1/identify/{id}"));
            found("firmware", id, page, json)
        }
        _ => None,
    }
}

/// Which findings.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichFindings {
    /// Only those about this device (64 hex digits).
    device: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Lines of the page, 1 to 1000.
    limit: Option<String>,
}

/// What reading every entry showed, newest first.
#[utoipa::path(get, path = "/findings", tag = "lookup", params(WhichFindings),
    responses((status = 200, body = Listed<FindingLine>), (status = 304, description = "Unchanged"),
        (status = 400, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn findings(
    State(app): State<Arc<App>>,
    Parameters(which): Parameters<WhichFindings>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let device = which.device.as_deref().map(|text| digest("device", text)).transpose()?;
    let cursor = number("cursor", which.cursor.as_deref())?;
    let limit = limit(which.limit.as_deref())?;
    let lag = lag(&app).await?;
    let page = ask(&app, move |index| index.findings(device.as_ref(), cursor, limit)).await?;
    let answer: Listed<FindingLine> = listed(lag, page);
    Ok(json(&headers, StatusCode::OK, &answer))
}
