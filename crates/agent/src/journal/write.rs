//! Appending: one program operation for a record, one in each copy of the head for its mark.
//!
//! ```text
//! 1  header · note · entry · padding   a cut leaves a torn record: it does not count
//! 2  mark, in both copies of the head  a cut leaves a whole record: it counts when opened again
//! ```
//!
//! When a page is full the next one's header goes with the record in step 1, and the head that
//! names the page stands for its mark.

use super::layout::{
    Chain, Covered, Dropped, End, FRAME, HEADER, Head, Kind, PageHeader, RECORD_MAX, RecordHeader,
    lay,
};
use super::medium::Found;
use super::{Append, Class, Error, Journal, Note, low};
use crate::flash::{Flash, FlashError};
use firmlog_statement::chain::ChainHead;
use firmlog_statement::sha256;

/// No statement is shorter, bytes.
const SHORTEST: usize = 200;

/// A record before it has a place.
struct Record<'a> {
    kind: Kind,
    note: &'a Note,
    entry: &'a [u8],
    said: u32,
    seq: u64,
    class: Class,
    /// Tells of all that is lost.
    tells_of_lost: bool,
}

impl<F: Flash, const PAGE: usize, const WORD: usize> Journal<F, PAGE, WORD> {
    /// Records the next statement of the device chain; durable when it returns.
    ///
    /// # Errors
    /// [`Error::NotNext`], [`Error::TooLong`], [`Error::ChainUnknown`] and [`Error::Full`] leave it
    /// as it was. After [`Error::Flash`] it must be opened again.
    pub fn append(&mut self, append: &Append<'_>) -> Result<(), Error> {
        let chain = self.state.known_chain().ok_or(Error::ChainUnknown)?;
        let entry = append.entry;
        if entry.seq() != chain.next || *entry.prev() != chain.hash {
            return Err(Error::NotNext);
        }
        let next = chain.next.checked_add(1).ok_or(Error::NotNext)?;
        let told = append.tells_of_dropped;
        let hash = sha256(&[entry.bytes()]);
        self.state.tried = hash;
        self.write(&Record {
            kind: Kind::Statement,
            note: append.note,
            entry: entry.bytes(),
            said: if told { self.state.head.dropped.count } else { self.state.said },
            seq: chain.next,
            class: append.class,
            tells_of_lost: append.tells_of_lost,
        })?;
        self.state.chain = Chain { next, hash };
        self.state.lost_from = None;
        Ok(())
    }

    /// Records a change of the device's own state that is no statement.
    ///
    /// # Errors
    /// [`Error::ChainUnknown`], [`Error::Full`] or [`Error::Flash`].
    pub fn remember(&mut self, note: &Note, class: Class) -> Result<(), Error> {
        let chain = self.state.known_chain().ok_or(Error::ChainUnknown)?;
        self.write(&Record {
            kind: Kind::Note,
            note,
            entry: &[],
            said: self.state.said,
            seq: chain.next,
            class,
            tells_of_lost: false,
        })
    }

    /// Notes what the log has confirmed: such statements may be erased when room is needed.
    ///
    /// The caller has checked the receipt; it covers every statement below `covered.next`.
    ///
    /// # Errors
    /// [`Error::NotCovering`] for more than was said or less than is known, or [`Error::Flash`].
    pub fn cover(&mut self, covered: Covered) -> Result<(), Error> {
        self.check_opened()?;
        let said = self.state.known_chain().map_or(u64::MAX, |chain| chain.next);
        if covered.next > said || covered.next < self.state.head.covered.next {
            return Err(Error::NotCovering);
        }
        self.write_head(&|head| head.covered = covered)
    }

    /// Counts something that had no room, by a digest of it. The count and the root over all such
    /// digests outlive every page; a `log_wrap` statement tells of them once there is room.
    ///
    /// # Errors
    /// [`Error::Flash`].
    pub fn drop_one(&mut self, digest: &[u8; 32]) -> Result<(), Error> {
        self.check_opened()?;
        self.write_head(&|head| {
            let Dropped { count, root } = &mut head.dropped;
            *root = match count {
                0 => *digest,
                _ => sha256(&[&[1], root, digest]),
            };
            *count = count.saturating_add(1);
        })
    }

