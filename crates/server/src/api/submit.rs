//! Submitting a statement as JSON: its projection, with disclosures beside it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use firmlog_statement::Digest;
use firmlog_statement::disclosure::{Disclosure, FieldId};
use firmlog_statement::json;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::intake::{self, How};
use crate::item::Item;
use crate::problem::{self, Problem};
use crate::{body, show};

/// A projection is several times longer than its entry.
const BODY_MAX: usize = 512 * 1024;

/// A statement to submit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submission {
    /// The statement's lossless JSON projection, signature included.
    #[schema(value_type = Object)]
    statement: serde_json::Value,
    /// What opens its commitments; kept apart from the log and erasable.
    #[serde(default)]
    disclosures: Vec<DisclosureIn>,
}

/// What opens one commitment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisclosureIn {
    /// Which value it is, such as `serial`.
    #[schema(example = "serial")]
    field: String,
    /// 16 bytes, hex.
    salt: String,
    /// The value.
    value: String,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubmitAnswer {
    /// `appended`, `duplicate` or `forked`.
    #[schema(example = "appended")]
    result: &'static str,
    /// Position in the log.
    #[schema(example = "48211")]
    index: String,
    /// Leaf hash, hex.
    leaf_hash: String,
    /// The COSE receipt, base64.
    receipt: String,
    /// The inclusion proof.
    proof: String,
    /// The entry.
    entry: String,
}

/// Submits a signed statement. The same statement again gets the same answer with status 200.
#[utoipa::path(post, path = "/entries", tag = "entries", request_body = Submission,
    responses((status = 201, body = SubmitAnswer, description = "Appended and durable"),
        (status = 200, body = SubmitAnswer, description = "Already in the log"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 408, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response<Body>, Problem> {
    body::check_media_type(request.headers(), &["application/json"])?;
    let body = app.bodies.read(request.into_body(), BODY_MAX).await?;
    let item = read(&body.bytes)?;
    let leaf = firmlog_statement::leaf_hash(&item.entry);
    let taken = intake::take(&app, vec![item]).await?;
    let (index, how) = match taken.items.into_iter().next() {
        Some(Ok(done)) => done,
        Some(Err(problem)) => return Err(*problem),
        None => return Err(Problem::busy()),
    };
    let receipt = app.engine.receipt(index).await?;
    let answer = SubmitAnswer {
        result: how.label(),
        index: index.to_string(),
        leaf_hash: show::hex(&leaf),
        receipt: show::base64(&receipt),
        proof: format!("/api/v1/entries/{index}/proof"),
        entry: format!("/api/v1/entries/{index}"),
    };
    let status = if how == How::Duplicate { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = super::json(&HeaderMap::new(), status, &answer);
    if let Ok(location) = HeaderValue::from_str(&answer.entry) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn read(bytes: &[u8]) -> Result<Item, Problem> {
    if bytes.is_empty() {
        return Err(Problem::new(problem::PAYLOAD_MISSING, "the body is empty"));
    }
    let unreadable = |told: String| Problem::new(problem::BAD_REQUEST, told);
    let text = str::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
    // Not straight into the shape: that would keep one of two members with the same name.
    let value = json::strict::parse(text).map_err(|error| {
        // The strict reader does not say where.
        let syntax = serde_json::from_str::<IgnoredAny>(text).err();
        unreadable(syntax.map_or_else(|| error.to_string(), |syntax| syntax.to_string()))
    })?;
    let submission: Submission =
        serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))?;
    let entry = json::from_json(&submission.statement)
        .map_err(|error| Problem::new(problem::NOT_A_STATEMENT, error.to_string()))?;
    let leaf = firmlog_statement::leaf_hash(&entry);
    let disclosures = submission.disclosures.into_iter().map(|opened| open(&leaf, opened));
    Ok(Item { entry: Bytes::from(entry), disclosures: disclosures.collect::<Result<_, _>>()? })
}

fn open(leaf: &[u8; 32], opened: DisclosureIn) -> Result<Disclosure, Problem> {
    let field = FieldId::from_name(&opened.field).ok_or_else(|| {
        let shown = opened.field.chars().take(80).collect::<String>();
        Problem::new(problem::BAD_DISCLOSURE, "no field has this name")
            .expected("a field such as serial", shown)
    })?;
    let salt = show::hex16(&opened.salt).ok_or_else(|| {
        Problem::new(problem::BAD_DISCLOSURE, "the salt cannot be read")
            .expected("32 hex digits", opened.salt.chars().take(80).collect::<String>())
    })?;
    Ok(Disclosure { entry: Digest(*leaf), field, salt, value: opened.value })
}
