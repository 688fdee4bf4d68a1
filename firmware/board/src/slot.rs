//! Two slots for the image of the application processor, and the choice between them.
//!
//! ```text
//! slot     length 4 · counter 4 · version 8 · image …
//! choice   01 00 00 00   slot 1 on trial, not tried yet     a word is appended for each change
//!          01 01 00 00   slot 1 on trial, tried: once more without a word from it is the way back
//!          01 02 00 00   slot 1 stays
//! ```
//!
//! This stands for a boot chain such as MCUboot's: whoever starts first measures and chooses.

use crate::flash::{NorFlash, PAGE, WORD};
use crate::layout;
use firmlog_agent::Flash as _;

const ON_TRIAL: u8 = 0;
const TRIED: u8 = 1;
const STAYS: u8 = 2;
const HEADER: usize = 16;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u8);

/// What a slot holds.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// The image.
    pub bytes: &'static [u8],
    /// The version it was installed as.
    pub version: u64,
    /// The anti-rollback counter it was installed as.
    pub counter: u32,
}

impl Slot {
    fn flash(self) -> Option<NorFlash> {
        NorFlash::region(*layout::SLOTS.get(usize::from(self.0))?, layout::SLOT_PAGES)
    }

    /// What is in it; none if it is blank or its length is none.
    #[must_use]
    pub fn read(self) -> Option<Held> {
        let slot = self.flash()?.as_slice();
        let (len, rest) = slot.split_first_chunk::<4>()?;
        let (counter, rest) = rest.split_first_chunk::<4>()?;
        let (version, rest) = rest.split_first_chunk::<8>()?;
        Some(Held {
            bytes: rest.get(..u32::from_le_bytes(*len) as usize)?,
            version: u64::from_le_bytes(*version),
            counter: u32::from_le_bytes(*counter),
        })
    }

    /// Writes an image; the header last, so that half an image is none.
    #[must_use]
    pub fn write(self, image: &[u8], version: u64, counter: u32) -> bool {
        self.try_write(image, version, counter).is_some()
    }

    fn try_write(self, image: &[u8], version: u64, counter: u32) -> Option<()> {
        let mut flash = self.flash()?;
        (0..flash.pages()).try_for_each(|page| flash.erase(page)).ok()?;
        let (words, rest) = image.as_chunks::<WORD>();
        let mut at = HEADER;
        for word in words {
            flash.program(at as u32, word).ok()?;
            at += WORD;
        }
        if !rest.is_empty() {
            let mut word = [0; WORD];
            word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            flash.program(at as u32, &word).ok()?;
        }
        flash.program(8, &version.to_le_bytes()).ok()?;
        flash.program(4, &counter.to_le_bytes()).ok()?;
        flash.program(0, &u32::try_from(image.len()).ok()?.to_le_bytes()).ok()
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
        boot.running.read().map(|_| boot)
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
