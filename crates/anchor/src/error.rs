//! What can go wrong here, grouped by whose it is. What a provider or the chain does is no error
//! but a state that waits (`status`).

use std::io;
use std::path::{Path, PathBuf};

use crate::quorum::Trouble;

/// Why the client could not go on. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// Configuration: a value that cannot be used.
    #[error("use the settings: {0}")]
    Config(String),
    /// Configuration: a key that cannot be used.
    #[error("use the key {}: {why}", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Configuration: another process anchors from this folder.
    #[error("lock {}: another process has it", .0.display())]
    Locked(PathBuf),
    /// Configuration: the journal is of another log, contract or account.
    #[error("use the journal in {}: expected {expected}, got {got}", path.display())]
    OtherJournal {
        /// The journal.
        path: PathBuf,
        /// What the settings say.
        expected: String,
        /// What the journal says.
        got: String,
    },
    /// Caller: not an update that the contract could take.
    #[error("log the update: {0}")]
    Update(String),
    /// Caller: another update is under way from this folder.
    #[error("log the update: version {version} of {device} is under way and not final")]
    Busy {
        /// Its device.
        device: String,
        /// Its version.
        version: String,
    },
    /// Storage: the index of events.
    #[error("use the index of events: {0}")]
    Index(#[from] rusqlite::Error),
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
    /// Storage: a file is not what was written.
    #[error("read {}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Caller: not a checkpoint that can be anchored.
    #[error("anchor the checkpoint: {0}")]
    Checkpoint(String),
    /// Caller: the consistency proof does not hold between the two heads.
    #[error("prove that the log grew by appending: {0}")]
    Proof(String),
    /// The authority's or the relay's key did not sign.
    #[error("sign: {0}")]
    Signer(String),
    /// The authority is k of n signers, and fewer signed.
    #[error("sign for the authority: {have} of its signers signed, {needed} must")]
    Signatures {
        /// How many did.
        have: u64,
        /// How many must.
        needed: u64,
    },
    /// Peer: providers gave no usable answer, where there is nothing to wait in.
    #[error("get an answer from the providers: {0}")]
    Providers(#[from] Trouble),
    /// Peer: the chain refused a call that must not fail.
    #[error("{what}: {why}")]
    Refused {
        /// What was asked of it.
        what: String,
        /// What it said.
        why: String,
    },
}

impl AnchorError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_path_buf(), source }
    }

    pub(crate) fn damaged(path: &Path, why: impl std::fmt::Display) -> Self {
        Self::Damaged { path: path.to_path_buf(), why: why.to_string() }
    }

    pub(crate) fn refused(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Refused { what: what.into(), why: why.to_string() }
    }
}
