//! Counters, and the Prometheus text they become.
//!
//! Plain atomics: the hot path adds one relaxed increment, nothing else.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the latency buckets, microseconds.
const BUCKETS_US: [u64; 12] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000,
];

/// One number that only grows.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A latency histogram.
#[derive(Default)]
pub(crate) struct Histogram {
    buckets: [Counter; BUCKETS_US.len()],
    count: Counter,
    sum_us: Counter,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BUCKETS_US.partition_point(|bound| *bound < us);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.add(1);
        }
        self.count.add(1);
        self.sum_us.add(us);
    }
}

/// Everything counted since the start.
#[derive(Default)]
pub(crate) struct Metrics {
    pub(crate) requests: Counter,
    pub(crate) adds: Counter,
    pub(crate) appended: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) gaps: Counter,
    pub(crate) forks: Counter,
    pub(crate) refused: Counter,
    pub(crate) busy: Counter,
    pub(crate) rate_limited: Counter,
    pub(crate) client_errors: Counter,
    pub(crate) server_errors: Counter,
    pub(crate) submit: Histogram,
}

/// A value read at scrape time.
pub(crate) struct Gauge {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) labels: String,
    pub(crate) value: f64,
}

impl Metrics {
    /// The text exposition, version 0.0.4.
    pub(crate) fn render(&self, gauges: &[Gauge]) -> String {
        let mut out = String::with_capacity(4096);
        for (name, help, counter) in self.counters() {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
            let _ = writeln!(out, "{name} {}", counter.value());
        }
        let mut last = "";
        for gauge in gauges {
            if gauge.name != last {
                let _ = writeln!(out, "# HELP {0} {1}\n# TYPE {0} gauge", gauge.name, gauge.help);
                last = gauge.name;
            }
            let _ = writeln!(out, "{}{} {}", gauge.name, gauge.labels, gauge.value);
        }
        self.render_submit(&mut out);
        out
    }

    fn counters(&self) -> [(&'static str, &'static str, &Counter); 11] {
        [
            ("firmlog_requests_total", "Requests answered, POST /add aside.", &self.requests),
            ("firmlog_add_requests_total", "Requests to POST /add.", &self.adds),
            ("firmlog_entries_appended_total", "Entries appended.", &self.appended),
            (
                "firmlog_entries_duplicate_total",
                "Submissions already in the log.",
                &self.duplicates,
            ),
            (
                "firmlog_chain_gaps_total",
                "Statements refused for a gap in their chain.",
                &self.gaps,
            ),
            ("firmlog_chain_forks_total", "Entries that fork a device's chain.", &self.forks),
            ("firmlog_refused_total", "Submissions refused.", &self.refused),
            ("firmlog_busy_total", "Requests answered 503 for want of room.", &self.busy),
            ("firmlog_rate_limited_total", "Requests answered 429.", &self.rate_limited),
            ("firmlog_client_errors_total", "Answers with a 4xx status.", &self.client_errors),
            ("firmlog_server_errors_total", "Answers with a 5xx status.", &self.server_errors),
        ]
    }

    fn render_submit(&self, out: &mut String) {
        let name = "firmlog_submit_seconds";
        let help = "Time from a complete request to its durable answer, POST /add aside.";
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut below = 0;
        for (bound, bucket) in BUCKETS_US.iter().zip(&self.submit.buckets) {
            below += bucket.value();
            let _ = writeln!(out, "{name}_bucket{{le=\"{}\"}} {below}", *bound as f64 / 1e6);
        }
        let count = self.submit.count.value();
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum {}", self.submit.sum_us.value() as f64 / 1e6);
        let _ = writeln!(out, "{name}_count {count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_every_family_once() {
        let metrics = Metrics::default();
        metrics.submit.observe(Duration::from_micros(300));
        metrics.submit.observe(Duration::from_secs(100));
        let text = metrics.render(&[]);
        assert!(text.contains("firmlog_submit_seconds_bucket{le=\"0.0005\"} 1\n"));
        assert!(text.contains("firmlog_submit_seconds_bucket{le=\"+Inf\"} 2\n"));
        assert_eq!(text.matches("# TYPE firmlog_refused_total counter").count(), 1);
    }
}
