//! Opening: every byte of the flash is read, and what does not hold is reported.
//!
//! ```text
//! heads ─▶ free pages blank? ─▶ live pages, oldest first: header, records, the page as a whole
//!       ─▶ the newest page's end: complete, torn or damaged
//! ```
//!
//! Invariants:
//! - Opening twice finds nothing new: what a power cut left is put right the first time. Damage
//!   to records stays, and is reported each time.
//! - Nothing live is erased.

use super::error::{Error, Finding, Report};
use super::layout::{Chain, FRAME, HEAD_PAGES, HEADER, Head, Kind, PageHeader};
use super::medium::{Found, Look, Marker, Medium};
use super::{Class, Journal, Note, State};
use crate::flash::Flash;

/// What the records told so far.
struct Scan<'r> {
    report: &'r mut Report,
    number: Option<u64>,
    link: Option<[u8; 32]>,
    chain: Option<Chain>,
    seen: u64,
    said: u32,
    /// Where the newest note is: page, offset, length.
    note: Option<(u64, usize, usize)>,
}

/// How the records of a page end.
#[derive(Clone, Copy, PartialEq, Eq)]
struct End {
    at: usize,
    /// Nothing may be written behind.
    closed: bool,
}

impl<F: Flash, const PAGE: usize, const WORD: usize> Journal<F, PAGE, WORD> {
    /// Opens the journal after a start: finds what a power cut or damage left, puts right what can
    /// be put right, and reports all of it.
    ///
    /// # Errors
    /// [`Error::Unformatted`], [`Error::HeadLost`], [`Error::Geometry`] or [`Error::Flash`].
    pub fn open(flash: F) -> Result<(Self, Report), Error> {
        let mut medium = Medium::<F, PAGE, WORD>(flash);
        let mut report = Report::default();
        let (state, unmarked) = medium.recover(&mut report)?;
        let mut journal = Self { medium, state };
        journal.settle(unmarked, &mut report)?;
        Ok((journal, report))
    }

    /// Opens the journal again after the flash failed. If that fails too it takes nothing more.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reopen(&mut self) -> Result<Report, Error> {
        self.state.broken = true;
        let mut report = Report::default();
        let (state, unmarked) = self.medium.recover(&mut report)?;
        self.state = state;
        self.settle(unmarked, &mut report)?;
        Ok(report)
    }

    /// Puts right how the newest page ends: sets a missing marker, closes what takes no more.
    fn settle(&mut self, unmarked: Option<usize>, report: &mut Report) -> Result<(), Error> {
        let newest = self.state.head.newest;
        if let Some(at) = unmarked
            && self.complete(at).is_err()
        {
            self.state.closed = true;
            report.add(Finding::PageUnusable { page: self.medium.place(newest)? });
        }
        if self.state.closed {
            match self.turn_page(Class::Urgent) {
                // Without room the page stays as it is; nothing is appended to it.
                Ok(()) | Err(Error::Full) => {}
                Err(_) => {
                    let page = self.medium.place(newest.saturating_add(1))?;
                    report.add(Finding::PageUnusable { page });
                }
            }
        }
        Ok(())
    }

    /// Sets the marker that a cut kept from a whole record.
    fn complete(&mut self, marker_at: usize) -> Result<(), Error> {
        let place = self.medium.place(self.state.head.newest)?;
        self.medium.mark(place, marker_at)
    }
}

impl<F: Flash, const PAGE: usize, const WORD: usize> Medium<F, PAGE, WORD> {
    /// What is on flash, and where a last record only lacks its marker.
    #[inline(never)]
    fn recover(&mut self, report: &mut Report) -> Result<(State, Option<usize>), Error> {
        self.check()?;
        let (head, slots) = self.recover_heads(report)?;
        if head.newest.saturating_sub(head.oldest) >= u64::from(self.data_pages()) {
            return Err(Error::HeadLost);
        }
        self.clean_free(&head, report)?;
        self.scan(head, slots, report)
    }

