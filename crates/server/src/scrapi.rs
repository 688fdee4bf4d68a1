//! The SCITT edge (SCRAPI): statements in, RFC 9942 receipts out, the log's keys.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use firmlog_statement::Signer;
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeSize};
use firmlog_tlog::tile::MAX_ENTRY;

use crate::api::EntryId;
use crate::app::App;
use crate::intake::{self, How};
use crate::item::Item;
use crate::problem::{self, Problem};
use crate::{body, show};

/// Disclosures of one statement are few; this leaves room for all of them.
const DISCLOSURES_MAX: usize = 16 * 1024;

const RECEIPT: &str = "application/scitt-receipt+cose";

/// Media types a statement may be sent under.
const STATEMENTS: [&str; 3] =
    ["application/cose", "application/scitt-statement+cose", "application/firmlog-submission+cbor"];

/// `POST /entries`
pub(crate) async fn register(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    match registered(&app, request).await {
        Ok(response) => response,
        Err(problem) => problem.concise(),
    }
}

async fn registered(app: &Arc<App>, request: Request) -> Result<Response<Body>, Problem> {
    body::check_media_type(request.headers(), &STATEMENTS)?;
    let body = app.bodies.read(request.into_body(), MAX_ENTRY + DISCLOSURES_MAX).await?;
    let item = Item::read_one(&body.bytes)?;
    let leaf = show::hex(&firmlog_statement::leaf_hash(&item.entry));
    let taken = intake::take(app, vec![item]).await?;
    let (index, how) = match taken.items.into_iter().next() {
        Some(Ok(done)) => done,
        Some(Err(problem)) => return Err(*problem),
        None => return Err(Problem::busy()),
    };
    let receipt = app.engine.receipt(index).await?;
    let status = if how == How::Duplicate { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = cbor(status, RECEIPT, receipt);
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&format!("/entries/{leaf}")) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert("firmlog-index", HeaderValue::from(index.0));
    headers.insert("firmlog-result", HeaderValue::from_static(how.label()));
    Ok(response)
}

/// `GET /entries/{id}`: the receipt under the newest checkpoint.
pub(crate) async fn receipt(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response<Body> {
    let answer = async {
        let index = locate(&app, &id).await?;
        app.engine.receipt(index).await
    };
    match answer.await {
        Ok(receipt) => cbor(StatusCode::OK, RECEIPT, receipt),
        Err(problem) => problem.concise(),
    }
}

/// `GET /entries/{id}/statement`: the entry's own bytes.
pub(crate) async fn statement(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let answer = async {
        let index = locate(&app, &id).await?;
        app.engine.read(move |reader| reader.entry(index)).await
    };
    match answer.await {
        Ok(bytes) => {
            let statement = bytes.starts_with(&[0xd2]);
            let media_type =
                if statement { "application/cose" } else { "application/octet-stream" };
            let mut response = crate::api::tagged(&headers, StatusCode::OK, media_type, bytes);
            let for_ever = HeaderValue::from_static("public, max-age=31536000, immutable");
            response.headers_mut().insert(header::CACHE_CONTROL, for_ever);
            response
        }
        Err(problem) => problem.concise(),
    }
}

/// `GET /receipts/consistency/{old}/{new}`: the receipt that one tree extends the other.
pub(crate) async fn consistency(
    State(app): State<Arc<App>>,
    Path((old, new)): Path<(String, String)>,
) -> Response<Body> {
    let answer = async {
        let size = |name: &str, text: &str| {
            crate::api::number(name, Some(text)).map(|number| TreeSize(number.unwrap_or(0)))
        };
        app.engine.consistency_receipt(size("old", &old)?, size("new", &new)?).await
    };
    match answer.await {
        Ok(receipt) => cbor(StatusCode::OK, RECEIPT, receipt),
        Err(problem) => problem.concise(),
    }
}

/// `GET /.well-known/scitt-keys`: a COSE_KeySet.
pub(crate) async fn keys(State(app): State<Arc<App>>) -> Response<Body> {
    let mut set = vec![0x81];
    set.extend_from_slice(&app.engine.key().public_key().to_cose_key());
    cbor(StatusCode::OK, "application/cose-key-set", set)
}

/// `GET /.well-known/scitt-keys/{kid}`: one COSE_Key; the kid in hex or base64url.
pub(crate) async fn key(State(app): State<Arc<App>>, Path(kid): Path<String>) -> Response<Body> {
    let key = app.engine.key().public_key();
    let own = key.thumbprint();
    let asked = match firmlog_index::detect(&kid) {
        firmlog_index::Query::Digest(asked) => asked,
        _ => {
            let expected = "a SHA-256 key thumbprint in hex or base64url";
            return Problem::new(problem::BAD_LOCATOR, "the key id cannot be read")
                .expected(expected, kid.chars().take(80).collect::<String>())
                .concise();
        }
    };
    if asked != *own.as_bytes() {
        return Problem::not_found("this log signs receipts with no such key").concise();
    }
    cbor(StatusCode::OK, "application/cose-key", key.to_cose_key())
}

/// The place of an entry named by index or leaf hash.
pub(crate) async fn locate(app: &Arc<App>, id: &str) -> Result<LeafIndex, Problem> {
    let leaf = match EntryId::parse(id)? {
        EntryId::Index(index) => return Ok(LeafIndex(index)),
        EntryId::Leaf(leaf) => leaf,
    };
    if let Some(index) = app.engine.find(&Hash(leaf)) {
        return Ok(index);
    }
    let find = move |index: &firmlog_index::Index| index.index_of(&leaf);
    if let Some(index) = crate::api::ask(app, find).await? {
        return Ok(LeafIndex(index));
    }
    let size = app.engine.published().head.size.0;
    let covered = app.index_reaches(size).await;
    match crate::api::ask(app, find).await? {
        Some(index) => Ok(LeafIndex(index)),
        None if covered => Err(Problem::not_found("no entry has this leaf hash")),
        None => Err(Problem::new(
            problem::BUSY,
            "the index is behind the log and does not have this leaf hash yet",
        )
        .retry_after(1)),
    }
}

fn cbor(status: StatusCode, media_type: &'static str, bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
