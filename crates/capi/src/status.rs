//! How a call went: numbers that stay, and a text for each.

use core::ffi::{CStr, c_char};
use firmlog_agent::FlashError;
use firmlog_agent::journal::Error;
use firmlog_agent::update::Refused;
use firmlog_statement::{SignError, StatementError};

/// How a call went. 0 is done; numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A pointer is null that must not be.
    NullPointer = 1,
    /// A pointer is not aligned for what it points to.
    Alignment = 2,
    /// The context has another size than this library's: header and library differ.
    ContextSize = 3,
    /// The context was not opened, was closed, or is a copy of an open one.
    NotOpen = 4,
    /// Called from within a callback of the same context, or by two threads at once.
    Busy = 5,
    /// The context is open already.
    AlreadyOpen = 6,
    /// A number or a length is out of range.
    Range = 7,
    /// A number is not in its registry: an event, outcome, phase, source, …
    UnknownCode = 8,
    /// A name is empty, longer than 255 bytes, not UTF-8, or holds a control character.
    Name = 9,
    /// A callback is missing.
    NoCallback = 10,
    /// The journal could use these sizes of page and word; this library was built without them.
    GeometryNotBuilt = 11,
    /// Opened as a journal alone: this needs `firmlog_start`.
    NoMachine = 12,
    /// This event moves the update, which `firmlog_start` watches over: take it as a step.
    NotBesideMachine = 13,
    /// Not there: not said yet, erased after the log had it, or damaged.
    NotFound = 14,
    /// The buffer is too small.
    BufferTooSmall = 15,
    /// The secret or public key is none.
    Key = 16,
    /// Commitments are not ascending by field, or more than eight.
    Commitments = 17,
    /// Events are none, more than 16, not of a device, or not in order of time.
    Events = 18,
    /// The header that C was compiled with is of another version or layout than this library.
    OtherHeader = 19,
    /// A checkpoint, receipt or statement of the log's cannot be read, or a signature in it does
    /// not hold.
    Altered = 20,
    /// The pinned log did not sign it.
    OtherLog = 21,
    /// Fewer witnesses cosigned the checkpoint than the root asks for.
    NotWitnessed = 22,
    /// The receipt does not show this statement at this place of the log.
    NotIncluded = 23,
    /// The statement is another device's, or signed by another key than this device's.
    NotOwn = 24,
    /// A witness is pinned twice.
    WitnessTwice = 25,
    /// The log shows less than it had proven before, or another tree of that size.
    Stale = 26,
    /// The flash driver failed.
    FlashFailed = 101,
    /// The flash is smaller than it said.
    FlashBounds = 102,
    /// The flash does not keep what is written.
    FlashWorn = 103,
    /// Fewer than six pages, or sizes of page or word that no journal can use.
    Geometry = 104,
    /// The flash is blank: format it when the device is enrolled.
    Unformatted = 105,
    /// Neither copy of the journal's head can be read, or pages are there that it does not know:
    /// nothing is written or erased.
    HeadLost = 106,
    /// No page is free, and none may be freed before the log confirms more.
    Full = 107,
    /// Longer than a record may be, or than a page holds.
    TooLong = 108,
    /// Not an update statement in its one spelling.
    NotAnUpdate = 109,
    /// Not the next statement of the device chain.
    NotNext = 110,
    /// Damage hides the end of the chain: ask the log for its head, then `firmlog_chain_resume`.
    ChainUnknown = 111,
    /// The flash failed before: open the journal again.
    NeedsOpening = 112,
    /// Confirms more than was said, or less than before.
    NotCovering = 113,
    /// The key's holder refused to sign.
    SignerRefused = 114,
    /// The key's holder is out of reach.
    SignerUnavailable = 115,
    /// The signature has numbers out of range for its kind.
    Signature = 116,
    /// The statement breaks a rule of its encoding: `firmlog_cause` tells which.
    Statement = 117,
    /// Another version of this library wrote the journal, or the note in it: nothing was written.
    OtherFormat = 118,
    /// The journal is for another number or size of pages, or other words: nothing was written.
    OtherGeometry = 119,
    /// Formatting was cut short: format again.
    FormatCut = 120,
    /// Something else has written to this flash since it was opened: close, and start again.
    OtherWriter = 121,
    /// Another key signed the newest statement: neither this one nor `earlier_key`.
    OtherKey = 122,
    /// The step may not follow the last one.
    OutOfOrder = 201,
    /// Logging is required and failed: flash must not be touched. `firmlog_cause` tells why.
    NotLogged = 202,
    /// The step was taken, and no statement of it is durable: `firmlog_cause` tells why.
    Dropped = 203,
    /// The image may not be installed: the decision tells why.
    NotInstallable = 301,
    /// Internal contradiction: please report it.
    Bug = 65535,
}

