//! What the projection looks like, and where JSON departs from it.
//!
//! ```text
//! payload.sbom.digest   64 lowercase hex digits   SHA-256 of the document.
//! payload.models[1]     got 7, expected text
//! ```
//!
//! Both follow from the tables of the statements themselves, so they cannot drift from what is
//! read and written.

use super::{Json, JsonError};
use crate::Field;
use alloc::{borrow::ToOwned as _, format, string::String, vec::Vec};
use serde_json::{Map, Value};

/// Where JSON is not the projection, and what should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The place: names joined by dots, positions in brackets.
    pub path: String,
    /// The broken rule.
    pub error: JsonError,
    /// What should be there.
    pub expected: String,
}

/// One name of a projection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The place; `[]` stands for each item of a list.
    pub path: String,
    /// Whether the object it is in must have it.
    pub required: bool,
    /// What stands there.
    pub form: String,
    /// What it says.
    pub about: String,
}

/// A fault of a whole value.
pub(crate) fn whole<T: Json>(value: &Value, path: &str) -> Option<Fault> {
    let error = T::from_json(value).err()?;
    Some(Fault { path: path.into(), error, expected: T::form() })
}

/// A name below a path.
pub(crate) fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

/// Tells of one field and what is below it.
pub(crate) fn line<T: Json + Field>(path: &str, name: &str, doc: &str, out: &mut Vec<Line>) {
    let (path, required) = (below(path, name), T::absent().is_err());
    out.push(Line { path: path.clone(), required, form: T::form(), about: about(doc) });
    T::lines(&path, out);
}

/// The fault of one field, if it has one.
pub(crate) fn field<T: Json + Field>(
    map: &Map<String, Value>,
    name: &str,
    path: &str,
) -> Option<Fault> {
    let path = below(path, name);
    match map.get(name) {
        Some(value) => T::fault(value, &path),
        None if T::absent().is_ok() => None,
        None => Some(Fault { path, error: JsonError::NameMissing, expected: T::form() }),
    }
}

/// What every kind of statement may have beside its own fields.
pub(crate) fn extensions(path: &str) -> Line {
    Line {
        path: below(path, "extra"),
        required: false,
        form: "an object: decimal keys from 64 up, hex of deterministic CBOR".into(),
        about: "Fields of your own.".into(),
    }
}

/// The fault of the extensions, if they have one.
pub(crate) fn extra(map: &Map<String, Value>, path: &str) -> Option<Fault> {
    let error = super::Object { map, taken: 0 }.take_extra().err()?;
    let Line { path, form, .. } = extensions(path);
    Some(Fault { path, error, expected: form })
}

/// A name that no field has.
pub(crate) fn stranger(map: &Map<String, Value>, known: &[&str], path: &str) -> Option<Fault> {
    let name = map.keys().find(|name| !known.contains(&name.as_str()))?;
    let expected = format!("one of {}", known.join(", "));
    Some(Fault { path: below(path, name), error: JsonError::UnknownName, expected })
}

/// The first item of a list that has a fault, or the list's own.
pub(crate) fn items<T: Json, L: Json>(value: &Value, path: &str) -> Option<Fault> {
    let each = value.as_array().into_iter().flatten();
    let mut faults = (0u64..).zip(each).map(|(n, item)| T::fault(item, &format!("{path}[{n}]")));
    faults.find_map(|fault| fault).or_else(|| whole::<L>(value, path))
}

/// The words of a documentation comment as the compiler hands them to a macro.
fn about(doc: &str) -> String {
    let words: Vec<&str> = doc.split('"').skip(1).step_by(2).map(str::trim).collect();
    words.join(" ").to_owned()
}
