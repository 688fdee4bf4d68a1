//! The head in two copies: written one after the other, read as the newer of the two.
//!
//! ```text
//! page 0   v6 ∙∙∙ v7 v8 ∙∙ ff …    page 1   v6 ∙∙∙ v7 v8 ∙ ff …    power was cut here: v8 holds,
//!          ∙ a mark, for one record                                and two records behind it
//! ```
//!
//! Marks stand apart from the records they are of: a page of records that is lost, worn or wiped
//! is missed.
//!
//! Invariant: at every moment one copy is whole and holds the newest head, with its marks, that was
//! ever reported as written.

use super::Journal;
use super::error::{Error, Finding, Report};
use super::layout::{End, FRAME, HEAD_PAGES, Head, Kind, Unit};
use super::medium::Medium;
use crate::flash::{Flash, FlashError};

/// One copy as it was found.
#[derive(Clone, Copy, Default)]
pub(super) struct Copy {
    /// Version of its newest head, and where that stands.
    version: Option<u32>,
    head_at: usize,
    /// Where records end by that head and the marks behind it.
    end: End,
    /// Where what is used ends, if the rest is blank.
    at: usize,
    /// Something in it does not hold, or follows a gap.
    damaged: bool,
}

impl Copy {
    const fn is_sound(&self) -> bool {
        !self.damaged && self.version.is_some()
    }

    fn age(&self) -> (Option<u32>, u64) {
        (self.version, self.end.number)
    }
}

impl<F: Flash, const PAGE: usize, const WORD: usize> Medium<F, PAGE, WORD> {
    fn unit(&mut self, place: u32, at: usize, head: &mut Head) -> Result<Unit, Error> {
        let mut unit = [0xff; FRAME];
        let len = PAGE.saturating_sub(at).min(FRAME);
        self.read(place, at, unit.get_mut(..len).ok_or(Error::Bug)?)?;
        Ok(head.read::<WORD>(&unit, self.geometry()))
    }

    fn copy(&mut self, place: u32) -> Result<Copy, Error> {
        let mut copy = Copy::default();
        let mut head = Head::default();
        while copy.at < PAGE {
            match self.unit(place, copy.at, &mut head)? {
                Unit::Head if copy.version < Some(head.version) => {
                    (copy.version, copy.head_at) = (Some(head.version), copy.at);
                    copy.end = head.end;
                    copy.at = copy.at.saturating_add(FRAME);
                }
                Unit::Mark(kind) if copy.version.is_some() => {
                    copy.end = copy.end.after(kind);
                    copy.at = copy.at.saturating_add(WORD);
                }
                Unit::Foreign(error) => return Err(error),
                Unit::Blank if self.is_blank(place, copy.at)? => break,
                _ => {
                    copy.damaged = true;
                    break;
                }
            }
        }
        Ok(copy)
    }

    /// Puts a head behind what is used of a copy, or after an erase at its begin.
    pub(super) fn put_head(
        &mut self,
        place: u32,
        used: usize,
        head: &Head,
    ) -> Result<usize, Error> {
        let mut at = used;
        if at.saturating_add(FRAME) > PAGE {
            self.erase(place)?;
            at = 0;
        }
        self.program(place, at, &head.encode(self.geometry()))?;
        Ok(at.saturating_add(FRAME))
    }

