//! How much one peer may ask: a token bucket for each address.
//!
//! The table is bounded: past [`PEERS_MAX`] addresses, those whose bucket is full again are
//! forgotten, which changes nothing for them; if none is, new addresses share one bucket.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::config::Limits;

/// Addresses remembered.
const PEERS_MAX: usize = 65_536;

/// The rate limit of all peers.
pub(crate) struct RateLimit {
    per_s: f64,
    burst: f64,
    loopback: bool,
    start: Instant,
    peers: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at_s: f64,
}

impl RateLimit {
    /// `None` when the configuration sets no rate.
    pub(crate) fn new(limits: &Limits) -> Option<Self> {
        (limits.rate_per_s > 0).then(|| Self {
            per_s: limits.rate_per_s as f64,
            burst: limits.rate_burst.max(1) as f64,
            loopback: limits.rate_loopback,
            start: Instant::now(),
            peers: Mutex::default(),
        })
    }

    /// Takes one token of `peer`, or says in how many seconds there will be one.
    pub(crate) fn take(&self, peer: IpAddr) -> Result<(), u64> {
        if !self.loopback && peer.to_canonical().is_loopback() {
            return Ok(());
        }
        self.take_at(group(peer), self.start.elapsed().as_secs_f64())
    }

    fn take_at(&self, peer: IpAddr, now_s: f64) -> Result<(), u64> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= PEERS_MAX && !peers.contains_key(&peer) {
            peers.retain(|_, bucket| self.refilled(bucket, now_s) < self.burst);
        }
        let full = peers.len() >= PEERS_MAX && !peers.contains_key(&peer);
        let key = if full { IpAddr::from([0, 0, 0, 0]) } else { peer };
        let bucket = peers.entry(key).or_insert(Bucket { tokens: self.burst, at_s: now_s });
        let tokens = self.refilled(bucket, now_s);
        bucket.at_s = now_s;
        bucket.tokens = tokens;
        if tokens < 1.0 {
            return Err(((1.0 - tokens) / self.per_s).ceil().max(1.0) as u64);
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    fn refilled(&self, bucket: &Bucket, now_s: f64) -> f64 {
        (bucket.tokens + (now_s - bucket.at_s) * self.per_s).min(self.burst)
    }
}

/// One IPv6 subscriber has a whole /64.
fn group(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> RateLimit {
        let limits = Limits { rate_per_s: 2, rate_burst: 3, ..Limits::default() };
        RateLimit::new(&limits).unwrap()
    }

    #[test]
    fn a_burst_then_the_rate() {
        let limit = limit();
        let peer = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..3 {
            assert_eq!(limit.take_at(peer, 0.0), Ok(()));
        }
        assert_eq!(limit.take_at(peer, 0.0), Err(1));
        assert_eq!(limit.take_at(IpAddr::from([192, 0, 2, 2]), 0.0), Ok(()));
        assert_eq!(limit.take_at(peer, 0.5), Ok(()));
        assert_eq!(limit.take_at(peer, 0.5), Err(1));
    }

    /// API-081: nobody has to think of it.
    #[test]
    fn there_is_a_limit_by_default() {
        let limit = RateLimit::new(&Limits::default()).unwrap();
        let peer = IpAddr::from([192, 0, 2, 1]);
        let taken = (0..5000).filter(|_| limit.take_at(peer, 0.0).is_ok()).count();
        assert_eq!(taken, 1000);
        let taken = (0..5000).filter(|_| limit.take_at(peer, 1.0).is_ok()).count();
        assert_eq!(taken, 100);
    }

    #[test]
    fn loopback_is_free_unless_asked_for() {
        let limit = limit();
        for _ in 0..100 {
            assert_eq!(limit.take("::ffff:127.0.0.1".parse().unwrap()), Ok(()));
        }
    }

    #[test]
    fn an_ipv6_subscriber_is_one_peer() {
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let other: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        assert_eq!(group(one), group(other));
    }
}
