//! `POST /batch`: a CBOR sequence of entries in, one result for each out.
//!
//! ```text
//! request:   d2 84 …  d2 84 …  82 58 … [ … ]            statements, with disclosures or without
//! response:  a2 00 19 bc 22 01 78 …  (the checkpoint that covers the results)
//!            19 bc 21                                   appended as 48161
//!            82 01 19 bc 00                             duplicate of 48128
//!            82 02 19 bc 22                             appended as 48162, forks its device's chain
//!            83 03 07 58 20 …                           gap: the log has seq 7 with this hash
//!            83 04 6d "bad_signature" 78 …              refused: code and reason
//! ```

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use firmlog_statement::codec;
use serde::Serialize;

use crate::app::App;
use crate::body;
use crate::intake::{self, How, Taken};
use crate::item::Item;
use crate::problem::Problem;

const SEQUENCE: &str = "application/cbor-seq";

/// `POST /batch`
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response<Body>, Problem> {
    body::check_media_type(request.headers(), &[SEQUENCE])?;
    let json = wants_json(request.headers());
    let limits = &app.config.limits;
    let bytes_max = usize::try_from(limits.batch_bytes_max).unwrap_or(usize::MAX);
    let body = app.bodies.read(request.into_body(), bytes_max).await?;
    let items = Item::read_all(&body.bytes, limits.batch_items_max)?;
    let taken = intake::take(&app, items).await?;
    let (media_type, body) = if json {
        ("application/json", serde_json::to_vec(&Told::of(&taken)).unwrap_or_default())
    } else {
        (SEQUENCE, encode(&taken))
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    accept.contains("application/json") && !accept.contains(SEQUENCE)
}

fn encode(taken: &Taken) -> Vec<u8> {
    let mut out = Vec::with_capacity(taken.items.len() * 8 + taken.published.checkpoint.len() + 32);
    // Writing to a vector does not fail.
    let _ = write(&mut out, taken);
    out
}

fn write(out: &mut Vec<u8>, taken: &Taken) -> Result<(), firmlog_statement::StatementError> {
    codec::head(out, 5, 2)?;
    codec::uint(out, 0)?;
    codec::uint(out, taken.published.head.size.0)?;
    codec::uint(out, 1)?;
    codec::text(out, &taken.published.checkpoint)?;
    for item in &taken.items {
        match item {
            Ok((index, How::Appended)) => codec::uint(out, index.0)?,
            Ok((index, how)) => {
                codec::head(out, 4, 2)?;
                codec::uint(out, if *how == How::Duplicate { 1 } else { 2 })?;
                codec::uint(out, index.0)?;
            }
            Err(problem) => refused(out, problem)?,
        }
    }
    Ok(())
}

fn refused(out: &mut Vec<u8>, problem: &Problem) -> Result<(), firmlog_statement::StatementError> {
    if let Some((have_seq, have_hash)) = &problem.head {
        codec::head(out, 4, 3)?;
        codec::uint(out, 3)?;
        match have_seq {
            Some(seq) => codec::uint(out, *seq)?,
            None => out.push(0xf6),
        }
        return codec::bytes(out, have_hash);
    }
    codec::head(out, 4, 3)?;
    codec::uint(out, 4)?;
    codec::text(out, problem.code)?;
    codec::text(out, &problem.detail)
}

/// The same results as JSON.
#[derive(Serialize)]
struct Told<'a> {
    size: String,
    checkpoint: &'a str,
    results: Vec<ToldItem<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ToldItem<'a> {
    Done { result: &'static str, index: String },
    Refused { result: &'static str, problem: &'a Problem },
}

impl<'a> Told<'a> {
    fn of(taken: &'a Taken) -> Self {
        let results = taken.items.iter().map(|item| match item {
            Ok((index, how)) => ToldItem::Done { result: how.label(), index: index.0.to_string() },
            Err(problem) => ToldItem::Refused { result: "refused", problem },
        });
        Self {
            size: taken.published.head.size.to_string(),
            checkpoint: &taken.published.checkpoint,
            results: results.collect(),
        }
    }
}
