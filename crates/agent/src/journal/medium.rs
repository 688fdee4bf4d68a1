//! Flash as the journal uses it: pages and offsets, read back after programming, checked after
//! erasing.

use super::error::Error;
use super::layout::{FRAME, HEAD_PAGES, HEADER, Kind, PageHeader, RecordHeader, WORD_MAX};
use crate::crc::Crc;
use crate::flash::{Flash, FlashError};
use sha2::{Digest as _, Sha256};

/// Bytes read at a time.
const CHUNK: usize = 64;

/// A flash of pages of `PAGE` bytes and words of `WORD` bytes.
#[derive(Clone, Debug)]
pub(crate) struct Medium<F, const PAGE: usize, const WORD: usize>(pub(crate) F);

/// A record whose checksums hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    pub(crate) header: RecordHeader,
    /// SHA-256 of header, note, entry and padding: the next record's link.
    pub(crate) hash: [u8; 32],
    /// SHA-256 of the entry.
    pub(crate) entry_hash: [u8; 32],
}

impl<F: Flash, const PAGE: usize, const WORD: usize> Medium<F, PAGE, WORD> {
    /// Pages that hold records.
    pub(crate) fn data_pages(&self) -> u32 {
        self.0.pages().saturating_sub(HEAD_PAGES)
    }