impl Status {
    /// Every status and its text.
    const TEXTS: &'static [(Self, &'static CStr)] = &[
        (Self::Ok, c"done"),
        (Self::NullPointer, c"a pointer is null that must not be"),
        (Self::Alignment, c"a pointer is not aligned for what it points to"),
        (
            Self::ContextSize,
            c"the context has another size than this library's: header and library differ",
        ),
        (Self::NotOpen, c"the context is not open: start it first"),
        (Self::Busy, c"called from within a callback, or by two threads at once"),
        (Self::AlreadyOpen, c"the context is open already: close it first"),
        (Self::Range, c"a number or a length is out of range"),
        (Self::UnknownCode, c"a number is not in its registry"),
        (Self::Name, c"a name is empty, too long, not UTF-8, or holds a control character"),
        (Self::NoCallback, c"a callback is missing"),
        (Self::GeometryNotBuilt, c"this library was built without these sizes of page and word"),
        (Self::NoMachine, c"opened as a journal alone: this needs firmlog_start"),
        (Self::NotBesideMachine, c"this event moves the update: take it as a step"),
        (Self::NotFound, c"it is not there"),
        (Self::BufferTooSmall, c"the buffer is too small"),
        (Self::Key, c"the key is none"),
        (Self::Commitments, c"commitments are not ascending by field, or more than eight"),
        (Self::Events, c"events are none, more than 16, not a device's, or not in order of time"),
        (Self::OtherHeader, c"header and library differ in version or layout"),
        (Self::Altered, c"it cannot be read, or a signature in it does not hold"),
        (Self::OtherLog, c"the pinned log did not sign it"),
        (Self::NotWitnessed, c"the checkpoint lacks the quorum of witnesses"),
        (Self::NotIncluded, c"it does not show the statement at this place of the log"),
        (Self::NotOwn, c"the statement is another device's, or signed by another key"),
        (Self::WitnessTwice, c"a witness is pinned twice"),
        (Self::Stale, c"the log shows less than it had proven, or another tree"),
        (Self::FlashFailed, c"the flash driver failed"),
        (Self::FlashBounds, c"the flash is smaller than it said"),
        (Self::FlashWorn, c"the flash does not keep what is written"),
        (Self::Geometry, c"too few pages, or sizes of page or word that no journal can use"),
        (Self::Unformatted, c"the flash is blank: format it when the device is enrolled"),
        (Self::HeadLost, c"neither copy of the journal's head can be read"),
        (Self::Full, c"no page is free until the log confirms more"),
        (Self::TooLong, c"longer than a statement may be, or than a page holds"),
        (Self::NotAnUpdate, c"not an update statement in its one spelling"),
        (Self::NotNext, c"not the next statement of the device chain"),
        (Self::ChainUnknown, c"damage hides the end of the chain: ask the log for its head"),
        (Self::NeedsOpening, c"the flash failed before: open the journal again"),
        (Self::NotCovering, c"confirms more than was said, or less than before"),
        (Self::SignerRefused, c"the key's holder refused to sign"),
        (Self::SignerUnavailable, c"the key's holder is out of reach"),
        (Self::Signature, c"the signature is none of this key's kind"),
        (Self::Statement, c"the statement breaks a rule of its encoding"),
        (Self::OtherFormat, c"another version of this library wrote the journal: leave it alone"),
        (Self::OtherGeometry, c"the journal is for other pages or words than these"),
        (Self::FormatCut, c"formatting was cut short: format again"),
        (Self::OtherWriter, c"something else has written to this flash: start again"),
        (Self::OtherKey, c"another key signed the newest statement"),
        (Self::OutOfOrder, c"the step may not follow the last one"),
        (Self::NotLogged, c"logging is required and failed: leave flash alone"),
        (Self::Dropped, c"the step was taken, and no statement of it is durable"),
        (Self::NotInstallable, c"the image may not be installed: the decision tells why"),
        (Self::Bug, c"internal contradiction: please report it"),
    ];

    /// The number.
    #[must_use]
    pub const fn code(self) -> i32 {
        self as i32
    }
}

/// What a status means, in English; never null. Static memory.
#[unsafe(no_mangle)]
pub extern "C" fn firmlog_status_text(status: i32) -> *const c_char {
    let found = Status::TEXTS.iter().find(|(known, _)| known.code() == status);
    found.map_or(c"a number that is no status", |(_, text)| text).as_ptr()
}

