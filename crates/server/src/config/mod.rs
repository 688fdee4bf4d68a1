//! Settings: one TOML file, an environment variable for every key, flags win.
//!
//! ```text
//! [http]
//! listen = "0.0.0.0:8080"          FIRMLOG_HTTP_LISTEN=…          --set http.listen=…
//! ```
//!
//! In scope: reading, refusing what is unknown, remembering where each value came from.
//! Out of scope: what the values are for (each key's own sentence says it).
//!
//! Invariants:
//! - A key that does not exist is refused, and the message lists those that do.
//! - Every value knows its [`Source`]; secrets are never values, only paths to files.

mod file;
mod keys;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

pub use keys::{Checks, Config, Http, Index, Limits, Log, Readiness, Refusals, Witnesses};
pub use value::Optional;

/// Prefix of the environment variable of every key.
const ENV_PREFIX: &str = "FIRMLOG_";

/// Environment variables of other parts of the program and of its tests, which are no keys.
const ENV_OTHERS: [&str; 10] = [
    "FIRMLOG_ANVIL",
    "FIRMLOG_CONFIG",
    "FIRMLOG_LOG",
    "FIRMLOG_TRUST",
    "FIRMLOG_GO_ORACLE",
    "FIRMLOG_PKCS11_MODULE",
    "FIRMLOG_PYTHON",
    "FIRMLOG_ROUGHTIME",
    "FIRMLOG_SOFTHSM",
    "FIRMLOG_TPM",
];

/// One key, for `config show`, the manual and error messages.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// `section.name`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Default as it would be written.
    pub default: &'static str,
}

impl Key {
    /// The environment variable that overrides it.
    pub fn variable(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.replace('.', "_").to_uppercase())
    }
}

/// Where a value came from. Later ones win.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Built in.
    #[default]
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "${name}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// One line of `config show`.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The key.
    pub key: Key,
    /// Its value as it would be written.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

/// Why settings were refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("read {path}: {message}")]
    NotToml {
        /// The file.
        path: PathBuf,
        /// The parser's own words, with the line.
        message: String,
    },
    /// A key that does not exist.
    #[error("take {key} from {source_name}: no such key; known keys: {known}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it was found.
        source_name: Source,
        /// All that exist, comma-separated.
        known: String,
    },
    /// A value of the wrong form.
    #[error("take {key} from {source_name}: expected {expected}, got {got}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// Where it was found.
        source_name: Source,
        /// What would have been accepted.
        expected: &'static str,
        /// What was there.
        got: String,
    },
}

/// A configuration with the origin of each value.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    sources: BTreeMap<&'static str, Source>,
}

impl Loaded {
    /// Reads `file` if given, then the environment, then `flags` (`section.name`, value).
    ///
    /// # Errors
    /// Unknown keys, values of the wrong form, an unreadable file.
    pub fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let mut loaded = Self::default();
        if let Some(path) = file {
            for (key, raw) in file::read(path)? {
                loaded.set(&key, &raw, &Source::File(path.to_owned()))?;
            }
            loaded.config.resolve_paths(path.parent().unwrap_or(Path::new("")), &loaded.sources);
        }
        for (variable, text) in environment {
            loaded.set_from_environment(variable, text)?;
        }
        for (key, text) in flags {
            loaded.set(key, &value::Raw::Text(text.clone()), &Source::Flag)?;
        }
        Ok(loaded)
    }

    /// Every key with its value and where that came from.
    pub fn show(&self) -> Vec<Shown> {
        let source = |name| self.sources.get(name).cloned().unwrap_or_default();
        Config::KEYS
            .iter()
            .zip(self.config.values())
            .map(|(key, value)| Shown { key: *key, value, source: source(key.name) })
            .collect()
    }

    fn set_from_environment(&mut self, variable: String, text: String) -> Result<(), ConfigError> {
        let ours = variable.starts_with(ENV_PREFIX) && !ENV_OTHERS.contains(&variable.as_str());
        if !ours {
            return Ok(());
        }
        let key = Config::KEYS.iter().find(|key| key.variable() == variable);
        let name = key.map_or(variable.as_str(), |key| key.name).to_owned();
        self.set(&name, &value::Raw::Text(text), &Source::Environment(variable))
    }

    fn set(&mut self, key: &str, raw: &value::Raw, source: &Source) -> Result<(), ConfigError> {
        match self.config.assign(key, raw) {
            Ok(name) => {
                self.sources.insert(name, source.clone());
                Ok(())
            }
            Err(None) => Err(ConfigError::UnknownKey {
                key: key.to_owned(),
                source_name: source.clone(),
                known: Config::KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", "),
            }),
            Err(Some((key, expected))) => Err(ConfigError::BadValue {
                key,
                source_name: source.clone(),
                expected,
                got: raw.to_string(),
            }),
        }
    }
}

