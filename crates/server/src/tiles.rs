//! The tlog-tiles read side: checkpoint, tiles, entry bundles.

use std::io::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use firmlog_tlog::tile::TilePath;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::app::App;
use crate::problem::{self, Problem};

/// Full and partial tiles never change: the entries under them are fixed.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// A checkpoint is fresh for as long as a witness round takes.
const BRIEFLY: &str = "public, max-age=1, must-revalidate";

/// Says whether the checkpoint carries a quorum: `quorum`, `none` (no policy) or `unmet`.
pub(crate) const WITNESSED: &str = "firmlog-witnessed";

/// `GET /checkpoint`
pub(crate) async fn checkpoint(State(app): State<Arc<App>>, headers: HeaderMap) -> Response<Body> {
    let (text, _, witnessed) = app.served();
    let mut response = crate::api::tagged(
        &headers,
        StatusCode::OK,
        "text/plain; charset=utf-8",
        text.into_bytes(),
    );
    let state = match (&app.policy, witnessed) {
        (None, _) => "none",
        (Some(_), true) => "quorum",
        (Some(_), false) => "unmet",
    };
    let headers = response.headers_mut();
    headers.insert(WITNESSED, HeaderValue::from_static(state));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(BRIEFLY));
    response
}

/// `GET /tile/…`
pub(crate) async fn tile(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let path = request.uri().path().trim_start_matches('/');
    let resource = match TilePath::parse(path) {
        Ok(TilePath::Checkpoint) | Err(_) => {
            return Err(Problem::new(
                problem::BAD_LOCATOR,
                "this is not the path of a tile: tile/<level>/<index>[.p/<width>]",
            ));
        }
        Ok(resource) => resource,
    };
    let entries = matches!(resource, TilePath::Entries { .. });
    let bytes = app.engine.read(move |reader| reader.resource(resource)).await?;
    let zip = entries && accepts_gzip(request.headers());
    let body = if zip { gzip(&bytes) } else { bytes };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
    if entries {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if zip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// Whether gzip is named and not given the weight 0.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter();
    accepted.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(
        |item| {
            let mut parts = item.split(';').map(str::trim);
            let gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            let zero = parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            gzip && !zero
        },
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    // Writing to a vector cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
