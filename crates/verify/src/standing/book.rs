//! Statements that were proven, and how their fields are read where they are.

use firmlog_statement::codec::Decoder;
use firmlog_statement::event::EventType;
use firmlog_statement::{Digest, Field, Parsed};
use firmlog_tlog::merkle::{Hash, LeafIndex, TreeHead};

/// A statement that is signed by whom it says and in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proven<'a> {
    pub(crate) index: LeafIndex,
    pub(crate) parsed: Parsed<'a>,
}

impl Proven<'_> {
    /// Its leaf hash, computed anew: a device keeps none.
    pub(crate) fn leaf(&self) -> Hash {
        Hash(self.parsed.leaf_hash())
    }
}

/// Statements that were proven, each at the first place where its bytes stand.
pub(crate) trait Book {
    /// `Trust` statements, in the order of the log: the pinned genesis first.
    fn trusts(&self) -> impl Iterator<Item = Proven<'_>>;
    /// Releases, approvals and authorisations, in the order of the log.
    fn words(&self) -> impl Iterator<Item = Proven<'_>>;
    /// The statement of this leaf hash about a release, whether or not its own word counts.
    fn said(&self, leaf: &Hash) -> Option<Proven<'_>> {
        self.words().find(|it| it.leaf() == *leaf)
    }
    /// The tree that all of them are in.
    fn head(&self) -> TreeHead;
}

pub(crate) fn hash(parsed: &Parsed<'_>, key: u64) -> Option<Hash> {
    Digest::decode(&mut parsed.field(key)?).ok().map(|it| Hash(it.0))
}

pub(crate) fn number(parsed: &Parsed<'_>, key: u64) -> Option<u64> {
    parsed.field(key)?.uint().ok()
}

/// The step that a release, an approval or an authorisation tells of.
pub(crate) fn event_of(parsed: &Parsed<'_>) -> Option<EventType> {
    EventType::decode(&mut parsed.field(9)?).ok()
}

/// Whether a list of texts is empty or has this one.
pub(crate) fn lists(parsed: &Parsed<'_>, key: u64, wanted: &str) -> bool {
    lists_some(parsed, key, Some(wanted))
}

pub(crate) fn lists_some(parsed: &Parsed<'_>, key: u64, wanted: Option<&str>) -> bool {
    let Some(d) = parsed.field(key) else { return true };
    let mut all = Texts::new(d).into_iter().flatten().peekable();
    all.peek().is_none() || all.any(|text| Some(text) == wanted)
}

/// The texts of a list, read where they are.
#[derive(Clone)]
pub(crate) struct Texts<'a> {
    d: Decoder<'a>,
    left: usize,
}

impl<'a> Texts<'a> {
    pub(crate) fn new(mut d: Decoder<'a>) -> Option<Self> {
        let left = d.list().ok()?;
        Some(Self { d, left })
    }
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.left = self.left.checked_sub(1)?;
        self.d.text().ok()
    }
}
