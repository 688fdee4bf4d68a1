//! The HTTP side of a witness (c2sp.org/tlog-witness).
//!
//! ```text
//! POST /add-checkpoint                      cosigns what extends the last checkpoint it saw
//! GET  /<hex sha256(origin)>/checkpoint     that last checkpoint, cosigned
//! GET  /healthz
//! ```
//!
//! What is cosigned, and that it is durable first, is the store's business (`firmlog_log`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use firmlog_keys::AwsLc;
use firmlog_log::CheckpointSigner;
use firmlog_log::witness::{WitnessReply, WitnessStore};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ServerError;
use crate::accept::{Answer, Listening, serve};
use crate::app::now_ms;
use crate::body::Bodies;
use crate::front::Reply;

/// A checkpoint of 64 KiB and 63 hashes fit.
const BODY_MAX: usize = 128 * 1024;

/// Bytes of all bodies under way together.
const BODIES_MAX: u64 = 16 << 20;

/// Time a request's headers, and then its body, may take.
const PATIENCE: Duration = Duration::from_secs(10);

const CONNECTIONS_MAX: usize = 1024;

const TEXT: &str = "text/plain; charset=utf-8";

/// A running witness.
pub struct WitnessServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    listener: JoinHandle<()>,
}

impl WitnessServer {
    /// Listens on `address` and cosigns with `signer` what `store` allows.
    ///
    /// # Errors
    /// [`ServerError::Listen`].
    pub async fn start(
        address: SocketAddr,
        store: WitnessStore,
        signer: Box<dyn CheckpointSigner>,
    ) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let how = Listening {
            connections_max: CONNECTIONS_MAX,
            header_timeout: PATIENCE,
            certificates: None,
            drain: PATIENCE,
        };
        let front = Arc::new(Front { store, signer, bodies: Bodies::new(BODIES_MAX, PATIENCE) });
        let listener = tokio::spawn(serve(listener, how, front, stopped));
        Ok(Self { address, stop, listener })
    }

    /// Where it listens; the port chosen, if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Finishes what is under way and ends.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.listener.await;
    }
}

struct Front {
    store: WitnessStore,
    signer: Box<dyn CheckpointSigner>,
    bodies: Bodies,
}

impl Answer for Front {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _peer: IpAddr) -> Response<Reply> {
        let path = request.uri().path().to_owned();
        let read = matches!(*request.method(), Method::GET | Method::HEAD);
        match path.as_str() {
            "/add-checkpoint" if request.method() == Method::POST => self.add(request).await,
            "/add-checkpoint" => not_allowed("POST"),
            _ if !read => not_allowed("GET, HEAD"),
            "/healthz" => reply(200, TEXT, "ok\n".to_owned()),
            path => self.checkpoint(path).await,
        }
    }
}

impl Front {
    async fn add(self: Arc<Self>, request: Request<Incoming>) -> Response<Reply> {
        let body = match self.bodies.read(request.into_body(), BODY_MAX).await {
            Ok(body) => body,
            Err(problem) => return reply(problem.status, TEXT, problem.detail + "\n"),
        };
        // Cosigning waits for the disk.
        let cosigned = tokio::task::spawn_blocking(move || {
            let time_s = now_ms() / 1000;
            self.store.add_checkpoint(&body.bytes, time_s, self.signer.as_ref(), &AwsLc)
        });
        match cosigned.await {
            Ok(Ok(WitnessReply { status, media_type, body })) => reply(status, media_type, body),
            Ok(Err(error)) => failed(&error),
            Err(error) => failed(&error),
        }
    }

    async fn checkpoint(self: Arc<Self>, path: &str) -> Response<Reply> {
        let origin = path.strip_prefix('/').and_then(|path| path.strip_suffix("/checkpoint"));
        let Some(origin) = origin.map(str::to_owned) else {
            return reply(404, TEXT, "nothing is served here\n".to_owned());
        };
        let read = tokio::task::spawn_blocking(move || self.store.checkpoint(&origin));
        match read.await {
            Ok(Ok(Some(checkpoint))) => reply(200, TEXT, checkpoint),
            Ok(Ok(None)) => reply(404, TEXT, "no checkpoint of this log was cosigned\n".to_owned()),
            Ok(Err(error)) => failed(&error),
            Err(error) => failed(&error),
        }
    }
}

fn failed(error: &dyn std::error::Error) -> Response<Reply> {
    tracing::error!(%error, "the witness cannot answer");
    reply(500, TEXT, "the witness's own storage or key failed\n".to_owned())
}

fn not_allowed(allow: &'static str) -> Response<Reply> {
    let mut response = reply(405, TEXT, format!("only {allow}\n"));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

fn reply(status: u16, media_type: &'static str, body: String) -> Response<Reply> {
    let mut response = Response::new(Reply::Small(Full::new(Bytes::from(body))));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
