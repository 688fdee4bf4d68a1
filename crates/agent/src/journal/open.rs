//! Opening: every byte of the flash is read, and what does not hold is reported.
//!
//! ```text
//! heads ─▶ pages the head did not get to name ─▶ free pages blank?
//!       ─▶ live pages, oldest first: header, records, the page as a whole
//!       ─▶ the end: as the head says, one record further, torn, or lost
//! ```
//!
//! Invariants:
//! - What a power cut left is put right the first time, but for the remains of a record: those the
//!   next record covers. Damage to records stays, and is reported each time.
//! - Nothing live is erased, and no page with a record that the log may not have.

use super::error::{Error, Finding, Report};
use super::layout::{Chain, End, FRAME, HEAD_PAGES, HEADER, Head, Kind, PageHeader};
use super::medium::{Found, Medium};
use super::{Journal, Note, State, low};
use crate::flash::Flash;

/// What the records told so far; the rest of it stands in the journal's state.
struct Scan<'s> {
    state: &'s mut State,
    report: &'s mut Report,
    /// Number of the next record, if none is lost.
    number: u64,
    /// Whether the state's link is that of the record before.
    linked: bool,
    /// Where the newest note is: page, offset, length.
    note: Option<(u64, usize, usize)>,
    /// The record under way.
    found: Found,
}

/// How the records of the newest page end.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tail {
    at: usize,
    /// Nothing may be written behind.
    closed: bool,
    /// What stands there is no record, whole or not.
    rest: bool,
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
        (self.state.broken, self.state.foreign, self.state.hidden) = (true, false, true);
        let mut report = Report::default();
        let (adopted, mended) = self.recover(&mut report)?;
        self.state.broken = !mended;
        if !mended {
            return Ok(report);
        }
        let (end, found) = (self.state.head.end, self.state.found_end);
        let ahead = found.number > end.number;
        let end = if ahead { found } else { end };
        if (adopted || ahead) && self.write_head(&|head| head.end = end).is_err() {
            // All can be read; nothing is written before the flash is well again.
            report.add(Finding::PageUnusable { page: 0 });
        }
        Ok(report)
    }

    /// What is on flash: whether there are pages that its head does not name, and whether both
    /// copies of that are whole now.
    #[inline(never)]
    fn recover(&mut self, report: &mut Report) -> Result<(bool, bool), Error> {
        self.medium.check()?;
        let copies = self.read_heads()?;
        let Head { oldest, newest, .. } = self.state.head;
        if newest.saturating_sub(oldest) >= u64::from(self.medium.data_pages()) {
            return Err(Error::HeadLost);
        }
        let adopted = self.adopted()?;
        self.check_none_ahead(adopted)?;
        let mended = self.mend_heads(copies, report);
        self.state.head.newest = adopted;
        if mended {
            self.clean_free(report)?;
        }
        self.scan(report)?;
        Ok((adopted != newest, mended))
    }

    /// The newest page, by what was written before the head could name it: the page behind the one
    /// it names, if it holds a record. Of a flash whose heads are older than its pages, all those.
    fn adopted(&mut self) -> Result<u64, Error> {
        let (mut header, mut found) = (PageHeader::default(), Found::default());
        let Head { oldest, mut newest, .. } = self.state.head;
        let last = oldest.saturating_add(self.medium.data_pages().into());
        while let Some(page) = newest.checked_add(1).filter(|page| *page < last) {
            let place = self.medium.place(page)?;
            // A lower number is of one that wrote beside another, who was there before.
            if !self.medium.page_header(page, &mut header)?
                || header.number < self.state.head.end.number
                || self.medium.next_record(place, FRAME, &mut found)?.is_none()
            {
                break;
            }
            newest = page;
        }
        Ok(newest)
    }

    /// Refuses a head that is older than pages it cannot lead to.
    fn check_none_ahead(&mut self, newest: u64) -> Result<(), Error> {
        let mut header = PageHeader::default();
        // Of the page behind, if that is free, the first write may have been cut.
        let behind = newest.saturating_add(1);
        let is_free = newest.saturating_sub(self.state.head.oldest).saturating_add(1)
            < self.medium.data_pages().into();
        let most = if is_free { behind } else { newest };
        for place in HEAD_PAGES..self.medium.0.pages() {
            if self.medium.header_at(place, &mut header)?
                && header.page > most
                && self.medium.place(header.page)? == place
            {
                return Err(Error::HeadLost);
            }
        }
        Ok(())
    }

    /// Reads the live pages, and tells what of them is lost.
    fn scan(&mut self, report: &mut Report) -> Result<(), Error> {
        let Self { medium, state } = self;
        let Head { oldest, newest, .. } = state.head;
        state.forget_records();
        let mut scan = Scan::new(state, report);
        let mut header = PageHeader::default();
        for page in oldest..newest {
            let place = medium.place(page)?;
            let holds = medium.page_header(page, &mut header)?;
            scan.page(holds.then_some(&header), place);
            let holds = medium.page_header(page.saturating_add(1), &mut header)?;
            scan.closed_page(medium, page, place, holds.then_some(&header))?;
        }
        let place = medium.place(newest)?;
        let holds = medium.page_header(newest, &mut header)?;
        scan.page(holds.then_some(&header), place);
        let tail = scan.open_page(medium, newest, place)?;
        scan.end(place, tail);
        let note = scan.note;
        state.at = tail.at;
        state.closed = tail.closed || !holds;
        state.empty = note.is_none_or(|(page, ..)| page != newest);
        state.lost = report.losses();
        // Of what was told of, as much is no longer here as is missing from it.
        state.head.told = state.head.told.min(state.lost);
        if let Some((page, at, len)) = note {
            state.note_page = page;
            let place = medium.place(page)?;
            let bytes = state.note.bytes.get_mut(..len).ok_or(Error::Bug)?;
            medium.read(place, at.saturating_add(HEADER), bytes)?;
            state.note.len = u8::try_from(len).map_err(|_| Error::Bug)?;
        }
        Ok(())
    }

    /// Erases what is not live and not blank: pages that were let go of, and what a cut left of a
    /// page's first write.
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
            used: [0; 2],
            head_at: None,
            at: FRAME,
            empty: true,
            found_end: End { number: 0, seq: 0 },
            link: [0; 32],
            chain: Chain { next: 0, hash: [0; 32] },
            tried: [0; 32],
            hidden: true,
            lost_from: None,
            lost: 0,
            said: 0,
            note: Note::EMPTY,
            note_page: 0,
            closed: false,
            broken: true,
            foreign: false,
        }
    }

    /// As if no record had been read.
    fn forget_records(&mut self) {
        (self.chain, self.said) = (Chain { next: 0, hash: [0; 32] }, 0);
        (self.hidden, self.lost_from, self.lost) = (true, None, 0);
        (self.link, self.note) = ([0; 32], Note::EMPTY);
        self.note_page = self.head.oldest;
    }
}