    /// Refuses what the format cannot be laid out on.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let word = WORD.is_power_of_two() && WORD <= WORD_MAX;
        let page = PAGE.is_power_of_two() && PAGE >= FRAME.saturating_mul(8);
        let whole = u32::try_from(PAGE).ok().and_then(|page| page.checked_mul(self.0.pages()));
        let enough = self.data_pages() >= 4 && whole.is_some();
        if word && page && enough { Ok(()) } else { Err(Error::Geometry) }
    }

    /// The flash in one number: pages · log2 of `PAGE` · log2 of `WORD`.
    pub(crate) fn geometry(&self) -> u32 {
        let [page, word] = [PAGE, WORD].map(usize::trailing_zeros);
        self.0.pages() << 8 | page << 3 | word
    }

    /// The place in flash of a page of the journal's life.
    pub(crate) fn place(&self, page: u64) -> Result<u32, Error> {
        // A byte at a time: small processors divide by 32 bits, and pages are fewer than 2^22.
        let pages = self.data_pages();
        let ring = page.to_be_bytes().into_iter().try_fold(0u32, |rest, byte| {
            rest.checked_mul(0x100)?.checked_add(u32::from(byte))?.checked_rem(pages)
        });
        ring.ok_or(Error::Geometry)?.checked_add(HEAD_PAGES).ok_or(Error::Bug)
    }

    fn address(place: u32, at: usize) -> Result<u32, Error> {
        let page = u32::try_from(PAGE).ok().and_then(|page| page.checked_mul(place));
        let at = u32::try_from(at).ok();
        page.zip(at).and_then(|(page, at)| page.checked_add(at)).ok_or(Error::Bug)
    }

    pub(crate) fn read(&mut self, place: u32, at: usize, out: &mut [u8]) -> Result<(), Error> {
        if at.checked_add(out.len()).is_none_or(|end| end > PAGE) {
            return Err(Error::Bug);
        }
        self.0.read(Self::address(place, at)?, out).map_err(Error::Flash)
    }

    pub(crate) fn frame(&mut self, place: u32, at: usize) -> Result<[u8; FRAME], Error> {
        let mut frame = [0; FRAME];
        self.read(place, at, &mut frame)?;
        Ok(frame)
    }

    /// Reads the header of a page of the journal's life into `header`; false if it does not hold.
    pub(crate) fn page_header(
        &mut self,
        page: u64,
        header: &mut PageHeader,
    ) -> Result<bool, Error> {
        let place = self.place(page)?;
        Ok(self.header_at(place, header)? && header.page == page)
    }

    /// Reads the header of whatever page stands at a place; false if it does not hold.
    pub(crate) fn header_at(&mut self, place: u32, header: &mut PageHeader) -> Result<bool, Error> {
        let frame = self.frame(place, 0)?;
        Ok(header.read(&frame, Self::page_bytes(), Self::word()))
    }

    /// A page's header, for this flash.
    pub(crate) fn lay_header(&self, header: &PageHeader) -> [u8; FRAME] {
        header.encode(Self::page_bytes(), Self::word())
    }

    /// Geometry was checked: it fits.
    fn page_bytes() -> u32 {
        u32::try_from(PAGE).unwrap_or_default()
    }

    fn word() -> u8 {
        u8::try_from(WORD).unwrap_or_default()
    }

    /// One program operation, read back.
    pub(crate) fn program(&mut self, place: u32, at: usize, words: &[u8]) -> Result<(), Error> {
        let address = Self::address(place, at)?;
        self.0.program(address, words).map_err(Error::Flash)?;
        let mut at = at;
        for chunk in words.chunks(CHUNK) {
            let mut back = [0; CHUNK];
            let back = back.get_mut(..chunk.len()).ok_or(Error::Bug)?;
            self.read(place, at, back)?;
            if back != chunk {
                return Err(Error::Flash(FlashError::Worn));
            }
            at = at.saturating_add(chunk.len());
        }
        Ok(())
    }

    pub(crate) fn erase(&mut self, place: u32) -> Result<(), Error> {
        self.0.erase(place).map_err(Error::Flash)?;
        match self.is_blank(place, 0)? {
            true => Ok(()),
            false => Err(Error::Flash(FlashError::Worn)),
        }
    }

    /// Erases a free page whose erase failed before.
    pub(crate) fn make_blank(&mut self, place: u32) -> Result<(), Error> {
        if self.is_blank(place, 0)? { Ok(()) } else { self.erase(place) }
    }

    /// Whether a page is blank from an offset on.
    pub(crate) fn is_blank(&mut self, place: u32, from: usize) -> Result<bool, Error> {
        self.last_used(place, from).map(|last| last.is_none())
    }

    /// Offset of the last byte at or after `from` that is not blank.
    pub(crate) fn last_used(&mut self, place: u32, from: usize) -> Result<Option<usize>, Error> {
        let mut last = None;
        self.chunks(place, from, PAGE, &mut |at, chunk| {
            if let Some(used) = chunk.iter().rposition(|byte| *byte != 0xff) {
                last = Some(at.saturating_add(used));
            }
        })?;
        Ok(last)
    }

    /// Offset of the first byte at or after `from` that is not blank.
    pub(crate) fn first_used(&mut self, place: u32, from: usize) -> Result<Option<usize>, Error> {
        let mut first = None;
        self.chunks(place, from, PAGE, &mut |at, chunk| {
            let used = chunk.iter().position(|byte| *byte != 0xff);
            first = first.or(used.map(|used| at.saturating_add(used)));
        })?;
        Ok(first)
    }

    /// CRC-32C of a whole page.
    pub(crate) fn crc(&mut self, place: u32) -> Result<u32, Error> {
        let mut crc = Crc::new();
        self.chunks(place, 0, PAGE, &mut |_, chunk| crc.update(chunk))?;
        Ok(crc.finish())
    }

    #[inline(never)]
    fn chunks(
        &mut self,
        place: u32,
        from: usize,
        to: usize,
        each: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), Error> {
        let mut at = from;
        while at < to {
            let mut chunk = [0; CHUNK];
            let len = to.saturating_sub(at).min(CHUNK);
            let chunk = chunk.get_mut(..len).ok_or(Error::Bug)?;
            self.read(place, at, chunk)?;
            each(at, chunk);
            at = at.saturating_add(len);
        }
        Ok(())
    }

    /// The first record header that holds at or behind an offset, at a word, read into `header`:
    /// where. Its record fits on the page. Reads each byte of the page twice at most.
    pub(crate) fn next_header(
        &mut self,
        place: u32,
        from: usize,
        header: &mut RecordHeader,
    ) -> Result<Option<usize>, Error> {
        let mut base = from;
        while base.saturating_add(HEADER) <= PAGE {
            let mut window = [0xff; HEADER * 2];
            let len = PAGE.saturating_sub(base).min(window.len());
            self.read(place, base, window.get_mut(..len).ok_or(Error::Bug)?)?;
            for (step, frame) in window.windows(HEADER).step_by(WORD).enumerate() {
                let at = base.saturating_add(step.saturating_mul(WORD));
                if step.saturating_mul(WORD) < HEADER
                    && frame.first_chunk().is_some_and(|frame| header.read(frame))
                    && at.saturating_add(header.padded::<WORD>()) <= PAGE
                {
                    return Ok(Some(at));
                }
            }
            base = base.saturating_add(HEADER);
        }
        Ok(None)
    }

    /// The first whole record at or behind an offset, read into `found`: where.
    pub(crate) fn next_record(
        &mut self,
        place: u32,
        from: usize,
        found: &mut Found,
    ) -> Result<Option<usize>, Error> {
        let mut from = from;
        while let Some(at) = self.next_header(place, from, &mut found.header)? {
            if self.holds(place, at, found)? {
                return Ok(Some(at));
            }
            from = at.saturating_add(found.header.padded::<WORD>());
        }
        Ok(None)
    }

    /// Whether the record holds whose header was found at an offset; if so its hashes are told.
    pub(crate) fn holds(
        &mut self,
        place: u32,
        at: usize,
        found: &mut Found,
    ) -> Result<bool, Error> {
        let Found { header, hash: record_hash, entry_hash } = found;
        let end = at.saturating_add(header.padded::<WORD>());
        let frame = header.encode();
        let (mut crc, mut hash) = (Crc::new(), Sha256::new_with_prefix(frame));
        self.chunks(place, at.saturating_add(HEADER), end, &mut |_, chunk| {
            crc.update(chunk);
            hash.update(chunk);
        })?;
        if crc.finish() != header.body_crc {
            return Ok(false);
        }
        *record_hash = hash.finalize().into();
        if header.kind == Kind::Statement {
            *entry_hash = self.entry_hash(place, at, header)?;
        }
        Ok(true)
    }

    fn entry_hash(
        &mut self,
        place: u32,
        at: usize,
        header: &RecordHeader,
    ) -> Result<[u8; 32], Error> {
        let from = at.saturating_add(HEADER).saturating_add(usize::from(header.note_len));
        let to = from.saturating_add(usize::from(header.entry_len));
        let mut hash = Sha256::new();
        self.chunks(place, from, to, &mut |_, chunk| hash.update(chunk))?;
        Ok(hash.finalize().into())
    }
}
