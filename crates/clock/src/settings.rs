//! Settings of the clock: one TOML file, or a table in the daemon's.
//!
//! ```toml
//! max_drift_ppm = 200
//!
//! [chrony]
//! program = "/usr/bin/chronyc"
//!
//! [[roughtime.server]]
//! name = "hospital"
//! address = "time.hospital.example:5319"
//! key = "AW5uAoTSTDfG5NfY1bTh08GUnOqlRb+HVhbJ3ODJvsE="
//! ```
//!
//! Invariants: a key that does not exist is refused; no value is a secret; names and keys of
//! servers are unique, for each has one voice.

use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Deserializer};

use crate::error::ClockError;
use crate::evidence::{EXCHANGES_MAX, NAME_MAX};

/// All of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How fast this clock may run off when nothing disciplines it, parts per million.
    pub max_drift_ppm: u32,
    /// A step of the clock by more than this is a jump, milliseconds.
    pub jump_ms: u32,
    /// Where to ask chrony; left out with `enabled = false`.
    pub chrony: ChronySettings,
    /// Whom to ask for signed time.
    pub roughtime: RoughtimeSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_drift_ppm: 200,
            jump_ms: 1000,
            chrony: ChronySettings::default(),
            roughtime: RoughtimeSettings::default(),
        }
    }
}

/// `[chrony]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChronySettings {
    /// Whether chrony is asked; without it the kernel alone is.
    pub enabled: bool,
    /// Chrony's own program for asking it. An absolute path: what `PATH` leads to is not asked.
    pub program: PathBuf,
    /// Its command socket, or an address; left out, the program knows where.
    pub socket: Option<PathBuf>,
    /// How long all answers together may take, milliseconds.
    pub timeout_ms: u64,
    /// How long an answer is used before it is asked for again, milliseconds.
    pub refresh_ms: u64,
}

impl Default for ChronySettings {
    fn default() -> Self {
        Self {
            enabled: true,
            program: "/usr/bin/chronyc".into(),
            socket: None,
            timeout_ms: 1000,
            refresh_ms: 16_000,
        }
    }
}

/// `[roughtime]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoughtimeSettings {
    /// The servers, at least three to get a time.
    #[serde(rename = "server")]
    pub servers: Vec<Server>,
    /// How long each server may take, milliseconds.
    pub timeout_ms: u64,
    /// How long a time is used after it was asked for, milliseconds.
    pub max_age_ms: u64,
}

impl Default for RoughtimeSettings {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout_ms: 1000, max_age_ms: 3_600_000 }
    }
}

/// `[[roughtime.server]]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// What it is called in messages and evidence.
    pub name: String,
    /// `host:port`; RFC 10049 assigns port 5319.
    pub address: String,
    /// Its long-term Ed25519 key, in base64.
    #[serde(deserialize_with = "key")]
    pub key: [u8; 32],
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ClockError`] naming file and line.
    pub fn read(path: &Path) -> Result<Self, ClockError> {
        let io = |source| ClockError::Io { action: "read", path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(io)?;
        let named = |why| ClockError::Settings { path: Some(path.to_owned()), why };
        let settings: Self = toml::from_str(&text).map_err(|error| named(error.to_string()))?;
        settings.fault().map_or(Ok(settings), |why| Err(named(why)))
    }

    /// Checks settings that came with others.
    ///
    /// # Errors
    /// `Settings`.
    pub fn checked(self) -> Result<Self, ClockError> {
        self.fault().map_or(Ok(self), |why| Err(ClockError::Settings { path: None, why }))
    }

    fn fault(&self) -> Option<String> {
        let servers = &self.roughtime.servers;
        if servers.len() * 2 > EXCHANGES_MAX {
            return Some(format!("at most {} servers, got {}", EXCHANGES_MAX / 2, servers.len()));
        }
        for (at, server) in servers.iter().enumerate() {
            let name = &server.name;
            if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
                return Some(format!("the name of server {at}: expected 1 to {NAME_MAX} bytes"));
            }
            let before = servers.iter().take(at);
            if before.clone().any(|other| other.key == server.key) {
                return Some(format!("{name}: another server has the same key"));
            }
            if before.clone().any(|other| other.name == *name) {
                return Some(format!("{name}: another server has the same name"));
            }
        }
        self.chrony
            .program
            .is_relative()
            .then(|| "chrony.program: expected an absolute path".into())
    }
}

fn key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong =
        || serde::de::Error::custom("expected 32 bytes in base64, as roughtime servers print");
    let bytes = Base64::decode_vec(&text).map_err(|_| wrong())?;
    bytes.try_into().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, ClockError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Settings::read(file.path())
    }

    fn server(name: &str, byte: u8) -> String {
        let key = Base64::encode_string(&[byte; 32]);
        format!("[[roughtime.server]]\nname = \"{name}\"\naddress = \"x:1\"\nkey = \"{key}\"\n")
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        let settings = parse("").unwrap();
        assert!(settings.chrony.enabled && settings.roughtime.servers.is_empty());
        assert_eq!(settings.jump_ms, Settings::default().jump_ms);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_reason() {
        let short = server("a", 1).replace(&Base64::encode_string(&[1; 32]), "AQEB");
        for (text, reason) in [
            ("[chrony]\nprogramme = \"/x\"\n".into(), "programme"),
            ("[chrony]\nprogram = \"chronyc\"\n".into(), "absolute"),
            (server("a", 1) + &server("b", 1), "same key"),
            (server("a", 1) + &server("a", 2), "same name"),
            (server("", 1), "the name of server 0"),
            (server("a", 1).replace("AQEB", "!"), "base64"),
            (short, "base64"),
            ((0..33).map(|at| server(&format!("s{at}"), at)).collect(), "at most 32"),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(reason), "{reason}: {error}");
        }
        assert_eq!(parse(&(server("a", 1) + &server("b", 2))).unwrap().roughtime.servers.len(), 2);
    }
}
