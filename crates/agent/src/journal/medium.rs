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

/// How a record's marker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Blank,
    Set,
    /// Neither: torn or altered.
    Other,
}

/// A record whose checksums hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    pub(crate) header: RecordHeader,
    /// SHA-256 of header, note, entry and padding: the next record's link.
    pub(crate) hash: [u8; 32],
    /// SHA-256 of the entry.
    pub(crate) entry_hash: [u8; 32],
}

/// What stands at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Record(Marker),
    /// The header holds, the body does not.
    BadBody(Marker),
    /// No header.
    BadHeader,
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
        let frame = self.frame(place, 0)?;
        let holds = header.read(&frame, Self::page_bytes(), Self::word());
        Ok(holds && header.page == page)
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

    /// Sets a record's marker, the last word that makes it count.
    pub(crate) fn mark(&mut self, place: u32, at: usize) -> Result<(), Error> {
        self.program(place, at, &[0; WORD])
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

    /// Reads the record header at an offset into `header`; false if it does not hold or its record
    /// does not fit.
    pub(crate) fn header(
        &mut self,
        place: u32,
        at: usize,
        header: &mut RecordHeader,
    ) -> Result<bool, Error> {
        let fits = |len: usize| at.checked_add(len.saturating_add(WORD)).is_some_and(|e| e <= PAGE);
        if !fits(HEADER) {
            return Ok(false);
        }
        let mut frame = [0; HEADER];
        self.read(place, at, &mut frame)?;
        Ok(header.read(&frame) && fits(header.padded::<WORD>()))
    }

    /// What stands at an offset, read once; a record that holds is told in `found`.
    pub(crate) fn look(&mut self, place: u32, at: usize, found: &mut Found) -> Result<Look, Error> {
        let Found { header, hash: record_hash, entry_hash } = found;
        if !self.header(place, at, header)? {
            return Ok(Look::BadHeader);
        }
        let end = at.saturating_add(header.padded::<WORD>());
        let frame = header.encode();
        let (mut crc, mut hash) = (Crc::new(), Sha256::new_with_prefix(frame));
        self.chunks(place, at.saturating_add(HEADER), end, &mut |_, chunk| {
            crc.update(chunk);
            hash.update(chunk);
        })?;
        let marker = self.marker(place, end)?;
        if crc.finish() != header.body_crc {
            return Ok(Look::BadBody(marker));
        }
        *record_hash = hash.finalize().into();
        if header.kind == Kind::Statement {
            *entry_hash = self.entry_hash(place, at, header)?;
        }
        Ok(Look::Record(marker))
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

    fn marker(&mut self, place: u32, at: usize) -> Result<Marker, Error> {
        let mut word = [0; WORD];
        self.read(place, at, &mut word)?;
        Ok(match word {
            _ if word == [0; WORD] => Marker::Set,
            _ if word == [0xff; WORD] => Marker::Blank,
            _ => Marker::Other,
        })
    }
}