    /// Reads the live pages; also tells the length of a last record that only lacks its marker.
    fn scan(
        &mut self,
        head: Head,
        slots: [usize; 2],
        report: &mut Report,
    ) -> Result<(State, Option<usize>), Error> {
        let mut scan = Scan::new(report);
        let mut unmarked = None;
        let mut end = End { at: FRAME, closed: false };
        let mut header = self.page_header(head.oldest)?;
        for page in head.oldest..=head.newest {
            let next = match page.checked_add(1) {
                Some(next) if next <= head.newest => Some(self.page_header(next)?),
                _ => None,
            };
            let place = self.place(page)?;
            let has_header = scan.page(header.as_ref(), place, page == head.oldest);
            match next {
                Some(after) => {
                    scan.closed_page(self, page, place, after.as_ref())?;
                    header = after;
                }
                None => {
                    (end, unmarked) = scan.open_page(self, page, place)?;
                    end.closed |= !has_header;
                }
            }
        }
        let note = scan.read_note(self)?;
        let state = State {
            head,
            slots,
            at: end.at,
            number: scan.number.unwrap_or_default(),
            link: scan.link.unwrap_or_default(),
            chain: scan.chain,
            seen: scan.seen,
            said: scan.said,
            note,
            note_page: scan.note.map_or(head.oldest, |(page, ..)| page),
            closed: end.closed,
            broken: false,
        };
        Ok((state, unmarked))
    }

    /// Erases what is not live and not blank.
    fn clean_free(&mut self, head: &Head, report: &mut Report) -> Result<(), Error> {
        for place in HEAD_PAGES..self.0.pages() {
            if !self.is_live(head, place)? && !self.is_blank(place, 0)? {
                report.add(Finding::FreePageNotBlank { page: place });
                if self.erase(place).is_err() {
                    report.add(Finding::PageUnusable { page: place });
                }
            }
        }
        Ok(())
    }

