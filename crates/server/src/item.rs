//! The forms a submitted entry arrives in.
//!
//! ```text
//! d2 84 …                          a statement (COSE_Sign1, tag 18)
//! 58 … / 59 …                      any entry as a byte string
//! 82 58 … [ {1: leaf, 2: field, 3: salt, 4: value}, … ]     an entry with its disclosures
//! ```
//!
//! Invariants:
//! - Reading copies no entry: an [`Item`] holds a part of the body.
//! - What an entry says is not looked at here; whatever cannot be told apart is refused whole.

use bytes::Bytes;
use firmlog_statement::codec::Decoder;
use firmlog_statement::disclosure::{Disclosure, DisclosureSet};
use firmlog_statement::{Parsed, StatementError, leaf_hash};

/// One submitted entry.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) entry: Bytes,
    pub(crate) disclosures: Vec<Disclosure>,
}

/// Why a body is not a list of entries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ItemError {
    #[error("nothing was sent")]
    Empty,
    #[error("more than {0} items")]
    TooMany(u64),
    #[error("at byte {at}: {what}")]
    Malformed { at: usize, what: String },
    #[error("at byte {at}: the disclosures cannot be read: {what}")]
    Disclosures { at: usize, what: StatementError },
    #[error("the disclosure of {0} opens no commitment")]
    OpensNothing(&'static str),
}

impl Item {
    /// Reads a body that is one item after the other, at most `items_max`.
    pub(crate) fn read_all(whole: &Bytes, items_max: u64) -> Result<Vec<Self>, ItemError> {
        let mut items = Vec::with_capacity((whole.len() / 128).min(4096));
        let mut rest: &[u8] = whole;
        while !rest.is_empty() {
            if items.len() as u64 >= items_max {
                return Err(ItemError::TooMany(items_max));
            }
            let at = whole.len() - rest.len();
            let (item, after) = rest.split_at(length(rest, at)?);
            rest = after;
            items.push(Self::of(whole, item, at)?);
        }
        if items.is_empty() { Err(ItemError::Empty) } else { Ok(items) }
    }

    /// Reads a body that is one item.
    pub(crate) fn read_one(whole: &Bytes) -> Result<Self, ItemError> {
        match whole.first() {
            // What is wrong with a bare statement is better told by the statement's own rules.
            Some(0xd2) => Ok(Self { entry: whole.clone(), disclosures: Vec::new() }),
            Some(0x82) => Self::of(whole, whole, 0),
            Some(_) => Err(ItemError::Malformed {
                at: 0,
                what: "neither a COSE_Sign1 in tag 18 nor [statement, disclosures]".into(),
            }),
            None => Err(ItemError::Empty),
        }
    }

    /// `item` is a part of `whole`, from byte `at` on.
    fn of(whole: &Bytes, item: &[u8], at: usize) -> Result<Self, ItemError> {
        let other = |what: &str| ItemError::Malformed { at, what: what.into() };
        let malformed =
            |error: StatementError| ItemError::Malformed { at, what: error.to_string() };
        let decoder = &mut Decoder::new(item);
        let bare = |entry| Self { entry: whole.slice_ref(entry), disclosures: Vec::new() };
        match item.first().map_or(0, |first| first >> 5) {
            6 => Ok(bare(item)),
            2 => decoder.bytes().map(bare).map_err(malformed),
            4 => {
                if decoder.head(4).map_err(malformed)? != 2 {
                    return Err(other("an array here is [statement, disclosures]"));
                }
                let entry = decoder.bytes().map_err(malformed)?;
                let disclosures = DisclosureSet::parse(decoder.rest())
                    .map_err(|what| ItemError::Disclosures { at, what })?;
                let entry = whole.slice_ref(entry);
                Ok(Self { entry, disclosures: disclosures.as_slice().to_vec() })
            }
            _ => Err(other(
                "an item is a COSE_Sign1 in tag 18, a byte string, or [statement, disclosures]",
            )),
        }
    }

    /// Checks every disclosure against the entry.
    pub(crate) fn check_disclosures(&self) -> Result<(), ItemError> {
        if self.disclosures.is_empty() {
            return Ok(());
        }
        let commitments = Parsed::parse(&self.entry)
            .and_then(|parsed| parsed.decode())
            .map(|statement| *statement.commitments())
            .map_err(|error| ItemError::Malformed { at: 0, what: error.to_string() })?;
        let leaf = leaf_hash(&self.entry);
        match self.disclosures.iter().find(|opened| !opened.opens(&leaf, &commitments)) {
            None => Ok(()),
            Some(wrong) => Err(ItemError::OpensNothing(wrong.field.name())),
        }
    }
}

/// Bytes of the item at the front of `rest`.
fn length(rest: &[u8], at: usize) -> Result<usize, ItemError> {
    // A tag is nothing the payload rules allow, so a statement is measured by its parts.
    if rest.first() == Some(&0xd2) {
        return statement_length(rest)
            .ok_or_else(|| ItemError::Malformed { at, what: "no COSE_Sign1".into() });
    }
    match Decoder::new(rest).skip() {
        Ok(item) => Ok(item.len()),
        Err(error) => Err(ItemError::Malformed { at, what: error.to_string() }),
    }
}

/// Length of the COSE_Sign1 at the front: its tag, its head, its four parts.
fn statement_length(bytes: &[u8]) -> Option<usize> {
    let body = bytes.strip_prefix(&[0xd2, 0x84])?;
    let decoder = &mut Decoder::new(body);
    decoder.bytes().ok()?;
    decoder.skip().ok()?;
    decoder.bytes().ok()?;
    decoder.bytes().ok()?;
    bytes.len().checked_sub(decoder.rest().len())
}
