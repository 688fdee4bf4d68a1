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

/// What the records told so far; the rest of it stands in the journal's state.
struct Scan<'s> {
    state: &'s mut State,
    report: &'s mut Report,
    number: Option<u64>,
    /// Whether the state's link is that of the record before.
    linked: bool,
    /// Where the newest note is: page, offset, length.
    note: Option<(u64, usize, usize)>,
    /// The record under way.
    found: Found,
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
        let mut journal = Self::unopened(flash);
        let report = journal.reopen()?;
        Ok((journal, report))
    }

    /// A journal that takes nothing before it was opened by [`reopen`](Self::reopen), for whoever
    /// has no room to move it about.
    pub fn unopened(flash: F) -> Self {
        Self { medium: Medium(flash), state: State::unopened() }
    }

    /// Opens the journal where it is; again, after the flash failed. If that fails it takes
    /// nothing more.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reopen(&mut self) -> Result<Report, Error> {
        (self.state.broken, self.state.hidden) = (true, true);
        let mut report = Report::default();
        let unmarked = self.recover(&mut report)?;
        self.state.broken = false;
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
            match self.turn_page(Class::Urgent, &mut [0; FRAME]) {
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

    /// What is on flash, and where a last record only lacks its marker.
    #[inline(never)]
    fn recover(&mut self, report: &mut Report) -> Result<Option<usize>, Error> {
        self.medium.check()?;
        self.recover_heads(report)?;
        let Head { oldest, newest, .. } = self.state.head;
        if newest.saturating_sub(oldest) >= u64::from(self.medium.data_pages()) {
            return Err(Error::HeadLost);
        }
        self.clean_free(report)?;
        self.scan(report)
    }

    /// Reads the live pages; also tells the place of a marker that a last record lacks.
    fn scan(&mut self, report: &mut Report) -> Result<Option<usize>, Error> {
        let Self { medium, state } = self;
        let Head { oldest, newest, .. } = state.head;
        state.forget_records();
        let mut scan = Scan::new(state, report);
        let mut header = PageHeader::default();
        for page in oldest..newest {
            let place = medium.place(page)?;
            let holds = medium.page_header(page, &mut header)?;
            scan.page(holds.then_some(&header), place, page == oldest);
            let holds = medium.page_header(page.saturating_add(1), &mut header)?;
            scan.closed_page(medium, page, place, holds.then_some(&header))?;
        }
        let place = medium.place(newest)?;
        let holds = medium.page_header(newest, &mut header)?;
        scan.page(holds.then_some(&header), place, newest == oldest);
        let (end, unmarked) = scan.open_page(medium, newest, place)?;
        let (note, number) = (scan.note, scan.number);
        state.at = end.at;
        state.closed = end.closed || !holds;
        state.number = number.unwrap_or_default();
        if let Some((page, at, len)) = note {
            state.note_page = page;
            let place = medium.place(page)?;
            let bytes = state.note.bytes.get_mut(..len).ok_or(Error::Bug)?;
            medium.read(place, at.saturating_add(HEADER), bytes)?;
            state.note.len = u8::try_from(len).map_err(|_| Error::Bug)?;
        }
        Ok(unmarked)
    }

    /// Erases what is not live and not blank.
    fn clean_free(&mut self, report: &mut Report) -> Result<(), Error> {
        for place in HEAD_PAGES..self.medium.0.pages() {
            if !self.is_live(place)? && !self.medium.is_blank(place, 0)? {
                report.add(Finding::FreePageNotBlank { page: place });
                if self.medium.erase(place).is_err() {
                    report.add(Finding::PageUnusable { page: place });
                }
            }
        }
        Ok(())
    }

    fn is_live(&self, place: u32) -> Result<bool, Error> {
        for page in self.state.head.oldest..=self.state.head.newest {
            if self.medium.place(page)? == place {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl State {
    /// Before the flash was read. Made by code: as a constant it would lie in flash.
    fn unopened() -> Self {
        Self {
            head: Head::default(),
            slots: [0; 2],
            at: FRAME,
            number: 0,
            link: [0; 32],
            chain: Chain { next: 0, hash: [0; 32] },
            hidden: true,
            lost_from: None,
            said: 0,
            note: Note::EMPTY,
            note_page: 0,
            closed: false,
            broken: true,
        }
    }

    /// As if no record had been read.
    fn forget_records(&mut self) {
        (self.chain, self.said) = (Chain { next: 0, hash: [0; 32] }, 0);
        (self.hidden, self.lost_from) = (true, None);
        (self.link, self.note) = ([0; 32], Note::EMPTY);
        self.note_page = self.head.oldest;
    }
}

impl<'s> Scan<'s> {
    fn new(state: &'s mut State, report: &'s mut Report) -> Self {
        let found = Found::default();
        Self { state, report, number: None, linked: false, note: None, found }
    }

    fn add(&mut self, finding: Finding) {
        self.report.add(finding);
    }

    /// Takes a page's header; in the first page it tells where the scan begins. Behind damage it
    /// tells where the chain goes on.
    fn page(&mut self, header: Option<&PageHeader>, place: u32, first: bool) {
        let Some(header) = header else {
            self.add(Finding::PageHeaderDamaged { page: place });
            return;
        };
        if !first {
            self.expect_number(header.number);
        }
        self.number = Some(header.number);
        self.state.link = header.link;
        self.linked = true;
        if let Some(chain) = &header.chain {
            self.state.go_on(*chain);
        }
        self.state.said = self.state.said.max(header.said);
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
                Some((next, _)) => at = next,
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
            let Some((next, marker)) = self.step(medium, page, place, at)? else { break };
            at = next;
            let number = self.found.header.number;
            match marker {
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

    /// The record at an offset, or behind damage the next one that holds: where it ends, and its
    /// marker. None if none follows.
    fn step<F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        medium: &mut Medium<F, PAGE, WORD>,
        page: u64,
        place: u32,
        at: usize,
    ) -> Result<Option<(usize, Marker)>, Error> {
        let mut here = at;
        while here < PAGE {
            if let Look::Record(marker) = medium.look(place, here, &mut self.found)?
                && self.number.is_none_or(|number| self.found.header.number >= number)
            {
                if here != at {
                    self.add(Finding::RecordDamaged { page: place, at: small(at) });
                }
                self.take(page, here);
                let len = self.found.header.padded::<WORD>().saturating_add(WORD);
                return Ok(Some((here.saturating_add(len), marker)));
            }
            here = here.saturating_add(WORD);
        }
        Ok(None)
    }

    /// Takes the record that was found at an offset.
    fn take(&mut self, page: u64, at: usize) {
        let number = self.found.header.number;
        self.expect_number(number);
        let Self { state, found, .. } = self;
        let header = &found.header;
        let contiguous = self.number == Some(number);
        if contiguous && self.linked && state.link != header.link {
            self.report.add(Finding::LinkBroken { number });
        }
        self.number = number.checked_add(1);
        state.link = found.hash;
        self.linked = true;
        state.said = state.said.max(header.said);
        if header.kind == Kind::Statement {
            let next = header.seq.saturating_add(1);
            state.go_on(Chain { next, hash: found.entry_hash });
        } else if !contiguous && state.chain.next != header.seq {
            state.hidden = true;
        }
        self.note = Some((page, at, usize::from(header.note_len)));
    }

    /// Something that was confirmed does not hold, and nothing behind it tells what it was.
    fn damaged(&mut self, place: u32, at: usize) {
        self.add(Finding::RecordDamaged { page: place, at: small(at) });
        self.number = self.number.and_then(|number| number.checked_add(1));
        self.state.hidden = true;
    }

    /// Whether a power cut explains what stands at the end: words are programmed in ascending
    /// order, the marker last, so a torn record has a blank marker, and a torn header has nothing
    /// behind it.
    fn is_torn<F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        medium: &mut Medium<F, PAGE, WORD>,
        place: u32,
        at: usize,
    ) -> Result<bool, Error> {
        Ok(match medium.look(place, at, &mut self.found)? {
            Look::BadBody(marker) => marker == Marker::Blank,
            _ => medium.is_blank(place, at.saturating_add(HEADER))?,
        })
    }
}

fn small(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
