//! What servers say while they run: one line on stderr for each message.
//!
//! ```text
//! 2026-11-27T16:40:01Z  WARN a witness did not answer witness=w2.example error=…
//! ```
//!
//! In scope: `log serve` and `witness`, whose libraries speak through `tracing`. Out of scope: what
//! a command has to say (`answer`).
//!
//! Invariant: text that came from a request cannot steer the terminal; it is escaped.

use tracing::Level;

use crate::answer::Talk;

/// Sends messages to stderr from here on: as JSON with `--json`, errors alone with `--quiet`, down
/// to connections that ended early with `--verbose`.
pub(crate) fn listen(talk: &Talk) {
    let level = match (talk.quiet, talk.verbose) {
        (true, _) => Level::ERROR,
        (false, true) => Level::DEBUG,
        (false, false) => Level::INFO,
    };
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_target(false)
        .with_ansi(false);
    // A process serves once; that somebody listens already is no reason to stop.
    let _ = if talk.json { lines.json().try_init() } else { lines.try_init() };
}