impl<'s> Scan<'s> {
    fn new(state: &'s mut State, report: &'s mut Report) -> Self {
        let found = Found::default();
        let number = state.head.first;
        Self { state, report, number, linked: false, note: None, found }
    }

    fn add(&mut self, finding: Finding) {
        self.report.add(finding);
    }

    /// Takes a page's header. Behind damage it tells where the chain goes on.
    fn page(&mut self, header: Option<&PageHeader>, place: u32) {
        let Some(header) = header else {
            self.add(Finding::PageHeaderDamaged { page: place });
            return;
        };
        self.expect_number(header.number);
        self.number = header.number;
        self.state.link = header.link;
        self.linked = true;
        if let Some(chain) = &header.chain {
            self.state.go_on(*chain);
        }
        self.state.said = self.state.said.max(header.said);
    }

    /// Reports what is missing before this number.
    fn expect_number(&mut self, number: u64) {
        if self.number != number {
            self.add(Finding::RecordsLost { from: self.number, to: number });
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
                Some(next) => at = next,
                None if after.is_none() && medium.is_blank(place, at)? => break,
                None => {
                    self.add(Finding::RecordDamaged { page: place, at: small(at) });
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

    /// The newest page: where its records end.
    fn open_page<F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        medium: &mut Medium<F, PAGE, WORD>,
        page: u64,
        place: u32,
    ) -> Result<Tail, Error> {
        let last = medium.last_used(place, FRAME)?;
        let mut at = FRAME;
        while last.is_some_and(|last| at <= last) {
            let Some(next) = self.step(medium, page, place, at)? else {
                // Every record begins with bytes that are not blank: otherwise this never was one.
                let first = medium.first_used(place, at)?.unwrap_or(at);
                let rest = first >= at.saturating_add(HEADER);
                return Ok(Tail { at, closed: true, rest });
            };
            at = next;
        }
        Ok(Tail { at, closed: false, rest: false })
    }

    /// Compares where the records end with the head's word of it.
    fn end(&mut self, place: u32, tail: Tail) {
        let Head { end, covered, .. } = self.state.head;
        let number = self.number;
        let at = small(tail.at);
        let is_whole = number >= end.number;
        match tail {
            Tail { closed: false, .. } => {}
            Tail { rest: true, .. } => self.add(Finding::FreeSpaceNotBlank { page: place, at }),
            _ if is_whole => self.add(Finding::RecordTorn { page: place, at }),
            _ => self.add(Finding::RecordDamaged { page: place, at }),
        }
        self.state.found_end = End { number, seq: low(self.state.chain.next) };
        if !is_whole {
            self.add(Finding::RecordsLost { from: number, to: end.number });
            self.state.hidden |= end.seq != low(self.state.chain.next);
        } else if number > end.number {
            self.add(Finding::RecordCompleted { number: number.saturating_sub(1) });
        }
        self.state.hidden |= self.state.chain.next < covered.next;
    }

    /// The record at an offset, or behind damage the next one that holds: where it ends. None if
    /// none follows.
    fn step<F: Flash, const PAGE: usize, const WORD: usize>(
        &mut self,
        medium: &mut Medium<F, PAGE, WORD>,
        page: u64,
        place: u32,
        at: usize,
    ) -> Result<Option<usize>, Error> {
        let mut from = at;
        while let Some(here) = medium.next_record(place, from, &mut self.found)? {
            let next = here.saturating_add(self.found.header.padded::<WORD>());
            if self.found.header.number >= self.number {
                if here != at {
                    self.add(Finding::RecordDamaged { page: place, at: small(at) });
                }
                self.take(page, here);
                return Ok(Some(next));
            }
            from = next;
        }
        Ok(None)
    }

    /// Takes the record that was found at an offset.
    fn take(&mut self, page: u64, at: usize) {
        let number = self.found.header.number;
        self.expect_number(number);
        let Self { state, found, .. } = self;
        let header = &found.header;
        let contiguous = self.number == number;
        if contiguous && self.linked && state.link != header.link {
            self.report.add(Finding::LinkBroken { number });
        }
        self.number = number.saturating_add(1);
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
}

fn small(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
