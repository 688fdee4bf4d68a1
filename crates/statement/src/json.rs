//! The JSON projection: the same statement for APIs and people, without loss.
//!
//! ```json
//! {"alg":"ES256","kid":"9f…","iss":"acme.example/devices","sub":"ip-200/app",
//!  "kind":"update","payload":{"device":"9f…","seq":7,…},"signature":"30…"}
//! ```
//!
//! Bytes are lowercase hex; integers above 2^53 are decimal strings; codes are their
//! names; absent fields are absent; extensions are `"extra":{"64":"<hex of the CBOR>"}`.
//!
//! Invariants:
//! - `from_json(to_json(x)) == x`, byte for byte, signature included.
//! - Unknown names are refused, as is every second way to write a value. What comes
//!   as text must come through [`strict::parse`]: a [`Value`] has already lost the
//!   first of two equal names.

pub mod shape;
pub mod strict;

use crate::{
    Algorithm, Bytes, Extra, Field, Kind, List, Parsed, Statement, StatementError, Text, Thumbprint,
};
use alloc::{string::String, vec::Vec};
use core::fmt::{self, Write as _};
use serde_json::{Map, Value};
use shape::{Fault, Line};

/// Why JSON is not the projection of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON.
    Syntax = 1,
    /// A value of another JSON type than its field asks for.
    WrongType = 2,
    /// A name this version does not know.
    UnknownName = 3,
    /// A required name is absent.
    NameMissing = 4,
    /// A number outside its field, or written the other way.
    NumberRange = 5,
    /// Not lowercase hex, or of another length.
    Hex = 6,
    /// The statement itself is refused.
    Statement(StatementError) = 7,
    /// One name twice in an object.
    NameTwice = 8,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "text is not JSON",
            Self::WrongType => "value has another JSON type than its field",
            Self::UnknownName => "name is not known",
            Self::NameMissing => "required name is absent",
            Self::NumberRange => "number is outside its field or in its other form",
            Self::Hex => "bytes are not lowercase hex of the right length",
            Self::Statement(e) => return e.fmt(f),
            Self::NameTwice => "name stands twice",
        })
    }
}

impl core::error::Error for JsonError {}

impl From<StatementError> for JsonError {
    fn from(e: StatementError) -> Self {
        Self::Statement(e)
    }
}

/// The projection of an entry.
pub fn to_json(parsed: &Parsed<'_>) -> Result<Value, StatementError> {
    let mut object = Map::new();
    object.insert("alg".into(), parsed.algorithm().to_json());
    object.insert("kid".into(), parsed.kid().to_json());
    object.insert("iss".into(), parsed.issuer().into());
    object.insert("sub".into(), parsed.subject().into());
    object.insert("kind".into(), parsed.kind().name().into());
    object.insert("payload".into(), parsed.decode()?.to_json());
    object.insert("signature".into(), parsed.signature().to_json());
    Ok(Value::Object(object))
}

/// The entry bytes of a projection.
pub fn from_json(value: &Value) -> Result<Vec<u8>, JsonError> {
    let mut object = Object::new(value)?;
    let algorithm: Algorithm = object.required("alg")?;
    let kid: Thumbprint = object.required("kid")?;
    let issuer: String = object.required("iss")?;
    let subject: String = object.required("sub")?;
    let kind =
        Kind::from_name(&object.required::<String>("kind")?).ok_or(JsonError::UnknownName)?;
    let payload = object.raw("payload").ok_or(JsonError::NameMissing)?;
    let statement = Statement::from_json(kind, payload)?;
    let signature: [u8; 64] = object.required("signature")?;
    object.end()?;
    Ok(crate::sign::attach(&statement, &issuer, &subject, (algorithm, &kid), signature)?)
}

/// The entry bytes of a projection in text; a name that stands twice is refused.
pub fn from_text(text: &str) -> Result<Vec<u8>, JsonError> {
    from_json(&strict::parse(text)?)
}

