//! Bytes on flash: head slots, page headers and record headers, each with its own CRC-32C.
//!
//! ```text
//! head page   head · mark · mark · head · head · mark · ff ff …
//! mark        one word for each record since that head: zeros a statement, 55 … a note alone
//! data page   page header · record · record · … · ff ff …
//! record      header 64 · note · entry · zeros to a word
//! ```
//!
//! All numbers are big endian. The normative text is `docs/spec/journal.md`.

use super::{Error, Note};
use crate::crc::{Crc, crc32c};
use crate::fields::{Put, Take};

/// Length of a page header and of a head, bytes.
pub(crate) const FRAME: usize = 128;
/// Length of a record's header, bytes.
pub(crate) const HEADER: usize = 64;
/// The longest note, bytes.
pub const NOTE_MAX: usize = 192;
/// The longest entry, bytes.
pub const ENTRY_MAX: usize = 640;
/// The longest word a flash may have, bytes.
pub const WORD_MAX: usize = 32;
/// A record's header, note and entry at their longest, padded.
pub(crate) const RECORD_MAX: usize = HEADER + NOTE_MAX + ENTRY_MAX + WORD_MAX;
/// Pages for the two copies of the head.
pub(crate) const HEAD_PAGES: u32 = 2;

/// Before the digit of the format, in every format.
const HEAD: [u8; 3] = *b"FLh";
const FORMAT: u8 = b'2';
const PAGE_MAGIC: u32 = u32::from_be_bytes(*b"FLp2");
const FORMATTING: u32 = u32::from_be_bytes(*b"FLn2");
/// Stands for "not known", where a seq or a number is expected.
const UNKNOWN: u64 = u64::MAX;

/// Where the device chain stands in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Seq of the next statement.
    pub(crate) next: u64,
    /// SHA-256 of the newest statement, or the enrolment's seed.
    pub(crate) hash: [u8; 32],
}

/// What the log has confirmed, in one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// Statements with a lower seq are in the log.
    pub next: u64,
    /// Size of the tree they were proven in.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
}

/// What had no room, all in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// How many, since the journal was made.
    pub count: u32,
    /// Root over their digests: `H(0x01 ‖ root so far ‖ digest)`, the first digest as it is.
    pub root: [u8; 32],
}

/// Where the records end, as the head and its marks tell, whatever the records themselves do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    /// Number of the next record.
    pub(crate) number: u64,
    /// Seq of the next statement, its low half.
    pub(crate) seq: u32,
}

impl End {
    /// Behind one more record.
    pub(crate) const fn after(self, kind: Kind) -> Self {
        let number = self.number.saturating_add(1);
        match kind {
            Kind::Statement => Self { number, seq: self.seq.wrapping_add(1) },
            Kind::Note => Self { number, seq: self.seq },
        }
    }
}

/// The journal's head: which pages are live, and what must outlive every page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) version: u32,
    pub(crate) oldest: u64,
    pub(crate) newest: u64,
    pub(crate) covered: Covered,
    pub(crate) dropped: Dropped,
    /// Number of the first record in the oldest live page.
    pub(crate) first: u64,
    /// Where the records end; marks behind this head move it on.
    pub(crate) end: End,
    /// How many records of the live pages are lost and told of.
    pub(crate) told: u32,
}

/// What stands in a copy of the head, at a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A head of this format, for this flash.
    Head,
    /// A mark.
    Mark(Kind),
    /// Nothing.
    Blank,
    /// Something whole that is not for us.
    Foreign(Error),
    /// None of these.
    Damaged,
}

/// The front of a data page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageHeader {
    /// The page's place in the journal's life; its place in flash is the remainder.
    pub(crate) page: u64,
    /// Number of its first record.
    pub(crate) number: u64,
    /// SHA-256 of the record before.
    pub(crate) link: [u8; 32],
    /// The device chain before its first record; none if damage hides it.
    pub(crate) chain: Option<Chain>,
    /// How many of the dropped a statement has told of.
    pub(crate) said: u32,
    /// Where the records of the page before end.
    pub(crate) before_len: u32,
    /// CRC-32C of all of the page before, as it was left.
    pub(crate) before_crc: u32,
}

