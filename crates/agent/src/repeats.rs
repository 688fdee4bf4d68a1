//! Coalescing: one statement for many refusals of the same thing.
//!
//! ```text
//! refusal no.  1     2     3      4     5 6 7  8     …
//! what to do   say   note  quiet  note  quiet  note  …   say, with the count, when another comes
//! ```
//!
//! Whoever offers a bad image a thousand times makes one statement and ten notes, not a thousand
//! of either. A power cut forgets what was counted since the last note: at most half, so a count
//! is "at least".

use crate::fields::Put;
use firmlog_statement::event::EventType;

/// What repeats: the refusal and the image it was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Which refusal, or `verification_failed`.
    pub event: EventType,
    /// SHA-256 of the image, zeros if none.
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
}

impl Repeats {
    /// Length of [`encode`](Self::encode), bytes.
    pub const LEN: usize = 40;

    /// Nothing refused yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None, unsaid: 0 }
    }

    /// Counts one refusal.
    pub fn observe(&mut self, key: Key) -> Again {
        if self.last != Some(key) {
            let unsaid = self.take();
            self.last = Some(key);
            return Again::Say { unsaid };
        }
        self.unsaid = self.unsaid.saturating_add(1);
        if self.unsaid.is_power_of_two() { Again::Note } else { Again::Quiet }
    }

    /// What is counted and not said, if anything is.
    #[must_use]
    pub fn counted(&self) -> Option<Key> {
        self.last.filter(|_| self.unsaid > 0)
    }

    /// Takes what has been counted and not been said.
    pub fn take(&mut self) -> Option<(Key, u32)> {
        let unsaid = core::mem::take(&mut self.unsaid);
        self.last.filter(|_| unsaid > 0).map(|key| (key, unsaid))
    }

    /// event u16 · zeros u16 · unsaid u32 · image, big endian; zeros while there is none.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        self.put(&mut Put(&mut out));
        out
    }

    pub(crate) fn put(&self, put: &mut Put<'_>) {
        if let Some(key) = self.last {
            put.put(&key.event.code().to_be_bytes()).put(&[0, 0]);
            put.u32(self.unsaid).put(&key.image);
        } else {
            put.put(&[0; Self::LEN]);
        }
    }

    /// Reads what [`encode`](Self::encode) wrote; none if it is something else.
    #[must_use]
    pub fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        if *bytes == [0; Self::LEN] {
            return Some(Self::new());
        }
        let (event, rest) = bytes.split_first_chunk::<2>()?;
        let (zeros, rest) = rest.split_first_chunk::<2>()?;
        let (unsaid, image) = rest.split_first_chunk::<4>()?;
        let event = EventType::from_code(u64::from(u16::from_be_bytes(*event)))?;
        if *zeros != [0, 0] || !event.turns_away() {
            return None;
        }
        let key = Key { event, image: image.try_into().ok()? };
        Some(Self { last: Some(key), unsaid: u32::from_be_bytes(*unsaid) })
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

    #[test]
    fn one_spelling() {
        let mut repeats = Repeats::new();
        assert_eq!(Repeats::parse(&repeats.encode()), Some(repeats));
        for _ in 0..5 {
            repeats.observe(key(7));
            assert_eq!(Repeats::parse(&repeats.encode()), Some(repeats));
        }
        for at in 0..4 {
            let mut bytes = repeats.encode();
            bytes[at] ^= 0x40;
            assert_eq!(Repeats::parse(&bytes), None, "byte {at}");
        }
    }
}
