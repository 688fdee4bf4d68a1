//! Entries: lists by any field, one in full, its inclusion proof.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use firmlog_index::{EntryFilter, EntryRow, Record};
use firmlog_statement::disclosure::FieldId;
use firmlog_statement::{InitiatorKind, Kind, Outcome, Parsed};
use firmlog_tlog::merkle::{LeafIndex, leaf_hash};
use firmlog_verify::receipt::Receipt;
use firmlog_verify::report::Question;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::shape::{EntryLine, Listed};
use super::when::{self, When};
use super::{Parameters, ask, digest, json, lag, limit, listed, number};
use crate::app::App;
use crate::problem::{self, Problem};
use crate::scrapi::locate;
use crate::show;

/// How an entry is named in a path.
pub(crate) enum EntryId {
    /// By position.
    Index(u64),
    /// By leaf hash.
    Leaf([u8; 32]),
}

impl EntryId {
    /// A decimal index or 64 hex digits.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        if let Some(leaf) = show::hex32(text) {
            return Ok(Self::Leaf(leaf));
        }
        let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        let canonical = digits && (text == "0" || !text.starts_with('0'));
        match text.parse() {
            Ok(index) if canonical => Ok(Self::Index(index)),
            _ => Err(Problem::new(problem::BAD_LOCATOR, "no entry can be named like this")
                .expected(
                    "a decimal index or a leaf hash of 64 hex digits",
                    text.chars().take(80).collect::<String>(),
                )),
        }
    }
}

/// Which entries.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Kind of statement: trust, release, approval, authorisation, update, annotation, audit.
    kind: Option<String>,
    /// Device id, 64 hex digits.
    device: Option<String>,
    /// Issuer, exactly.
    issuer: Option<String>,
    /// Subject, exactly.
    subject: Option<String>,
    /// SHA-256 of the firmware, 64 hex digits.
    firmware: Option<String>,
    /// Leaf hash of the entry these are about, 64 hex digits.
    about: Option<String>,
    /// Version as people write it.
    version: Option<String>,
    /// Outcome of an update, such as `rolled_back`.
    outcome: Option<String>,
    /// Who set it in motion: person, system, device.
    initiator: Option<String>,
    /// Received at or after, RFC 3339 in UTC or a date.
    from: Option<String>,
    /// Received before, RFC 3339 in UTC or a date.
    until: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Lines of the page, 1 to 1000.
    limit: Option<String>,
}

impl Which {
    fn filter(&self) -> Result<EntryFilter, Problem> {
        let code = |name, given: Option<&str>, find: fn(&str) -> Option<u64>| match given {
            None => Ok(None),
            Some(text) => find(text)
                .map(Some)
                .ok_or_else(|| Problem::bad_parameter(name, "one of the documented words", text)),
        };
        let time = |name, given: Option<&str>| match given {
            None => Ok(None),
            Some(text) => show::parse_utc(text).map(Some).ok_or_else(|| {
                Problem::bad_parameter(name, "a time such as 2026-11-22T21:54:00Z", text)
            }),
        };
        let hash = |name, given: Option<&str>| given.map(|text| digest(name, text)).transpose();
        let kind = |text: &str| Kind::from_name(text).map(|kind| kind as u64);
        let outcome = |text: &str| Outcome::from_name(text).map(|it| u64::from(it.code()));
        let initiator = |text: &str| InitiatorKind::from_name(text).map(|it| u64::from(it.code()));
        Ok(EntryFilter {
            kind: code("kind", self.kind.as_deref(), kind)?.map(|kind| kind as u8),
            device: hash("device", self.device.as_deref())?,
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            image: hash("firmware", self.firmware.as_deref())?,
            target: hash("about", self.about.as_deref())?,
            version: self.version.clone(),
            outcome: code("outcome", self.outcome.as_deref(), outcome)?,
            initiator: code("initiator", self.initiator.as_deref(), initiator)?,
            seen_from_ms: time("from", self.from.as_deref())?,
            seen_until_ms: time("until", self.until.as_deref())?,
        })
    }
}

