//! Model: the chain rule beside a plain list of everything appended. Whatever a device (or its
//! clone) sends, the head only moves by one, and only along `prev`.

#![no_main]

use firmlog_statement::chain::{ChainHead, Verdict, judge};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Sent {
    seq: u8,
    /// Which earlier statement it names as the previous one; none of them when out of range.
    prev: u8,
    hash: u8,
}

fuzz_target!(|input: (u8, Vec<Sent>)| {
    let (seed, sent) = input;
    let mut history: Vec<[u8; 32]> = Vec::new();
    let mut head = ChainHead::enrolled([seed; 32]);
    for Sent { seq, prev, hash } in sent {
        let newest = history.last().copied().unwrap_or([seed; 32]);
        let prev = history.get(usize::from(prev)).copied().unwrap_or([seed; 32]);
        let (at, hash) = (usize::from(seq), [hash; 32]);
        let expected = match at {
            at if at == history.len() && prev == newest => Verdict::Next,
            at if at == history.len() => Verdict::Fork,
            at if at > history.len() => Verdict::Gap { have_seq: head.seq, have_hash: newest },
            at if at + 1 == history.len() && history[at] == hash => Verdict::Same,
            at if at + 1 == history.len() => Verdict::Fork,
            _ => Verdict::Earlier,
        };
        assert_eq!(judge(&head, u64::from(seq), &prev, &hash), expected);
        if expected == Verdict::Next {
            history.push(hash);
            head = head.advance(u64::from(seq), hash);
        }
    }
});
