//! The journal: a device's statements on NOR flash, whole or said to be lost.
//!
//! ```text
//! page 0, 1    the head, twice: which pages are live, what the log has, what had no room, and a
//!              mark for each record
//! page 2 …     a ring of records: header · note · entry
//! ```
//!
//! In scope: keeping statements in the order of the device chain until the log has them, a note of
//! the device's own state with each, and telling what was damaged. Out of scope: making statements,
//! sending them, deciding what a full journal means (the caller's policy).
//!
//! Invariants:
//! - A record counts once all of it is on flash: after a power cut it is there whole or not.
//! - The head knows how many records there are: a page that was lost is missed.
//! - A page is erased only if the log confirmed every statement in it.
//! - At most two program operations on each page touched by an append, no erase unless a page is
//!   freed.
//! - Each bit of the flash is covered: a flipped one is found when the journal is opened.
//!
//! Normative text: `docs/spec/journal.md`, rules `JRN-…`.

mod error;
mod heads;
mod layout;
mod medium;
mod open;
mod read;
mod write;

pub use error::{Error, Finding, Report};
pub use layout::{Covered, Dropped, ENTRY_MAX, NOTE_MAX, WORD_MAX};
pub use read::EachStatement;

use crate::flash::Flash;
use firmlog_statement::ChainEntry;
use firmlog_statement::chain::ChainHead;
use firmlog_statement::event::EventType;
use layout::{Chain, End, FRAME, Head, PageHeader, formatting};
use medium::Medium;

/// What the device wants to remember with its newest statement: its own state, at most
/// [`NOTE_MAX`] bytes that mean nothing to the journal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Note {
    bytes: [u8; NOTE_MAX],
    len: u8,
}

impl Note {
    /// Nothing to remember.
    pub const EMPTY: Self = Self { bytes: [0; NOTE_MAX], len: 0 };

    /// Takes bytes; none if they are too many.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut note = Self::EMPTY;
        note.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        note.len = u8::try_from(bytes.len()).ok()?;
        Some(note)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl core::fmt::Debug for Note {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Note").field(&self.as_bytes()).finish()
    }
}

/// Who may use the last pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// May not use the reserve.
    Routine,
    /// Refusals, tamper statements and gaps: all but the last page.
    Urgent,
    /// That an install begins, and how it ended: whoever floods a device with bad images must not
    /// keep it from a good one.
    Install,
}

impl Class {
    /// That of a statement of these events.
    pub fn of(events: impl Iterator<Item = EventType>) -> Self {
        use EventType as T;
        let class = |event: EventType| match event {
            T::InstallStarted | T::Committed | T::InstallFailed => Self::Install,
            T::RolledBack | T::RollbackFailed => Self::Install,
            T::LogGap => Self::Urgent,
            _ if event.is_urgent() => Self::Urgent,
            _ => Self::Routine,
        };
        events.map(class).max().unwrap_or(Self::Routine)
    }
}

/// One thing to record.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// The statement; it must be next in the device chain.
    pub entry: ChainEntry<'a>,
    /// The device's state from here on.
    pub note: &'a Note,
    /// Whether it may use the reserve.
    pub class: Class,
    /// Whether the statement tells of all that was dropped so far.
    pub tells_of_dropped: bool,
    /// Whether it tells of all that is lost so far.
    pub tells_of_lost: bool,
}

/// A journal on a flash of pages of `PAGE` bytes and words of `WORD` bytes.
///
/// `PAGE` is a power of two of at least 1024 bytes, `WORD` one of at most [`WORD_MAX`]. The flash
/// has at least six pages and is used by nothing else.
#[derive(Clone, Debug)]
pub struct Journal<F, const PAGE: usize, const WORD: usize> {
    medium: Medium<F, PAGE, WORD>,
    state: State,
}

/// The low half of a seq.
fn low(seq: u64) -> u32 {
    u32::try_from(seq & u64::from(u32::MAX)).unwrap_or_default()
}

/// What is known of the flash; always as it is on flash, or `broken`.
#[derive(Clone, Copy, Debug)]
struct State {
    head: Head,
    /// Where what is used of each copy of the head ends.
    used: [usize; 2],
    /// Where the newest head of the first copy stands; none where that page fails.
    head_at: Option<usize>,
    /// Offset of the next record in the newest page.
    at: usize,
    /// Nothing in the newest page can be read as a record.
    empty: bool,
    link: [u8; 32],
    /// Where the device chain stands, as far as can be read; zeros where nothing tells.
    chain: Chain,
    /// Hash of the statement that was to be appended last.
    tried: [u8; 32],
    /// Damage hides what came after that.
    hidden: bool,
    /// From where statements are lost, while no statement tells of it.
    lost_from: Option<u64>,
    /// How many records of the live pages are lost.
    lost: u32,
    /// Where records ended when they were last read.
    found_end: End,
    /// How many of the dropped were told of.
    said: u32,
    note: Note,
    /// Page that holds the note.
    note_page: u64,
    /// The newest page takes no more records.
    closed: bool,
    /// A write failed in the middle: flash and this may differ.
    broken: bool,
    /// Something else wrote to the flash, which is why.
    foreign: bool,
}