/// Entries by any field, newest first.
#[utoipa::path(get, path = "/entries", tag = "entries", params(Which),
    responses((status = 200, body = Listed<EntryLine>), (status = 304, description = "Unchanged"),
        (status = 400, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Parameters(which): Parameters<Which>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let filter = which.filter()?;
    let cursor = number("cursor", which.cursor.as_deref())?;
    let limit = limit(which.limit.as_deref())?;
    let lag = lag(&app).await?;
    let page = ask(&app, move |index| index.entries(&filter, cursor, limit)).await?;
    let answer: Listed<EntryLine> = listed(lag, page);
    Ok(json(&headers, StatusCode::OK, &answer))
}

/// One entry in full.
#[derive(Serialize, ToSchema)]
pub(crate) struct EntryAnswer {
    /// The line lists show.
    #[serde(flatten)]
    pub(crate) line: EntryLine,
    /// How far it has come: `published`, `witnessed` or `anchored`.
    #[schema(example = "witnessed")]
    pub(crate) state: &'static str,
    /// The statement's lossless JSON projection; absent for raw bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) statement: Option<serde_json::Value>,
    /// When it was, by the signer's clock and by this log's; absent for raw bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) when: Option<When>,
    /// Length of the entry in bytes.
    pub(crate) size_bytes: u32,
    /// Opened commitments, where this server shows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) disclosures: Vec<DisclosureLine>,
    /// The bytes themselves.
    pub(crate) raw: String,
    /// The COSE receipt.
    pub(crate) receipt: String,
    /// The inclusion proof.
    pub(crate) proof: String,
    /// The page for people.
    pub(crate) page: String,
}

/// One opened commitment.
#[derive(Serialize, ToSchema)]
pub(crate) struct DisclosureLine {
    /// What it is.
    #[schema(example = "serial")]
    pub(crate) field: String,
    /// The value.
    pub(crate) value: String,
    /// Salt, hex: with it anyone recomputes the commitment.
    pub(crate) salt: String,
}

/// One entry in full, by index or leaf hash.
#[utoipa::path(get, path = "/entries/{id}", tag = "entries", params(
    ("id" = String, Path, description = "Index or leaf hash")),
    responses((status = 200, body = EntryAnswer), (status = 304, description = "Unchanged"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn entry(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let index = locate(&app, &id).await?;
    Ok(json(&headers, StatusCode::OK, &entry_view(&app, index).await?))
}

/// Everything about one entry, read from the log itself.
pub(crate) async fn entry_view(app: &Arc<App>, index: LeafIndex) -> Result<EntryAnswer, Problem> {
    let (bytes, seen_ms, when) = app
        .engine
        .read(move |reader| {
            let bytes = reader.entry(index)?;
            let (received_ms, when) = when::of_entry(reader, index, &bytes)?;
            Ok((bytes, received_ms, when))
        })
        .await?;
    let parsed = Parsed::parse(&bytes).ok();
    let record = firmlog_index::extract(&bytes).unwrap_or_else(|| Record {
        leaf: leaf_hash(&bytes).0,
        kind: u8::MAX,
        ..Record::default()
    });
    let mut line = EntryLine::from(&EntryRow { index: index.0, record, seen_ms });
    if line.version.is_none() && line.device.is_some() && app.index.is_some() {
        // As in lists: the release of its image names the version.
        let row = super::ask(app, move |view| view.entry(index.0)).await?;
        line.version = row.and_then(|row| row.record.version);
    }
    if parsed.is_none() {
        line.kind = "raw".to_owned();
    }
    let witnessed = app.witnessed.load().as_ref().is_some_and(|it| it.head.size.0 > index.0);
    let anchored = app.anchoring.load().newest.as_ref().is_some_and(|it| it.head.size.0 > index.0);
    Ok(EntryAnswer {
        state: match (anchored, witnessed) {
            (true, _) => "anchored",
            (false, true) => "witnessed",
            (false, false) => "published",
        },
        statement: parsed.and_then(|it| firmlog_statement::json::to_json(&it).ok()),
        when,
        size_bytes: bytes.len() as u32,
        disclosures: disclosures(app, index).await?,
        raw: format!("/entries/{index}/statement"),
        receipt: format!("/entries/{index}"),
        proof: format!("/api/v1/entries/{index}/proof"),
        page: format!("/entry/{index}"),
        line,
    })
}

async fn disclosures(app: &Arc<App>, index: LeafIndex) -> Result<Vec<DisclosureLine>, Problem> {
    if !app.config.index.disclose || app.index.is_none() {
        return Ok(Vec::new());
    }
    let opened = ask(app, move |view| view.disclosed(index.0)).await?;
    let line = |opened: &firmlog_index::Disclosed| DisclosureLine {
        field: FieldId::from_code(u64::from(opened.field))
            .map_or_else(|| opened.field.to_string(), |field| field.name().to_owned()),
        value: String::from_utf8_lossy(&opened.value).into_owned(),
        salt: show::hex(&opened.salt),
    };
    Ok(opened.iter().map(line).collect())
}

/// One statement with the keys behind it, as one file that proves itself offline.
#[utoipa::path(get, path = "/entries/{id}/bundle", tag = "entries", params(
    ("id" = String, Path, description = "Index or leaf hash")),
    responses((status = 200, description = "Evidence bundle (.fwb)", content_type = "application/vnd.firmlog.bundle+cbor"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn bundle(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Problem> {
    let index = locate(&app, &id).await?;
    let leaf = app.engine.read(move |reader| reader.leaf(index)).await?;
    crate::bundle::of(&app, Question::Statement(leaf), format!("entry-{index}")).await
}

/// An inclusion proof, in parts and as a `.tlog-proof` file.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProofAnswer {
    /// Position in the log.
    index: String,
    /// Leaf hash, hex.
    leaf_hash: String,
    /// Size of the tree the proof leads to.
    size: String,
    /// Its root, hex.
    root: String,
    /// Sibling hashes from the leaf up, hex.
    path: Vec<String>,
    /// The checkpoint with that root.
    checkpoint: String,
    /// Whether it carries the cosignatures its policy asks for.
    witnessed: bool,
    /// All of it as a file (c2sp.org/tlog-proof).
    tlog_proof: String,
}

/// The proof that the entry is in the log: JSON, or the `.tlog-proof` file with
/// `Accept: text/plain`.
#[utoipa::path(get, path = "/entries/{id}/proof", tag = "entries", params(
    ("id" = String, Path, description = "Index or leaf hash")),
    responses((status = 200, content((ProofAnswer = "application/json"), (String = "text/plain"))),
        (status = 304, description = "Unchanged"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn proof(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let index = locate(&app, &id).await?;
    let (checkpoint, head, witnessed) = covering(&app, index);
    let (leaf, path) = app
        .engine
        .read(move |reader| Ok((reader.leaf(index)?, reader.inclusion(index, head.size)?)))
        .await?;
    let file = Receipt::new(index, path.clone(), checkpoint.clone()).encode();
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    if accept.starts_with("text/plain") {
        let text = "text/plain; charset=utf-8";
        let mut response = super::tagged(&headers, StatusCode::OK, text, file.into_bytes());
        let name = format!("attachment; filename=\"{index}.tlog-proof\"");
        if let Ok(name) = HeaderValue::from_str(&name) {
            response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
        }
        return Ok(response);
    }
    let answer = ProofAnswer {
        index: index.to_string(),
        leaf_hash: leaf.to_string(),
        size: head.size.to_string(),
        root: head.root.to_string(),
        path: path.iter().map(ToString::to_string).collect(),
        checkpoint,
        witnessed,
        tlog_proof: file,
    };
    Ok(json(&headers, StatusCode::OK, &answer))
}

/// The witnessed checkpoint if it covers the entry, otherwise the newest.
fn covering(app: &App, index: LeafIndex) -> (String, firmlog_tlog::merkle::TreeHead, bool) {
    let (checkpoint, head, witnessed) = app.served();
    if index.0 < head.size.0 {
        return (checkpoint, head, witnessed);
    }
    let published = app.engine.published();
    (published.checkpoint.clone(), published.head, false)
}
