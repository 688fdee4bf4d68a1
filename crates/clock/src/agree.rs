//! What the replies of several servers prove together.
//!
//! ```text
//! a  ├────┤
//! b    ├────┤            most servers agree on ├──┤ of a and b
//! c                                  ├────┤        c is named, with the pair that contradicts
//! ```
//!
//! Each reply bounds the difference between UTC and this boot's uptime: it was made between asking
//! and receiving. So replies that came one after the other are compared without a clock.
//!
//! In scope: overlap, majority, contradiction. Out of scope: signatures (`roughtime`).
//!
//! Invariants:
//! - Each server has one voice, however many replies it gave; the region is where all of its
//!   replies overlap.
//! - A time takes replies of at least [`SERVERS_MIN`] servers and the agreement of more than half
//!   of those that were named.

use crate::evidence::Exchange;
use crate::roughtime::Signed;

/// Fewer replies make no time.
pub const SERVERS_MIN: usize = 3;

/// UTC less uptime lies in here, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The least it can be.
    pub from_ms: i64,
    /// The most it can be.
    pub to_ms: i64,
}

impl Region {
    /// What a reply that arrived between two moments of uptime allows.
    pub fn of(signed: &Signed, sent_ms: u64, received_ms: u64) -> Self {
        let less = |seconds: u64, uptime: u64| {
            let ms = i128::from(seconds) * 1000 - i128::from(uptime);
            i64::try_from(ms).unwrap_or(i64::MAX)
        };
        Self {
            from_ms: less(signed.earliest_s(), received_ms),
            to_ms: less(signed.latest_s(), sent_ms),
        }
    }

    /// Where both hold.
    pub fn overlap(&self, other: &Self) -> Option<Self> {
        let from_ms = self.from_ms.max(other.from_ms);
        let to_ms = self.to_ms.min(other.to_ms);
        (from_ms <= to_ms).then_some(Self { from_ms, to_ms })
    }

    /// How far `other` lies from this: positive if later, 0 where they overlap.
    pub fn distance_ms(&self, other: &Self) -> i64 {
        if other.from_ms > self.to_ms {
            other.from_ms.saturating_sub(self.to_ms)
        } else if other.to_ms < self.from_ms {
            other.to_ms.saturating_sub(self.from_ms)
        } else {
            0
        }
    }

    /// UTC at this uptime lies within.
    pub fn at(&self, uptime_ms: u64) -> (u64, u64) {
        let add = |ms: i64| u64::try_from(i128::from(ms) + i128::from(uptime_ms)).unwrap_or(0);
        (add(self.from_ms), add(self.to_ms))
    }

    /// Wider by so much on both sides.
    pub fn widened(&self, by_ms: u64) -> Self {
        let by = i64::try_from(by_ms).unwrap_or(i64::MAX);
        Self { from_ms: self.from_ms.saturating_sub(by), to_ms: self.to_ms.saturating_add(by) }
    }
}

/// A server that contradicts those who agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liar {
    /// Its name in the settings.
    pub name: String,
    /// Its long-term key.
    pub key: [u8; 32],
    /// How far off it is at least, milliseconds; positive if ahead.
    pub off_ms: i64,
    /// Two exchanges of the chain, of which the later one must be later and claims not to be: one
    /// is the liar's. Without them only the device's own clock speaks against the server.
    pub proof: Option<(usize, usize)>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Most servers agree.
    Agreed {
        /// Where they agree.
        region: Region,
        /// Their names.
        servers: Vec<String>,
        /// Those who contradict them.
        liars: Vec<Liar>,
    },
    /// Fewer than three servers replied.
    TooFew {
        /// How many did.
        replied: usize,
        /// How many were named.
        named: usize,
    },
    /// No majority of those named agrees.
    NoMajority {
        /// How many agree at most.
        agree: usize,
        /// How many were named.
        named: usize,
    },
}

/// One server's voice.
struct Voice<'a> {
    name: &'a str,
    key: [u8; 32],
    /// Nothing if its own replies contradict each other.
    region: Option<Region>,
}

