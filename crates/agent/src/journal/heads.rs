//! The head in two copies: written one after the other, read as the newer of the two.
//!
//! ```text
//! page 0   v6 v7 v8 ff …      page 1   v6 v7 ff ff …     power was cut here: v8 holds
//! ```
//!
//! Invariant: at every moment one copy is whole and holds the newest head that was ever reported as
//! written.

use super::Journal;
use super::error::{Error, Finding, Report};
use super::layout::{FRAME, Head};
use super::medium::Medium;
use crate::flash::Flash;

/// One copy as it was found.
#[derive(Clone, Copy, Default)]
struct Copy {
    /// Version of its newest head.
    version: Option<u64>,
    /// Slots used, if what is behind them is blank; the newest head is in the last.
    used: usize,
    /// Something in it does not hold, or follows a gap.
    damaged: bool,
}

/// What a slot holds.
enum Slot {
    Blank,
    Head,
    Damaged,
}

impl<F: Flash, const PAGE: usize, const WORD: usize> Medium<F, PAGE, WORD> {
    const SLOTS: usize = PAGE / FRAME;

    /// Reads a slot; a head that holds is told in `head`.
    fn head(&mut self, place: u32, slot: usize, head: &mut Head) -> Result<Slot, Error> {
        let frame = self.frame(place, slot.saturating_mul(FRAME))?;
        Ok(match frame.iter().all(|byte| *byte == 0xff) {
            true => Slot::Blank,
            false if head.read(&frame) => Slot::Head,
            false => Slot::Damaged,
        })
    }

    fn copy(&mut self, place: u32) -> Result<Copy, Error> {
        let mut copy = Copy::default();
        let mut blank = false;
        let mut head = Head::default();
        for slot in 0..Self::SLOTS {
            match self.head(place, slot, &mut head)? {
                Slot::Blank => blank = true,
                Slot::Head if !blank && copy.version < Some(head.version) => {
                    copy.version = Some(head.version);
                    copy.used = slot.saturating_add(1);
                }
                Slot::Head | Slot::Damaged => copy.damaged = true,
            }
        }
        Ok(copy)
    }

    /// Puts a head into the next slot of a copy, or after an erase into its first.
    fn put_head(&mut self, place: u32, slot: usize, head: &Head) -> Result<usize, Error> {
        let slot = if slot < Self::SLOTS {
            slot
        } else {
            self.erase(place)?;
            0
        };
        self.program(place, slot.saturating_mul(FRAME), &head.encode())?;
        Ok(slot.saturating_add(1))
    }

    fn all_blank(&mut self) -> Result<bool, Error> {
        for place in 0..self.0.pages() {
            if !self.is_blank(place, 0)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl<F: Flash, const PAGE: usize, const WORD: usize> Journal<F, PAGE, WORD> {
    /// Reads the newest head and makes both copies whole again.
    pub(super) fn recover_heads(&mut self, report: &mut Report) -> Result<(), Error> {
        let Self { medium, state } = self;
        let [first, second] = [medium.copy(0)?, medium.copy(1)?];
        // With damage in both the newest may be lost, and with it the word that a page is live.
        let is_sound = |copy: &Copy| !copy.damaged && copy.version.is_some();
        if !is_sound(&first) && !is_sound(&second) {
            return Err(if medium.all_blank()? { Error::Unformatted } else { Error::HeadLost });
        }
        let newer = u32::from(second.version > first.version);
        let used = if newer == 0 { first.used } else { second.used };
        let Slot::Head = medium.head(newer, used.saturating_sub(1), &mut state.head)? else {
            return Err(Error::HeadLost);
        };
        state.slots = [first.used, second.used];
        // The copy without the newest head first: it must never be the only one erased.
        for place in [newer ^ 1, newer] {
            let copy = if place == 0 { first } else { second };
            let number = u8::try_from(place).unwrap_or_default();
            let slot = match copy.version == Some(state.head.version) {
                _ if copy.damaged => {
                    report.add(Finding::HeadCopyDamaged { copy: number });
                    Medium::<F, PAGE, WORD>::SLOTS
                }
                true => continue,
                false => {
                    report.add(Finding::HeadCopyBehind { copy: number });
                    copy.used
                }
            };
            let slot = medium.put_head(place, slot, &state.head).unwrap_or_else(|_| {
                report.add(Finding::PageUnusable { page: place });
                Medium::<F, PAGE, WORD>::SLOTS
            });
            let [first, second] = &mut state.slots;
            *(if place == 0 { first } else { second }) = slot;
        }
        Ok(())
    }

    /// Changes the head, in both copies. After a cut between them the newer one holds.
    pub(super) fn write_head(&mut self, change: &dyn Fn(&mut Head)) -> Result<(), Error> {
        let mut head = self.state.head;
        change(&mut head);
        head.version = head.version.checked_add(1).ok_or(Error::Bug)?;
        let was_broken = self.state.broken;
        self.state.broken = true;
        let [first, second] = self.state.slots;
        let first = self.medium.put_head(0, first, &head)?;
        let second = self.medium.put_head(1, second, &head)?;
        self.state.slots = [first, second];
        self.state.head = head;
        self.state.broken = was_broken;
        Ok(())
    }
}