/// What a record is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A statement, with the note that stood when it was made.
    #[default]
    Statement = 1,
    /// A note alone.
    Note = 2,
}

/// The front of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: Kind,
    pub(crate) note_len: u8,
    pub(crate) entry_len: u16,
    pub(crate) said: u32,
    pub(crate) number: u64,
    /// Seq of the statement; of a note, the seq that is next.
    pub(crate) seq: u64,
    pub(crate) link: [u8; 32],
    /// CRC-32C of note, entry and padding.
    pub(crate) body_crc: u32,
}

impl Kind {
    /// Each byte of its mark.
    pub(crate) const fn mark(self) -> u8 {
        match self {
            Self::Statement => 0x00,
            Self::Note => 0x55,
        }
    }
}

impl RecordHeader {
    /// Bytes of header, note, entry and padding.
    pub(crate) fn padded<const WORD: usize>(&self) -> usize {
        let body = usize::from(self.note_len).wrapping_add(usize::from(self.entry_len));
        HEADER.wrapping_add(body).next_multiple_of(WORD)
    }
}

/// Puts the CRC of all but the last four bytes into those.
fn seal(frame: &mut [u8]) {
    if let Some((body, crc)) = frame.split_last_chunk_mut::<4>() {
        *crc = crc32c(body).to_be_bytes();
    }
}

fn open(frame: &[u8]) -> Option<Take<'_>> {
    let (body, crc) = frame.split_last_chunk::<4>()?;
    (crc32c(body).to_be_bytes() == *crc).then_some(Take(body))
}

impl Head {
    /// For a flash of this geometry.
    pub(crate) fn encode(&self, geometry: u32) -> [u8; FRAME] {
        let mut out = [0; FRAME];
        // So few pages are live, and records in them: geometry was checked.
        let live = u32::try_from(self.newest.saturating_sub(self.oldest)).unwrap_or(u32::MAX);
        let kept = u32::try_from(self.end.number.saturating_sub(self.first)).unwrap_or(u32::MAX);
        Put(&mut out)
            .put(&HEAD)
            .put(&[FORMAT])
            .u32(geometry)
            .u32(self.version)
            .u32(live)
            .u32(kept)
            .u48(self.oldest)
            .u48(self.covered.size)
            .u32(self.dropped.count)
            .u32(self.told)
            .u64(self.covered.next)
            .put(&self.covered.root)
            .put(&self.dropped.root)
            .u64(self.end.number)
            .u32(self.end.seq);
        seal(&mut out);
        out
    }

    /// Takes what a head says; of anything else it tells what it is, and then this may be anything.
    pub(crate) fn read<const WORD: usize>(&mut self, unit: &[u8; FRAME], geometry: u32) -> Unit {
        let Some(mut take) = open(unit) else { return word::<WORD>(unit) };
        let magic: [u8; 4] = take.take();
        match magic {
            _ if magic == FORMATTING.to_be_bytes() => return Unit::Foreign(Error::FormatCut),
            [a, b, c, _] if [a, b, c] != HEAD => return Unit::Damaged,
            [.., FORMAT] => {}
            _ => return Unit::Foreign(Error::OtherFormat),
        }
        if take.u32() != geometry {
            return Unit::Foreign(Error::OtherGeometry);
        }
        self.version = take.u32();
        let (live, kept) = (take.u32(), take.u32());
        (self.oldest, self.covered.size) = (take.u48(), take.u48());
        self.newest = self.oldest.saturating_add(u64::from(live));
        (self.dropped.count, self.told) = (take.u32(), take.u32());
        self.covered.next = take.u64();
        take.fill(&mut self.covered.root);
        take.fill(&mut self.dropped.root);
        self.end = End { number: take.u64(), seq: take.u32() };
        self.first = self.end.number.saturating_sub(u64::from(kept));
        Unit::Head
    }
}

