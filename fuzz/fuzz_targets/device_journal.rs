//! The journal of a simulated device: what is read is what was written, a record cut short is
//! dropped, and no flipped bit hides a statement.

#![no_main]
#![expect(dead_code, reason = "the program's modules are borrowed whole")]

#[path = "../../crates/cli/src/error.rs"]
mod error;
#[path = "../../crates/cli/src/device/journal.rs"]
mod journal;

use journal::{parse, record};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

fuzz_target!(|input: (Vec<&[u8]>, u32, u16, &[u8])| {
    let (seeds, bit, cut, raw) = input;
    if let Some((entries, whole)) = parse(raw) {
        let again: Vec<u8> = entries.iter().flat_map(|entry| record(entry)).collect();
        assert_eq!(again, raw[..whole as usize]);
    }
    let entries: Vec<Vec<u8>> = seeds.into_iter().map(statement).collect();
    let mut bytes: Vec<u8> = entries.iter().flat_map(|entry| record(entry)).collect();
    let whole = bytes.len();
    assert_eq!(parse(&bytes), Some((entries.clone(), whole as u64)));
    let next = record(&statement(raw));
    bytes.extend_from_slice(&next[..usize::from(cut) % next.len()]);
    assert_eq!(parse(&bytes), Some((entries, whole as u64)), "a record cut short");
    bytes.truncate(whole);
    if let Some(bit) = (bit as usize).checked_rem(whole * 8) {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(parse(&bytes), None, "bit {bit} was flipped");
    }
});

/// Bytes that nobody chose: who writes a checksum into a statement can make it look like two.
fn statement(seed: &[u8]) -> Vec<u8> {
    seed.chunks(8).flat_map(|part| Sha256::digest([&b"statement"[..], part].concat())).collect()
}
