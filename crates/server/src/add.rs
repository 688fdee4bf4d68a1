//! `POST /add`: one raw entry in, its index out once it is durable. Only for logs that take any
//! bytes.
//!
//! The path is kept bare: no router, no span, no timer unless the body is late, one allocation for
//! the reply. Requests that arrive in one turn of a worker are handed to the log together, and the
//! log commits all that was handed over while it synced: no timer, and no bound on how many. Past
//! the queue's bound the answer is 503.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderValue, StatusCode, header};
use bytes::Bytes;
use firmlog_log::{AppendError, Batch, Committed, Registration};
use firmlog_tlog::merkle::LeafIndex;
use firmlog_tlog::tile::MAX_ENTRY;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::sync::{Notify, oneshot};

use crate::app::App;
use crate::body::Whole;
use crate::engine::{Engine, append_problem};
use crate::front::Reply;
use crate::problem::{self, Problem};

type Waiter = oneshot::Sender<Result<LeafIndex, AppendError>>;
type Answered = Result<Committed, AppendError>;

/// Where requests gather until they are handed to the log, and answers until they are handed out.
pub(crate) struct Gate {
    gathering: Mutex<Vec<(Bytes, Waiter)>>,
    answered: Mutex<Vec<(Vec<Waiter>, Answered)>>,
    /// Wakes the one task that hands answers out.
    wake: Notify,
    /// Entries that came in and are not answered yet.
    waiting: AtomicUsize,
    waiting_max: usize,
}

impl Gate {
    pub(crate) fn new(waiting_max: u64) -> Self {
        let waiting_max = usize::try_from(waiting_max).unwrap_or(usize::MAX).max(1);
        Self {
            gathering: Mutex::default(),
            answered: Mutex::default(),
            wake: Notify::new(),
            waiting: AtomicUsize::new(0),
            waiting_max,
        }
    }

    /// Takes one entry in, or says there is no room.
    fn enter(
        self: &Arc<Self>,
        engine: &Arc<Engine>,
        entry: Bytes,
        waiter: Waiter,
    ) -> Result<(), AppendError> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.waiting_max {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(AppendError::Busy);
        }
        let mut gathering = lock(&self.gathering);
        let first = gathering.is_empty();
        gathering.push((entry, waiter));
        drop(gathering);
        if first {
            // A task of its own: the request may be dropped when its client hangs up.
            tokio::spawn(self.clone().hand_over(engine.clone()));
        }
        Ok(())
    }

    /// Lets the worker finish its turn, then hands over what gathered.
    async fn hand_over(self: Arc<Self>, engine: Arc<Engine>) {
        tokio::task::yield_now().await;
        let gathered = {
            let mut gathering = lock(&self.gathering);
            let room = gathering.len();
            std::mem::replace(&mut *gathering, Vec::with_capacity(room))
        };
        let bytes = gathered.iter().map(|(entry, _)| entry.len()).sum();
        let mut batch = Batch::with_capacity(gathered.len(), bytes);
        let mut waiters = Vec::with_capacity(gathered.len());
        for (entry, waiter) in gathered {
            // Length was checked on arrival, and such a log takes any bytes: what is refused all
            // the same is answered by hanging up its waiter.
            if engine.push(&mut batch, &entry).is_ok() {
                waiters.push(waiter);
            } else {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let waiters = Arc::new(Mutex::new(waiters));
        let gate = self.clone();
        let theirs = waiters.clone();
        let submitted = engine.submit_batch(batch, move |answered| {
            gate.answer(std::mem::take(&mut *lock(&theirs)), answered);
        });
        if let Err(error) = submitted {
            self.answer(std::mem::take(&mut *lock(&waiters)), Err(error));
        }
    }

    /// Called on the log's thread: one wake for all answers of a commit, since waking a worker
    /// from outside costs more than an answer.
    fn answer(&self, waiters: Vec<Waiter>, answered: Answered) {
        self.waiting.fetch_sub(waiters.len(), Ordering::Relaxed);
        let mut queue = lock(&self.answered);
        queue.push((waiters, answered));
        let first = queue.len() == 1;
        drop(queue);
        if first {
            self.wake.notify_one();
        }
    }

    /// Hands answers out, for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            let answered = std::mem::take(&mut *lock(&self.answered));
            for (waiters, answered) in answered {
                hand_out(waiters, answered);
            }
        }
    }
}

/// A send fails when the client hung up; its entry is in the log all the same.
fn hand_out(waiters: Vec<Waiter>, answered: Answered) {
    match answered {
        Ok(committed) => {
            for (waiter, outcome) in waiters.into_iter().zip(committed.outcomes) {
                if let Some(index) = outcome.index() {
                    let _ = waiter.send(Ok(index));
                }
            }
        }
        Err(error) => {
            for waiter in waiters {
                let _ = waiter.send(Err(error.clone()));
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one `POST /add`.
pub(crate) async fn answer(app: &Arc<App>, request: Request<Incoming>) -> Response<Reply> {
    app.metrics.adds.add(1);
    match add(app, request).await {
        Ok(index) => {
            app.metrics.appended.add(1);
            indexed(index)
        }
        Err(problem) => {
            if problem.status >= 500 {
                app.metrics.busy.add(1);
            }
            axum::response::IntoResponse::into_response(problem).map(Reply::Routed)
        }
    }
}

async fn add(app: &Arc<App>, request: Request<Incoming>) -> Result<LeafIndex, Problem> {
    if app.engine.registration != Registration::Any {
        return Err(Problem::new(
            problem::REGISTRATION,
            "this log takes signed statements only; send them to POST /entries or POST /batch",
        ));
    }
    let Whole { bytes, room: _held } = app.bodies.read(request.into_body(), MAX_ENTRY).await?;
    let (waiter, answered) = oneshot::channel();
    app.gate.enter(&app.engine, bytes, waiter).map_err(|error| append_problem(&error))?;
    match answered.await {
        Ok(Ok(index)) => Ok(index),
        Ok(Err(error)) => Err(append_problem(&error)),
        Err(_) => Err(append_problem(&AppendError::Closed)),
    }
}

fn indexed(index: LeafIndex) -> Response<Reply> {
    let mut response = Response::new(Reply::Small(Full::new(Bytes::from(index.0.to_string()))));
    *response.status_mut() = StatusCode::OK;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}