    fn no_data(&mut self) -> Result<bool, Error> {
        for place in HEAD_PAGES..self.0.pages() {
            if !self.is_blank(place, 0)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl<F: Flash, const PAGE: usize, const WORD: usize> Journal<F, PAGE, WORD> {
    /// Reads the newest head with its marks. Tells both copies.
    pub(super) fn read_heads(&mut self) -> Result<[Copy; 2], Error> {
        let Self { medium, state } = self;
        let [first, second] = [medium.copy(0)?, medium.copy(1)?];
        // With damage in both the newest may be lost, and with it the word that a page is live.
        if !first.is_sound() && !second.is_sound() {
            return Err(if medium.no_data()? { Error::Unformatted } else { Error::HeadLost });
        }
        let is_second = second.age() > first.age();
        let newer = if is_second { second } else { first };
        let Unit::Head = medium.unit(is_second.into(), newer.head_at, &mut state.head)? else {
            return Err(Error::HeadLost);
        };
        state.head.end = newer.end;
        Ok([first, second])
    }

    /// Makes both copies whole again: the newer head of the two. False if one cannot be: then the
    /// other is all there is, and is left alone.
    pub(super) fn mend_heads(&mut self, [first, second]: [Copy; 2], report: &mut Report) -> bool {
        let Self { medium, state } = self;
        let place = u32::from(second.age() > first.age());
        let newest = first.age().max(second.age());
        state.used = [first.at, second.at];
        state.head_at = Some(first.head_at);
        // The copy without the newest head first: it must never be the only one erased.
        for place in [place ^ 1, place] {
            let copy = if place == 0 { first } else { second };
            let number = u8::try_from(place).unwrap_or_default();
            let used = match copy.age() == newest {
                _ if copy.damaged => {
                    report.add(Finding::HeadCopyDamaged { copy: number });
                    PAGE
                }
                true => continue,
                false => {
                    report.add(Finding::HeadCopyBehind { copy: number });
                    copy.at
                }
            };
            let put = medium.put_head(place, used, &state.head);
            if put.is_err() {
                report.add(Finding::PageUnusable { page: place });
            }
            let [first, second] = &mut state.used;
            *(if place == 0 { first } else { second }) = put.unwrap_or(PAGE);
            if place == 0 {
                state.head_at = put.ok().map(|used| used.saturating_sub(FRAME));
            }
            if put.is_err() {
                return false;
            }
        }
        true
    }

    /// Whether the first copy of the head is as it was left here: its newest head, the last mark,
    /// and nothing behind that.
    pub(super) fn check_alone(&mut self) -> Result<(), Error> {
        let Self { medium, state } = self;
        let (mut head, mut last, mut behind) = ([0; FRAME], [0; WORD], [0xff; WORD]);
        let head_at = state.head_at.ok_or(Error::Flash(FlashError::Worn))?;
        medium.read(0, head_at, &mut head)?;
        let [used, _] = state.used;
        if used.saturating_add(WORD) <= PAGE {
            medium.read(0, used, &mut behind)?;
        }
        if used > head_at.saturating_add(FRAME) {
            medium.read(0, used.saturating_sub(WORD), &mut last)?;
        }
        let version = head.get(8..12).is_some_and(|it| *it == state.head.version.to_be_bytes());
        if version && last != [0xff; WORD] && behind == [0xff; WORD] {
            return Ok(());
        }
        (state.broken, state.foreign) = (true, true);
        Err(Error::OtherWriter)
    }

    /// Changes the head, in both copies. After a cut between them the newer one holds.
    pub(super) fn write_head(&mut self, change: &dyn Fn(&mut Head)) -> Result<(), Error> {
        let mut head = self.state.head;
        change(&mut head);
        head.version = head.version.checked_add(1).ok_or(Error::Bug)?;
        let was_broken = self.state.broken;
        self.state.broken = true;
        let [first, second] = self.state.used;
        let first = self.medium.put_head(0, first, &head)?;
        self.state.head_at = Some(first.saturating_sub(FRAME));
        let second = self.medium.put_head(1, second, &head)?;
        self.state.used = [first, second];
        self.state.head = head;
        self.state.broken = was_broken;
        Ok(())
    }

    /// Marks in both copies that one more record counts; where no mark fits, by a head.
    pub(super) fn mark(&mut self, kind: Kind) -> Result<(), Error> {
        let end = self.state.head.end.after(kind);
        let [first, second] = self.state.used;
        if first.max(second).saturating_add(WORD) > PAGE {
            return self.write_head(&|head| head.end = end);
        }
        self.state.broken = true;
        let word = [kind.mark(); WORD];
        self.medium.program(0, first, &word)?;
        self.medium.program(1, second, &word)?;
        self.state.used = [first, second].map(|used| used.saturating_add(WORD));
        self.state.head.end = end;
        self.state.broken = false;
        Ok(())
    }
}
