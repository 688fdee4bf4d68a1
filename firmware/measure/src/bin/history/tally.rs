//! Flash that counts what is done to it.

use core::cell::Cell;
use firmlog_agent::{Flash, FlashError};
use firmlog_board::NorFlash;

/// Pages of the journal's flash.
pub(crate) const PAGES: usize = 8;

/// Pages of the journal's head, in front of those for records.
const HEADS: usize = 2;

/// Operations since the last [`clear`](Self::clear).
#[derive(Debug, Default)]
pub(crate) struct Tally {
    programs: [Cell<u32>; PAGES],
    erases: Cell<u32>,
    opened: Cell<bool>,
}

impl Tally {
    pub(crate) fn clear(&self) {
        self.programs.iter().for_each(|page| page.set(0));
        self.erases.set(0);
        self.opened.set(false);
    }

    /// Program operations on the page that had most.
    pub(crate) fn most_on_a_page(&self) -> u32 {
        self.programs.iter().map(Cell::get).max().unwrap_or_default()
    }

    /// Program operations on all pages.
    pub(crate) fn programs(&self) -> u32 {
        self.programs.iter().map(Cell::get).sum()
    }

    pub(crate) fn erases(&self) -> u32 {
        self.erases.get()
    }

    /// Whether a page of records was begun.
    pub(crate) fn opened_a_page(&self) -> bool {
        self.opened.get()
    }
}

/// Flash and its tally.
#[derive(Debug)]
pub(crate) struct Counted<'a> {
    pub(crate) flash: NorFlash,
    pub(crate) tally: &'a Tally,
}

impl Flash for Counted<'_> {
    fn pages(&self) -> u32 {
        self.flash.pages()
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError> {
        self.flash.read(at, out)
    }

    fn program(&mut self, at: u32, words: &[u8]) -> Result<(), FlashError> {
        let page = at as usize / firmlog_board::flash::PAGE;
        if let Some(programs) = self.tally.programs.get(page) {
            programs.set(programs.get() + 1);
        }
        let is_first = (at as usize).is_multiple_of(firmlog_board::flash::PAGE);
        self.tally.opened.set(self.tally.opened.get() || is_first && page >= HEADS);
        self.flash.program(at, words)
    }

    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        self.tally.erases.set(self.tally.erases.get() + 1);
        self.flash.erase(page)
    }
}
