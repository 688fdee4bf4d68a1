//! Large answers: one budget for all of them, and none kept for a reader who has stopped.
//!
//! An answer is handed to its connection in pieces that are copied, so that what a connection still
//! holds is small; the answer itself is let go when it is sent, when the client is gone, or when
//! the client took too long to read it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{self, Problem};

/// Bytes of all large answers that are being sent.
const ROOM: usize = 32 << 20;

/// Bytes handed to the connection at once.
const PIECE: usize = 64 * 1024;

/// How long an answer waits for room before 503.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time a reader has for any answer, and a second more for each of these many bytes.
const READ: Duration = Duration::from_secs(30);
const READ_BYTES_A_S: u64 = 64 * 1024;

/// The budget of all large answers.
pub(crate) struct Sending {
    room: Arc<Semaphore>,
    patience: Duration,
    /// Time a reader has for any answer, apart from what its size adds.
    read: Duration,
}

impl Default for Sending {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(ROOM)), patience: PATIENCE, read: READ }
    }
}

impl Sending {
    /// `answer` as a body, once there is room for it. One that is larger than the budget is sent
    /// alone.
    pub(crate) async fn body(&self, answer: Vec<u8>) -> Result<Body, Problem> {
        let weight = answer.len().clamp(1, ROOM) as u32;
        let room = self.room.clone().acquire_many_owned(weight);
        let Ok(Ok(room)) = tokio::time::timeout(self.patience, room).await else {
            return Err(Problem::new(problem::BUSY, "too many large answers are being sent")
                .retry_after(10));
        };
        let time = self.read + Duration::from_secs(answer.len() as u64 / READ_BYTES_A_S);
        let left = Arc::new(Mutex::new(Some(Left { bytes: answer.into(), _room: room })));
        tokio::spawn(let_go(Arc::downgrade(&left), time));
        Ok(Body::new(Pieces(left)))
    }
}

/// What of an answer is still to be sent.
struct Left {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

struct Pieces(Arc<Mutex<Option<Left>>>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(some) = left.as_mut() else {
            let late = "the client took too long to read its answer";
            return Poll::Ready(Some(Err(std::io::Error::new(std::io::ErrorKind::TimedOut, late))));
        };
        if some.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let piece = &some.bytes[..PIECE.min(some.bytes.len())];
        let (count, piece) = (piece.len(), Bytes::copy_from_slice(piece));
        some.bytes.advance(count);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.as_ref().is_some_and(|left| left.bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        SizeHint::with_exact(left.as_ref().map_or(0, |left| left.bytes.len() as u64))
    }
}

async fn let_go(left: Weak<Mutex<Option<Left>>>, time: Duration) {
    tokio::time::sleep(time).await;
    if let Some(left) = left.upgrade() {
        left.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_nobody_reads_is_let_go() {
        let moment = Duration::from_millis(500);
        let sending = Sending { patience: Duration::ZERO, read: moment, ..Sending::default() };
        let mut read = sending.body(vec![7; 100_000]).await.unwrap();
        let mut stalled = sending.body(vec![7; 60_000]).await.unwrap();
        let rest = sending.room.clone().try_acquire_many_owned((ROOM - 160_000) as u32).unwrap();
        assert_eq!(sending.room.available_permits(), 0);
        assert_eq!(sending.body(vec![7; 1]).await.unwrap_err().code, "busy");

        assert_eq!(read.frame().await.unwrap().unwrap().into_data().unwrap().len(), PIECE);
        assert_eq!(read.collect().await.unwrap().to_bytes().len(), 100_000 - PIECE);
        assert_eq!(sending.room.available_permits(), 100_000);

        tokio::time::sleep(2 * moment).await;
        drop(rest);
        assert_eq!(sending.room.available_permits(), ROOM);
        assert!(stalled.frame().await.unwrap().is_err());
    }
}
