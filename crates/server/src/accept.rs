//! Accepting connections: a cap, a deadline for headers, TLS if configured, and a drain.
//!
//! The cap holds back `accept` itself, so clients past it wait in the kernel's backlog instead of
//! being refused. A drain stops accepting, lets requests under way finish until a deadline, and
//! closes idle connections at once.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::front::Reply;
use crate::tls::Certificates;

/// Pause after `accept` failed, usually because file descriptors ran out.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Time a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Nearer than connections' deadlines as a rule; a wake that costs an idle server nothing.
const NEAR: Duration = Duration::from_secs(1);

/// What answers requests on a listener.
pub(crate) trait Answer: Send + Sync + 'static {
    /// Answers one request of `peer`.
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> impl Future<Output = Response<Reply>> + Send + 'static;
}

/// How a listener treats its connections.
pub(crate) struct Listening {
    pub(crate) connections_max: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) certificates: Option<Arc<Certificates>>,
    pub(crate) drain: Duration,
}

/// Serves until `stop` turns true, then drains.
pub(crate) async fn serve<A: Answer>(
    listener: TcpListener,
    how: Listening,
    answer: Arc<A>,
    mut stop: watch::Receiver<bool>,
) {
    let builder = Arc::new(protocol(how.header_timeout));
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(how.connections_max.max(1)));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        // Small answers must not wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let watcher = graceful.watcher();
        let (builder, answer) = (builder.clone(), answer.clone());
        let certificates = how.certificates.clone();
        tokio::spawn(async move {
            match certificates {
                None => converse(&builder, stream, peer, answer, watcher).await,
                Some(certificates) => {
                    if let Some(stream) = handshake(&certificates, stream).await {
                        converse(&builder, stream, peer, answer, watcher).await;
                    }
                }
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(how.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way at the end of the drain");
    }
}

fn protocol(header_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .max_header_list_size(32 * 1024)
        .keep_alive_interval(Some(header_timeout))
        .keep_alive_timeout(header_timeout);
    builder
}

/// Keeps the runtime's next timer nearer than any deadline of a connection, for ever.
///
/// A connection sets its header deadline anew for each request. If that is the nearest timer the
/// runtime knows of, setting it wakes the thread that sleeps for timers: a system call, and often a
/// thread, for one request in four (docs/design/008).
pub(crate) async fn keep_a_timer_near() {
    loop {
        tokio::time::sleep(NEAR).await;
    }
}

async fn handshake(
    certificates: &Certificates,
    stream: TcpStream,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let acceptor = certificates.acceptor();
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

async fn converse<A: Answer, S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    builder: &auto::Builder<TokioExecutor>,
    stream: S,
    peer: SocketAddr,
    answer: Arc<A>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = service_fn(move |request| {
        let answered = answer.clone().answer(request, peer.ip());
        async move { Ok::<_, std::convert::Infallible>(answered.await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended early");
    }
}
