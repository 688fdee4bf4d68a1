//! Roughtime messages: tags with values, in the order of their numbers.
//!
//! ```text
//! 02000000  04000000  52414449 4d494450  05000000  80f3346a00000000     {RADI: 5, MIDP: …}
//! count     offsets   tags               values
//! ```
//!
//! In scope: framing, tags and values. Out of scope: which tags a message must have (`reply`).
//!
//! Invariants:
//! - Every value lies within the message; no byte is read twice or left out.
//! - Tags ascend strictly by their little-endian number, offsets ascend by fours.

use super::reply::ReplyError as E;

/// What a datagram begins with.
pub const MAGIC: &[u8; 8] = b"ROUGHTIM";
/// More tags than any message has.
const TAGS_MAX: usize = 32;

/// A message's tags and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pairs: Vec<(u32, &'a [u8])>,
}

impl<'a> Message<'a> {
    /// Reads a message that fills `bytes`.
    ///
    /// # Errors
    /// [`ReplyError`](E) naming the broken rule.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, E> {
        let (count, rest) = u32_at_front(bytes)?;
        let count = usize::try_from(count).map_err(|_| E::TagCount)?;
        if count == 0 || count > TAGS_MAX {
            return Err(E::TagCount);
        }
        let (offsets, rest) = rest.split_at_checked((count - 1) * 4).ok_or(E::Truncated)?;
        let (tags, values) = rest.split_at_checked(count * 4).ok_or(E::Truncated)?;
        let mut ends = Vec::with_capacity(count);
        for offset in offsets.chunks_exact(4) {
            let end = usize::try_from(number(offset)).map_err(|_| E::OffsetRange)?;
            if end % 4 != 0 || ends.last().is_some_and(|last| end < *last) || end > values.len() {
                return Err(E::OffsetRange);
            }
            ends.push(end);
        }
        ends.push(values.len());
        let tags: Vec<u32> = tags.chunks_exact(4).map(number).collect();
        if tags.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(E::TagOrder);
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let spans = starts.zip(&ends).map(|(start, end)| &values[start..*end]);
        Ok(Self { pairs: tags.into_iter().zip(spans).collect() })
    }

    /// Reads a datagram: magic, length, message, and nothing after it.
    ///
    /// # Errors
    /// [`ReplyError`](E) naming the broken rule.
    pub fn parse_framed(datagram: &'a [u8]) -> Result<Self, E> {
        let rest = datagram.strip_prefix(MAGIC).ok_or(E::NotRoughtime)?;
        let (len, message) = u32_at_front(rest)?;
        if usize::try_from(len) != Ok(message.len()) {
            return Err(E::FrameLength);
        }
        Self::parse(message)
    }

    /// The value of a tag.
    ///
    /// # Errors
    /// `TagMissing`.
    pub fn value(&self, tag: &[u8; 4]) -> Result<&'a [u8], E> {
        let wanted = u32::from_le_bytes(*tag);
        let found = self.pairs.iter().find(|(tag, _)| *tag == wanted);
        found.map(|(_, value)| *value).ok_or(E::TagMissing)
    }

    /// A value of exactly `N` bytes.
    ///
    /// # Errors
    /// `TagMissing`, `ValueLength`.
    pub fn array<const N: usize>(&self, tag: &[u8; 4]) -> Result<[u8; N], E> {
        self.value(tag)?.try_into().map_err(|_| E::ValueLength)
    }
}

/// Writes a message. The tags must ascend, the values' lengths be multiples of four.
pub(crate) fn encode(pairs: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut out = length(pairs.len()).to_vec();
    let mut end = 0;
    for (_, value) in pairs.iter().take(pairs.len().saturating_sub(1)) {
        end += value.len();
        out.extend(length(end));
    }
    out.extend(pairs.iter().flat_map(|(tag, _)| **tag));
    out.extend(pairs.iter().flat_map(|(_, value)| value.iter().copied()));
    out
}

/// Puts magic and length in front.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    [&MAGIC[..], &length(message.len()), message].concat()
}

/// Messages of ours are at most a datagram long.
fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

fn u32_at_front(bytes: &[u8]) -> Result<(u32, &[u8]), E> {
    let (front, rest) = bytes.split_first_chunk::<4>().ok_or(E::Truncated)?;
    Ok((u32::from_le_bytes(*front), rest))
}

fn number(four: &[u8]) -> u32 {
    four.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let bytes = encode(&[(b"RADI", &[5, 0, 0, 0]), (b"MIDP", &[1; 8])]);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.array::<4>(b"RADI"), Ok([5, 0, 0, 0]));
        assert_eq!(message.value(b"MIDP"), Ok(&[1; 8][..]));
        assert_eq!(message.value(b"ROOT"), Err(E::TagMissing));
        assert_eq!(message.array::<8>(b"RADI"), Err(E::ValueLength));
        let framed = frame(&bytes);
        assert_eq!(Message::parse_framed(&framed), Ok(message));
        assert_eq!(Message::parse_framed(&framed[..20]), Err(E::FrameLength));
        assert_eq!(Message::parse_framed(&bytes), Err(E::NotRoughtime));
    }

    #[test]
    fn each_broken_rule_has_its_name() {
        let bytes = encode(&[(b"RADI", &[5, 0, 0, 0]), (b"MIDP", &[1; 8])]);
        let broken = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            Message::parse(&bytes).unwrap_err()
        };
        assert_eq!(Message::parse(&[0; 4]), Err(E::TagCount));
        assert_eq!(broken(0, 33), E::TagCount);
        assert_eq!(broken(0, 9), E::Truncated);
        assert_eq!(broken(4, 3), E::OffsetRange);
        assert_eq!(broken(4, 16), E::OffsetRange);
        assert_eq!(broken(11, 0xff), E::TagOrder);
    }
}
