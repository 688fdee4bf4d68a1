//! The log itself: its newest checkpoint, its witnesses, and that it only grew.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use firmlog_log::Registration;
use firmlog_tlog::merkle::TreeSize;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::shape::Lag;
use super::{Parameters, json, lag, number};
use crate::anchoring::Anchor;
use crate::app::App;
use crate::problem::Problem;
use crate::show;
use crate::witnessed::Witnessed;

/// The newest final anchor.
#[derive(Serialize, ToSchema)]
struct AnchorAnswer {
    /// Entries it covers.
    size: String,
    /// The chain (EIP-155).
    chain_id: String,
    /// The `FirmwareAnchor` contract.
    contract: String,
    /// The block it is in.
    block_number: String,
    /// That block's hash: what an auditor pins, once he has it from elsewhere.
    block_hash: String,
    /// The block's time.
    at: String,
    /// The transaction.
    tx: String,
    /// Whether bundles carry evidence of it.
    evidence: bool,
}

impl From<&Anchor> for AnchorAnswer {
    fn from(anchor: &Anchor) -> Self {
        Self {
            size: anchor.head.size.to_string(),
            chain_id: anchor.chain_id.to_string(),
            contract: anchor.contract.clone(),
            block_number: anchor.block_number.to_string(),
            block_hash: anchor.block_hash.clone(),
            at: show::utc(anchor.block_ms),
            tx: anchor.tx.clone(),
            evidence: anchor.evidence.is_some(),
        }
    }
}

/// The log at this moment.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogAnswer {
    /// Its name.
    origin: String,
    /// `signed`: statements by enrolled keys; `any`: any bytes.
    #[schema(example = "signed")]
    registration: &'static str,
    /// Verifier key of its checkpoints (signed-note vkey). Pin it from elsewhere, not from here.
    verifier_key: String,
    /// Entries in the newest checkpoint.
    #[schema(example = "48930")]
    size: String,
    /// Its root hash, hex.
    root: String,
    /// When it was signed, by the server's clock.
    signed_at: String,
    /// The signed note.
    checkpoint: String,
    /// The newest checkpoint that meets the witness policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    witnessed: Option<WitnessedAnswer>,
    /// The newest final anchor, as the chain's nodes tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    anchored: Option<AnchorAnswer>,
    /// How far the queryable view is.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<Lag>,
    /// First index whose entry is kept.
    #[schema(example = "0")]
    min_index: String,
}

/// A checkpoint that witnesses cosigned.
#[derive(Serialize, ToSchema)]
pub(crate) struct WitnessedAnswer {
    /// Entries it covers.
    size: String,
    /// When the quorum was met, by the server's clock.
    at: String,
    /// Witnesses whose cosignatures it carries.
    witnesses: Vec<String>,
    /// The note with its cosignatures.
    checkpoint: String,
}

impl From<&Witnessed> for WitnessedAnswer {
    fn from(witnessed: &Witnessed) -> Self {
        Self {
            size: witnessed.head.size.to_string(),
            at: show::utc(witnessed.at_ms),
            witnesses: witnessed.names.clone(),
            checkpoint: witnessed.checkpoint.clone(),
        }
    }
}

/// The log at this moment.
#[utoipa::path(get, path = "/log", tag = "log",
    responses((status = 200, body = LogAnswer), (status = 304, description = "Unchanged")))]
pub(crate) async fn log(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let published = app.engine.published();
    let answer = LogAnswer {
        origin: app.engine.origin.clone(),
        registration: match app.engine.registration {
            Registration::Signed => "signed",
            Registration::Any => "any",
        },
        verifier_key: app.vkey.clone(),
        size: published.head.size.to_string(),
        root: published.head.root.to_string(),
        signed_at: show::utc(published.time_ms),
        checkpoint: published.checkpoint.clone(),
        witnessed: app.witnessed.load().as_deref().map(WitnessedAnswer::from),
        anchored: app.anchoring.load().newest.as_deref().map(AnchorAnswer::from),
        index: if app.index.is_some() { Some(lag(&app).await?) } else { None },
        min_index: app.engine.reader().min_index().to_string(),
    };
    Ok(json(&headers, StatusCode::OK, &answer))
}

