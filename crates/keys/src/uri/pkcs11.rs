//! `pkcs11:` as in RFC 7512, as far as it names a private key.

use std::fmt;
use std::path::PathBuf;

use super::percent::{decode, decode_text, encode};
use super::{UriError, pairs};

/// What may stand for itself in the path and in the query besides what always may.
const PATH: &[u8] = b",=&";
const QUERY: &[u8] = b",=/?|";
const KNOWN: &str = "token, manufacturer, model, serial, slot-id, object, id, type (private); \
                     after ? module-path, pin-source";

/// A key in a token. What is not given matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pkcs11Uri {
    /// `CK_TOKEN_INFO` label.
    pub token: Option<String>,
    /// `CK_TOKEN_INFO` manufacturerID.
    pub manufacturer: Option<String>,
    /// `CK_TOKEN_INFO` model.
    pub model: Option<String>,
    /// `CK_TOKEN_INFO` serialNumber.
    pub serial: Option<String>,
    /// `CK_SLOT_ID`; modules may number anew at each start.
    pub slot_id: Option<u64>,
    /// `CKA_LABEL`.
    pub object: Option<String>,
    /// `CKA_ID`.
    pub id: Option<Vec<u8>>,
    /// The module, a shared library; by default that of `FIRMLOG_PKCS11_MODULE`.
    pub module_path: Option<PathBuf>,
    /// File with the PIN.
    pub pin_source: Option<PathBuf>,
}

impl Pkcs11Uri {
    pub(super) fn parse(text: &str) -> Result<Self, UriError> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut uri = Self::default();
        for (name, value) in pairs(path, ';')? {
            uri.path(name, value)?;
        }
        for (name, value) in pairs(query, '&')? {
            uri.query(name, value)?;
        }
        if uri.object.is_none() && uri.id.is_none() {
            return Err(UriError::Lacks("the key's label or id: object=… or id=…"));
        }
        Ok(uri)
    }

    fn path(&mut self, name: &str, value: &str) -> Result<(), UriError> {
        match name {
            "token" => self.token = text("token", value)?,
            "manufacturer" => self.manufacturer = text("manufacturer", value)?,
            "model" => self.model = text("model", value)?,
            "serial" => self.serial = text("serial", value)?,
            "object" => self.object = text("object", value)?,
            "id" => self.id = Some(decode(value, PATH)?),
            "slot-id" => self.slot_id = Some(slot(value)?),
            "type" if value == "private" => {}
            "type" => {
                return Err(UriError::Value {
                    name: "type",
                    got: value.to_owned(),
                    expected: "private",
                });
            }
            other => return Err(unknown(other)),
        }
        Ok(())
    }

    fn query(&mut self, name: &str, value: &str) -> Result<(), UriError> {
        match name {
            "module-path" => self.module_path = Some(absolute("module-path", value)?),
            "pin-source" => {
                let file = value.strip_prefix("file:").unwrap_or(value);
                self.pin_source = Some(absolute("pin-source", file)?);
            }
            "pin-value" => return Err(UriError::PinValue),
            other => return Err(unknown(other)),
        }
        Ok(())
    }
}

fn unknown(name: &str) -> UriError {
    UriError::Unknown { scheme: "pkcs11", name: name.to_owned(), known: KNOWN }
}

fn text(name: &'static str, value: &str) -> Result<Option<String>, UriError> {
    let text = decode_text(value, PATH)?;
    if !text.is_empty() {
        return Ok(Some(text));
    }
    Err(UriError::Value { name, got: text, expected: "a text, or leave it out" })
}

fn slot(text: &str) -> Result<u64, UriError> {
    let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    number.ok_or_else(|| UriError::Value {
        name: "slot-id",
        got: text.to_owned(),
        expected: "a whole number",
    })
}

fn absolute(name: &'static str, text: &str) -> Result<PathBuf, UriError> {
    let path = PathBuf::from(decode_text(text, QUERY)?);
    if path.is_absolute() {
        return Ok(path);
    }
    Err(UriError::Value {
        name,
        got: text.to_owned(),
        expected: "a file's path that begins with /",
    })
}

impl fmt::Display for Pkcs11Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |it: &Option<String>| it.as_ref().map(|it| encode(it.as_bytes(), PATH));
        let hex = |id: &Vec<u8>| id.iter().map(|byte| format!("%{byte:02X}")).collect();
        let file = |it: &Option<PathBuf>| {
            it.as_ref().map(|it| encode(it.as_os_str().as_encoded_bytes(), QUERY))
        };
        let path = [
            ("token", text(&self.token)),
            ("manufacturer", text(&self.manufacturer)),
            ("model", text(&self.model)),
            ("serial", text(&self.serial)),
            ("slot-id", self.slot_id.map(|it| it.to_string())),
            ("object", text(&self.object)),
            ("id", self.id.as_ref().map(hex)),
        ];
        let query =
            [("module-path", file(&self.module_path)), ("pin-source", file(&self.pin_source))];
        f.write_str("pkcs11:")?;
        f.write_str(&join(&path, ";"))?;
        let query = join(&query, "&");
        if query.is_empty() { Ok(()) } else { write!(f, "?{query}") }
    }
}

fn join(parts: &[(&str, Option<String>)], separator: &str) -> String {
    let given =
        parts.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
    given.collect::<Vec<_>>().join(separator)
}
