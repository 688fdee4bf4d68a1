//! Reading statements back, for whoever sends them.

use super::layout::{ENTRY_MAX, HEADER, Kind, PageHeader, RecordHeader};
use super::medium::Found;
use super::{Error, FRAME, Journal};
use crate::flash::Flash;

/// Takes a statement's seq, hash and bytes.
pub type EachStatement<'a> = &'a mut dyn FnMut(u64, &[u8; 32], &[u8]);

impl<F: Flash, const PAGE: usize, const WORD: usize> Journal<F, PAGE, WORD> {
    /// Seq of the oldest statement that may still be here; what is below was erased, all of it
    /// confirmed by the log.
    ///
    /// # Errors
    /// [`Error::Flash`].
    pub fn oldest(&mut self) -> Result<u64, Error> {
        let mut header = PageHeader::default();
        let holds = self.medium.page_header(self.state.head.oldest, &mut header)?;
        let next = header.chain.filter(|_| holds).map(|chain| chain.next);
        Ok(next.unwrap_or(self.state.head.covered.next))
    }

    /// Copies the statement with this seq into `out` and returns its length; none if it is not
    /// here: not said yet, erased, or damaged.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`] or [`Error::Flash`].
    pub fn statement(&mut self, seq: u64, out: &mut [u8]) -> Result<Option<usize>, Error> {
        for page in self.state.head.oldest..=self.state.head.newest {
            if let Some((at, len)) = self.find_in(page, seq)? {
                let out = out.get_mut(..len).ok_or(Error::BufferTooSmall)?;
                let place = self.medium.place(page)?;
                self.medium.read(place, at, out)?;
                return Ok(Some(len));
            }
        }
        Ok(None)
    }

    /// Hands each statement that can be read to `each`, oldest first: its seq, its hash, its bytes.
    ///
    /// # Errors
    /// [`Error::Flash`].
    pub fn each_statement(
        &mut self,
        buffer: &mut [u8; ENTRY_MAX],
        each: EachStatement<'_>,
    ) -> Result<(), Error> {
        let mut found = Found::default();
        for page in self.state.head.oldest..=self.state.head.newest {
            let place = self.medium.place(page)?;
            let mut at = FRAME;
            while let Some(here) = self.medium.next_record(place, at, &mut found)? {
                let RecordHeader { kind, note_len, entry_len, seq, .. } = found.header;
                at = here.saturating_add(found.header.padded::<WORD>());
                if kind == Kind::Statement {
                    let entry = here.saturating_add(HEADER).saturating_add(usize::from(note_len));
                    let out = buffer.get_mut(..usize::from(entry_len)).ok_or(Error::Bug)?;
                    self.medium.read(place, entry, out)?;
                    each(seq, &found.entry_hash, out);
                }
            }
        }
        Ok(())
    }

    /// Where in a page the entry of this statement is, and its length.
    fn find_in(&mut self, page: u64, seq: u64) -> Result<Option<(usize, usize)>, Error> {
        let mut header = PageHeader::default();
        if self.medium.page_header(page, &mut header)?
            && header.chain.is_some_and(|chain| chain.next > seq)
        {
            return Ok(None);
        }
        let place = self.medium.place(page)?;
        let mut at = FRAME;
        let mut found = Found::default();
        while let Some(here) = self.medium.next_header(place, at, &mut found.header)? {
            let RecordHeader { kind, note_len, entry_len, .. } = found.header;
            if kind == Kind::Statement && found.header.seq == seq {
                let holds = self.medium.holds(place, here, &mut found)?;
                let entry = here.saturating_add(HEADER).saturating_add(usize::from(note_len));
                return Ok(holds.then_some((entry, usize::from(entry_len))));
            }
            at = here.saturating_add(found.header.padded::<WORD>());
        }
        Ok(None)
    }
}
