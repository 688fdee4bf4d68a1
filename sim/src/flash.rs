//! NOR flash that keeps its contract, counts, and fails where it is told to.
//!
//! ```text
//! cut_after = Some(1000)    the thousandth byte written or erased is the last
//! torn                      the word under way when power went holds anything between
//! ```
//!
//! Invariants: a word is programmed once between erases, whole and in place, or the test panics:
//! the strictest part there is.

use std::cell::RefCell;
use std::rc::Rc;

use crate::Random;
use firmlog_agent::{Flash, FlashError};

/// Faults, counted from when they are set.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Power goes after this many more bytes were programmed or erased.
    pub cut_after: Option<u64>,
    /// Bits that do not change any more: byte address, mask, value.
    pub stuck: Vec<(u32, u8, u8)>,
    /// Erases of these pages fail.
    pub unerasable: Vec<u32>,
    /// After so many more reads one has a wrong bit, once.
    pub misread: Option<u64>,
    /// After so many more operations that change flash each goes wrong.
    pub failing: Option<(u64, Failing)>,
}

/// How a part or its driver goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// Nothing is done, and it says so.
    Nothing,
    /// Half is done, and it says that it failed.
    Half,
    /// All is done, and it says that it failed.
    Whole,
    /// All is done but for one bit, and it says that it is done.
    Flips,
}

/// What was done to the flash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Program operations by page.
    pub programs: Vec<u32>,
    /// Erases by page.
    pub erases: Vec<u32>,
    /// Bytes programmed and erased in all.
    pub bytes: u64,
    /// Bytes read in all.
    pub read: u64,
}

/// Flash in memory.
#[derive(Clone, Debug)]
pub struct SimFlash {
    bytes: Vec<u8>,
    /// Words programmed since their page was erased.
    used: Vec<bool>,
    page: usize,
    word: usize,
    random: Random,
    dead: bool,
    /// What goes wrong.
    pub faults: Faults,
    /// What was done since this was last cleared.
    pub tally: Tally,
}

impl SimFlash {
    /// Blank flash.
    #[must_use]
    pub fn new(pages: usize, page: usize, word: usize, seed: u64) -> Self {
        Self::from_image(vec![0xff; pages * page], page, word, seed)
    }

    /// Flash that holds an image.
    #[must_use]
    pub fn from_image(bytes: Vec<u8>, page: usize, word: usize, seed: u64) -> Self {
        let pages = bytes.len() / page;
        let used = bytes.chunks(word).map(|word| word.iter().any(|b| *b != 0xff)).collect();
        let tally = Tally { programs: vec![0; pages], erases: vec![0; pages], bytes: 0, read: 0 };
        let random = Random::new(seed);
        Self { bytes, used, page, word, random, dead: false, faults: Faults::default(), tally }
    }

