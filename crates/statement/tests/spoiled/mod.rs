//! Entries that break one rule each: name, rule, error, bytes.
//!
//! ```text
//! bad_unprotected_not_empty   STM-010   UnprotectedNotEmpty   d2 84 … a1 04 40 …
//! ```
//!
//! Made from sound entries by changing what the name says and nothing else; the
//! signature stays, as structure is judged before signatures.

mod build;
mod envelope;
mod payload;

use firmlog_statement::StatementError;

/// A spoiled entry.
pub(crate) struct Spoiled {
    pub(crate) name: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) expect: StatementError,
    pub(crate) entry: Vec<u8>,
}

/// Every spoiled entry, by name.
pub(crate) fn all() -> Vec<Spoiled> {
    let mut all = envelope::all();
    all.extend(payloads());
    all.sort_by_key(|it| it.name);
    all
}

/// Those whose payload is at fault.
pub(crate) fn payloads() -> Vec<Spoiled> {
    payload::all()
}
