//! Coalescing: few statements for many refusals, whatever is offered.
//!
//! ```text
//! the same again    1     2     3      4     5 6 7  8     …
//!                   say   note  quiet  note  quiet  note  …   say, with the count, when another comes
//! another image     say, while the allowance lasts; then counted together, in one number
//! ```
//!
//! Whoever offers a bad image a thousand times makes one statement and ten notes, not a thousand
//! of either; whoever offers a thousand images in turn makes as many statements as the
//! [allowance](Repeats::BURST) lets. A power cut forgets what was counted since the last note: at
//! most half, so a count is "at least".

use crate::fields::{Put, Take};
use firmlog_statement::event::EventType;

/// What repeats: the refusal and the image it was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Which refusal, or `verification_failed`.
    pub event: EventType,
    /// SHA-256 of the image, zeros if none, or several.
    pub image: [u8; 32],
}

/// What to do about one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The first of its kind: make a statement. Before it, one for what was counted so far, if any.
    Say {
        /// The earlier refusal and how many more of it there were than was said.
        unsaid: Option<(Key, u32)>,
    },
    /// Counted; make the count durable.
    Note,
    /// Counted.
    Quiet,
}

/// The count under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeats {
    last: Option<Key>,
    unsaid: u32,
    /// The newest refusal of those that were not said one by one, and how many those are.
    others: Option<(EventType, u32)>,
    /// How many statements of the allowance are used up.
    spent: u8,
}

impl Repeats {
    /// Length of [`encode`](Self::encode), bytes.
    pub const LEN: usize = 48;

    /// How many refusals in a row, each of another image or for another reason, are said one by
    /// one.
    pub const BURST: u8 = 16;

    /// After how many milliseconds one more may be said.
    pub const REFILL_MS: u64 = 600_000;

    /// Nothing refused yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None, unsaid: 0, others: None, spent: 0 }
    }

    /// Counts one refusal.
    pub fn observe(&mut self, key: Key) -> Again {
        if self.last == Some(key) {
            self.unsaid = self.unsaid.saturating_add(1);
            return again(self.unsaid);
        }
        if self.spent >= Self::BURST {
            return self.count(key.event);
        }
        self.spent = self.spent.saturating_add(1);
        let unsaid = core::mem::take(&mut self.unsaid);
        let unsaid = self.last.filter(|_| unsaid > 0).map(|key| (key, unsaid));
        self.last = Some(key);
        Again::Say { unsaid }
    }

    /// Counts one that would make a statement, for which there is no room.
    pub fn count(&mut self, event: EventType) -> Again {
        let count = self.others.map_or(0, |(_, count)| count).saturating_add(1);
        self.others = Some((event, count));
        again(count)
    }

    /// Time has passed for so many more to be said.
    pub const fn refill(&mut self, by: u8) {
        self.spent = self.spent.saturating_sub(by);
    }

    /// Whether a refusal of this would make a statement.
    #[must_use]
    pub fn says(&self, key: Key) -> bool {
        self.last != Some(key) && self.spent < Self::BURST
    }

    /// What is counted and not said, if anything is: the repeated one first.
    #[must_use]
    pub fn counted(&self) -> Option<Key> {
        let others = self.others.map(|(event, _)| Key { event, image: [0; 32] });
        self.last.filter(|_| self.unsaid > 0).or(others)
    }

    /// Takes what [`counted`](Self::counted) tells, and how many they are.
    pub fn take(&mut self) -> Option<(Key, u32)> {
        let key = self.counted()?;
        let count = match core::mem::take(&mut self.unsaid) {
            0 => self.others.take()?.1,
            unsaid => unsaid,
        };
        Some((key, count))
    }

    /// event u16 · spent u8 · zero · unsaid u32 · image · others' event u16 · zeros u16 · others
    /// u32, big endian; zeros for what there is not.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        self.put(&mut Put(&mut out));
        out
    }

    pub(crate) fn put(&self, put: &mut Put<'_>) {
        let none = Key { event: EventType::InstalledState, image: [0; 32] };
        let key = self.last.unwrap_or(none);
        let (event, others) = self.others.unwrap_or((none.event, 0));
        put.put(&code(key.event).to_be_bytes()).put(&[self.spent, 0]);
        put.u32(self.unsaid).put(&key.image);
        put.put(&code(event).to_be_bytes()).put(&[0, 0]).u32(others);
    }

    /// Reads what [`encode`](Self::encode) wrote; none if it is something else.
    #[must_use]
    pub fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let mut take = Take(bytes);
        let event = refusal(take.take())?;
        let [spent, zero] = take.take();
        let unsaid = take.u32();
        let mut image = [0; 32];
        take.fill(&mut image);
        let other = refusal(take.take())?;
        let zeros: [u8; 2] = take.take();
        let others = take.u32();
        let last = event.map(|event| Key { event, image });
        let one_spelling = last.is_some() || (unsaid == 0 && image == [0; 32]);
        let holds = one_spelling
            && (zero, zeros) == (0, [0, 0])
            && spent <= Self::BURST
            && other.is_some() == (others > 0);
        holds.then_some(Self { last, unsaid, others: other.map(|event| (event, others)), spent })
    }
}

