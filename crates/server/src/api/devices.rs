//! Devices: what is known of one, its history, its evidence bundle, and the fleet.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use firmlog_index::{DeviceRow, EntryFilter};
use firmlog_statement::DeviceId;
use firmlog_tlog::merkle::Hash;
use firmlog_verify::report::{DeviceStanding, Question};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::shape::{DeviceState, EntryLine, FleetLine, Lag, Listed};
use super::{Parameters, ask, digest, json, lag, limit, listed, number};
use crate::app::App;
use crate::problem::Problem;

/// Most keys of one device that are looked at, newest first.
const KEYS_MAX: usize = 32;

/// What is known of a device and a page of its history.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeviceAnswer {
    /// Its newest state, by its own word.
    state: DeviceState,
    /// `in service`, `forked`, `compromised` or `decommissioned`.
    #[schema(example = "in service")]
    standing: &'static str,
    /// Why it is not to be trusted, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    headline: Option<&'static str>,
    /// Its statements, newest first.
    history: Listed<EntryLine>,
}

/// Paging.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Lines of the page, 1 to 1000.
    limit: Option<String>,
}

/// What a device runs, and its history.
#[utoipa::path(get, path = "/devices/{device}", tag = "devices", params(
    ("device" = String, Path, description = "Device id, 64 hex digits"), Paging),
    responses((status = 200, body = DeviceAnswer), (status = 304, description = "Unchanged"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn device(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Parameters(paging): Parameters<Paging>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let device = digest("device", &id)?;
    let cursor = number("cursor", paging.cursor.as_deref())?;
    let limit = limit(paging.limit.as_deref())?;
    let filter = EntryFilter { device: Some(device), ..EntryFilter::default() };
    let lag = lag(&app).await?;
    let (state, page) = ask(&app, move |index| {
        Ok((index.device(&device)?, index.entries(&filter, cursor, limit)?))
    })
    .await?;
    let state = state.ok_or_else(|| Problem::not_found("no entry names this device"))?;
    let standing = standing(&app, &state).await?;
    let answer = DeviceAnswer {
        standing: standing.word(),
        headline: standing.headline(),
        state: DeviceState::from(&state),
        history: listed(lag, page),
    };
    Ok(json(&headers, StatusCode::OK, &answer))
}

/// Where a device stands: it has two histories, or a key of it is compromised, or it is out of use.
pub(crate) async fn standing(app: &Arc<App>, state: &DeviceRow) -> Result<DeviceStanding, Problem> {
    if state.forks > 0 {
        return Ok(DeviceStanding::Forked);
    }
    let newest = newest(app, state.device).await?;
    let good = crate::bundle::by_good_keys(app, newest).await?;
    Ok(match good.contains(&Some(false)) {
        true => DeviceStanding::Compromised,
        false if state.is_decommissioned => DeviceStanding::Decommissioned,
        false => DeviceStanding::InService,
    })
}

/// The newest statement by each of a device's keys: if one of a key's is not good, its newest is
/// not. A key that was rotated out says nothing after that.
async fn newest(app: &Arc<App>, device: [u8; 32]) -> Result<Vec<Hash>, Problem> {
    ask(app, move |index| {
        let of =
            |kind| EntryFilter { device: Some(device), kind: Some(kind), ..Default::default() };
        let trusts = index.entries(&of(0), None, KEYS_MAX)?.rows;
        let mut newest = Vec::new();
        for before in std::iter::once(None).chain(trusts.iter().map(|row| Some(row.index))) {
            let rows = index.entries(&of(4), before, 1)?.rows;
            newest.extend(rows.first().map(|row| Hash(row.record.leaf)));
        }
        newest.dedup();
        Ok(newest)
    })
    .await
}

/// A device's whole history as one file that proves itself offline.
#[utoipa::path(get, path = "/devices/{device}/bundle", tag = "devices", params(
    ("device" = String, Path, description = "Device id, 64 hex digits")),
    responses((status = 200, description = "Evidence bundle (.fwb)", content_type = "application/vnd.firmlog.bundle+cbor"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn bundle(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Problem> {
    let device = digest("device", &id)?;
    let name = format!("device-{}", crate::show::hex(&device[..8]));
    crate::bundle::of(&app, Question::Device(DeviceId(device)), name).await
}

/// Fleet counts.
#[derive(Serialize, ToSchema)]
pub(crate) struct FleetAnswer {
    /// Most devices first.
    items: Vec<FleetLine>,
    /// How far the view is.
    index: Lag,
}

/// Which model.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfModel {
    /// Only this model.
    model: Option<String>,
}

/// How many devices of each model run each version, by their own word.
#[utoipa::path(get, path = "/fleet", tag = "devices", params(OfModel),
    responses((status = 200, body = FleetAnswer), (status = 304, description = "Unchanged"),
        (status = 400, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn fleet(
    State(app): State<Arc<App>>,
    Parameters(of): Parameters<OfModel>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let index = lag(&app).await?;
    let counts = ask(&app, move |index| index.fleet(of.model.as_deref(), 1000)).await?;
    let items = counts.iter().map(FleetLine::from).collect();
    Ok(json(&headers, StatusCode::OK, &FleetAnswer { items, index }))
}
