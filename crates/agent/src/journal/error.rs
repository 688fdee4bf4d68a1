//! What a journal refuses, and what it found when it was opened.

use crate::flash::FlashError;
use firmlog_statement::{SignError, StatementError};

/// Why the journal did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[non_exhaustive]
pub enum Error {
    /// The flash failed; the journal must be opened again before it takes more.
    Flash(FlashError) = 1,
    /// Fewer than six pages, or pages or words of a size the format does not know.
    Geometry = 2,
    /// All pages for records are blank, and no head is there.
    Unformatted = 3,
    /// Neither copy of the head can be read, or pages are there that it does not know: nothing may
    /// be erased or appended.
    HeadLost = 4,
    /// No page is free, and none may be freed before the log confirms more.
    Full = 5,
    /// Longer than a statement may be, or than a page holds.
    TooLong = 6,
    /// Not an update statement in its one spelling.
    NotAnUpdate(StatementError) = 7,
    /// Not the next statement of the device chain.
    NotNext = 8,
    /// Damage hides the end of the device chain: ask the log for its head.
    ChainUnknown = 9,
    /// The flash failed before: open the journal again.
    NeedsOpening = 10,
    /// The caller's buffer does not hold the entry.
    BufferTooSmall = 11,
    /// A receipt for what the device never said, or for less than an earlier one.
    NotCovering = 12,
    /// The key's holder refused to sign.
    SignerRefused = 13,
    /// The key's holder is out of reach.
    SignerUnavailable = 14,
    /// A journal, or a note in it, of another version of this library: nothing was written.
    OtherFormat = 15,
    /// A journal for another number or size of pages, or other words: nothing was written.
    OtherGeometry = 16,
    /// Formatting was cut short, or nothing was said since: format again.
    FormatCut = 17,
    /// Something else has written to this flash since it was opened here: one program at a time may
    /// hold the journal. It must be opened again.
    OtherWriter = 18,
    /// Another key signed the newest statement than this one, or the one before it.
    OtherKey = 19,
    /// Internal contradiction.
    Bug = 65535,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Flash(FlashError::Driver) => "the flash driver failed",
            Self::Flash(FlashError::Bounds) => "the flash is smaller than it said",
            Self::Flash(FlashError::Worn) => "the flash does not keep what is written",
            Self::Geometry => "the flash has too few pages, or pages or words of unknown size",
            Self::Unformatted => "the flash is blank: format it when the device is enrolled",
            Self::HeadLost => "neither copy of the head can be read",
            Self::Full => "no page is free until the log confirms more",
            Self::TooLong => "longer than a statement may be, or than a page holds",
            Self::NotAnUpdate(_) => "not an update statement in its one spelling",
            Self::NotNext => "not the next statement of the device chain",
            Self::ChainUnknown => "damage hides the end of the chain: ask the log for its head",
            Self::NeedsOpening => "the flash failed: open the journal again",
            Self::BufferTooSmall => "the buffer does not hold the entry",
            Self::NotCovering => "the receipt covers other statements than these",
            Self::SignerRefused => "the key's holder refused to sign",
            Self::SignerUnavailable => "the key's holder is out of reach",
            Self::OtherFormat => "the journal was written by another version of this library",
            Self::OtherGeometry => "the journal is for other pages or words than these",
            Self::FormatCut => "formatting was cut short: format again",
            Self::OtherWriter => "something else has written to this flash: open the journal again",
            Self::OtherKey => "another key signed the newest statement",
            Self::Bug => "internal contradiction",
        })
    }
}

impl core::error::Error for Error {}

/// In one word of a small processor, so that results are returned in a register.
const _: () = assert!(size_of::<Result<(), Error>>() == 4);

impl From<SignError> for Error {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Statement(error) => Self::NotAnUpdate(error),
            SignError::Unavailable => Self::SignerUnavailable,
            _ => Self::SignerRefused,
        }
    }
}

/// What was wrong with the flash when the journal was opened. Pages are places in flash, offsets
/// are bytes in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A copy of the head was damaged; the other was used and both are whole again.
    HeadCopyDamaged {
        /// 0 or 1.
        copy: u8,
    },
    /// Power was cut between the two copies; both are the newer again.
    HeadCopyBehind {
        /// 0 or 1.
        copy: u8,
    },
    /// A free page was not blank: an erase or a page's first write was cut, or bits changed. It was
    /// erased; no live record was in it.
    FreePageNotBlank {
        /// Which.
        page: u32,
    },
    /// A page could not be put right: the flash fails there.
    PageUnusable {
        /// Which.
        page: u32,
    },
    /// Space behind the records of the newest page was not blank. No record was in it, and none is
    /// written there any more.
    FreeSpaceNotBlank {
        /// Where.
        page: u32,
        /// Where in it.
        at: u32,
    },
    /// The header of a live page does not hold.
    PageHeaderDamaged {
        /// Which.
        page: u32,
    },
    /// A closed page differs from what it was when it was closed, outside its records.
    PageAltered {
        /// Which.
        page: u32,
    },
    /// Something that was a record does not hold.
    RecordDamaged {
        /// Where.
        page: u32,
        /// Where in it.
        at: u32,
    },
    /// Records are missing.
    RecordsLost {
        /// Number of the first.
        from: u64,
        /// Number of the next one that is there.
        to: u64,
    },
    /// A record does not name the one before it.
    LinkBroken {
        /// Its number.
        number: u64,
    },
    /// Power was cut in the middle of a record. It was never confirmed and does not count.
    RecordTorn {
        /// Where.
        page: u32,
        /// Where in it.
        at: u32,
    },
    /// Power was cut between a record and the head's word of it. The head has it now, the record
    /// counts.
    RecordCompleted {
        /// Its number.
        number: u64,
    },
}

impl Finding {
    /// How many records it says are lost or changed; without any, nothing that was confirmed is
    /// touched.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        match self {
            Self::RecordsLost { from, to } => to.saturating_sub(*from),
            Self::LinkBroken { .. } => 1,
            _ => 0,
        }
    }
}

/// What was found, the first [`Report::KEPT`] of it in detail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    first: [Option<Finding>; Self::KEPT],
    count: u32,
    losses: u32,
}

impl Report {
    /// How many findings are kept in detail.
    pub const KEPT: usize = 8;

    pub(crate) fn add(&mut self, finding: Finding) {
        if let Some(slot) = self.first.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(finding);
        }
        self.count = self.count.saturating_add(1);
        let lost = u32::try_from(finding.lost()).unwrap_or(u32::MAX);
        self.losses = self.losses.saturating_add(lost);
    }

    /// The findings kept in detail.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        self.first.into_iter().flatten()
    }

    /// How many there were in all.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How many records are lost or changed, all in all, told of or not.
    #[must_use]
    pub const fn losses(&self) -> u32 {
        self.losses
    }

    /// Whether nothing was found.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.count == 0
    }
}
