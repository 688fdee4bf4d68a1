//! A bare echo: the product's HTTP stack and runtime with nothing behind it.
//!
//! It reads the whole body of `POST /add` and answers a small decimal, as the
//! log does. What the log loses against it is what the log itself costs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;

/// Serves until the process ends.
///
/// # Errors
/// If the address cannot be listened on.
pub fn serve(address: SocketAddr, announce: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await.context("failed to listen")?;
        announce(listener.local_addr()?);
        axum::serve(listener, router()).await.context("failed to serve")
    })
}

fn router() -> Router {
    Router::new()
        .route("/add", post(echo))
        .route("/batch", post(echo))
        .with_state(Arc::new(AtomicU64::new(0)))
}

async fn echo(State(counter): State<Arc<AtomicU64>>, body: Bytes) -> String {
    std::hint::black_box(&body);
    counter.fetch_add(1, Ordering::Relaxed).to_string()
}
