//! What can go wrong that is not a state of the time: whose it is, and why.

use std::io;
use std::path::PathBuf;

/// Why the clock could not be set up, asked or kept evidence of. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// Configuration: settings that cannot be used.
    #[error("use the settings{}: {why}", path.as_ref().map(|p| format!(" in {}", p.display())).unwrap_or_default())]
    Settings {
        /// The file, if they came from one.
        path: Option<PathBuf>,
        /// What is wrong, with the line.
        why: String,
    },
    /// Configuration: no Roughtime server is named.
    #[error("ask for the time: the settings name no [[roughtime.server]]")]
    NoServers,
    /// System: no random numbers.
    #[error("make a nonce: the system gives no random numbers: {0}")]
    Random(#[source] io::Error),
    /// Storage: an operation on a file failed.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
