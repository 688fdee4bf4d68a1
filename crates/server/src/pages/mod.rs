//! Pages for people: server-rendered, printable, no scripts, one small style sheet.
//!
//! Every page says that this server did the checking, and how to do it yourself.

mod device;
mod entry;
mod log;
mod release;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use firmlog_statement::{escape_hidden, is_hidden};
use firmlog_verify::report::Question;
use serde::Deserialize;

use crate::admin;
use crate::api::lookup::{self, Found};
use crate::api::shape::FindingLine;
use crate::api::{Parameters, ask, lag, number};
use crate::app::App;
use crate::problem::Problem;

/// No scripts, no frames, no other origins.
const CSP: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// Lines of a page's table.
const LINES: usize = 50;

/// Every page.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(log::page))
        .route("/entry/{index}", get(entry::page))
        .route("/device/{id}", get(device::page))
        .route("/releases", get(release::list))
        .route("/release/{id}", get(release::page))
        .route("/findings", get(findings))
        .route("/search", get(search))
}

/// A rendered page.
#[derive(Clone)]
pub(crate) struct Html {
    status: StatusCode,
    text: Arc<str>,
}

impl IntoResponse for Html {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.text.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let set = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, CSP),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        for (name, value) in set {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// A problem as a page.
pub(crate) struct Sorry(Problem);

impl From<Problem> for Sorry {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    problem: &'a Problem,
}

impl IntoResponse for Sorry {
    fn into_response(self) -> Response<Body> {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::NOT_FOUND);
        Html { status, ..render(&ProblemPage { problem: &self.0 }) }.into_response()
    }
}

/// Renders a template; one that cannot be rendered says so instead of its content.
pub(crate) fn render(template: &impl Template) -> Html {
    match template.render() {
        // No template has such a character: whatever is there somebody else wrote (STM-024).
        Ok(text) if text.contains(is_hidden) => {
            Html { status: StatusCode::OK, text: escape_hidden(&text).into() }
        }
        Ok(text) => Html { status: StatusCode::OK, text: text.into() },
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            let text = "This page could not be rendered; please report it as a bug.".into();
            Html { status: StatusCode::INTERNAL_SERVER_ERROR, text }
        }
    }
}

/// URL to show in command lines: as configured, otherwise the host the reader used.
pub(super) fn base(app: &App, headers: &HeaderMap) -> String {
    if let Some(url) = &app.config.http.public_url.0 {
        return url.trim_end_matches('/').to_owned();
    }
    let scheme = if app.config.http.tls_certificate.0.is_some() { "https" } else { "http" };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // Only what can stand in a command line unquoted is repeated.
    let plain =
        |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    let listen = app.config.http.listen.to_string();
    format!("{scheme}://{}", host.filter(plain).unwrap_or(&listen))
}

#[derive(Deserialize)]
struct Typed {
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    typed: String,
    found: Vec<Found>,
    /// Why the file whose digest was typed is not to be used.
    banner: Option<String>,
    private: bool,
    lag: String,
    base: String,
}

async fn search(
    State(app): State<Arc<App>>,
    Parameters(typed): Parameters<Typed>,
    headers: HeaderMap,
) -> Result<Response<Body>, Sorry> {
    let private = admin::sees_private(&app, &headers)?;
    let found = lookup::found(&app, &typed.q, private).await?;
    // One thing found is the answer; its page is shown at once.
    if let [only] = found.as_slice()
        && !only.page.starts_with("/search")
    {
        let there = axum::response::Redirect::to(&only.page).into_response();
        return Ok(admin::not_kept(there, private));
    }
    let banner = match firmlog_index::detect(&typed.q) {
        firmlog_index::Query::Digest(image) => {
            crate::bundle::why_not(&app, Question::Image(image)).await
        }
        _ => None,
    };
    let lag = lag(&app).await?.lag;
    let base = base(&app, &headers);
    let page = render(&SearchPage { typed: typed.q, found, banner, private, lag, base });
    Ok(admin::not_kept(page.into_response(), private))
}

#[derive(Deserialize)]
pub(super) struct Since {
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "findings.html")]
struct FindingsPage {
    findings: Vec<FindingLine>,
    next: Option<u64>,
    base: String,
}

async fn findings(
    State(app): State<Arc<App>>,
    Parameters(from): Parameters<Since>,
    request: Request,
) -> Result<Html, Sorry> {
    let cursor = number("cursor", from.cursor.as_deref())?;
    let page = ask(&app, move |index| index.findings(None, cursor, LINES)).await?;
    Ok(render(&FindingsPage {
        findings: page.rows.iter().map(FindingLine::from).collect(),
        next: page.next,
        base: base(&app, request.headers()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// STM-024: what nobody sees is shown.
    #[test]
    fn hidden_characters_are_shown_escaped() {
        let problem = Problem::not_found("serial\u{202e}4321-NS of acme\u{200b}");
        let page = render(&ProblemPage { problem: &problem });
        assert!(page.text.contains("serial\\u{202e}4321-NS of acme\\u{200b}"), "{}", page.text);
        assert!(!page.text.contains(is_hidden));
    }
}
