//! Forms a setting can have, read from TOML or from text.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use firmlog_keys::KeyUri;

/// A value as found.
#[derive(Clone, Debug)]
pub(crate) enum Raw {
    /// From a flag or variable.
    Text(String),
    /// From a file.
    Toml(toml::Value),
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Toml(value) => write!(f, "{value}"),
        }
    }
}

/// One form of setting.
pub(crate) trait Setting: Sized {
    /// What would have been accepted, for messages.
    const EXPECTED: &'static str;

    fn from_text(text: &str) -> Option<Self>;
    fn from_toml(value: &toml::Value) -> Option<Self>;
    fn written(&self) -> String;
    fn resolve(&mut self, _base: &Path) {}

    fn from_raw(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Text(text) => Self::from_text(text),
            Raw::Toml(value) => Self::from_toml(value),
        }
    }
}

/// A value that may be left out, written as an empty string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Optional<T>(pub Option<T>);

impl<T: Setting> Setting for Optional<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(None));
        }
        T::from_text(text).map(|value| Self(Some(value)))
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        if value.as_str() == Some("") {
            return Some(Self(None));
        }
        T::from_toml(value).map(|value| Self(Some(value)))
    }

    fn written(&self) -> String {
        self.0.as_ref().map(T::written).unwrap_or_default()
    }

    fn resolve(&mut self, base: &Path) {
        if let Some(value) = &mut self.0 {
            value.resolve(base);
        }
    }
}

impl Setting for SocketAddr {
    const EXPECTED: &'static str = "an address such as 127.0.0.1:8080";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        Self::from_text(value.as_str()?)
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::from(text))
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        Self::from_text(value.as_str()?)
    }

    fn written(&self) -> String {
        self.display().to_string()
    }

    fn resolve(&mut self, base: &Path) {
        *self = base.join(&*self);
    }
}

impl Setting for KeyUri {
    const EXPECTED: &'static str =
        "a key: a path, file:, tpm:handle=… or pkcs11:…;object=…?module-path=/… (RFC 7512)";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        Self::from_text(value.as_str()?)
    }

    fn written(&self) -> String {
        self.to_string()
    }

    fn resolve(&mut self, base: &Path) {
        *self = self.clone().resolved(base);
    }
}

impl Setting for u64 {
    const EXPECTED: &'static str = "a whole number";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().filter(|_| !text.starts_with('+'))
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        Self::try_from(value.as_integer()?).ok()
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_bool()
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "text";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }

    fn written(&self) -> String {
        self.clone()
    }
}