    /// What it holds.
    #[must_use]
    pub fn image(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether power is gone.
    #[must_use]
    pub const fn is_dead(&self) -> bool {
        self.dead
    }

    /// Power comes back; a cut that was set and not reached is forgotten.
    pub fn power_up(&mut self) {
        self.dead = false;
        self.faults.cut_after = None;
    }

    /// Changes one bit behind everybody's back.
    pub fn flip(&mut self, bit: usize) {
        self.bytes[bit / 8] ^= 1 << (bit % 8);
    }

    /// Starts counting anew.
    pub fn clear_tally(&mut self) {
        let pages = self.tally.programs.len();
        self.tally = Tally { programs: vec![0; pages], erases: vec![0; pages], bytes: 0, read: 0 };
    }

    /// Takes one byte from what is left before the cut; false when power goes at this one.
    fn spend(&mut self) -> bool {
        self.tally.bytes += 1;
        match &mut self.faults.cut_after {
            Some(0) => {
                self.dead = true;
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    /// After a cut a word counts as programmed if it reads so.
    fn see(&mut self, word: usize) {
        let at = word * self.word;
        self.used[word] = self.bytes[at..at + self.word].iter().any(|byte| *byte != 0xff);
    }

    fn set(&mut self, at: usize, value: u8) {
        let stuck = self.faults.stuck.iter().filter(|(address, ..)| *address as usize == at);
        let value = stuck.fold(value, |value, (_, mask, held)| value & !mask | held & mask);
        self.bytes[at] = value;
    }

    /// What a byte holds when power goes while it changes: each bit the old or the new one.
    fn tear(&mut self, at: usize, new: u8) {
        let mask = self.random.number().to_be_bytes()[0];
        let torn = self.bytes[at] & mask | new & !mask;
        self.set(at, torn);
    }
}

impl Failing {
    /// How much of an operation it does.
    const fn done_of(self, len: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Half => len / 2,
            Self::Whole | Self::Flips => len,
        }
    }
}

impl SimFlash {
    /// How the operation that begins goes wrong.
    fn fails(&mut self) -> Option<Failing> {
        match &mut self.faults.failing {
            Some((0, how)) => Some(*how),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }

    /// What is said of an operation that began there.
    fn end(&mut self, failing: Option<Failing>, at: usize) -> Result<(), FlashError> {
        match failing {
            None => Ok(()),
            Some(Failing::Flips) => {
                self.bytes[at] ^= 1;
                Ok(())
            }
            Some(_) => Err(FlashError::Driver),
        }
    }
}

impl Flash for SimFlash {
    fn pages(&self) -> u32 {
        u32::try_from(self.bytes.len() / self.page).expect("a small flash")
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError> {
        if self.dead {
            return Err(FlashError::Driver);
        }
        let at = at as usize;
        self.tally.read += out.len() as u64;
        out.copy_from_slice(self.bytes.get(at..at + out.len()).ok_or(FlashError::Bounds)?);
        match &mut self.faults.misread {
            Some(0) => {
                self.faults.misread = None;
                out[out.len() / 2] ^= 0x10;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }

    fn program(&mut self, at: u32, words: &[u8]) -> Result<(), FlashError> {
        if self.dead {
            return Err(FlashError::Driver);
        }
        let at = at as usize;
        assert!(
            at.is_multiple_of(self.word) && words.len().is_multiple_of(self.word),
            "whole words at {at}"
        );
        assert!(at / self.page == (at + words.len() - 1) / self.page, "one page at {at}");
        self.tally.programs[at / self.page] += 1;
        let failing = self.fails();
        let len = failing.map_or(words.len(), |how| how.done_of(words.len()));
        for (offset, byte) in words.iter().enumerate().take(len) {
            let here = at + offset;
            if here.is_multiple_of(self.word) {
                assert!(!self.used[here / self.word], "word at {here} is programmed twice");
            }
            if !self.spend() {
                self.tear(here, *byte);
                self.see(here / self.word);
                return Err(FlashError::Driver);
            }
            self.used[here / self.word] = true;
            self.set(here, *byte);
        }
        self.end(failing, at)
    }

    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        if self.dead || self.faults.unerasable.contains(&page) {
            return Err(FlashError::Driver);
        }
        let (page, size) = (page as usize, self.page);
        self.tally.erases[page] += 1;
        let failing = self.fails();
        let len = failing.map_or(size, |how| how.done_of(size));
        for at in page * size..page * size + len {
            if !self.spend() {
                self.tear(at, 0xff);
                (page * size / self.word..(page + 1) * size / self.word)
                    .for_each(|word| self.see(word));
                return Err(FlashError::Driver);
            }
            self.set(at, 0xff);
        }
        let words = size / self.word;
        self.used[page * words..page * words + len / self.word].fill(false);
        self.end(failing, page * size)
    }
}

/// One flash for several: for two programs, or for a test that changes what goes wrong meanwhile.
#[derive(Clone, Debug)]
pub struct Shared(pub Rc<RefCell<SimFlash>>);

impl Shared {
    /// A flash to share.
    #[must_use]
    pub fn new(flash: SimFlash) -> Self {
        Self(Rc::new(RefCell::new(flash)))
    }
}

impl Flash for Shared {
    fn pages(&self) -> u32 {
        self.0.borrow().pages()
    }
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError> {
        self.0.borrow_mut().read(at, out)
    }
    fn program(&mut self, at: u32, words: &[u8]) -> Result<(), FlashError> {
        self.0.borrow_mut().program(at, words)
    }
    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        self.0.borrow_mut().erase(page)
    }
}
