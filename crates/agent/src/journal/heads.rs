//! The head in two copies: written one after the other, read as the newer of the two.
//!
//! ```text
//! page 0   v6 v7 v8 ff …      page 1   v6 v7 ff ff …     power was cut here: v8 holds
//! ```
//!
//! Invariant: at every moment one copy is whole and holds the newest head that was ever reported as
//! written.

use super::error::{Error, Finding, Report};
use super::layout::{FRAME, Head};
use super::medium::Medium;
use super::{Journal, State};
use crate::flash::Flash;

/// One copy as it was found.
#[derive(Clone, Copy)]
struct Copy {
    newest: Option<Head>,
    /// Slots used, if what is behind them is blank.
    used: usize,
    /// Each used slot holds and the rest is blank.
    whole: bool,
}

impl<F: Flash, const PAGE: usize, const WORD: usize> Medium<F, PAGE, WORD> {
    const SLOTS: usize = PAGE / FRAME;

    fn copy(&mut self, place: u32) -> Result<Copy, Error> {
        let mut copy = Copy { newest: None, used: 0, whole: true };
        let mut blank = false;
        for slot in 0..Self::SLOTS {
            let frame = self.frame(place, slot.saturating_mul(FRAME))?;
            if frame.iter().all(|byte| *byte == 0xff) {
                blank = true;
                continue;
            }
            let newer = |head: &Head| copy.newest.is_none_or(|last| head.version > last.version);
            match Head::parse(&frame).filter(newer) {
                Some(head) if !blank => {
                    copy.newest = Some(head);
                    copy.used = slot.saturating_add(1);
                }
                _ => copy.whole = false,
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

    /// The newest head and the next slot of each copy, both made whole again.
    pub(super) fn recover_heads(
        &mut self,
        report: &mut Report,
    ) -> Result<(Head, [usize; 2]), Error> {
        let copies = [self.copy(0)?, self.copy(1)?];
        let best = copies.iter().filter_map(|copy| copy.newest).max_by_key(|head| head.version);
        // With damage in both the newest may be lost, and with it the word that a page is live.
        let sound = copies.iter().any(|copy| copy.whole && copy.newest.is_some());
        let Some(best) = best.filter(|_| sound) else {
            return Err(if self.all_blank()? { Error::Unformatted } else { Error::HeadLost });
        };
        let mut slots = copies.map(|copy| copy.used);
        // The copy without the newest head first: it must never be the only one erased.
        let mut order = [0u32, 1];
        if copies.first().is_some_and(|copy| copy.newest == Some(best)) {
            order.reverse();
        }
        for place in order {
            let index = usize::try_from(place).unwrap_or_default();
            let copy = copies.get(index).ok_or(Error::Bug)?;
            let number = u8::try_from(place).unwrap_or_default();
            let slot = match (copy.whole, copy.newest == Some(best)) {
                (true, true) => continue,
                (true, false) => {
                    report.add(Finding::HeadCopyBehind { copy: number });
                    copy.used
                }
                (false, _) => {
                    report.add(Finding::HeadCopyDamaged { copy: number });
                    Self::SLOTS
                }
            };
            let slot = self.put_head(place, slot, &best).unwrap_or_else(|_| {
                report.add(Finding::PageUnusable { page: place });
                Self::SLOTS
            });
            *slots.get_mut(index).ok_or(Error::Bug)? = slot;
        }
        Ok((best, slots))
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
    /// Makes `head` the head, in both copies. After a cut between them the newer one holds.
    pub(super) fn write_head(&mut self, head: Head) -> Result<(), Error> {
        let version = self.state.head.version.checked_add(1).ok_or(Error::Bug)?;
        let head = Head { version, ..head };
        let was_broken = self.state.broken;
        self.state.broken = true;
        let State { slots: [first, second], .. } = self.state;
        let first = self.medium.put_head(0, first, &head)?;
        let second = self.medium.put_head(1, second, &head)?;
        self.state.slots = [first, second];
        self.state.head = head;
        self.state.broken = was_broken;
        Ok(())
    }
}
