//! What a load run counted, merged over threads and written as JSON.
//!
//! ```json
//! {"requests":311201,"entries":311201,"entries_per_s":38900.1,
//!  "latency_us":{"p50":1480,"p99":3015,"p99.9":4991,"max":9100}, …}
//! ```
//!
//! Only answers that arrive inside the measured window are counted, and each
//! latency runs from when the request was *due*, so a stalled server cannot
//! hide behind requests that were never sent (coordinated omission).

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest latency kept apart from longer ones, in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

/// Counters of one engine.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Answers with a 2xx that the work accepted.
    pub requests: u64,
    /// Entries those answers acknowledged.
    pub entries: u64,
    /// Answers 429, 502, 503 or 504: sent again after their Retry-After.
    pub pushback: u64,
    /// Anything else.
    pub failures: u64,
    /// The first failure, for a person to read.
    pub first_failure: Option<String>,
    /// Connections opened again after the server closed them.
    pub reconnects: u64,
    latency_us: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let latency_us = Histogram::new_with_max(LATENCY_US_MAX, 3).expect("constant bounds");
        Self {
            requests: 0,
            entries: 0,
            pushback: 0,
            failures: 0,
            first_failure: None,
            reconnects: 0,
            latency_us,
        }
    }
}

impl Tally {
    /// Counts one accepted answer.
    pub fn accept(&mut self, entries: u32, latency: Duration) {
        self.requests += 1;
        self.entries += u64::from(entries);
        self.latency_us.saturating_record(latency.as_micros() as u64);
    }

    /// Counts one failure and keeps the first one's words.
    pub fn fail(&mut self, why: impl FnOnce() -> String) {
        self.failures += 1;
        if self.first_failure.is_none() {
            self.first_failure = Some(why());
        }
    }

    /// Adds another engine's counts.
    pub fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.entries += other.entries;
        self.pushback += other.pushback;
        self.failures += other.failures;
        self.reconnects += other.reconnects;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.latency_us += other.latency_us;
    }

    /// The summary over a measured window.
    #[must_use]
    pub fn summary(&self, window: Duration) -> Summary {
        let seconds = window.as_secs_f64();
        Summary {
            seconds,
            requests: self.requests,
            entries: self.entries,
            requests_per_s: self.requests as f64 / seconds,
            entries_per_s: self.entries as f64 / seconds,
            pushback: self.pushback,
            failures: self.failures,
            first_failure: self.first_failure.clone(),
            reconnects: self.reconnects,
            latency_us: Latency {
                p50: self.latency_us.value_at_quantile(0.5),
                p90: self.latency_us.value_at_quantile(0.9),
                p99: self.latency_us.value_at_quantile(0.99),
                p999: self.latency_us.value_at_quantile(0.999),
                max: self.latency_us.max(),
            },
        }
    }
}

/// What a run found, as written to JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// Length of the measured window.
    pub seconds: f64,
    /// Accepted requests in the window.
    pub requests: u64,
    /// Acknowledged entries in the window.
    pub entries: u64,
    /// Accepted requests a second.
    pub requests_per_s: f64,
    /// Acknowledged entries a second.
    pub entries_per_s: f64,
    /// Answers that asked for a retry.
    pub pushback: u64,
    /// Answers that were neither.
    pub failures: u64,
    /// The first such answer.
    pub first_failure: Option<String>,
    /// Connections opened again.
    pub reconnects: u64,
    /// From due to answered, in microseconds.
    pub latency_us: Latency,
}

/// Quantiles of latency in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Latency {
    /// Median.
    pub p50: u64,
    /// 90 %.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    #[serde(rename = "p99.9")]
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_tallies_add_up() {
        let mut a = Tally::default();
        a.accept(1000, Duration::from_micros(100));
        let mut b = Tally::default();
        b.accept(1, Duration::from_micros(300));
        b.fail(|| "500".into());
        a.merge(b);
        let summary = a.summary(Duration::from_secs(2));
        assert_eq!((summary.requests, summary.entries, summary.failures), (2, 1001, 1));
        assert_eq!(summary.requests_per_s, 1.0);
        assert_eq!(summary.latency_us.max, 300);
    }
}
