//! Erasing the private values of an entry, for administrators.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use firmlog_index::Error;
use firmlog_statement::disclosure::FieldId;
use firmlog_tlog::merkle::LeafIndex;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Parameters, ask, json};
use crate::app::App;
use crate::deeds::Deeds;
use crate::erase::Erasing;
use crate::problem::{self, Problem};
use crate::scrapi::locate;
use crate::{admin, audit, erase, show};

/// What to erase.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only this field, such as `serial`; all of them if it is left out.
    field: Option<String>,
}

/// What was erased.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErasedAnswer {
    /// Position of the entry.
    #[schema(example = "48211")]
    index: String,
    /// Its leaf hash, hex.
    leaf_hash: String,
    /// Fields whose values were erased; empty if there was nothing left to erase.
    fields: Vec<String>,
    /// Fields whose values are still kept.
    left: Vec<String>,
    /// Position of the `Audit` entry that tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<String>,
    /// Why it is not told in the log; it is tried again, but in a log of any bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_told: Option<String>,
}

/// Erases the private values of an entry from everything this server keeps, for good, and tells it
/// in the log. Copies made earlier are out of its reach.
#[utoipa::path(post, path = "/entries/{id}/erase", tag = "entries", params(
    ("id" = String, Path, description = "Index or leaf hash"), Which),
    responses((status = 200, body = ErasedAnswer, description = "Erased, or nothing was left"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json",
            description = "The bearer token is not the administrators', or none is set"),
        (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn erase(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Parameters(which): Parameters<Which>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    admin::check(&app, &headers)?;
    let field = which.field.as_deref().map(field).transpose()?;
    let index = locate(&app, &id).await?;
    let leaf = app.engine.read(move |reader| reader.leaf(index)).await?;
    // What was noted is erased and told although the client hangs up.
    let work = tokio::spawn(erased(app, index, leaf.0, field));
    let answer = work.await.map_err(|error| Problem::storage(&error))??;
    Ok(admin::not_kept(json(&HeaderMap::new(), StatusCode::OK, &answer), true))
}

async fn erased(
    app: Arc<App>,
    index: LeafIndex,
    leaf: [u8; 32],
    field: Option<FieldId>,
) -> Result<ErasedAnswer, Problem> {
    let deeds = Deeds::of(&app.config);
    let noted = deeds.clone();
    let done = ask(&app, move |view| {
        let erasing = erase::begin(view, noted.as_ref(), (index.0, leaf), field)?;
        Ok(match erasing.finish(view) {
            Err(Error::StillRead) => Err(erasing),
            Err(error) => return Err(error),
            Ok(_) => Ok(erasing),
        })
    });
    let Erasing { fields, left, deed, .. } = done.await?.map_err(|_| {
        app.untold.notify_one();
        still_read()
    })?;
    let (told, not_told) = match (deeds, deed) {
        _ if fields.is_empty() => (None, None),
        (Some(deeds), Some(path)) => match audit::tell_deed(&app, &deeds, &path).await {
            Ok(told) => (told.map(|at| at.to_string()), None),
            Err(why) => {
                app.untold.notify_one();
                (None, Some(why))
            }
        },
        _ => (None, Some("a log of any bytes has no audit entries".to_owned())),
    };
    let (index, leaf_hash) = (index.to_string(), show::hex(&leaf));
    Ok(ErasedAnswer { index, leaf_hash, fields, left, told, not_told })
}

fn still_read() -> Problem {
    let told = "the values are in no answer any more, but the write-ahead file of the disclosures \
                is being read and still holds them; the server tries again every minute";
    Problem::new(problem::BUSY, told).retry_after(10)
}

fn field(name: &str) -> Result<FieldId, Problem> {
    FieldId::from_name(name).ok_or_else(|| {
        let known: Vec<_> = FieldId::ALL.iter().map(|field| field.name()).collect();
        Problem::bad_parameter("field", &known.join(", "), name)
    })
}
