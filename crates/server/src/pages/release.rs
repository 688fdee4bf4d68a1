//! `/releases` and `/release/{id}`: what was published, who approved it, what runs it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;

use super::{Html, LINES, Since, Sorry, base, render};
use crate::api::releases::{find, states};
use crate::api::shape::{EntryLine, ReleaseState};
use crate::api::{Parameters, ask, number};
use crate::app::App;

#[derive(Template)]
#[template(path = "releases.html")]
struct ReleasesPage {
    releases: Vec<ReleaseState>,
    next: Option<u64>,
    base: String,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Parameters(from): Parameters<Since>,
    headers: HeaderMap,
) -> Result<Html, Sorry> {
    let cursor = number("cursor", from.cursor.as_deref())?;
    let page = ask(&app, move |index| index.releases(None, cursor, LINES)).await?;
    Ok(render(&ReleasesPage {
        releases: states(&app, &page.rows).await?,
        next: page.next,
        base: base(&app, &headers),
    }))
}

#[derive(Template)]
#[template(path = "release.html")]
struct ReleasePage {
    headline: String,
    release: ReleaseState,
    about: Vec<EntryLine>,
    base: String,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Html, Sorry> {
    let (release, about) = find(&app, &id).await?;
    let version = release.entry.version.clone().unwrap_or_default();
    let headline = format!("{} {version}: {}", release.entry.subject, release.standing);
    Ok(render(&ReleasePage { headline, release, about, base: base(&app, &headers) }))
}