impl Statement {
    /// The payload's projection.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Trust(it) => it.to_json(),
            Self::Release(it) => it.to_json(),
            Self::Approval(it) => it.to_json(),
            Self::Authorisation(it) => it.to_json(),
            Self::Update(it) => it.to_json(),
            Self::Annotation(it) => it.to_json(),
            Self::Audit(it) => it.to_json(),
        }
    }

    /// Every name the payload of a kind may have.
    pub fn json_lines(kind: Kind) -> Vec<Line> {
        let mut out = Vec::new();
        let (path, out_ref) = ("payload", &mut out);
        match kind {
            Kind::Trust => crate::Trust::lines(path, out_ref),
            Kind::Release => crate::Release::lines(path, out_ref),
            Kind::Approval => crate::Approval::lines(path, out_ref),
            Kind::Authorisation => crate::Authorisation::lines(path, out_ref),
            Kind::Update => crate::Update::lines(path, out_ref),
            Kind::Annotation => crate::Annotation::lines(path, out_ref),
            Kind::Audit => crate::Audit::lines(path, out_ref),
        }
        out
    }

    /// Where JSON departs from the payload of a kind, if it does.
    pub fn json_fault(kind: Kind, value: &Value) -> Option<Fault> {
        let path = "payload";
        match kind {
            Kind::Trust => crate::Trust::fault(value, path),
            Kind::Release => crate::Release::fault(value, path),
            Kind::Approval => crate::Approval::fault(value, path),
            Kind::Authorisation => crate::Authorisation::fault(value, path),
            Kind::Update => crate::Update::fault(value, path),
            Kind::Annotation => crate::Annotation::fault(value, path),
            Kind::Audit => crate::Audit::fault(value, path),
        }
    }

    /// The statement of a payload's projection.
    pub fn from_json(kind: Kind, value: &Value) -> Result<Self, JsonError> {
        match kind {
            Kind::Trust => Json::from_json(value).map(Self::Trust),
            Kind::Release => Json::from_json(value).map(Self::Release),
            Kind::Approval => Json::from_json(value).map(Self::Approval),
            Kind::Authorisation => Json::from_json(value).map(Self::Authorisation),
            Kind::Update => Json::from_json(value).map(Self::Update),
            Kind::Annotation => Json::from_json(value).map(Self::Annotation),
            Kind::Audit => Json::from_json(value).map(Self::Audit),
        }
    }
}

/// A value with one JSON form.
pub trait Json: Sized {
    /// The JSON form.
    fn to_json(&self) -> Value;
    /// Reads the JSON form.
    fn from_json(value: &Value) -> Result<Self, JsonError>;
    /// What the JSON form is, for people.
    fn form() -> String;
    /// Tells of every name below this value.
    fn lines(path: &str, out: &mut Vec<Line>) {
        let _ = (path, out);
    }
    /// Where a value departs from the JSON form, if it does.
    fn fault(value: &Value, path: &str) -> Option<Fault> {
        shape::whole::<Self>(value, path)
    }
}

/// Writes a field if it is present.
pub(crate) fn put<T: Json + Field>(object: &mut Map<String, Value>, name: &str, value: &T) {
    if value.present() {
        object.insert(name.into(), value.to_json());
    }
}

/// Writes extensions if there are any.
pub(crate) fn put_extra(object: &mut Map<String, Value>, extra: &Extra) {
    if extra.count() > 0 {
        let pairs = extra.iter().map(|(key, value)| (alloc::format!("{key}"), hex(value).into()));
        object.insert("extra".into(), Value::Object(pairs.collect()));
    }
}

/// An object whose names must all be asked for.
#[derive(Debug)]
pub struct Object<'v> {
    map: &'v Map<String, Value>,
    taken: usize,
}

impl<'v> Object<'v> {
    pub(crate) fn new(value: &'v Value) -> Result<Self, JsonError> {
        Ok(Self { map: value.as_object().ok_or(JsonError::WrongType)?, taken: 0 })
    }

    fn raw(&mut self, name: &str) -> Option<&'v Value> {
        let value = self.map.get(name)?;
        self.taken = self.taken.saturating_add(1);
        Some(value)
    }

    fn required<T: Json>(&mut self, name: &str) -> Result<T, JsonError> {
        T::from_json(self.raw(name).ok_or(JsonError::NameMissing)?)
    }

    pub(crate) fn take<T: Json + Field>(&mut self, name: &str) -> Result<T, JsonError> {
        match self.raw(name) {
            Some(value) => T::from_json(value),
            None => T::absent().map_err(|_| JsonError::NameMissing),
        }
    }

    pub(crate) fn take_extra(&mut self) -> Result<Extra, JsonError> {
        let mut extra = Extra::default();
        let Some(value) = self.raw("extra") else { return Ok(extra) };
        let mut pairs = Vec::new();
        for (name, value) in value.as_object().ok_or(JsonError::WrongType)? {
            pairs.push((decimal(name)?, unhex(value)?));
        }
        if pairs.is_empty() {
            return Err(JsonError::Statement(StatementError::EmptyList));
        }
        pairs.sort();
        for (key, value) in pairs {
            extra.push(key, &value)?;
        }
        Ok(extra)
    }

    pub(crate) fn single(&mut self) -> Result<(&'v str, &'v Value), JsonError> {
        let mut pairs = self.map.iter();
        match (pairs.next(), pairs.next()) {
            (Some((name, value)), None) => Ok((name, value)),
            _ => Err(JsonError::WrongType),
        }
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'v str, &'v Value)> {
        self.map.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(crate) fn end(&self) -> Result<(), JsonError> {
        if self.taken == self.map.len() { Ok(()) } else { Err(JsonError::UnknownName) }
    }
}

/// The largest integer written as a number: every reader holds it exactly.
const EXACT_MAX: u64 = 1 << 53;

fn decimal(text: &str) -> Result<u64, JsonError> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    if canonical {
        text.parse().map_err(|_| JsonError::NumberRange)
    } else {
        Err(JsonError::NumberRange)
    }
}