/// What to do about a count that has grown to this.
const fn again(count: u32) -> Again {
    if count.is_power_of_two() { Again::Note } else { Again::Quiet }
}

/// 0 for what is no refusal.
fn code(event: EventType) -> u16 {
    if event.turns_away() { event.code() } else { 0 }
}

/// None inside for 0; none for what is no refusal.
fn refusal(code: [u8; 2]) -> Option<Option<EventType>> {
    match u16::from_be_bytes(code) {
        0 => Some(None),
        code => EventType::from_code(code.into()).filter(|event| event.turns_away()).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key { event: EventType::RefusedBadSignature, image: [byte; 32] }
    }

    #[test]
    fn jrn_024_a_thousand_alike_cost_one_statement_and_ten_notes() {
        let mut repeats = Repeats::new();
        let told: std::vec::Vec<Again> = (0..1000).map(|_| repeats.observe(key(1))).collect();
        assert_eq!(told[0], Again::Say { unsaid: None });
        assert_eq!(told.iter().filter(|again| **again == Again::Note).count(), 10);
        assert_eq!(repeats.observe(key(2)), Again::Say { unsaid: Some((key(1), 999)) });
        assert_eq!(repeats.take(), None);
    }

    /// Two images in turn, or a thousand: the allowance, and then notes at each power of two.
    #[test]
    fn upd_042_many_in_turn_cost_the_allowance() {
        for images in [2, 3, 200] {
            let mut repeats = Repeats::new();
            let observed = |repeats: &mut Repeats| {
                let told: std::vec::Vec<Again> =
                    (0..1000u32).map(|n| repeats.observe(key((n % images) as u8))).collect();
                let said = told.iter().filter(|it| matches!(it, Again::Say { .. })).count();
                let noted = told.iter().filter(|it| **it == Again::Note).count();
                (said, noted)
            };
            let (said, noted) = observed(&mut repeats);
            assert_eq!(said, usize::from(Repeats::BURST), "{images} images");
            assert!(noted <= 20, "{images} images: {noted} notes");
            let first = repeats.take();
            let counted: u32 = [first, repeats.take()].into_iter().flatten().map(|it| it.1).sum();
            assert_eq!(counted, 1000 - u32::from(Repeats::BURST), "all are counted");
            assert_eq!(repeats.take(), None);
            repeats.refill(3);
            assert_eq!(observed(&mut repeats).0, 3, "as many as time has let");
        }
    }

    #[test]
    fn one_spelling() {
        let mut repeats = Repeats::new();
        assert_eq!(Repeats::parse(&repeats.encode()), Some(repeats));
        for n in 0..40 {
            assert_eq!(
                repeats.says(key(n / 3)),
                matches!(repeats.observe(key(n / 3)), Again::Say { .. })
            );
            assert_eq!(Repeats::parse(&repeats.encode()), Some(repeats));
        }
        for at in [0, 1, 2, 3, 40, 41, 42, 43] {
            let mut bytes = repeats.encode();
            bytes[at] ^= 0x40;
            assert_eq!(Repeats::parse(&bytes), None, "byte {at}");
        }
        let mut bytes = Repeats::new().encode();
        for at in (0..Repeats::LEN).filter(|at| *at != 2) {
            bytes[at] ^= 1;
            assert_eq!(Repeats::parse(&bytes), None, "byte {at} of none");
            bytes[at] ^= 1;
        }
    }
}
