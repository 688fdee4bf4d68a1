//! `tpm:`, a form of our own: what the TPM keeps, and how it is reached.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::percent::{decode_text, encode};
use super::{UriError, number, pairs};

const KNOWN: &str = "handle (a key) or nv (a counter); after ? tcti";
const TCTI: &[u8] = b"/,=";
/// Handles that the owner may make keys persistent under (TPM 2.0 part 2, table 27).
const PERSISTENT: std::ops::RangeInclusive<u32> = 0x8100_0000..=0x817F_FFFF;
/// Indexes of the owner's NV memory.
const NV: std::ops::RangeInclusive<u32> = 0x0100_0000..=0x01FF_FFFF;

/// Something in a TPM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmUri {
    /// What.
    pub object: TpmObject,
    /// In which TPM; by default that of `FIRMLOG_TPM`, else `/dev/tpmrm0`.
    pub tcti: Option<Tcti>,
}

/// What a TPM keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TpmObject {
    /// A key at a persistent handle.
    Key(u32),
    /// A counter at an NV index.
    Counter(u32),
}

/// How a TPM is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tcti {
    /// A character device.
    Device(PathBuf),
    /// The command port of `swtpm`.
    Swtpm {
        /// Its host.
        host: String,
        /// Its port.
        port: u16,
    },
}

impl TpmUri {
    pub(super) fn parse(text: &str) -> Result<Self, UriError> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let unknown =
            |name: &str| UriError::Unknown { scheme: "tpm", name: name.to_owned(), known: KNOWN };
        let mut object = None;
        for (name, value) in pairs(path, ';')? {
            let read = match name {
                "handle" => TpmObject::Key(within("handle", value, PERSISTENT)?),
                "nv" => TpmObject::Counter(within("nv", value, NV)?),
                other => return Err(unknown(other)),
            };
            if object.replace(read).is_some() {
                return Err(UriError::Twice("handle or nv".to_owned()));
            }
        }
        let mut tcti = None;
        for (name, value) in pairs(query, '&')? {
            match name {
                "tcti" => tcti = Some(decode_text(value, TCTI)?.parse()?),
                other => return Err(unknown(other)),
            }
        }
        let object = object.ok_or(UriError::Lacks("handle=0x81010001 or nv=0x01500016"))?;
        Ok(Self { object, tcti })
    }
}

/// A counter's name.
impl FromStr for TpmUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        match super::scheme(text) {
            Some(("tpm", rest)) => match Self::parse(rest)? {
                Self { object: TpmObject::Key(_), .. } => Err(UriError::KeyNotCounter),
                counter => Ok(counter),
            },
            _ => Err(UriError::Value {
                name: "a counter",
                got: text.to_owned(),
                expected: "tpm:nv=0x01500016",
            }),
        }
    }
}

impl fmt::Display for TpmUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.object {
            TpmObject::Key(handle) => write!(f, "tpm:handle={handle:#010x}")?,
            TpmObject::Counter(index) => write!(f, "tpm:nv={index:#010x}")?,
        }
        let Some(tcti) = &self.tcti else { return Ok(()) };
        write!(f, "?tcti={}", encode(tcti.to_string().as_bytes(), TCTI))
    }
}

impl FromStr for Tcti {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let refused = || UriError::Value {
            name: "tcti",
            got: text.to_owned(),
            expected: "device:/dev/tpmrm0 or swtpm:host=127.0.0.1,port=2321",
        };
        if let Some(path) = text.strip_prefix("device:") {
            let path = PathBuf::from(path);
            return Some(Self::Device(path)).filter(Self::sound).ok_or_else(refused);
        }
        let parts = text.strip_prefix("swtpm:").ok_or_else(refused)?;
        let (mut host, mut port) = (None, None);
        for (name, value) in pairs(parts, ',')? {
            match name {
                "host" => host = Some(value.to_owned()).filter(|it| !it.is_empty()),
                "port" => port = value.parse().ok().filter(|_| !value.starts_with('+')),
                _ => return Err(refused()),
            }
        }
        let (Some(host), Some(port)) = (host, port) else { return Err(refused()) };
        Ok(Self::Swtpm { host, port })
    }
}

impl Tcti {
    fn sound(&self) -> bool {
        matches!(self, Self::Device(path) if path.is_absolute())
    }
}

impl fmt::Display for Tcti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => write!(f, "device:{}", path.display()),
            Self::Swtpm { host, port } => write!(f, "swtpm:host={host},port={port}"),
        }
    }
}

fn within(
    name: &'static str,
    text: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Result<u32, UriError> {
    let expected = match name {
        "handle" => "0x81000000 to 0x817fffff",
        _ => "0x01000000 to 0x01ffffff",
    };
    let number = number(name, text, expected)?;
    let refused = || UriError::Value { name, got: text.to_owned(), expected };
    Some(number).filter(|it| range.contains(it)).ok_or_else(refused)
}