    /// Goes on from the log's head, where damage hides the end of the chain. Nothing is written:
    /// the next statement makes it durable and tells of it ([`lost_from`](Self::lost_from)). A
    /// journal that is opened again before that has forgotten the head.
    ///
    /// # Errors
    /// [`Error::NotNext`] if the end of the chain is known, or the journal knows statements that
    /// the log has not seen: send those first; or has another one in the head's place.
    pub fn resume(&mut self, head: &ChainHead) -> Result<(), Error> {
        let next = head.next_seq().ok_or(Error::NotNext)?;
        let known = &self.state.chain;
        let other = next == known.next && known.hash != [0; 32] && known.hash != head.hash;
        let least = known.next.max(self.state.head.covered.next);
        if !self.state.hidden || next < least || other {
            return Err(Error::NotNext);
        }
        self.state.lost_from = Some(known.next);
        self.state.go_on(Chain { next, hash: head.hash });
        Ok(())
    }

    /// Whether it is open, and the flash as it was left here.
    fn check_opened(&mut self) -> Result<(), Error> {
        if self.state.broken { Err(Error::NeedsOpening) } else { self.check_alone() }
    }

    fn write(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.check_opened()?;
        let header = RecordHeader {
            kind: record.kind,
            note_len: record.note.len,
            entry_len: u16::try_from(record.entry.len()).map_err(|_| Error::TooLong)?,
            said: record.said,
            number: self.state.head.end.number,
            seq: record.seq,
            link: self.state.link,
            body_crc: 0,
        };
        let len = header.padded::<WORD>();
        if record.entry.len() > super::ENTRY_MAX || len > PAGE.saturating_sub(FRAME) {
            return Err(Error::TooLong);
        }
        let turns = self.state.closed || self.state.at.saturating_add(len) > PAGE;
        match self.put(record, &header, turns) {
            // The page does not keep what is written: once more, in the next one.
            Err(Error::Flash(FlashError::Worn)) if !turns && !self.state.broken => {
                self.put(record, &header, true).map_err(|error| match error {
                    // It may be whole where it was laid, and only the reading back was wrong.
                    Error::Full => {
                        self.state.broken = true;
                        Error::Flash(FlashError::Worn)
                    }
                    other => other,
                })
            }
            done => done,
        }
    }

    /// Lays a record into the newest page, or with the header of a new one into that.
    fn put(
        &mut self,
        record: &Record<'_>,
        header: &RecordHeader,
        turns: bool,
    ) -> Result<(), Error> {
        let mut buffer = [0; FRAME + RECORD_MAX];
        let front = if turns { FRAME } else { 0 };
        let room = buffer.get_mut(front..).ok_or(Error::Bug)?;
        let len = lay::<WORD>(room, header, record.note, record.entry).ok_or(Error::TooLong)?;
        let link = sha256(&[room.get(..len).ok_or(Error::Bug)?]);
        let words = buffer.get_mut(..front.saturating_add(len)).ok_or(Error::Bug)?;
        let kind = record.kind;
        // A statement that tells of lost ones stands behind them, and the head says so at once.
        let seq = low(record.seq).wrapping_add(u32::from(kind == Kind::Statement));
        let end = End { number: header.number.saturating_add(1), seq };
        if turns {
            self.turn_page(record, words, end)?;
            self.state.at = words.len();
        } else {
            let place = self.medium.place(self.state.head.newest)?;
            self.state.broken = true;
            if let Err(e) = self.medium.program(place, self.state.at, words) {
                if e == Error::Flash(FlashError::Worn) {
                    (self.state.broken, self.state.closed) = (false, true);
                }
                return Err(e);
            }
            let told = self.told(record);
            if told == self.state.head.told && end == self.state.head.end.after(kind) {
                self.mark(kind)?;
            } else {
                self.write_head(&|head| (head.told, head.end) = (told, end))?;
            }
            self.state.at = self.state.at.saturating_add(len);
        }
        self.state.empty = false;
        self.state.link = link;
        self.state.said = record.said;
        self.state.note = *record.note;
        self.state.note_page = self.state.head.newest;
        self.state.broken = false;
        Ok(())
    }

    /// Whether a statement of this class has room, before it is signed: [`Error::Full`] if none
    /// that is worth signing has. May erase pages that the log has.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::NeedsOpening`], [`Error::OtherWriter`] or [`Error::Flash`].
    pub fn has_room(&mut self, class: Class) -> Result<(), Error> {
        self.check_opened()?;
        let least = usize::from(self.state.note.len).saturating_add(HEADER + SHORTEST);
        if !self.state.closed && self.state.at.saturating_add(least) <= PAGE {
            return Ok(());
        }
        self.make_room(class)
    }

