//! Reading a request's body whole: a limit, a deadline, and one budget for the bodies of all
//! requests.
//!
//! A body takes memory as it arrives, in pieces, never because its length was announced; and what
//! it takes comes out of a budget shared by all, so that clients who send most of a body and stop
//! cost others their turn at worst, and the server never its memory.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{self, Problem};

/// Bytes of a refused body that are still read, so that the client sees the refusal instead of a
/// reset connection.
const DRAIN_MAX: usize = 1 << 20;

/// Bytes of each body outside the budget: statements come in beside any number of large batches.
/// A connection's own buffers are larger.
const FREE: usize = 16 * 1024;

/// Bytes that are taken out of the budget at once.
const PIECE: usize = 64 * 1024;

/// How bodies are read, and what is left for those under way.
pub(crate) struct Bodies {
    room: Arc<Semaphore>,
    bytes_max: u64,
    within: Duration,
}

/// A body, whole. Its place in the budget is given back when this is dropped.
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    /// Its place, for those who take the bytes out.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// All bodies together take at most `bytes_max` bytes, and each comes `within` a time.
    pub(crate) fn new(bytes_max: u64, within: Duration) -> Self {
        let permits = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let room = Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self { room, bytes_max, within }
    }

    /// Reads all of `body`, at most `bytes_max` bytes. A body of one frame, the usual case of a
    /// small entry, is not copied.
    pub(crate) async fn read<B>(&self, mut body: B, bytes_max: usize) -> Result<Whole, Problem>
    where
        B: HttpBody<Data = Bytes> + Unpin,
    {
        let late = || {
            let within = self.within.as_millis();
            let detail = format!("the body did not arrive within {within} ms");
            Err(Problem::new(problem::TIMEOUT, detail))
        };
        let read = tokio::time::timeout(self.within, self.collect(&mut body, bytes_max)).await;
        let read = read.unwrap_or_else(|_| late());
        let early = [problem::TOO_LARGE.code, problem::BUSY.code];
        if read.as_ref().is_err_and(|problem| early.contains(&problem.code)) {
            // Whether the rest comes or not, the answer is the same.
            let _ = tokio::time::timeout(self.within, drain(&mut body)).await;
        }
        read
    }

    async fn collect<B>(&self, body: &mut B, bytes_max: usize) -> Result<Whole, Problem>
    where
        B: HttpBody<Data = Bytes> + Unpin,
    {
        let declared = body.size_hint().lower();
        if declared > bytes_max as u64 {
            return Err(too_large(bytes_max, declared));
        }
        let Some(first) = next(body).await? else { return Ok(Whole::of(Bytes::new())) };
        if first.len() as u64 == declared && body.is_end_stream() {
            return within(first, bytes_max).map(Whole::of);
        }
        let mut pieces = Pieces::default();
        let mut frame = Some(first);
        while let Some(data) = frame {
            if pieces.len + data.len() > bytes_max {
                return Err(too_large(bytes_max, (pieces.len + data.len()) as u64));
            }
            self.add(&mut pieces, &data)?;
            drop(data);
            frame = next(body).await?;
        }
        Ok(pieces.whole())
    }

    /// Copies out of the connection's buffer, of which a small frame would keep all.
    fn add(&self, pieces: &mut Pieces, mut data: &[u8]) -> Result<(), Problem> {
        while !data.is_empty() {
            let left = pieces.list.last().map_or(0, |last| last.capacity() - last.len());
            if left == 0 {
                self.make_room(pieces)?;
                continue;
            }
            let (now, later) = data.split_at(left.min(data.len()));
            if let Some(last) = pieces.list.last_mut() {
                last.extend_from_slice(now);
            }
            pieces.len += now.len();
            data = later;
        }
        Ok(())
    }

    fn make_room(&self, pieces: &mut Pieces) -> Result<(), Problem> {
        if pieces.list.is_empty() {
            pieces.list.push(BytesMut::with_capacity(FREE));
            return Ok(());
        }
        let Ok(room) = self.room.clone().try_acquire_many_owned(PIECE as u32) else {
            return Err(Problem::new(problem::BUSY, "too many large bodies are under way")
                .expected(format!("at most {} bytes in all of them", self.bytes_max), "more")
                .retry_after(1));
        };
        match &mut pieces.room {
            None => pieces.room = Some(room),
            Some(held) => held.merge(room),
        }
        pieces.list.push(BytesMut::with_capacity(PIECE));
        Ok(())
    }
}

impl Whole {
    fn of(bytes: Bytes) -> Self {
        Self { bytes, room: None }
    }
}

/// What has come of a body.
#[derive(Default)]
struct Pieces {
    list: Vec<BytesMut>,
    len: usize,
    room: Option<OwnedSemaphorePermit>,
}

impl Pieces {
    /// Joins the pieces; each is let go once it is copied.
    fn whole(self) -> Whole {
        let mut list = self.list;
        let bytes = if list.len() > 1 {
            let mut whole = BytesMut::with_capacity(self.len);
            list.into_iter().for_each(|piece| whole.extend_from_slice(&piece));
            whole
        } else {
            list.pop().unwrap_or_default()
        };
        Whole { bytes: bytes.freeze(), room: self.room }
    }
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