/// What C is told: a status, or that it is done.
pub(crate) fn told(done: Result<(), Status>) -> Status {
    done.err().unwrap_or(Status::Ok)
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Flash(FlashError::Driver) => Self::FlashFailed,
            Error::Flash(FlashError::Bounds) => Self::FlashBounds,
            Error::Flash(FlashError::Worn) => Self::FlashWorn,
            Error::Geometry => Self::Geometry,
            Error::Unformatted => Self::Unformatted,
            Error::HeadLost => Self::HeadLost,
            Error::Full => Self::Full,
            Error::TooLong => Self::TooLong,
            Error::NotAnUpdate(error) => error.into(),
            Error::NotNext => Self::NotNext,
            Error::ChainUnknown => Self::ChainUnknown,
            Error::NeedsOpening => Self::NeedsOpening,
            Error::BufferTooSmall => Self::BufferTooSmall,
            Error::NotCovering => Self::NotCovering,
            Error::SignerRefused => Self::SignerRefused,
            Error::SignerUnavailable => Self::SignerUnavailable,
            Error::OtherFormat => Self::OtherFormat,
            Error::OtherGeometry => Self::OtherGeometry,
            Error::FormatCut => Self::FormatCut,
            Error::OtherWriter => Self::OtherWriter,
            Error::OtherKey => Self::OtherKey,
            _ => Self::Bug,
        }
    }
}

impl From<SignError> for Status {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Refused => Self::SignerRefused,
            SignError::Unavailable => Self::SignerUnavailable,
            SignError::Statement(error) => error.into(),
            _ => Self::Bug,
        }
    }
}

impl From<StatementError> for Status {
    fn from(error: StatementError) -> Self {
        use StatementError as E;
        match error {
            E::BufferTooSmall => Self::BufferTooSmall,
            E::EventsMissing | E::EventTimesDescend | E::EventNotForKind => Self::Events,
            E::CommitmentsUnordered => Self::Commitments,
            E::SignatureHighS | E::SignatureScalarRange => Self::Signature,
            E::UnknownCode => Self::UnknownCode,
            E::Bug => Self::Bug,
            _ => Self::Statement,
        }
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::OutOfOrder { .. } => Self::OutOfOrder,
            Refused::NotLogged(_) => Self::NotLogged,
            _ => Self::Bug,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_text_of_its_own() {
        let mut numbers: std::vec::Vec<i32> =
            Status::TEXTS.iter().map(|(status, _)| status.code()).collect();
        let mut texts: std::vec::Vec<&CStr> = Status::TEXTS.iter().map(|(_, text)| *text).collect();
        assert!(numbers.is_sorted());
        texts.sort_unstable();
        numbers.dedup();
        texts.dedup();
        assert_eq!((numbers.len(), texts.len()), (Status::TEXTS.len(), Status::TEXTS.len()));
    }

    #[test]
    fn the_documentation_tells_of_every_status_what_the_device_does() {
        let documentation = include_str!("../../../docs/c-api.md");
        let (_, table) = documentation.split_once("| | | The device |\n|---|---|---|\n").unwrap();
        let rows: std::vec::Vec<&str> =
            table.lines().take_while(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), Status::TEXTS.len());
        for ((status, text), row) in Status::TEXTS.iter().zip(rows) {
            let front = std::format!("| {} | {} | ", status.code(), text.to_str().unwrap());
            let does = row.strip_prefix(&front).and_then(|rest| rest.strip_suffix(" |"));
            assert!(does.is_some_and(|does| does.len() > 5), "{front}\n{row}");
        }
    }

    #[test]
    fn no_error_of_the_journal_is_called_a_bug() {
        let own = [Error::Geometry, Error::Unformatted, Error::HeadLost, Error::Full];
        let more = [Error::TooLong, Error::NotNext, Error::ChainUnknown, Error::NeedsOpening];
        let rest = [Error::BufferTooSmall, Error::NotCovering, Error::SignerRefused];
        let other = [Error::OtherFormat, Error::OtherGeometry, Error::FormatCut];
        let other = other.into_iter().chain([Error::OtherWriter, Error::OtherKey]);
        for error in own.into_iter().chain(more).chain(rest).chain(other) {
            assert_ne!(Status::from(error), Status::Bug, "{error}");
        }
        for error in StatementError::ALL.iter().filter(|error| **error != StatementError::Bug) {
            assert_ne!(Status::from(Error::NotAnUpdate(*error)), Status::Bug, "{error}");
        }
    }
}
