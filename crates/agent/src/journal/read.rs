//! Reading statements back, for whoever sends them.

use super::layout::{HEADER, Kind};
use super::medium::{Found, Look};
use super::{Error, FRAME, Journal};
use crate::flash::Flash;

impl<F: Flash, const PAGE: usize, const WORD: usize> Journal<F, PAGE, WORD> {
    /// Seq of the oldest statement that may still be here; what is below was erased, all of it
    /// confirmed by the log.
    ///
    /// # Errors
    /// [`Error::Flash`].
    pub fn oldest(&mut self) -> Result<u64, Error> {
        let header = self.medium.page_header(self.state.head.oldest)?;
        let next = header.and_then(|header| header.chain).map(|chain| chain.next);
        Ok(next.unwrap_or(self.state.head.covered.next))
    }

    /// Copies the statement with this seq into `out` and returns its length; none if it is not
    /// here: not said yet, erased, or damaged.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`] or [`Error::Flash`].
    pub fn statement(&mut self, seq: u64, out: &mut [u8]) -> Result<Option<usize>, Error> {
        for page in self.state.head.oldest..=self.state.head.newest {
            if let Some(found) = self.find_in(page, seq)? {
                return self.copy_entry(page, &found, out).map(Some);
            }
        }
        Ok(None)
    }

    fn find_in(&mut self, page: u64, seq: u64) -> Result<Option<Found>, Error> {
        let chain = self.medium.page_header(page)?.and_then(|header| header.chain);
        if chain.is_some_and(|chain| chain.next > seq) {
            return Ok(None);
        }
        let place = self.medium.place(page)?;
        let mut at = FRAME;
        while at < PAGE {
            match self.medium.header(place, at)? {
                Some(header) if header.kind != Kind::Statement || header.seq != seq => {
                    at = at.saturating_add(header.padded::<WORD>()).saturating_add(WORD);
                }
                Some(_) => {
                    return Ok(match self.medium.look(place, at)? {
                        Look::Record(found) => Some(found),
                        Look::BadBody(_) | Look::BadHeader => None,
                    });
                }
                // Behind damage the next record begins at some word.
                None if self.medium.is_blank(place, at)? => return Ok(None),
                None => at = at.saturating_add(WORD),
            }
        }
        Ok(None)
    }

    fn copy_entry(&mut self, page: u64, found: &Found, out: &mut [u8]) -> Result<usize, Error> {
        let len = usize::from(found.header.entry_len);
        let out = out.get_mut(..len).ok_or(Error::BufferTooSmall)?;
        let place = self.medium.place(page)?;
        let body = found.at.saturating_add(HEADER);
        self.medium.read(place, body.saturating_add(usize::from(found.header.note_len)), out)?;
        Ok(len)
    }
}