macro_rules! json_unsigned {
    ($($ty:ty)*) => {$(
        impl Json for $ty {
            fn to_json(&self) -> Value {
                let wide = u64::from(*self);
                if wide > EXACT_MAX { alloc::format!("{wide}").into() } else { wide.into() }
            }
            fn from_json(value: &Value) -> Result<Self, JsonError> {
                let wide = match value {
                    Value::String(text) => decimal(text).ok().filter(|n| *n > EXACT_MAX),
                    Value::Number(number) => number.as_u64().filter(|n| *n <= EXACT_MAX),
                    _ => return Err(JsonError::WrongType),
                };
                wide.and_then(|n| n.try_into().ok()).ok_or(JsonError::NumberRange)
            }
            fn form() -> String {
                let max = u64::from(<$ty>::MAX);
                if max > EXACT_MAX {
                    return "a number from 0 to 2^53, above that a decimal string".into();
                }
                alloc::format!("a number from 0 to {max}")
            }
        }
    )*};
}
json_unsigned!(u8 u16 u32 u64);

impl Json for bool {
    fn to_json(&self) -> Value {
        (*self).into()
    }
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        value.as_bool().ok_or(JsonError::WrongType)
    }
    fn form() -> String {
        "true or false".into()
    }
}

impl Json for String {
    fn to_json(&self) -> Value {
        self.as_str().into()
    }
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        value.as_str().map(Self::from).ok_or(JsonError::WrongType)
    }
    fn form() -> String {
        "text".into()
    }
}

impl<const N: usize> Json for Text<N> {
    fn to_json(&self) -> Value {
        self.as_str().into()
    }
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        Ok(Self::new(value.as_str().ok_or(JsonError::WrongType)?)?)
    }
    fn form() -> String {
        alloc::format!("text of 1 to {N} bytes")
    }
}

impl<const N: usize> Json for [u8; N] {
    fn to_json(&self) -> Value {
        hex(self).into()
    }
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        unhex(value)?.try_into().map_err(|_| JsonError::Hex)
    }
    fn form() -> String {
        alloc::format!("{} lowercase hex digits", N.saturating_mul(2))
    }
}

impl<const N: usize> Json for Bytes<N> {
    fn to_json(&self) -> Value {
        hex(self).into()
    }
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        Ok(Self::new(&unhex(value)?)?)
    }
    fn form() -> String {
        alloc::format!("at most {} lowercase hex digits", N.saturating_mul(2))
    }
}

impl<T: Json> Json for Option<T> {
    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, Json::to_json)
    }
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        T::from_json(value).map(Some)
    }
    fn form() -> String {
        T::form()
    }
    fn lines(path: &str, out: &mut Vec<Line>) {
        T::lines(path, out);
    }
    fn fault(value: &Value, path: &str) -> Option<Fault> {
        T::fault(value, path)
    }
}

impl<T: Json> Json for Vec<T> {
    fn to_json(&self) -> Value {
        self.iter().map(Json::to_json).collect()
    }
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        let items = value.as_array().ok_or(JsonError::WrongType)?;
        if items.is_empty() {
            return Err(StatementError::EmptyList.into());
        }
        items.iter().map(T::from_json).collect()
    }
    fn form() -> String {
        alloc::format!("a list of: {}", T::form())
    }
    fn lines(path: &str, out: &mut Vec<Line>) {
        T::lines(&alloc::format!("{path}[]"), out);
    }
    fn fault(value: &Value, path: &str) -> Option<Fault> {
        shape::items::<T, Self>(value, path)
    }
}

impl<T: Json + Copy + Default, const N: usize> Json for List<T, N> {
    fn to_json(&self) -> Value {
        self.iter().map(Json::to_json).collect()
    }
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        Ok(Self::from_slice(&Vec::from_json(value)?)?)
    }
    fn form() -> String {
        alloc::format!("a list of at most {N}: {}", T::form())
    }
    fn lines(path: &str, out: &mut Vec<Line>) {
        T::lines(&alloc::format!("{path}[]"), out);
    }
    fn fault(value: &Value, path: &str) -> Option<Fault> {
        shape::items::<T, Self>(value, path)
    }
}

impl Json for crate::PublicKey {
    fn to_json(&self) -> Value {
        hex(&self.to_cose_key()).into()
    }
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        Ok(Self::from_cose_key(&unhex(value)?)?)
    }
    fn form() -> String {
        "hex of a COSE_Key, as FILE.pub of firmlog key new has it".into()
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().saturating_mul(2));
    bytes.iter().for_each(|b| write!(out, "{b:02x}").unwrap_or_default());
    out
}

fn unhex(value: &Value) -> Result<Vec<u8>, JsonError> {
    let text = value.as_str().ok_or(JsonError::WrongType)?.as_bytes();
    let nibble = |c: u8| match c {
        b'0'..=b'9' => Some(c.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(c.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let pairs = text.chunks(2).map(|pair| match pair {
        [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
        _ => None,
    });
    pairs.collect::<Option<_>>().ok_or(JsonError::Hex)
}