impl Config {
    /// SHA-256 of every setting in effect, `section.name = value` in the manual's order, and of the
    /// witness policy and the anchors' settings that they name. Secrets are in other files.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (key, value) in Self::KEYS.iter().zip(self.values()) {
            hash.update(format!("{} = {value}\n", key.name));
        }
        for path in [&self.witnesses.policy.0, &self.anchor.config.0].into_iter().flatten() {
            // What cannot be read keeps the server from starting.
            hash.update(Sha256::digest(std::fs::read(path).unwrap_or_default()));
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        toml: &str,
        env: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Loaded, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("firmlog.toml");
        std::fs::write(&path, toml).unwrap();
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let env: Vec<_> = env.iter().map(owned).collect();
        let flags: Vec<_> = flags.iter().map(owned).collect();
        Loaded::read(Some(&path), env, &flags)
    }

    #[test]
    fn later_sources_win_and_are_named() {
        let toml = "[limits]\nconcurrency_max = 1\nbody_timeout_ms = 2\nbatch_items_max = 3\n";
        let env = [
            ("FIRMLOG_LIMITS_BODY_TIMEOUT_MS", "20"),
            ("FIRMLOG_LIMITS_BATCH_ITEMS_MAX", "30"),
            ("PATH", "x"),
        ];
        let loaded = read(toml, &env, &[("limits.batch_items_max", "300")]).unwrap();
        let limits = &loaded.config.limits;
        assert_eq!(
            (limits.concurrency_max, limits.body_timeout_ms, limits.batch_items_max),
            (1, 20, 300)
        );
        let shown = loaded.show();
        let source = |name| shown.iter().find(|line| line.key.name == name).unwrap().source.clone();
        assert!(matches!(source("limits.concurrency_max"), Source::File(_)));
        assert!(matches!(source("limits.body_timeout_ms"), Source::Environment(_)));
        assert_eq!(source("limits.batch_items_max"), Source::Flag);
        assert_eq!(source("http.listen"), Source::Default);
    }

    #[test]
    fn unknown_keys_are_refused_with_the_known_ones() {
        for error in [
            read("[http]\nlisten_on = \"x\"\n", &[], &[]).unwrap_err(),
            read("[nope]\na = 1\n", &[], &[]).unwrap_err(),
            read("", &[("FIRMLOG_HTTP_LISTEN_ON", "x")], &[]).unwrap_err(),
            read("", &[], &[("listen", "x")]).unwrap_err(),
        ] {
            assert!(error.to_string().contains("http.listen"), "{error}");
        }
    }

    #[test]
    fn wrong_values_say_what_was_expected_and_got() {
        let error = read("[http]\nlisten = 8080\n", &[], &[]).unwrap_err().to_string();
        assert!(error.contains("expected an address such as 127.0.0.1:8080, got 8080"), "{error}");
        let error = read("[limits]\nconcurrency_max = -1\n", &[], &[]).unwrap_err().to_string();
        assert!(error.contains("expected a whole number, got -1"), "{error}");
    }

    #[test]
    fn paths_in_a_file_are_relative_to_it() {
        let loaded = read("[log]\ndir = \"data\"\n", &[], &[]).unwrap();
        assert!(loaded.config.log.dir.is_absolute());
        let loaded = read("", &[("FIRMLOG_LOG_DIR", "data")], &[]).unwrap();
        assert_eq!(loaded.config.log.dir, Path::new("data"));
    }

    #[test]
    fn defaults_read_back_as_written() {
        let mut config = Config::default();
        for key in Config::KEYS {
            let written = config.assign(key.name, &value::Raw::Text(key.default.to_owned()));
            assert_eq!(written, Ok(key.name));
        }
        assert_eq!(config.values(), Config::default().values());
    }
}
