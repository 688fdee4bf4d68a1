//! Names of keys, the same on the command line and in configuration.
//!
//! ```text
//! acme-build.pem                                        a file, as is `file:acme-build.pem`
//! pkcs11:token=hsm-1;object=log?module-path=/usr/lib/softhsm/libsofthsm2.so        RFC 7512
//! tpm:handle=0x81010001                                 a key the TPM keeps, in /dev/tpmrm0
//! tpm:nv=0x01500016?tcti=swtpm:host=127.0.0.1,port=2321 a counter, in a TPM elsewhere
//! ```
//!
//! In scope: the three forms, their spelling, where a name is incomplete or says too much. Out of
//! scope: whether there is such a key.
//!
//! Invariants:
//! - What a name displays as is parsed back to the same name.
//! - No secret is part of a name: `pin-value` is refused, `pin-source` names a file.
//! - A word before a colon that is none of the three is refused, not taken for a file.

mod percent;
mod pkcs11;
mod tpm;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use pkcs11::Pkcs11Uri;
pub use tpm::{Tcti, TpmObject, TpmUri};

/// Where a private key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyUri {
    /// PKCS#8 PEM in a file.
    File(PathBuf),
    /// In a TPM 2.0.
    Tpm(TpmUri),
    /// In a token behind a PKCS#11 module.
    Pkcs11(Pkcs11Uri),
}

/// What is wrong with a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// No name at all.
    #[error("the name of the key is empty: expected a path, file:, tpm: or pkcs11:")]
    Empty,
    /// Another scheme, or one of these in capitals.
    #[error(
        "`{0}:` is no kind of key: expected a path, file:, tpm: or pkcs11: (lower case); a file of \
         that name is file:{0}:…"
    )]
    Scheme(String),
    /// `file://`.
    #[error("`file:` is followed by the path itself, without `//`: file:/etc/firmlog/key.pem")]
    FileAuthority,
    /// A part that is not `name=value`.
    #[error("`{0}` is not name=value")]
    NotPair(String),
    /// A name that means nothing here.
    #[error("`{name}` means nothing in a {scheme}: name; known: {known}")]
    Unknown {
        /// The scheme.
        scheme: &'static str,
        /// What was found.
        name: String,
        /// What there is.
        known: &'static str,
    },
    /// A name given twice.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// A byte that must be percent-encoded, or a `%` that two hex digits do not follow.
    #[error("`{0}` has a character that must be written as % and two hex digits")]
    Percent(String),
    /// A value that cannot be.
    #[error("`{name}` is {got:?}: expected {expected}")]
    Value {
        /// Which.
        name: &'static str,
        /// What was found.
        got: String,
        /// What would do.
        expected: &'static str,
    },
    /// Something without which nothing can be found.
    #[error("the name lacks {0}")]
    Lacks(&'static str),
    /// `pin-value`.
    #[error(
        "a PIN in a name shows in process lists and histories: put it into a file and name that \
         as pin-source or passphrase file"
    )]
    PinValue,
    /// A counter where a key is meant.
    #[error("tpm:nv= names a counter; a key is tpm:handle=0x81010001")]
    CounterNotKey,
    /// A key where a counter is meant.
    #[error("tpm:handle= names a key; a counter is tpm:nv=0x01500016")]
    KeyNotCounter,
}

impl FromStr for KeyUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let Some((scheme, rest)) = scheme(text) else {
            let path = (!text.is_empty()).then(|| Self::File(text.into()));
            return path.ok_or(UriError::Empty);
        };
        match scheme {
            "file" if rest.starts_with("//") => Err(UriError::FileAuthority),
            "file" if rest.is_empty() => Err(UriError::Empty),
            "file" => Ok(Self::File(rest.into())),
            "tpm" => match TpmUri::parse(rest)? {
                TpmUri { object: TpmObject::Counter(_), .. } => Err(UriError::CounterNotKey),
                key => Ok(Self::Tpm(key)),
            },
            "pkcs11" => Pkcs11Uri::parse(rest).map(Self::Pkcs11),
            other => Err(UriError::Scheme(other.to_owned())),
        }
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => {
                let text = path.to_string_lossy();
                let marked = scheme(&text).is_some() && !text.starts_with("//");
                write!(f, "{}{text}", if marked { "file:" } else { "" })
            }
            Self::Tpm(uri) => uri.fmt(f),
            Self::Pkcs11(uri) => uri.fmt(f),
        }
    }
}

impl From<PathBuf> for KeyUri {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl KeyUri {
    /// The file, if the key is in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Tpm(_) | Self::Pkcs11(_) => None,
        }
    }

    /// With relative paths of files taken as relative to `base`.
    #[must_use]
    pub fn resolved(self, base: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(base.join(path)),
            other => other,
        }
    }
}

/// The word before the first colon, if it can be a scheme: two characters or more, so that a
/// drive's letter is none, and nothing that a path has.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.split_once(':')?;
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-');
    let first = word.as_bytes().first()?;
    let scheme = word.len() > 1 && first.is_ascii_alphabetic() && word.bytes().all(sound);
    scheme.then_some((word, rest))
}

/// `name=value` pairs between separators; no name twice.
fn pairs(text: &str, separator: char) -> Result<Vec<(&str, &str)>, UriError> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for part in text.split(separator).filter(|_| !text.is_empty()) {
        let pair = part.split_once('=').ok_or_else(|| UriError::NotPair(part.to_owned()))?;
        if found.iter().any(|(name, _)| *name == pair.0) {
            return Err(UriError::Twice(pair.0.to_owned()));
        }
        found.push(pair);
    }
    Ok(found)
}

/// `0x` and at most eight hex digits.
fn number(name: &'static str, text: &str, expected: &'static str) -> Result<u32, UriError> {
    let digits = text.strip_prefix("0x").filter(|it| !it.starts_with('+'));
    digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or_else(|| UriError::Value {
        name,
        got: text.to_owned(),
        expected,
    })
}

#[cfg(test)]
mod tests;
