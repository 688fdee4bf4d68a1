//! `log serve`: the server until SIGINT or SIGTERM.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use firmlog_server::Server;
use serde_json::json;

use super::ConfigArgs;
use crate::Context;
use crate::answer::{Answer, counted};
use crate::error::{Error, Result};

/// Runs the command. The first line on stdout says where it listens.
pub(crate) fn run(args: &ConfigArgs, context: &Context) -> Result<Answer> {
    let config = args.load()?.config;
    let tls = config.http.tls_key.0.clone();
    if let Some(key) = &tls {
        check_mode(key)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new("E-RUNTIME", e))?;
    crate::messages::listen(&context.talk);
    runtime.block_on(async {
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
        stopped().await?;
        context.talk.say("stopping: finishing requests, making everything durable");
        server.stop().await.map_err(|e| failed(&e))
    })?;
    Ok(Answer::new("log-serve", json!({"stopped": true}), "stopped\n"))
}

/// A key that others can read is refused, as the log's own is.
fn check_mode(key: &Path) -> Result<()> {
    let found = std::fs::metadata(key).map_err(|e| Error::io("read", key, e))?;
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o177 == 0 {
        return Ok(());
    }
    let path = key.display();
    Err(Error::new("E-KEY-MODE", format!("{path}: the TLS key may be read by others"))
        .expected("mode 0600", format!("mode {mode:04o}"))
        .help(format!("chmod 600 {path}")))
}

/// Resolves at SIGINT or SIGTERM.
pub(crate) async fn stopped() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| Error::new("E-RUNTIME", e))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

fn failed(error: &firmlog_server::ServerError) -> Error {
    Error::new("E-SERVER", format!("failed to {error}"))
}
