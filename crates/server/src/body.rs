//! Reading a request's body whole: a limit, a deadline, one buffer.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;

use crate::problem::{self, Problem};

/// Bytes of a refused body that are still read, so that the client sees the refusal instead of a
/// reset connection.
const DRAIN_MAX: usize = 1 << 20;

/// Reads all of `body`. A body of one frame, the usual case of a small entry, is not copied.
pub(crate) async fn read<B>(
    mut body: B,
    bytes_max: usize,
    within: Duration,
) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let late = || {
        let detail = format!("the body did not arrive within {} ms", within.as_millis());
        Err(Problem::new(problem::TIMEOUT, detail))
    };
    let read = tokio::time::timeout(within, collect(&mut body, bytes_max)).await;
    let read = read.unwrap_or_else(|_| late());
    if read.as_ref().is_err_and(|problem| problem.code == problem::TOO_LARGE.code) {
        // Whether the rest comes or not, the answer is the same.
        let _ = tokio::time::timeout(within, drain(&mut body)).await;
    }
    read
}

async fn collect<B>(body: &mut B, bytes_max: usize) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let declared = body.size_hint().lower();
    if declared > bytes_max as u64 {
        return Err(too_large(bytes_max, declared));
    }
    let Some(first) = next(body).await? else { return Ok(Bytes::new()) };
    if first.len() as u64 == declared && body.is_end_stream() {
        return within(first, bytes_max);
    }
    let Some(second) = next(body).await? else { return within(first, bytes_max) };
    let expected = usize::try_from(declared).unwrap_or(bytes_max).min(bytes_max);
    let mut whole = BytesMut::with_capacity(expected.max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    let mut frame = Some(second);
    while let Some(data) = frame {
        if whole.len() + data.len() > bytes_max {
            return Err(too_large(bytes_max, (whole.len() + data.len()) as u64));
        }
        whole.extend_from_slice(&data);
        frame = next(body).await?;
    }
    Ok(whole.freeze())
}

async fn drain<B>(body: &mut B)
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut left = DRAIN_MAX;
    while let Ok(Some(data)) = next(body).await {
        left = left.saturating_sub(data.len());
        if left == 0 {
            return;
        }
    }
}

async fn next<B>(body: &mut B) -> Result<Option<Bytes>, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(_)) => {
                return Err(Problem::new(
                    problem::LENGTH_UNREADABLE,
                    "the connection ended or the framing broke before the body was complete",
                ));
            }
        }
    }
}

fn within(data: Bytes, bytes_max: usize) -> Result<Bytes, Problem> {
    if data.len() > bytes_max {
        return Err(too_large(bytes_max, data.len() as u64));
    }
    Ok(data)
}

fn too_large(bytes_max: usize, got: u64) -> Problem {
    Problem::new(problem::TOO_LARGE, "the body is larger than is taken here")
        .expected(format!("at most {bytes_max} bytes"), format!("at least {got} bytes"))
}

/// Whether the request's media type is one of `accepted`, parameters aside.
pub(crate) fn check_media_type(headers: &HeaderMap, accepted: &[&str]) -> Result<(), Problem> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let given = values.next().and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    let one = values.next().is_none();
    if one && accepted.iter().any(|media| essence.eq_ignore_ascii_case(media)) {
        return Ok(());
    }
    let got = if given.is_empty() { "none".to_owned() } else { given.chars().take(80).collect() };
    Err(Problem::new(problem::MEDIA_TYPE, "this media type is not taken here")
        .expected(accepted.join(" or "), got))
}
