//! What a connection sends next, and whether the answer to it is good.
//!
//! [`Adds`] speaks the form of the tessera hammer: a leaf is hexadecimal filler,
//! a space and a counter, and `dup_chance` of them repeat an earlier one.
//! [`Batches`] packs the same leaves into CBOR sequences. [`Replay`] sends
//! requests prepared beforehand, so that signing is not measured with the log.
//!
//! Leaves are unique to a run: the counter starts at `first`, which the caller
//! draws at random.

use super::answers::{Answer, read_answers};
use super::http::{RequestHead, parse_decimal, write_decimal, write_get};

/// Media type of a batch.
pub const BATCH_TYPE: &str = "application/cbor-seq";

/// Makes requests for the connections of one engine and judges the answers.
pub trait Work: Send {
    /// Replaces `request` by the connection's next one; `false` if it has none left.
    fn request(&mut self, connection: usize, request: &mut Vec<u8>) -> bool;

    /// Judges a 2xx answer: the number of entries it acknowledges.
    ///
    /// # Errors
    /// A sentence that says what was wrong with the answer.
    fn accept(&mut self, connection: usize, body: &[u8]) -> Result<u32, String>;
}

/// The hammer's leaves.
#[derive(Debug, Clone)]
pub struct Leaves {
    first: u64,
    next: u64,
    step: u64,
    filler_bytes: usize,
    dup_chance: f64,
    random: SplitMix,
}

impl Leaves {
    /// Counters `first`, `first + step`, …, each leaf at least `bytes_min` bytes long.
    #[must_use]
    pub fn new(first: u64, step: u64, bytes_min: usize, dup_chance: f64) -> Self {
        let random = SplitMix(first ^ 0x9e37_79b9_7f4a_7c15);
        Self { first, next: first, step, filler_bytes: bytes_min / 2, dup_chance, random }
    }

    /// Replaces `leaf` by the next one.
    pub fn write_next(&mut self, leaf: &mut Vec<u8>) {
        let n = self.draw();
        leaf.clear();
        let mut filler = SplitMix(n);
        for _ in 0..self.filler_bytes {
            let byte = filler.next_u64() as u8;
            leaf.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
        leaf.push(b' ');
        write_decimal(n, leaf);
    }

    fn draw(&mut self) -> u64 {
        if self.next > self.first && self.random.next_unit() < self.dup_chance {
            let made = (self.next - self.first) / self.step;
            return self.first + self.step * (self.random.next_u64() % made);
        }
        let n = self.next;
        self.next += self.step;
        n
    }
}

/// `POST /add`: one raw leaf a request, a decimal index back.
#[derive(Debug)]
pub struct Adds {
    head: RequestHead,
    leaves: Leaves,
    leaf: Vec<u8>,
}

impl Adds {
    /// Adds for the log at `host` under `path`.
    #[must_use]
    pub fn new(host: &str, path: &str, leaves: Leaves) -> Self {
        let head = RequestHead::post(host, path, "application/octet-stream");
        Self { head, leaves, leaf: Vec::new() }
    }
}

impl Work for Adds {
    fn request(&mut self, _connection: usize, request: &mut Vec<u8>) -> bool {
        self.leaves.write_next(&mut self.leaf);
        self.head.write(&self.leaf, request);
        true
    }

    fn accept(&mut self, _connection: usize, body: &[u8]) -> Result<u32, String> {
        let line = body.split(|&b| b == b'\n').next().unwrap_or_default();
        match parse_decimal(line) {
            Some(_) => Ok(1),
            None => Err(format!("not an index: {:?}", String::from_utf8_lossy(body))),
        }
    }
}

/// `POST /batch`: many raw leaves a request, each a CBOR byte string.
#[derive(Debug)]
pub struct Batches {
    head: RequestHead,
    leaves: Leaves,
    batch: u32,
    leaf: Vec<u8>,
    body: Vec<u8>,
}

impl Batches {
    /// Batches of `batch` leaves for the log at `host`.
    #[must_use]
    pub fn new(host: &str, path: &str, leaves: Leaves, batch: u32) -> Self {
        let head = RequestHead::post(host, path, BATCH_TYPE);
        Self { head, leaves, batch, leaf: Vec::new(), body: Vec::new() }
    }
}

impl Work for Batches {
    fn request(&mut self, _connection: usize, request: &mut Vec<u8>) -> bool {
        self.body.clear();
        for _ in 0..self.batch {
            self.leaves.write_next(&mut self.leaf);
            write_bstr(&self.leaf, &mut self.body);
        }
        self.head.write(&self.body, request);
        true
    }

