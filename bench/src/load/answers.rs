//! Reads what a log answers to `POST /batch`.
//!
//! ```text
//! a2 00 19 bc 22 01 78 …   the size and checkpoint that cover the results
//! 19 bc 21                 appended as 48161
//! 82 01 19 bc 00           duplicate of 48128
//! 82 02 19 bc 22           appended as 48162, a fork of its device's chain
//! 83 03 …  83 04 …         a gap; refused
//! ```
//!
//! Invariant: an answer is read to its last byte or refused.

/// What became of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// In the log at this index: appended, or found there already.
    At(u64),
    /// In the log at this index, as a second history of its device.
    Forked(u64),
    /// Not in the log.
    NotTaken,
}

/// The results of one batch.
#[derive(Debug)]
pub struct Answers<'a> {
    /// The signed checkpoint that covers them.
    pub checkpoint: &'a [u8],
    rest: &'a [u8],
}

/// Opens the body of an answer; `None` if it does not start as one.
#[must_use]
pub fn read_answers(body: &[u8]) -> Option<Answers<'_>> {
    let mut rest = body;
    if head(&mut rest)? != (5, 2) || head(&mut rest)? != (0, 0) {
        return None;
    }
    let (0, _size) = head(&mut rest)? else { return None };
    if head(&mut rest)? != (0, 1) {
        return None;
    }
    let (3, length) = head(&mut rest)? else { return None };
    let checkpoint = take(&mut rest, length)?;
    Some(Answers { checkpoint, rest })
}

impl Iterator for Answers<'_> {
    /// `None` inside where the answer cannot be read.
    type Item = Option<Answer>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let answer = read_answer(&mut self.rest);
        if answer.is_none() {
            self.rest = &[];
        }
        Some(answer)
    }
}

fn read_answer(rest: &mut &[u8]) -> Option<Answer> {
    match head(rest)? {
        (0, index) => Some(Answer::At(index)),
        (4, 2) => match (head(rest)?, head(rest)?) {
            ((0, 1), (0, index)) => Some(Answer::At(index)),
            ((0, 2), (0, index)) => Some(Answer::Forked(index)),
            _ => None,
        },
        (4, count) => {
            for _ in 0..count {
                skip(rest)?;
            }
            Some(Answer::NotTaken)
        }
        _ => None,
    }
}

fn skip(rest: &mut &[u8]) -> Option<()> {
    match head(rest)? {
        (2 | 3, length) => take(rest, length).map(|_| ()),
        (0 | 1 | 7, _) => Some(()),
        _ => None,
    }
}

fn head(rest: &mut &[u8]) -> Option<(u8, u64)> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    let value = match first & 0x1f {
        small @ 0..=23 => u64::from(small),
        24 => number(take(rest, 1)?),
        25 => number(take(rest, 2)?),
        26 => number(take(rest, 4)?),
        27 => number(take(rest, 8)?),
        _ => return None,
    };
    Some((first >> 5, value))
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read() {
        let body = [
            &[0xa2, 0x00, 0x19, 0xbc, 0x22, 0x01, 0x62, b'c', b'p'][..],
            &[0x19, 0xbc, 0x21, 0x82, 0x01, 0x05, 0x82, 0x02, 0x18, 0x63],
            &[0x83, 0x03, 0xf6, 0x42, 1, 2, 0x83, 0x04, 0x61, b'x', 0x61, b'y'],
        ]
        .concat();
        let answers = read_answers(&body).unwrap();
        assert_eq!(answers.checkpoint, b"cp");
        let read: Vec<_> = answers.collect::<Option<_>>().unwrap();
        let at = Answer::At;
        assert_eq!(
            read,
            [at(48161), at(5), Answer::Forked(99), Answer::NotTaken, Answer::NotTaken]
        );
        for cut in 0..body.len() {
            let whole = read_answers(&body[..cut])
                .and_then(|answers| answers.collect::<Option<Vec<_>>>())
                .is_some_and(|read| read.len() == 5);
            assert!(!whole, "cut at {cut}");
        }
    }
}
