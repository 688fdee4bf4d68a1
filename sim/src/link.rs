//! A link that loses, delays, repeats and reorders what goes over it, and a device behind it.
//!
//! ```text
//! device ── request ──▶ ? ──▶ log        each way: dropped, late, twice, behind a later one;
//! device ◀── answer ─── ? ◀── log        on the way back also cut short or altered
//! ```
//!
//! Time is simulated: a wait of half an hour takes none. One seed is one run.

use crate::Random;
use crate::log::{Answer, SimLog};
use firmlog_agent::outbox;

/// What goes wrong, once in so many times; 0 never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Lost.
    pub drop: u64,
    /// Sent twice.
    pub duplicate: u64,
    /// Late, by up to a minute.
    pub delay: u64,
    /// An answer cut short or with a bit changed.
    pub garble: u64,
    /// The log says 429 or 503.
    pub busy: u64,
}

/// A request on its way.
#[derive(Clone, Debug)]
pub enum Request {
    /// `POST /batch`
    Post(Vec<u8>),
    /// `GET /entries/{index}`
    Fetch(u64),
}

#[derive(Clone, Debug)]
enum Packet {
    Request(Request),
    Answer(Answer),
}

/// The link, with what is on it.
#[derive(Clone, Debug)]
pub struct Link {
    random: Random,
    faults: Faults,
    /// When it arrives, and which request it belongs to.
    wire: Vec<(u64, u32, Packet)>,
    /// Requests that reached the log.
    pub requests: u64,
}

impl Link {
    /// An empty link.
    #[must_use]
    pub const fn new(seed: u64, faults: Faults) -> Self {
        Self { random: Random::new(seed), faults, wire: Vec::new(), requests: 0 }
    }

    /// Nothing goes wrong from here on.
    pub fn mend(&mut self) {
        self.faults = Faults::default();
    }

    /// Puts a request on the link.
    pub fn send(&mut self, now_ms: u64, ticket: u32, request: Request) {
        self.put(now_ms, ticket, Packet::Request(request));
    }

    /// When the next thing arrives somewhere.
    #[must_use]
    pub fn next_ms(&self) -> Option<u64> {
        self.wire.iter().map(|(at, ..)| *at).min()
    }

    /// Lets arrive what is due; what reaches the device comes out, with its ticket.
    pub fn deliver(&mut self, now_ms: u64, log: &mut SimLog) -> Option<(u32, Answer)> {
        loop {
            let due = self.wire.iter().enumerate().filter(|(_, (at, ..))| *at <= now_ms);
            let (place, _) = due.min_by_key(|(_, (at, ..))| *at)?;
            let (_, ticket, packet) = self.wire.remove(place);
            match packet {
                Packet::Answer(answer) => return Some((ticket, answer)),
                Packet::Request(request) => {
                    self.requests += 1;
                    let answer = self.ask(log, &request);
                    self.put(now_ms, ticket, Packet::Answer(answer));
                }
            }
        }
    }

    fn ask(&mut self, log: &mut SimLog, request: &Request) -> Answer {
        if self.happens(self.faults.busy) {
            let after = self.random.one_in(2).then(|| self.random.below(90) as u32);
            return Answer::status(if self.random.one_in(2) { 429 } else { 503 }, after);
        }
        match request {
            Request::Post(body) => log.post(body),
            Request::Fetch(index) => log.receipt(*index),
        }
    }

    fn put(&mut self, now_ms: u64, ticket: u32, mut packet: Packet) {
        if self.happens(self.faults.drop) {
            return;
        }
        if let Packet::Answer(answer) = &mut packet
            && !answer.body.is_empty()
            && self.happens(self.faults.garble)
        {
            let at = self.random.below(answer.body.len() as u64) as usize;
            if self.random.one_in(2) {
                answer.body.truncate(at);
            } else {
                answer.body[at] ^= 1 << self.random.below(8);
            }
        }
        let copies = 1 + u64::from(self.happens(self.faults.duplicate));
        for _ in 0..copies {
            let late = if self.happens(self.faults.delay) { self.random.below(60_000) } else { 20 };
            self.wire.push((now_ms + late, ticket, packet.clone()));
        }
    }

    fn happens(&mut self, once_in: u64) -> bool {
        once_in > 0 && self.random.one_in(once_in)
    }
}

impl outbox::Random for Random {
    fn number(&mut self) -> u32 {
        (Self::number(self) >> 32) as u32
    }
}