    fn accept(&mut self, _connection: usize, body: &[u8]) -> Result<u32, String> {
        accept_batch(body, self.batch)
    }
}

/// Bodies prepared beforehand, each sent once, those of one lane in order.
#[derive(Debug)]
pub struct Replay {
    head: RequestHead,
    lanes: Vec<Lane>,
    /// Entries in the request each connection sent last.
    asked: Vec<u32>,
    batches: bool,
}

/// The bodies of one connection, in the order they must arrive.
#[derive(Debug, Default)]
pub struct Lane {
    /// Entries in each body, and the body.
    pub bodies: Vec<(u32, Vec<u8>)>,
    /// How many of them were sent.
    pub sent: usize,
}

impl Replay {
    /// Replays `lanes`: one for each connection, or a single one that all
    /// connections take from.
    #[must_use]
    pub fn new(host: &str, path: &str, content_type: &str, lanes: Vec<Lane>) -> Self {
        let head = RequestHead::post(host, path, content_type);
        let batches = content_type == BATCH_TYPE;
        Self { head, lanes, asked: Vec::new(), batches }
    }
}

impl Work for Replay {
    fn request(&mut self, connection: usize, request: &mut Vec<u8>) -> bool {
        let own = if self.lanes.len() == 1 { 0 } else { connection };
        let Some(lane) = self.lanes.get_mut(own) else { return false };
        let Some((entries, body)) = lane.bodies.get(lane.sent) else { return false };
        self.head.write(body, request);
        lane.sent += 1;
        if self.asked.len() <= connection {
            self.asked.resize(connection + 1, 0);
        }
        self.asked[connection] = *entries;
        true
    }

    fn accept(&mut self, connection: usize, body: &[u8]) -> Result<u32, String> {
        match self.asked.get(connection) {
            Some(&entries) if self.batches => accept_batch(body, entries),
            Some(&entries) => Ok(entries),
            None => Err("answer without a request".into()),
        }
    }
}

/// All entries of a batch must be in the log; the first that is not is told.
fn accept_batch(body: &[u8], entries: u32) -> Result<u32, String> {
    let unreadable =
        || format!("unreadable: {:?}", String::from_utf8_lossy(&body[..body.len().min(200)]));
    let mut taken = 0;
    for answer in read_answers(body).ok_or_else(unreadable)? {
        match answer.ok_or_else(unreadable)? {
            Answer::At(_) => taken += 1,
            Answer::Forked(_) => return Err(format!("entry {taken} of a batch was called a fork")),
            Answer::NotTaken => return Err(format!("entry {taken} of a batch was not taken")),
        }
    }
    if taken == entries { Ok(taken) } else { Err(format!("{taken} answers to {entries} entries")) }
}

/// Reads of the given paths in a random order.
#[derive(Debug)]
pub struct Reads {
    host: String,
    paths: Vec<String>,
    random: SplitMix,
}

impl Reads {
    /// Reads from `paths`, which must not be empty.
    #[must_use]
    pub fn new(host: &str, paths: Vec<String>, seed: u64) -> Self {
        Self { host: host.into(), paths, random: SplitMix(seed) }
    }
}

impl Work for Reads {
    fn request(&mut self, _connection: usize, request: &mut Vec<u8>) -> bool {
        let Some(count) = std::num::NonZeroU64::new(self.paths.len() as u64) else { return false };
        let path = &self.paths[(self.random.next_u64() % count) as usize];
        write_get(&self.host, path, request);
        true
    }

    fn accept(&mut self, _connection: usize, body: &[u8]) -> Result<u32, String> {
        if body.is_empty() { Err("empty body".into()) } else { Ok(1) }
    }
}

/// Appends `bytes` as a CBOR byte string in its shortest form.
pub fn write_bstr(bytes: &[u8], out: &mut Vec<u8>) {
    match bytes.len() {
        n @ 0..=23 => out.push(0x40 | n as u8),
        n @ 24..=0xff => out.extend_from_slice(&[0x58, n as u8]),
        n @ 0x100..=0xffff => {
            out.push(0x59);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x5a);
            out.extend_from_slice(&(n as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

/// A small fast generator; not for secrets.
#[derive(Debug, Clone)]
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number in `0.0..1.0`.
    pub fn next_unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next number in `0..bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }
}

fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_unique_but_for_the_asked_duplicates() {
        for (dup_chance, least, most) in [(0.0, 10_000, 10_000), (0.1, 8_800, 9_200)] {
            let mut leaves = Leaves::new(1 << 40, 2, 0, dup_chance);
            let mut seen = std::collections::HashSet::new();
            let mut leaf = Vec::new();
            for _ in 0..10_000 {
                leaves.write_next(&mut leaf);
                seen.insert(leaf.clone());
            }
            assert!((least..=most).contains(&seen.len()), "{} distinct", seen.len());
        }
    }

    #[test]
    fn filler_reaches_the_asked_length() {
        let mut leaf = Vec::new();
        Leaves::new(7, 1, 64, 0.0).write_next(&mut leaf);
        assert_eq!(leaf.len(), 64 + 2);
        assert!(leaf.ends_with(b" 7"));
    }

    #[test]
    fn byte_strings_are_shortest_form() {
        for (len, head) in [(0, 1), (23, 1), (24, 2), (255, 2), (256, 3), (65_535, 3), (65_536, 5)]
        {
            let mut out = Vec::new();
            write_bstr(&vec![0; len], &mut out);
            assert_eq!(out.len(), len + head);
        }
    }
}
