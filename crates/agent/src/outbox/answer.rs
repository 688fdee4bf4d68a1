//! The log's answer to a batch, read without believing it.
//!
//! ```text
//! a2 00 19 bc 22 01 78 …     {0: size, 1: checkpoint}, then one item for each statement sent
//! 19 bc 21                   appended                 82 01 19 bc 00    was there already
//! 82 02 19 bc 22             appended, and a fork     83 03 07 58 20 …  gap: the head the log has
//! 83 04 6d … 78 …            refused: code, reason
//! ```
//!
//! Invariant: [`Answer::parse`] accepts exactly as many items as were sent, each well-formed, and
//! nothing behind them; so [`Answer::items`] cannot fail.

use firmlog_statement::StatementError;
use firmlog_statement::chain::ChainHead;
use firmlog_statement::codec::Decoder;

/// An answer whose every item is well-formed.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// Size of the tree that covers the items.
    pub size: u64,
    /// The checkpoint, signed they say.
    pub checkpoint: &'a str,
    items: Decoder<'a>,
    count: usize,
}

/// What the log said of one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// It is in the log.
    In {
        /// Where.
        index: u64,
        /// It contradicts an earlier statement of this device.
        forks: bool,
    },
    /// Statements are missing before it.
    Gap(ChainHead),
    /// The log does not take it.
    Refused {
        /// A stable code, as docs/spec/log-api.md lists them.
        code: &'a str,
        /// For people.
        reason: &'a str,
    },
}

impl<'a> Answer<'a> {
    /// Reads the answer to `count` statements; none if it is not one.
    #[must_use]
    pub fn parse(body: &'a [u8], count: usize) -> Option<Self> {
        let mut decoder = Decoder::new(body);
        let (size, checkpoint) = front(&mut decoder).ok()?;
        let items = decoder.clone();
        for _ in 0..count {
            item(&mut decoder).ok()?;
        }
        decoder.end().ok()?;
        Some(Self { size, checkpoint, items, count })
    }

    /// What was said of each statement, in order.
    pub fn items(&self) -> impl Iterator<Item = Item<'a>> {
        let mut decoder = self.items.clone();
        (0..self.count).map_while(move |_| item(&mut decoder).ok())
    }
}

fn front<'a>(d: &mut Decoder<'a>) -> Result<(u64, &'a str), StatementError> {
    let other = StatementError::WrongType;
    let mut map = d.map()?;
    if map.left() != 2 || map.next_key(d)? != Some(0) {
        return Err(other);
    }
    let size = d.uint()?;
    if map.next_key(d)? != Some(1) {
        return Err(other);
    }
    Ok((size, d.text()?))
}

fn item<'a>(d: &mut Decoder<'a>) -> Result<Item<'a>, StatementError> {
    let other = StatementError::WrongType;
    let count = match d.any_head()? {
        (0, index) => return Ok(Item::In { index, forks: false }),
        (4, count) => count,
        _ => return Err(other),
    };
    match (count, d.uint()?) {
        (2, 1) => Ok(Item::In { index: d.uint()?, forks: false }),
        (2, 2) => Ok(Item::In { index: d.uint()?, forks: true }),
        (3, 3) => {
            let seq = match d.any_head()? {
                (0, seq) => Some(seq),
                (7, 22) => None,
                _ => return Err(other),
            };
            Ok(Item::Gap(ChainHead { seq, hash: *d.array()? }))
        }
        (3, 4) => Ok(Item::Refused { code: d.text()?, reason: d.text()? }),
        _ => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn body(items: &[&[u8]]) -> Vec<u8> {
        let mut out = b"\xa2\x00\x09\x01\x62hi".to_vec();
        items.iter().for_each(|item| out.extend_from_slice(item));
        out
    }

    #[test]
    fn each_item_is_read() {
        let gap = [b"\x83\x03\xf6\x58\x20".as_slice(), &[7; 32]].concat();
        let body = body(&[b"\x05", b"\x82\x01\x06", b"\x82\x02\x07", &gap, b"\x83\x04\x61a\x61b"]);
        let answer = Answer::parse(&body, 5).unwrap();
        assert_eq!((answer.size, answer.checkpoint), (9, "hi"));
        let items: Vec<Item<'_>> = answer.items().collect();
        let expected = [
            Item::In { index: 5, forks: false },
            Item::In { index: 6, forks: false },
            Item::In { index: 7, forks: true },
            Item::Gap(ChainHead { seq: None, hash: [7; 32] }),
            Item::Refused { code: "a", reason: "b" },
        ];
        assert_eq!(items, expected);
    }

    #[test]
    fn out_024_other_counts_and_cut_answers_are_none() {
        let whole = body(&[b"\x05", b"\x83\x04\x61a\x61b"]);
        assert!(Answer::parse(&whole, 2).is_some());
        assert!(Answer::parse(&whole, 1).is_none(), "something follows");
        assert!(Answer::parse(&whole, 3).is_none(), "one is missing");
        for cut in 0..whole.len() {
            assert!(Answer::parse(&whole[..cut], 2).is_none(), "cut at {cut}");
        }
        assert!(Answer::parse(&body(&[b"\x82\x03\x05"]), 1).is_none());
        assert!(Answer::parse(&body(&[b"\x18\x05"]), 1).is_none(), "not the shortest form");
    }
}
