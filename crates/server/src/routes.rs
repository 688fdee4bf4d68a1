//! Every route of the public listener, except `POST /add`, which the front answers itself.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use utoipa::OpenApi;
use utoipa::openapi::{self, Content, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::problem::Problem;
use crate::{api, batch, docs, health, pages, scrapi, tiles};

/// What the OpenAPI document says of itself.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "firmlog",
        description = "Which firmware ran on a medical device, when, and who put it there. \
            Answers under /api/v1 are a convenience: the evidence is the raw artefact each one names."
    ),
    tags(
        (name = "log", description = "The log itself"),
        (name = "entries", description = "Statements, their proofs, and submitting them"),
        (name = "devices", description = "What devices run and said"),
        (name = "releases", description = "What was published and approved"),
        (name = "lookup", description = "Finding things")
    ),
    components(schemas(Problem))
)]
struct Document;

/// What any request may be answered, whatever it asks.
const ANYWHERE: [(&str, &str); 3] = [
    ("429", "This address asks more often than it may; `Retry-After` says when to come back"),
    ("500", "Storage failed"),
    ("503", "Busy (`Retry-After` says when to come back), or the index is off"),
];

/// Writes those answers into every operation once, instead of at each handler.
fn with_refusals(mut document: openapi::OpenApi) -> openapi::OpenApi {
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            for (status, about) in ANYWHERE {
                let problem = Content::new(Some(openapi::Ref::from_schema_name("Problem")));
                let answer = ResponseBuilder::new()
                    .description(about)
                    .content("application/problem+json", problem);
                responses.entry(status.to_owned()).or_insert_with(|| answer.build().into());
            }
        }
    }
    document
}

/// The router and the OpenAPI document of its `/api/v1` part.
pub(crate) fn routes(app: Arc<App>) -> Router {
    let (api, document) = OpenApiRouter::with_openapi(Document::openapi())
        .nest("/api/v1", api::routes())
        .split_for_parts();
    let docs = docs::routes(&with_refusals(document));
    api.route("/checkpoint", get(tiles::checkpoint))
        .route("/tile/{*path}", get(tiles::tile))
        .route("/entries", post(scrapi::register))
        .route("/entries/{id}", get(scrapi::receipt))
        .route("/entries/{id}/statement", get(scrapi::statement))
        .route("/receipts/consistency/{old}/{new}", get(scrapi::consistency))
        .route("/.well-known/scitt-keys", get(scrapi::keys))
        .route("/.well-known/scitt-keys/{kid}", get(scrapi::key))
        .route("/batch", post(batch::submit))
        .route("/add", post(only_on_hot_path))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .merge(pages::routes())
        .merge(docs)
        .fallback(nothing_here)
        .with_state(app)
}

/// `POST /add` never comes here; the route exists so that other methods get 405.
async fn only_on_hot_path() -> Problem {
    Problem::not_found("POST /add is answered before the router")
}

async fn nothing_here(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::not_found(format!("nothing is served at {path}; see /docs"))
}

/// The OpenAPI document, for those who want it without a server.
#[must_use]
pub fn openapi_json() -> String {
    let (_, document) = OpenApiRouter::<Arc<App>>::with_openapi(Document::openapi())
        .nest("/api/v1", api::routes())
        .split_for_parts();
    with_refusals(document).to_pretty_json().unwrap_or_default()
}
