//! The socket through which other processes reach the one that holds the journal.
//!
//! ```text
//! DIR/agent.sock   mode 0600: whoever may write the journal may also ask for it to be written
//! ```
//!
//! Invariants:
//! - A connection is one line each way, bounded in size and time; at most [`MOST`] at once.
//! - A socket left behind by a process that was killed is replaced: the lock decides who listens.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::config::Config;
use super::request::{LINE_MAX, Request, decode, encode};
use crate::answer::Answer;
use crate::error::{Error, Result};

/// Connections at once.
const MOST: usize = 64;
/// How long a line may take.
const LINE: Duration = Duration::from_secs(10);

/// A request and where its answer goes.
pub(crate) type Asked = (Request, mpsc::Sender<Result<Answer>>);

fn path(config: &Config) -> PathBuf {
    config.dir.join("agent.sock")
}

/// Listens; whoever holds the lock calls it.
pub(crate) fn listen<E: From<Asked> + Send + 'static>(
    config: &Config,
    events: mpsc::Sender<E>,
) -> Result<()> {
    let path = path(config);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &path, e));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(|e| Error::io("listen at", &path, e))?;
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, private).map_err(|e| Error::io("close", &path, e))?;
    std::thread::spawn(move || {
        let open = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming() {
            // One too many is closed at once; a listener that failed for a moment goes on.
            let Ok(stream) = stream else {
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            if open.fetch_add(1, Ordering::Relaxed) < MOST {
                let (events, open) = (events.clone(), open.clone());
                std::thread::spawn(move || {
                    drop(serve(stream, &events));
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            } else {
                open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    });
    Ok(())
}

/// Removes the socket, so that nobody waits for an answer.
pub(crate) fn close(config: &Config) {
    drop(std::fs::remove_file(path(config)));
}

fn serve<E: From<Asked>>(stream: UnixStream, events: &mpsc::Sender<E>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(LINE))?;
    stream.set_write_timeout(Some(LINE))?;
    let mut line = String::new();
    BufReader::new((&stream).take(1 << 16)).read_line(&mut line)?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => {
            let (answer, answered) = mpsc::channel();
            drop(events.send((request, answer).into()));
            answered.recv().unwrap_or_else(|_| Err(ended()))
        }
        Err(e) => Err(Error::form("request", e)),
    };
    (&stream).write_all(encode(&answer).as_bytes())
}

fn ended() -> Error {
    Error::new("E-AGENT", "the agent ended before it answered")
        .help("what was asked may have been done: see firmlog agent status")
}

/// Asks the process that listens; none if nobody does.
pub(crate) fn ask(
    config: &Config,
    request: &Request,
    command: &'static str,
    patience: Duration,
) -> Result<Option<Answer>> {
    let Ok(mut stream) = UnixStream::connect(path(config)) else { return Ok(None) };
    let broken = |e: std::io::Error| {
        tracing::debug!(error = %e, "no answer over the socket");
        ended()
    };
    stream.set_read_timeout(Some(patience)).map_err(broken)?;
    let line = serde_json::to_string(request).map_err(|e| Error::new("E-BUG", e))? + "\n";
    stream.write_all(line.as_bytes()).map_err(broken)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_MAX)).read_line(&mut answer).map_err(broken)?;
    if answer.is_empty() {
        return Err(ended());
    }
    decode(&answer, command).map(Some)
}