/// Judges verified exchanges; `named` is how many servers were asked.
pub fn judge(exchanges: &[(Exchange, Signed)], named: usize) -> Outcome {
    let voices = voices(exchanges);
    let replied = voices.len();
    let named = named.max(replied);
    if replied < SERVERS_MIN {
        return Outcome::TooFew { replied, named };
    }
    let Some((region, agree)) = most(&voices) else {
        return Outcome::NoMajority { agree: 0, named };
    };
    if agree * 2 <= named {
        return Outcome::NoMajority { agree, named };
    }
    let agrees = |voice: &&Voice<'_>| voice.region.is_some_and(|it| it.overlap(&region).is_some());
    let servers = voices.iter().filter(agrees).map(|voice| voice.name.to_owned()).collect();
    let liars = voices.iter().filter(|voice| !agrees(voice));
    let liars = liars.map(|voice| liar(voice, &region, exchanges, &voices)).collect();
    Outcome::Agreed { region, servers, liars }
}

/// Whether all replies so far go together; if not, asking again proves who contradicts whom.
pub fn is_consistent(exchanges: &[(Exchange, Signed)]) -> bool {
    let voices = voices(exchanges);
    let all = voices.iter().map(|voice| voice.region);
    all.reduce(|all, one| all?.overlap(&one?)).is_none_or(|all| all.is_some())
}

fn voices(exchanges: &[(Exchange, Signed)]) -> Vec<Voice<'_>> {
    let mut voices: Vec<Voice<'_>> = Vec::new();
    for (exchange, signed) in exchanges {
        let region = Region::of(signed, exchange.sent_ms, exchange.received_ms);
        match voices.iter_mut().find(|voice| voice.key == exchange.key) {
            Some(voice) => voice.region = voice.region.and_then(|own| own.overlap(&region)),
            None => {
                voices.push(Voice { name: &exchange.name, key: exchange.key, region: Some(region) })
            }
        }
    }
    voices
}