/// What a word is that begins no head.
fn word<const WORD: usize>(unit: &[u8; FRAME]) -> Unit {
    let is = |byte: u8| unit.iter().take(WORD).all(|it| *it == byte);
    match () {
        () if is(0xff) => Unit::Blank,
        () if is(Kind::Statement.mark()) => Unit::Mark(Kind::Statement),
        () if is(Kind::Note.mark()) => Unit::Mark(Kind::Note),
        () => Unit::Damaged,
    }
}

/// Stands in the first copy of the head while the flash is being formatted.
pub(crate) fn formatting() -> [u8; FRAME] {
    let mut out = [0; FRAME];
    Put(&mut out).u32(FORMATTING);
    seal(&mut out);
    out
}

impl PageHeader {
    /// `words` and `pages` say for which flash it was made.
    pub(crate) fn encode(&self, page_bytes: u32, word: u8) -> [u8; FRAME] {
        let mut out = [0; FRAME];
        let chain = self.chain.unwrap_or(Chain { next: UNKNOWN, hash: [0; 32] });
        Put(&mut out)
            .u32(PAGE_MAGIC)
            .u32(page_bytes)
            .u64(self.page)
            .u64(self.number)
            .u64(chain.next)
            .u32(self.said)
            .u32(self.before_len)
            .u32(self.before_crc)
            .put(&[word, 0, 0, 0])
            .put(&self.link)
            .put(&chain.hash);
        seal(&mut out);
        out
    }

    /// Takes what a frame says; false if it does not hold, and then this may be anything.
    pub(crate) fn read(&mut self, frame: &[u8; FRAME], page_bytes: u32, word: u8) -> bool {
        let Some(mut take) = open(frame) else { return false };
        let is_page = take.u32() == PAGE_MAGIC && take.u32() == page_bytes;
        (self.page, self.number) = (take.u64(), take.u64());
        let next = take.u64();
        (self.said, self.before_len, self.before_crc) = (take.u32(), take.u32(), take.u32());
        let is_for_this = take.take() == [word, 0, 0, 0];
        take.fill(&mut self.link);
        let hash = take.take();
        self.chain = (next != UNKNOWN).then_some(Chain { next, hash });
        let one_spelling = self.chain.is_some() || hash == [0; 32];
        let rest_is_zero = take.take() == [0; 12];
        is_page && is_for_this && one_spelling && rest_is_zero
    }
}

impl RecordHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        Put(&mut out)
            .put(&[self.kind as u8, self.note_len])
            .put(&self.entry_len.to_be_bytes())
            .u32(self.said)
            .u64(self.number)
            .u64(self.seq)
            .put(&self.link)
            .u32(self.body_crc);
        seal(&mut out);
        out
    }

    /// Takes what a frame says; false if it does not hold, and then this may be anything.
    pub(crate) fn read(&mut self, frame: &[u8; HEADER]) -> bool {
        // Most words that are looked at begin no record: no checksum for those.
        self.kind = match frame {
            [1, ..] => Kind::Statement,
            [2, ..] => Kind::Note,
            _ => return false,
        };
        let Some(mut take) = open(frame) else { return false };
        [_, self.note_len] = take.take();
        self.entry_len = u16::from_be_bytes(take.take());
        (self.said, self.number, self.seq) = (take.u32(), take.u64(), take.u64());
        take.fill(&mut self.link);
        self.body_crc = take.u32();
        let fits =
            usize::from(self.note_len) <= NOTE_MAX && usize::from(self.entry_len) <= ENTRY_MAX;
        fits && (self.kind == Kind::Note) == (self.entry_len == 0)
    }
}

