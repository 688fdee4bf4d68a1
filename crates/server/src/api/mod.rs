//! `/api/v1`: the log and its view as JSON, described by `/openapi.json`.
//!
//! Every list is paged by a cursor, says how far behind its view is, and every error is a problem
//! document (RFC 9457). Nothing here is evidence: each answer names the raw artefact that is.

#![expect(unused_qualifications, reason = "the path macro writes them")]

pub(crate) mod devices;
pub(crate) mod entries;
mod erase;
mod log;
pub(crate) mod lookup;
pub(crate) mod releases;
pub(crate) mod shape;
mod submit;
pub(crate) mod when;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use firmlog_index::Index;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::problem::{self, Problem};
use crate::show;

pub(crate) use entries::{EntryId, entry_view};

/// Lines of a page when the request does not say.
const LIMIT_DEFAULT: usize = 50;

/// Most lines of a page.
const LIMIT_MAX: usize = 1000;

/// Every route of `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(log::log))
        .routes(routes!(log::witnesses))
        .routes(routes!(log::consistency))
        .routes(routes!(entries::list, submit::submit))
        .routes(routes!(entries::entry))
        .routes(routes!(entries::proof))
        .routes(routes!(entries::bundle))
        .routes(routes!(erase::erase))
        .routes(routes!(devices::device))
        .routes(routes!(devices::bundle))
        .routes(routes!(devices::fleet))
        .routes(routes!(releases::list))
        .routes(routes!(releases::release))
        .routes(routes!(releases::bundle))
        .routes(routes!(lookup::identify))
        .routes(routes!(lookup::bundle))
        .routes(routes!(lookup::search))
        .routes(routes!(lookup::findings))
}

/// Query parameters whose refusal is a problem document.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(QueryRejection::FailedToDeserializeQueryString(error)) => {
                Err(Problem::new(problem::BAD_REQUEST, error.body_text()))
            }
            Err(other) => Err(Problem::new(problem::BAD_REQUEST, other.to_string())),
        }
    }
}

/// A JSON answer with an ETag; 304 if the client has it.
pub(crate) fn json<T: Serialize>(
    headers: &HeaderMap,
    status: StatusCode,
    value: &T,
) -> Response<Body> {
    let body = serde_json::to_vec(value).unwrap_or_default();
    tagged(headers, status, "application/json", body)
}

/// A body with an ETag that is its digest; 304 if the client has it.
pub(crate) fn tagged(
    headers: &HeaderMap,
    status: StatusCode,
    media_type: &'static str,
    body: Vec<u8>,
) -> Response<Body> {
    let digest = Sha256::digest(&body);
    let tag = format!("\"{}\"", show::hex(&digest[..16]));
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|given| matches!(given.trim().trim_start_matches("W/"), given if given == tag || given == "*"));
    let known = known && status == StatusCode::OK;
    let mut response = Response::new(if known { Body::empty() } else { Body::from(body) });
    *response.status_mut() = if known { StatusCode::NOT_MODIFIED } else { status };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A cursor or other decimal parameter.
pub(crate) fn number(name: &str, text: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits => Ok(Some(number)),
        _ => Err(Problem::bad_parameter(name, "a decimal number", text)),
    }
}

/// Lines of a page.
pub(crate) fn limit(given: Option<&str>) -> Result<usize, Problem> {
    match number("limit", given)? {
        None => Ok(LIMIT_DEFAULT),
        Some(limit @ 1..=1000) => Ok(limit as usize),
        Some(other) => {
            Err(Problem::bad_parameter("limit", &format!("1 to {LIMIT_MAX}"), &other.to_string()))
        }
    }
}

/// 32 bytes in hex, as a path part or parameter.
pub(crate) fn digest(name: &str, text: &str) -> Result<[u8; 32], Problem> {
    show::hex32(text).ok_or_else(|| Problem::bad_parameter(name, "64 hex digits", text))
}

/// Asks the view on a thread that may wait for the disk.
pub(crate) async fn ask<T: Send + 'static>(
    app: &Arc<App>,
    question: impl FnOnce(&Index) -> Result<T, firmlog_index::Error> + Send + 'static,
) -> Result<T, Problem> {
    let Some(index) = app.index.clone() else {
        return Err(Problem::new(
            problem::NO_INDEX,
            "this server keeps no index; look entries up by index or leaf hash",
        ));
    };
    match tokio::task::spawn_blocking(move || question(&index)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Problem::storage(&error)),
        Err(error) => Err(Problem::storage(&error)),
    }
}

/// How far the view is. Asked before the rows it is told with: they have all that it covers, and
/// may have more.
pub(crate) async fn lag(app: &Arc<App>) -> Result<shape::Lag, Problem> {
    let covered = ask(app, Index::covered).await?;
    let size = app.engine.published().head.size.0;
    Ok(shape::Lag { covered: covered.to_string(), lag: size.saturating_sub(covered).to_string() })
}

/// A page of rows as lines.
pub(crate) fn listed<R, L: for<'r> From<&'r R>>(
    index: shape::Lag,
    page: firmlog_index::Page<R>,
) -> shape::Listed<L> {
    listed_as(index, page.rows.iter().map(L::from).collect(), page.next)
}

/// Lines as a page.
pub(crate) fn listed_as<L>(
    index: shape::Lag,
    items: Vec<L>,
    next: Option<u64>,
) -> shape::Listed<L> {
    shape::Listed { items, next_cursor: next.map(|next| next.to_string()), index }
}