/// Where most voices overlap, and how many they are. The earliest such place.
fn most(voices: &[Voice<'_>]) -> Option<(Region, usize)> {
    let regions: Vec<Region> = voices.iter().filter_map(|voice| voice.region).collect();
    // A place of most overlap begins where one of them begins.
    let mut starts: Vec<i64> = regions.iter().map(|region| region.from_ms).collect();
    starts.sort_unstable();
    let mut best: Option<(Region, usize)> = None;
    for start in starts {
        let here = regions.iter().filter(|it| it.from_ms <= start && start <= it.to_ms);
        let (count, end) = here.fold((0, i64::MAX), |(n, end), it| (n + 1, end.min(it.to_ms)));
        if best.is_none_or(|(_, most)| count > most) {
            best = Some((Region { from_ms: start, to_ms: end }, count));
        }
    }
    best
}

fn liar(
    voice: &Voice<'_>,
    region: &Region,
    exchanges: &[(Exchange, Signed)],
    voices: &[Voice<'_>],
) -> Liar {
    let honest = |key: &[u8; 32]| {
        let of = |it: &&Voice<'_>| it.key == *key && it.region.is_some();
        let found = voices.iter().find(of).and_then(|it| it.region);
        found.is_some_and(|it| it.overlap(region).is_some())
    };
    let pairs = exchanges.iter().enumerate().flat_map(|(early, first)| {
        let later = exchanges.iter().enumerate().skip(early + 1);
        later.map(move |(late, second)| (early, first, late, second))
    });
    // Asked later, over a nonce made from the earlier reply: its time cannot be before.
    let mut proofs = pairs.filter(|(_, first, _, second)| {
        let (one, other) = (first.0.key, second.0.key);
        let concerns = (one == voice.key && (honest(&other) || other == voice.key))
            || (other == voice.key && honest(&one));
        concerns && first.1.earliest_s() > second.1.latest_s()
    });
    let own = exchanges.iter().filter(|(exchange, _)| exchange.key == voice.key);
    let own = own.map(|(it, signed)| Region::of(signed, it.sent_ms, it.received_ms));
    let off_ms = own.map(|own| region.distance_ms(&own)).max_by_key(|off| off.unsigned_abs());
    Liar {
        name: voice.name.to_owned(),
        key: voice.key,
        off_ms: off_ms.unwrap_or(0),
        proof: proofs.next().map(|(early, _, late, _)| (early, late)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exchanges of servers `a`, `b`, … with their midpoints in seconds, one after the other in
    /// 10 ms, ±5 s.
    fn exchanges(midpoints: &[(u8, u64)]) -> Vec<(Exchange, Signed)> {
        let exchange = |(at, (name, midpoint_s)): (usize, &(u8, u64))| {
            let sent_ms = at as u64 * 10;
            let exchange = Exchange {
                name: char::from(*name).to_string(),
                key: [*name; 32],
                random: [0; 32],
                sent_ms,
                received_ms: sent_ms + 5,
                reply: Vec::new(),
            };
            (exchange, Signed { midpoint_s: *midpoint_s, radius_s: 5 })
        };
        midpoints.iter().enumerate().map(exchange).collect()
    }

    /// TIM-026.
    #[test]
    fn a_majority_agrees_and_the_liar_is_named_with_its_proof() {
        for (all, proof) in [
            (&[(b'l', 4600), (b'a', 1000), (b'b', 1001)][..], Some((0, 1))),
            (&[(b'a', 4600), (b'b', 4601), (b'l', 1000)][..], Some((0, 2))),
            // Ahead and asked last: an hour may have gone by, as far as the replies tell.
            (&[(b'a', 1000), (b'b', 1001), (b'l', 4600)][..], None),
            (&[(b'a', 1000), (b'b', 1001), (b'l', 4600), (b'a', 1000)][..], Some((2, 3))),
        ] {
            let all = exchanges(all);
            assert!(!is_consistent(&all));
            let Outcome::Agreed { servers, liars, .. } = judge(&all, 3) else { panic!("{all:?}") };
            assert_eq!(servers, ["a", "b"]);
            let [liar] = &liars[..] else { panic!("{liars:?}") };
            assert_eq!((liar.name.as_str(), liar.proof), ("l", proof));
            assert!(liar.off_ms.unsigned_abs() > 3_580_000, "{liar:?}");
        }
    }

    /// TIM-024.
    #[test]
    fn the_region_is_where_those_who_agree_overlap() {
        let all = exchanges(&[(b'a', 1000), (b'b', 1004), (b'c', 1002)]);
        assert!(is_consistent(&all));
        let Outcome::Agreed { region, servers, liars } = judge(&all, 3) else { panic!() };
        assert_eq!((servers.len(), liars.len()), (3, 0));
        // b's earliest 999 s at 15 ms, a's latest 1,005 s at 0 ms.
        assert_eq!(region, Region { from_ms: 999_000 - 15, to_ms: 1_005_000 });
        assert_eq!(region.at(1000), (999_985, 1_006_000));
    }

    /// TIM-025.
    #[test]
    fn too_few_or_no_majority_is_no_time() {
        let two = exchanges(&[(b'a', 1000), (b'b', 1000), (b'a', 1000)]);
        assert_eq!(judge(&two, 3), Outcome::TooFew { replied: 2, named: 3 });
        let apart = exchanges(&[(b'a', 1000), (b'b', 2000), (b'c', 3000)]);
        assert_eq!(judge(&apart, 3), Outcome::NoMajority { agree: 1, named: 3 });
        // Three agree, but of six that were named: the others may know better.
        let half = exchanges(&[(b'a', 1000), (b'b', 1000), (b'c', 1000)]);
        assert_eq!(judge(&half, 6), Outcome::NoMajority { agree: 3, named: 6 });
        assert!(matches!(judge(&half, 5), Outcome::Agreed { .. }));
    }

    /// TIM-024.
    #[test]
    fn a_server_that_contradicts_itself_has_no_voice() {
        let all = [(b'a', 1000), (b'b', 1000), (b'l', 1000), (b'a', 1000), (b'l', 900)];
        let all = exchanges(&all);
        let Outcome::Agreed { liars, .. } = judge(&all, 3) else { panic!() };
        assert_eq!((liars[0].name.as_str(), liars[0].proof), ("l", Some((0, 4))));
    }
}