/// A record laid out for one program operation, and its length.
pub(crate) fn lay<const WORD: usize>(
    out: &mut [u8],
    header: &RecordHeader,
    note: &Note,
    entry: &[u8],
) -> Option<usize> {
    let len = header.padded::<WORD>();
    let record = out.get_mut(..len)?;
    record.fill(0);
    let body = record.get_mut(HEADER..)?;
    Put(body).put(note.as_bytes()).put(entry);
    let mut crc = Crc::new();
    crc.update(body);
    let header = RecordHeader { body_crc: crc.finish(), ..*header };
    Put(record).put(&header.encode());
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEOMETRY: u32 = 16 << 8 | 10 << 3 | 3;

    fn parse_head(frame: &[u8; FRAME]) -> Option<Head> {
        let mut head = Head::default();
        (head.read::<8>(frame, GEOMETRY) == Unit::Head).then_some(head)
    }

    fn parse_record(frame: &[u8; HEADER]) -> Option<RecordHeader> {
        let mut header = RecordHeader::default();
        header.read(frame).then_some(header)
    }

    fn parse(frame: &[u8; FRAME], page_bytes: u32, word: u8) -> Option<PageHeader> {
        let mut header = PageHeader::default();
        header.read(frame, page_bytes, word).then_some(header)
    }

    #[test]
    fn frames_round_trip_and_a_flipped_bit_does_not() {
        let covered = Covered { next: 7, size: 9, root: [3; 32] };
        let dropped = Dropped { count: 2, root: [4; 32] };
        let end = End { number: 99, seq: 7 };
        let (first, told) = (90, 6);
        let head = Head { version: 1, oldest: 2, newest: 3, covered, dropped, first, end, told };
        let chain = Some(Chain { next: 5, hash: [6; 32] });
        let page = PageHeader {
            page: 3,
            number: 17,
            link: [1; 32],
            chain,
            said: 1,
            before_len: 900,
            before_crc: 0xdead_beef,
        };
        let record = RecordHeader {
            kind: Kind::Statement,
            note_len: 12,
            entry_len: 300,
            said: 0,
            number: 18,
            seq: 11,
            link: [9; 32],
            body_crc: 5,
        };
        assert_eq!(parse_head(&head.encode(GEOMETRY)), Some(head));
        assert_eq!(parse(&page.encode(4096, 8), 4096, 8), Some(page));
        assert_eq!(parse_record(&record.encode()), Some(record));
        assert_eq!(parse(&page.encode(4096, 8), 4096, 4), None);
        for bit in 0..FRAME * 8 {
            let (mut a, mut b) = (head.encode(GEOMETRY), page.encode(4096, 8));
            a[bit / 8] ^= 1 << (bit % 8);
            b[bit / 8] ^= 1 << (bit % 8);
            assert_eq!((parse_head(&a), parse(&b, 4096, 8)), (None, None));
        }
        for bit in 0..HEADER * 8 {
            let mut bytes = record.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse_record(&bytes), None);
        }
    }

    /// JRN-048: what is whole and not for this flash is told from what is damaged, marks from both.
    #[test]
    fn units_are_told_apart() {
        let read = |unit: [u8; FRAME]| Head::default().read::<8>(&unit, GEOMETRY);
        let head = Head::default();
        assert_eq!(read(head.encode(GEOMETRY)), Unit::Head);
        assert_eq!(read(head.encode(GEOMETRY + 1)), Unit::Foreign(Error::OtherGeometry));
        for digit in [b'1', b'3', b'9'] {
            let mut other = head.encode(GEOMETRY);
            other[3] = digit;
            seal(&mut other);
            assert_eq!(read(other), Unit::Foreign(Error::OtherFormat));
        }
        assert_eq!(read(formatting()), Unit::Foreign(Error::FormatCut));
        for (byte, is) in [
            (0xff, Unit::Blank),
            (0x00, Unit::Mark(Kind::Statement)),
            (0x55, Unit::Mark(Kind::Note)),
        ] {
            let mut unit = [0xa0; FRAME];
            unit[..8].fill(byte);
            assert_eq!(read(unit), is);
            for bit in 0..64 {
                let mut unit = unit;
                unit[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(read(unit), Unit::Damaged, "bit {bit}");
            }
        }
    }

    #[test]
    fn an_unknown_chain_stays_unknown() {
        let page = PageHeader {
            page: 0,
            number: 0,
            link: [0; 32],
            chain: None,
            said: 0,
            before_len: 0,
            before_crc: 0,
        };
        assert_eq!(parse(&page.encode(512, 4), 512, 4), Some(page));
    }
}