    /// Opens a new page with these words; in their front is room for its header.
    #[inline(never)]
    fn turn_page(&mut self, record: &Record<'_>, words: &mut [u8], end: End) -> Result<(), Error> {
        self.make_room(record.class)?;
        let before = self.medium.place(self.state.head.newest)?;
        let page = self.state.head.newest.checked_add(1).ok_or(Error::Bug)?;
        let header = PageHeader {
            page,
            number: self.state.head.end.number,
            link: self.state.link,
            chain: self.state.known_chain(),
            said: self.state.said,
            before_len: u32::try_from(self.state.at).map_err(|_| Error::Bug)?,
            before_crc: self.medium.crc(before)?,
        };
        let front = words.get_mut(..FRAME).ok_or(Error::Bug)?;
        front.copy_from_slice(&self.medium.lay_header(&header));
        let place = self.medium.place(page)?;
        self.medium.make_blank(place)?;
        self.state.broken = true;
        self.medium.program(place, 0, words)?;
        let told = self.told(record);
        self.write_head(&|head| (head.newest, head.told, head.end) = (page, told, end))?;
        self.state.closed = false;
        Ok(())
    }

    /// How many of the lost are told of from this record on.
    const fn told(&self, record: &Record<'_>) -> u32 {
        if record.tells_of_lost { self.state.lost } else { self.state.head.told }
    }

    /// Sees to it that a page is free for this class, erasing what the log has.
    fn make_room(&mut self, class: Class) -> Result<(), Error> {
        let need = match class {
            Class::Install => 1,
            Class::Urgent => 2,
            Class::Routine => self.reserve().saturating_add(1),
        };
        while self.free_pages() < need {
            if self.is_oldest_covered()? {
                self.free_oldest()?;
            } else if class > Class::Routine && self.state.empty {
                self.give_back_newest()?;
            } else {
                return Err(Error::Full);
            }
        }
        Ok(())
    }

    /// Whether the log has every statement of the oldest page, and nothing else in it is needed.
    fn is_oldest_covered(&mut self) -> Result<bool, Error> {
        let Head { oldest, newest, covered, .. } = self.state.head;
        let Some(second) = oldest.checked_add(1) else { return Ok(false) };
        if self.state.note_page <= oldest {
            return Ok(false);
        }
        let mut header = PageHeader::default();
        for page in second..=newest {
            if self.medium.page_header(page, &mut header)?
                && let Some(chain) = &header.chain
            {
                return Ok(chain.next <= covered.next);
            }
        }
        // No header tells: all that was said is more than what is there.
        Ok(self.state.known_chain().is_some_and(|chain| chain.next <= covered.next))
    }

    /// Lets go of the newest page, of which nothing can be read. What it held is lost as before:
    /// where the records end stays in the head.
    fn give_back_newest(&mut self) -> Result<(), Error> {
        let Head { oldest, newest, .. } = self.state.head;
        let before = newest.checked_sub(1).filter(|before| *before >= oldest);
        let before = before.ok_or(Error::Full)?;
        self.write_head(&|head| head.newest = before)?;
        self.state.broken = true;
        self.medium.erase(self.medium.place(newest)?)?;
        let last = self.medium.last_used(self.medium.place(before)?, FRAME)?;
        let at = last.map_or(FRAME, |last| last.saturating_add(1));
        self.state.at = at.next_multiple_of(WORD);
        (self.state.closed, self.state.empty) = (true, false);
        self.state.broken = false;
        Ok(())
    }

    /// The head lets go of the page first: a cut before the erase leaves a page that is not live.
    fn free_oldest(&mut self) -> Result<(), Error> {
        let oldest = self.state.head.oldest;
        let after = oldest.checked_add(1).ok_or(Error::Bug)?;
        let (first, lost) = self.first_behind(oldest, after)?;
        let told = self.state.head.told.saturating_sub(lost);
        self.write_head(&|head| (head.oldest, head.first, head.told) = (after, first, told))?;
        self.state.lost = self.state.lost.saturating_sub(lost);
        self.state.broken = true;
        self.medium.erase(self.medium.place(oldest)?)?;
        self.state.broken = false;
        Ok(())
    }

    /// Number of the first record behind the oldest page, and how many that page has lost.
    fn first_behind(&mut self, oldest: u64, after: u64) -> Result<(u64, u32), Error> {
        let (mut header, mut found) = (PageHeader::default(), Found::default());
        let is_told = self.medium.page_header(after, &mut header)?;
        let place = self.medium.place(oldest)?;
        let (mut at, mut number, mut here) = (FRAME, self.state.head.first, 0u64);
        if is_told && self.state.lost == 0 {
            return Ok((header.number, 0));
        }
        while let Some(from) = self.medium.next_record(place, at, &mut found)? {
            at = from.saturating_add(found.header.padded::<WORD>());
            number = number.max(found.header.number.saturating_add(1));
            here = here.saturating_add(1);
        }
        let first = if is_told { header.number } else { number };
        let lost = first.saturating_sub(self.state.head.first).saturating_sub(here);
        Ok((first, u32::try_from(lost).unwrap_or(u32::MAX)))
    }
}
