//! Erasing private values: what a running server and `firmlog log erase` on a stopped log share.
//!
//! ```text
//! what is held → the deed is noted, durably → erased in every file → told in the log (`audit`)
//! ```
//!
//! A kill between any two of these is made good by the next start, which erases what a deed names
//! and tells it.
//!
//! In scope: what this log keeps. Out of scope, and out of reach: copies that people made of it,
//! and bundles and answers that were handed out.

use std::path::PathBuf;

use firmlog_index::{Error, Index};
use firmlog_statement::disclosure::FieldId;

use crate::deeds::{Deeds, What};

/// An erasure that was noted, if there was anything to erase.
#[derive(Debug)]
pub struct Erasing {
    /// Where the entry is.
    pub index: u64,
    /// Names of the fields to erase.
    pub fields: Vec<String>,
    /// Names of the fields that stay.
    pub left: Vec<String>,
    /// The deed's file; none in a log of any bytes, or if there is nothing to erase.
    pub deed: Option<PathBuf>,
}

/// Notes durably that the values of entry `index` are erased; all of them, or those of one field.
///
/// # Errors
/// If the view cannot be read or the deed not be written; nothing is erased then.
pub fn begin(
    view: &Index,
    deeds: Option<&Deeds>,
    (index, leaf): (u64, [u8; 32]),
    field: Option<FieldId>,
) -> Result<Erasing, Error> {
    let held = view.disclosed(index)?;
    let named = |one: &u16| field.is_none_or(|field| field.code() == *one);
    let (erase, keep): (Vec<_>, Vec<_>) = held.iter().map(|it| it.field).partition(named);
    let names = |codes: Vec<u16>| codes.into_iter().map(name).collect::<Vec<_>>();
    let (fields, left) = (names(erase), names(keep));
    let mut deed = None;
    if let Some(deeds) = deeds.filter(|_| !fields.is_empty()) {
        let what = What::Erased { index, entry: leaf, fields: fields.clone() };
        deed = Some(deeds.note(what)?);
    }
    Ok(Erasing { index, fields, left, deed })
}

impl Erasing {
    /// Erases. When this returns, no file of the log holds the values.
    ///
    /// # Errors
    /// If a file cannot be written, or is being read all the time. The deed stays noted: the server
    /// tries again, at its next start at the latest.
    pub fn finish(&self, view: &Index) -> Result<usize, Error> {
        view.erase(self.index, &codes(&self.fields))
    }
}

/// The codes of fields, as the view has them.
pub(crate) fn codes(names: &[String]) -> Vec<u16> {
    let code = |name: &String| match FieldId::from_name(name) {
        Some(field) => Some(field.code()),
        None => name.parse().ok(),
    };
    names.iter().filter_map(code).collect()
}

/// A field of a newer version is named by its number.
fn name(code: u16) -> String {
    let field = FieldId::from_code(u64::from(code));
    field.map_or_else(|| code.to_string(), |field| field.name().to_owned())
}
