//! `log serve`: the server until SIGINT or SIGTERM.

use firmlog_server::Server;
use serde_json::json;

use super::ConfigArgs;
use crate::Context;
use crate::answer::{Answer, counted};
use crate::command::key::access_error;
use crate::error::{Error, Result};

/// Runs the command. The first line on stdout says where it listens.
pub(crate) fn run(args: &ConfigArgs, context: &Context) -> Result<Answer> {
    let config = args.load()?.config;
    let tls = config.http.tls_key.0.clone();
    if let Some(key) = &tls {
        firmlog_keys::access::open(key).map_err(|e| access_error(key, e))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new("E-RUNTIME", e))?;
    crate::messages::listen(&context.talk);
    runtime.block_on(async {
        let stop = stopped()?;
        let server = Server::start(config).await.map_err(|e| failed(&e))?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", server.address());
        let recovered = server.recovery();
        let json = json!({"address": address, "pid": std::process::id(),
            "size": recovered.size.to_string(), "replayed": recovered.replayed.to_string()});
        let text =
            format!("listening on {address}, {}\n", counted(recovered.size, "entry", "entries"));
        let started = Answer::new("log-serve", json, text);
        context.talk.print(&started).map_err(|e| Error::new("E-IO", e))?;
        stop.await;
        context.talk.say("stopping: finishing requests, making everything durable");
        server.stop().await.map_err(|e| failed(&e))
    })?;
    Ok(Answer::new("log-serve", json!({"stopped": true}), "stopped\n"))
}

/// Resolves at SIGINT or SIGTERM, from the call on: call it before saying that something runs.
pub(crate) fn stopped() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let on = |kind| signal(kind).map_err(|e| Error::new("E-RUNTIME", e));
    let (mut terminate, mut interrupt) =
        (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn failed(error: &firmlog_server::ServerError) -> Error {
    Error::new("E-SERVER", format!("failed to {error}"))
}