/// The witnesses of the policy.
#[derive(Serialize, ToSchema)]
pub(crate) struct WitnessesAnswer {
    /// `none` (no policy), `met`, `behind` (the log has outgrown what was cosigned for longer than
    /// `readiness.witnessed_age_max_s`) or `unmet` (never yet).
    #[schema(example = "met")]
    quorum: &'static str,
    /// Entries in the log.
    size: String,
    /// Entries that the newest witnessed checkpoint covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    witnessed_size: Option<String>,
    /// The policy (tlog-policy), if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// Each witness and whether it cosigned the newest witnessed checkpoint.
    witnesses: Vec<WitnessLine>,
}

/// One witness.
#[derive(Serialize, ToSchema)]
pub(crate) struct WitnessLine {
    /// Its name in the policy.
    name: String,
    /// Its verifier key (signed-note vkey).
    key: String,
    /// Whether it cosigned the newest witnessed checkpoint.
    cosigned: bool,
}

/// Who watches that this log only grows.
#[utoipa::path(get, path = "/witnesses", tag = "log",
    responses((status = 200, body = WitnessesAnswer), (status = 304, description = "Unchanged")))]
pub(crate) async fn witnesses(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let witnessed = app.witnessed.load();
    let cosigned = |name: &str| {
        witnessed.as_ref().is_some_and(|it| it.names.iter().any(|known| known == name))
    };
    let known = app.policy.as_ref().map(|policy| policy.witnesses()).unwrap_or_default();
    let witnesses = known.iter().map(|witness| WitnessLine {
        name: witness.name.clone(),
        key: witness.key.to_string(),
        cosigned: cosigned(&witness.name),
    });
    let answer = WitnessesAnswer {
        quorum: app.quorum(),
        size: app.engine.published().head.size.to_string(),
        witnessed_size: witnessed.as_ref().map(|it| it.head.size.to_string()),
        policy: app.policy.as_ref().map(|policy| policy.encode()),
        witnesses: witnesses.collect(),
    };
    Ok(json(&headers, StatusCode::OK, &answer))
}

/// Between which sizes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Sizes {
    /// The older size.
    old: String,
    /// The newer size; the newest when left out.
    new: Option<String>,
}

/// A consistency proof (RFC 9162).
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsistencyAnswer {
    /// The older size.
    old: String,
    /// The newer size.
    new: String,
    /// Root of the older tree, hex.
    old_root: String,
    /// Root of the newer tree, hex.
    new_root: String,
    /// The proof's hashes, hex.
    path: Vec<String>,
}

/// The proof that the newer tree extends the older one.
#[utoipa::path(get, path = "/consistency", tag = "log", params(Sizes),
    responses((status = 200, body = ConsistencyAnswer), (status = 304, description = "Unchanged"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn consistency(
    State(app): State<Arc<App>>,
    Parameters(sizes): Parameters<Sizes>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let old = TreeSize(number("old", Some(&sizes.old))?.unwrap_or(0));
    let newest = app.engine.published().head.size;
    let new = number("new", sizes.new.as_deref())?.map_or(newest, TreeSize);
    if old.0 == 0 || old > new {
        let got = old.to_string();
        return Err(Problem::bad_parameter("old", &format!("1 to {new}"), &got));
    }
    let answer = app
        .engine
        .read(move |reader| {
            Ok(ConsistencyAnswer {
                old: old.to_string(),
                new: new.to_string(),
                old_root: reader.root(old)?.to_string(),
                new_root: reader.root(new)?.to_string(),
                path: reader.consistency(old, new)?.iter().map(ToString::to_string).collect(),
            })
        })
        .await?;
    Ok(json(&headers, StatusCode::OK, &answer))
}
