//! What the command line says when it cannot give the answer.
//!
//! ```text
//! error[E-KEY-MODE]: approver.pem: others can read this secret
//!   expected  readable by its owner and root alone
//!   got       readable by group staff
//!   help: chmod 600 approver.pem
//! ```
//!
//! In scope: exit codes, stable error codes, the text and JSON of an error. Out of scope: verdicts,
//! which are answers and not errors (`answer`).
//!
//! Invariants:
//! - Codes are never renamed; scripts may match them.
//! - A mismatch always shows what was expected and what was found.

use std::fmt;

/// How the process ends. The numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The whole claim was proven, or the command did what was asked.
    Proven = 0,
    /// There is evidence against the claim.
    Against = 1,
    /// The command could not run.
    CannotRun = 2,
    /// What was checked holds, but not everything the policy asks for is there yet.
    Incomplete = 3,
    /// The other side wants authentication.
    Auth = 4,
    /// The network, or the other side, did not answer.
    Network = 5,
}

/// An error with a stable code and the next step.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) code: &'static str,
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) expected_got: Option<(String, String)>,
    pub(crate) help: Option<String>,
}

/// What every command returns.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that means "could not run".
    pub(crate) fn new(code: &'static str, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        Self { code, exit: Exit::CannotRun, message, expected_got: None, help: None }
    }

    /// A file that could not be read or written.
    pub(crate) fn io(doing: &str, path: &std::path::Path, error: impl fmt::Display) -> Self {
        Self::new("E-IO", format!("failed to {doing} {}: {error}", path.display()))
    }

    /// Input that does not have the form it must have.
    pub(crate) fn form(what: &str, error: impl fmt::Display) -> Self {
        Self::new("E-FORM", format!("{what}: {error}"))
    }

    /// Arguments that make no command, as the parser tells it: what is wrong, tips, usage.
    pub(crate) fn usage(error: &clap::Error) -> Self {
        let text = error.to_string();
        let mut parts = text.trim().splitn(2, "\n\n").map(str::trim);
        let message = parts.next().unwrap_or_default();
        let usage = Self::new("E-USAGE", message.strip_prefix("error: ").unwrap_or(message));
        match parts.next() {
            Some(help) => usage.help(help),
            None => usage,
        }
    }

    /// A request that got no answer.
    pub(crate) fn network(message: impl fmt::Display) -> Self {
        Self::new("E-NETWORK", message).exit(Exit::Network)
    }

    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    pub(crate) fn help(mut self, help: impl fmt::Display) -> Self {
        self.help = Some(help.to_string());
        self
    }

    pub(crate) fn expected(mut self, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        self.expected_got = Some((expected.to_string(), got.to_string()));
        self
    }

    /// The `firmlog/error/v1` document.
    pub(crate) fn json(&self) -> serde_json::Value {
        let mut doc = serde_json::json!({
            "schema": "firmlog/error/v1",
            "code": self.code,
            "exit": self.exit as u8,
            "message": self.message,
        });
        if let Some((expected, got)) = &self.expected_got {
            doc["expected"] = expected.as_str().into();
            doc["got"] = got.as_str().into();
        }
        if let Some(help) = &self.help {
            doc["help"] = help.as_str().into();
        }
        doc
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        if let Some((expected, got)) = &self.expected_got {
            write!(f, "\n  expected  {expected}\n  got       {got}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}