impl State {
    /// Where the device chain ends; none while damage hides it.
    const fn known_chain(&self) -> Option<Chain> {
        if self.hidden { None } else { Some(self.chain) }
    }

    const fn go_on(&mut self, chain: Chain) {
        self.chain = chain;
        self.hidden = false;
    }
}

impl<F: Flash, const PAGE: usize, const WORD: usize> Journal<F, PAGE, WORD> {
    /// Makes an empty journal, erasing everything. `start` is where the device's chain stands: the
    /// seed of a new device, or the log's head for one whose flash was replaced.
    ///
    /// A power cut leaves what was there before, or [`Error::FormatCut`]: format again.
    ///
    /// # Errors
    /// [`Error::Geometry`] or [`Error::Flash`].
    pub fn format(flash: F, start: ChainHead) -> Result<Self, Error> {
        let mut journal = Self::unopened(flash);
        let Self { medium, state } = &mut journal;
        medium.check()?;
        // Until the second copy says otherwise the first one says that this is under way.
        medium.erase(0)?;
        medium.program(0, 0, &formatting())?;
        for place in 1..medium.0.pages() {
            medium.erase(place)?;
        }
        let chain = Chain { next: start.next_seq().ok_or(Error::Bug)?, hash: start.hash };
        state.go_on(chain);
        let header = PageHeader { chain: Some(chain), ..PageHeader::default() };
        let place = medium.place(0)?;
        medium.program(place, 0, &medium.lay_header(&header))?;
        state.head.version = 1;
        state.head.covered.next = chain.next;
        state.head.end.seq = low(chain.next);
        let second = medium.put_head(1, 0, &state.head)?;
        // As if it were full: the word that this is under way is erased last.
        let first = medium.put_head(0, PAGE, &state.head)?;
        state.used = [first, second];
        state.head_at = Some(0);
        state.broken = false;
        Ok(journal)
    }

    /// Whether it takes statements: not before it was opened, or after a write failed.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !self.state.broken
    }

    /// Whether the newest statement is the one that was to be appended last: after a write that
    /// failed, and opening again, whether it got as far as it takes to count.
    #[must_use]
    pub fn has_the_last(&self) -> bool {
        self.state.tried == self.state.chain.hash
    }

    /// Whether something else was seen to have written to this flash; until it is opened again.
    #[must_use]
    pub const fn saw_other_writer(&self) -> bool {
        self.state.foreign
    }

    /// Seq the next statement must carry, and its `prev`; none while damage hides them.
    #[must_use]
    pub fn next(&self) -> Option<(u64, [u8; 32])> {
        self.state.known_chain().map(|chain| (chain.next, chain.hash))
    }

    /// How far the device chain can be read: the seq after the newest statement that the journal
    /// still knows of, and the hash of that; zeros for a hash where nothing tells.
    #[must_use]
    pub const fn readable(&self) -> (u64, [u8; 32]) {
        (self.state.chain.next, self.state.chain.hash)
    }

    /// Seq from which on the device's own statements could not be read when it went on from the
    /// log's head; none once a statement was recorded since, which tells of it.
    #[must_use]
    pub const fn lost_from(&self) -> Option<u64> {
        self.state.lost_from
    }

    /// What the log has confirmed.
    #[must_use]
    pub const fn covered(&self) -> Covered {
        self.state.head.covered
    }

    /// What had no room so far.
    #[must_use]
    pub const fn dropped(&self) -> Dropped {
        self.state.head.dropped
    }

    /// How many records of the live pages are lost, that no statement has told of.
    #[must_use]
    pub const fn untold_lost(&self) -> u32 {
        self.state.lost.saturating_sub(self.state.head.told)
    }

    /// How many of the dropped no statement has told of yet.
    #[must_use]
    pub const fn untold(&self) -> u32 {
        self.state.head.dropped.count.saturating_sub(self.state.said)
    }

    /// The device's state as it was last recorded.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.state.note
    }

    /// Pages that are free, the reserve among them.
    #[must_use]
    pub fn free_pages(&self) -> u32 {
        let head = &self.state.head;
        let live = head.newest.saturating_sub(head.oldest).saturating_add(1);
        let live = u32::try_from(live).unwrap_or(u32::MAX);
        self.medium.data_pages().saturating_sub(live)
    }

    /// Pages kept for what is urgent: an eighth of them, at least one, and one for installs alone.
    #[must_use]
    pub fn reserve(&self) -> u32 {
        (self.medium.data_pages() >> 3).max(1).saturating_add(1)
    }

    /// The flash, as it is.
    pub const fn flash(&self) -> &F {
        &self.medium.0
    }

    /// Gives the flash back.
    pub fn into_flash(self) -> F {
        self.medium.0
    }
}
