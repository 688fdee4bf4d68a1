//! Two slots for the image of the application processor, and the choice between them.
//!
//! ```text
//! slot     an image of MCUboot from its first byte on; what is behind it is blank
//! choice   01 00 00 00   slot 1 on trial, not tried yet     a word is appended for each change
//!          01 01 00 00   slot 1 on trial, tried: once more without a word from it is the way back
//!          01 02 00 00   slot 1 stays
//! ```
//!
//! This stands for a boot chain such as MCUboot's: whoever starts first measures and chooses.
//!
//! Invariant: a slot begins with the first word of an image only if all of that image is in it.

use crate::flash::{NorFlash, PAGE, WORD};
use crate::layout;
use firmlog_agent::Flash as _;

const ON_TRIAL: u8 = 0;
const TRIED: u8 = 1;
const STAYS: u8 = 2;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u8);

impl Slot {
    fn flash(self) -> Option<NorFlash> {
        NorFlash::region(*layout::SLOTS.get(usize::from(self.0))?, layout::SLOT_PAGES)
    }

    /// All of it, whatever it holds.
    #[must_use]
    pub fn read(self) -> Option<&'static [u8]> {
        Some(self.flash()?.as_slice())
    }

    /// Writes an image; its first word, which tells an image from none, last.
    #[must_use]
    pub fn write(self, image: &[u8]) -> bool {
        self.try_write(image).is_some()
    }

    fn try_write(self, image: &[u8]) -> Option<()> {
        let mut flash = self.flash()?;
        (0..flash.pages()).try_for_each(|page| flash.erase(page)).ok()?;
        let (first, rest) = image.split_first_chunk::<WORD>()?;
        let (words, end) = rest.as_chunks::<WORD>();
        let mut at = WORD;
        for word in words {
            flash.program(at as u32, word).ok()?;
            at += WORD;
        }
        if !end.is_empty() {
            let mut word = [0xff; WORD];
            word.iter_mut().zip(end).for_each(|(to, from)| *to = *from);
            flash.program(at as u32, &word).ok()?;
        }
        flash.program(0, first).ok()
    }
}

/// The choice between the slots, as it stands in this boot.
#[derive(Debug)]
pub struct Boot {
    flash: NorFlash,
    at: usize,
    running: Slot,
}

impl Boot {
    /// Chooses what runs, as the boot chain does before anything else: a trial is tried once, and
    /// whoever did not stay after it gives way.
    #[must_use]
    pub fn start() -> Option<Self> {
        let flash = NorFlash::region(layout::BOOT, 1)?;
        let (words, _) = flash.as_slice().as_chunks::<WORD>();
        let used = words.iter().take_while(|word| **word != [0xff; WORD]).count();
        let last = used.checked_sub(1).and_then(|last| words.get(last)).copied();
        let mut boot = Self { flash, at: used * WORD, running: Slot(0) };
        match last {
            None => {}
            Some([slot, ON_TRIAL, ..]) => {
                boot.running = Slot(slot);
                boot.choose(boot.running, TRIED)?;
            }
            Some([slot, TRIED, ..]) => {
                boot.running = Slot(1 - slot.min(1));
                boot.choose(boot.running, STAYS)?;
            }
            Some([slot, ..]) => boot.running = Slot(slot),
        }
        Some(boot)
    }

    /// What runs.
    #[must_use]
    pub const fn running(&self) -> Slot {
        self.running
    }

    /// The slot that does not.
    #[must_use]
    pub const fn other(&self) -> Slot {
        Slot(1 - self.running.0)
    }

    /// The other slot runs on trial after the next start.
    #[must_use]
    pub fn try_other(&mut self) -> bool {
        self.choose(self.other(), ON_TRIAL).is_some()
    }

    /// What runs stays.
    #[must_use]
    pub fn confirm(&mut self) -> bool {
        self.choose(self.running, STAYS).is_some()
    }

    /// The other slot runs from the next start on.
    #[must_use]
    pub fn revert(&mut self) -> bool {
        self.choose(self.other(), STAYS).is_some()
    }

    fn choose(&mut self, slot: Slot, how: u8) -> Option<()> {
        if self.at >= PAGE {
            self.flash.erase(0).ok()?;
            self.at = 0;
        }
        self.flash.program(self.at as u32, &[slot.0, how, 0, 0]).ok()?;
        self.at += WORD;
        Some(())
    }
}
