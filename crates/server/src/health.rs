//! Whether the server lives (`/healthz`), is fit to be used (`/readyz`), and its numbers
//! (`/metrics`).

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Incoming;
use serde::Serialize;

use crate::accept::Answer;
use crate::app::{App, now_ms};
use crate::front::Reply;
use crate::metrics::Gauge;

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> Response<Body> {
    plain(StatusCode::OK, "ok\n".to_owned())
}

/// One check of `/readyz`.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    checks: Vec<Check>,
}

/// `GET /readyz`: 200 if every check is met, 503 with the reasons otherwise.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Response<Body> {
    let checks = checks(&app);
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::to_string(&Ready { ready, checks }).unwrap_or_default();
    let mut response = plain(status, body);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn checks(app: &App) -> Vec<Check> {
    let status = app.engine.reader().status();
    let published = app.engine.published();
    let limits = &app.config.readiness;
    let now = now_ms();
    let mut checks = vec![
        Check {
            name: "storage",
            ok: status.failed.is_none() && status.stalled.is_none(),
            detail: status.failed.or(status.stalled).unwrap_or_else(|| "writable".to_owned()),
        },
        checkpoint(status.queued, now.saturating_sub(published.time_ms) / 1000, limits),
    ];
    if app.index.is_some() {
        let lag = published.head.size.0.saturating_sub(*app.covered.borrow());
        checks.push(Check {
            name: "index",
            ok: lag <= limits.index_lag_max,
            detail: format!("{lag} entries behind, {} allowed", limits.index_lag_max),
        });
    }
    if app.policy.is_some() {
        checks.push(witnesses(app, published.head.size.0, now));
    }
    if let Some(age_s) = app.unanchored_s() {
        let max_s = limits.anchored_age_max_s;
        checks.push(Check {
            name: "anchors",
            ok: age_s <= max_s,
            detail: format!("entries wait {age_s} s for an anchor, {max_s} allowed"),
        });
    }
    checks
}

/// A quiet log's checkpoint is old and good; one that ages while entries wait is not.
fn checkpoint(queued: usize, age_s: u64, limits: &crate::config::Readiness) -> Check {
    Check {
        name: "checkpoint",
        ok: queued == 0 || age_s <= limits.checkpoint_age_max_s,
        detail: format!("signed {age_s} s ago, {queued} submissions wait"),
    }
}

fn witnesses(app: &App, size: u64, now_ms: u64) -> Check {
    let max_s = app.config.readiness.witnessed_age_max_s;
    let (ok, detail) = match app.witnessed.load_full() {
        None => (false, "the quorum was not met yet".to_owned()),
        Some(it) => {
            let age_s = now_ms.saturating_sub(it.at_ms) / 1000;
            let detail = format!(
                "quorum met {age_s} s ago for {} of {size} entries by {}",
                it.head.size,
                it.names.join(", ")
            );
            (app.unwitnessed_s(&it) <= max_s, detail)
        }
    };
    Check { name: "witnesses", ok, detail }
}

/// The metrics listener: `/metrics` and nothing else.
pub(crate) struct MetricsFront(pub(crate) Arc<App>);

impl Answer for MetricsFront {
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        _peer: IpAddr,
    ) -> impl Future<Output = Response<Reply>> + Send + 'static {
        let app = self.0.clone();
        async move {
            let (status, text) = match request.uri().path() {
                "/metrics" => (StatusCode::OK, app.metrics.render(&gauges(&app))),
                _ => (StatusCode::NOT_FOUND, "only /metrics is served here\n".to_owned()),
            };
            let mut response = Response::new(Reply::Small(Full::new(Bytes::from(text))));
            *response.status_mut() = status;
            let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, text);
            response
        }
    }
}

fn gauges(app: &App) -> Vec<Gauge> {
    let status = app.engine.reader().status();
    let published = app.engine.published();
    let size = published.head.size.0;
    let mut gauges = Vec::new();
    let mut gauge = |name, help, value: u64| {
        gauges.push(Gauge { name, help, labels: String::new(), value: value as f64 });
    };
    gauge("firmlog_tree_size", "Entries in the newest checkpoint.", size);
    gauge("firmlog_tiles_size", "Entries durable as tiles.", status.tiles_size);
    gauge("firmlog_queue_depth", "Submissions that wait for the sequencer.", status.queued as u64);
    gauge("firmlog_backlog_bytes", "Bytes not yet written as tiles.", status.backlog_bytes as u64);
    gauge("firmlog_min_index", "First index whose entry is kept.", status.min_index);
    gauge("firmlog_read_only", "1 if storage failed.", u64::from(status.failed.is_some()));
    let age = now_ms().saturating_sub(published.time_ms) / 1000;
    gauge("firmlog_checkpoint_age_seconds", "Age of the newest checkpoint.", age);
    if app.index.is_some() {
        let lag = size.saturating_sub(*app.covered.borrow());
        gauge("firmlog_index_lag", "Entries the view is behind.", lag);
    }
    if let Some(it) = app.witnessed.load_full() {
        gauge("firmlog_witnessed_size", "Entries in the witnessed checkpoint.", it.head.size.0);
        let age = now_ms().saturating_sub(it.at_ms) / 1000;
        gauge("firmlog_witnessed_age_seconds", "Time since the quorum was last met.", age);
    }
    if let Some(age_s) = app.unanchored_s() {
        let size = app.anchoring.load().newest.as_ref().map_or(0, |anchor| anchor.head.size.0);
        gauge("firmlog_anchored_size", "Entries in the newest final anchor.", size);
        gauge("firmlog_anchor_lag_seconds", "Time that entries have waited for one.", age_s);
    }
    gauges
}

fn plain(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, text);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