    fn is_live(&self, head: &Head, place: u32) -> Result<bool, Error> {
        for page in head.oldest..=head.newest {
            if self.place(page)? == place {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl<'r> Scan<'r> {
    fn new(report: &'r mut Report) -> Self {
        Self { report, number: None, link: None, chain: None, seen: 0, said: 0, note: None }
    }

    fn add(&mut self, finding: Finding) {
        self.report.add(finding);
    }

    /// Takes a page's header; in the first page it tells where the scan begins. Behind damage it
    /// tells where the chain goes on.
    fn page(&mut self, header: Option<&PageHeader>, place: u32, first: bool) -> bool {
        let Some(header) = header else {
            self.add(Finding::PageHeaderDamaged { page: place });
            return false;
        };
        if !first {
            self.expect_number(header.number);
        }
        self.number = Some(header.number);
        self.link = Some(header.link);
        self.chain = header.chain.or(self.chain);
        self.seen = self.seen.max(header.chain.map_or(0, |chain| chain.next));
        self.said = self.said.max(header.said);
        true
    }

    /// Reports what is missing before this number.
    fn expect_number(&mut self, number: u64) {
        if let Some(from) = self.number.filter(|from| *from != number) {
            self.add(Finding::RecordsLost { from, to: number });
        }
    }

    /// A page behind which another was opened: it stays as it was left.
    fn closed_page<F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        medium: &mut Medium<F, PAGE, WORD>,
        page: u64,
        place: u32,
        after: Option<&PageHeader>,
    ) -> Result<(), Error> {
        let before = self.report.count();
        let limit = after.and_then(|after| usize::try_from(after.before_len).ok());
        let limit = limit.unwrap_or(PAGE).min(PAGE);
        let mut at = FRAME;
        while at < limit {
            match self.step(medium, page, place, at)? {
                Some(found) => at = found.at.saturating_add(whole::<WORD>(&found)),
                None if after.is_none() && medium.is_blank(place, at)? => break,
                None => {
                    self.damaged(place, at);
                    break;
                }
            }
        }
        let altered = match after {
            Some(after) => medium.crc(place)? != after.before_crc,
            None => false,
        };
        if altered && self.report.count() == before {
            self.add(Finding::PageAltered { page: place });
        }
        Ok(())
    }

    /// The newest page: where its records end, and where a marker is missing.
    fn open_page<F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        medium: &mut Medium<F, PAGE, WORD>,
        page: u64,
        place: u32,
    ) -> Result<(End, Option<usize>), Error> {
        let (mut at, mut closed) = (FRAME, false);
        loop {
            if medium.is_blank(place, at)? {
                return Ok((End { at, closed }, None));
            }
            let Some(found) = self.step(medium, page, place, at)? else { break };
            at = found.at.saturating_add(whole::<WORD>(&found));
            let number = found.header.number;
            match found.marker {
                Marker::Set => {}
                Marker::Blank if medium.is_blank(place, at)? => {
                    self.add(Finding::RecordCompleted { number });
                    return Ok((End { at, closed }, Some(at.saturating_sub(WORD))));
                }
                Marker::Blank | Marker::Other => {
                    self.add(Finding::MarkerDamaged { number });
                    closed = true;
                }
            }
        }
        let first = medium.first_used(place, at)?.unwrap_or(at);
        if first >= at.saturating_add(HEADER) {
            // Every record begins with bytes that are not blank: this never was one.
            self.add(Finding::FreeSpaceNotBlank { page: place, at: small(first) });
        } else if self.is_torn(medium, place, at)? {
            self.add(Finding::RecordTorn { page: place, at: small(at) });
        } else {
            self.damaged(place, at);
            at = medium.last_used(place, at)?.map_or(at, |last| last.saturating_add(1));
        }
        Ok((End { at, closed: true }, None))
    }

    /// The record at an offset, or behind damage the next one that holds; none if none follows.
    fn step<F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        medium: &mut Medium<F, PAGE, WORD>,
        page: u64,
        place: u32,
        at: usize,
    ) -> Result<Option<Found>, Error> {
        let mut here = at;
        while here < PAGE {
            let look = medium.look(place, here)?;
            if let Look::Record(found) = look
                && self.number.is_none_or(|number| found.header.number >= number)
            {
                if here != at {
                    self.add(Finding::RecordDamaged { page: place, at: small(at) });
                }
                self.take(page, &found);
                return Ok(Some(found));
            }
            here = here.saturating_add(WORD);
        }
        Ok(None)
    }

    fn take(&mut self, page: u64, found: &Found) {
        let header = &found.header;
        self.expect_number(header.number);
        let contiguous = self.number == Some(header.number);
        if contiguous && self.link.is_some_and(|link| link != header.link) {
            self.add(Finding::LinkBroken { number: header.number });
        }
        self.number = header.number.checked_add(1);
        self.link = Some(found.hash);
        self.said = self.said.max(header.said);
        if header.kind == Kind::Statement {
            let next = header.seq.saturating_add(1);
            self.chain = Some(Chain { next, hash: found.entry_hash });
            self.seen = self.seen.max(next);
        } else if !contiguous {
            self.chain = self.chain.filter(|chain| chain.next == header.seq);
        }
        self.note = Some((page, found.at, usize::from(header.note_len)));
    }

    /// Something that was confirmed does not hold, and nothing behind it tells what it was.
    fn damaged(&mut self, place: u32, at: usize) {
        self.add(Finding::RecordDamaged { page: place, at: small(at) });
        self.number = self.number.and_then(|number| number.checked_add(1));
        self.chain = None;
    }

    /// Whether a power cut explains what stands at the end: words are programmed in ascending
    /// order, the marker last, so a torn record has a blank marker, and a torn header has nothing
    /// behind it.
    fn is_torn<F: Flash, const PAGE: usize, const WORD: usize>(
        &self,
        medium: &mut Medium<F, PAGE, WORD>,
        place: u32,
        at: usize,
    ) -> Result<bool, Error> {
        Ok(match medium.look(place, at)? {
            Look::BadBody(marker) => marker == Marker::Blank,
            _ => medium.is_blank(place, at.saturating_add(HEADER))?,
        })
    }

    fn read_note<F: Flash, const PAGE: usize, const WORD: usize>(
        &self,
        medium: &mut Medium<F, PAGE, WORD>,
    ) -> Result<Note, Error> {
        let Some((page, at, len)) = self.note else { return Ok(Note::EMPTY) };
        let mut note = Note::EMPTY;
        let place = medium.place(page)?;
        let bytes = note.bytes.get_mut(..len).ok_or(Error::Bug)?;
        medium.read(place, at.saturating_add(HEADER), bytes)?;
        note.len = u8::try_from(len).map_err(|_| Error::Bug)?;
        Ok(note)
    }
}

/// Bytes a record takes with its marker.
fn whole<const WORD: usize>(found: &Found) -> usize {
    found.header.padded::<WORD>().saturating_add(WORD)
}

fn small(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
