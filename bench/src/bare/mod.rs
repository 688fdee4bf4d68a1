//! Bare loops: the least the machine must do for each figure, with nothing around it.
//!
//! A figure that is 90 % of its bare loop has 10 % to give to parsing, order,
//! storage and HTTP together, whatever machine it runs on.

mod disk;
mod signature;

pub use disk::{SyncLoop, append_and_sync};
pub use signature::{Scheme, check_signatures};

use std::time::{Duration, Instant};

use aws_lc_rs::digest;

/// How often something was done.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Times it was done.
    pub count: u64,
    /// Wall time it took.
    pub elapsed: Duration,
}

impl Rate {
    /// Times a second.
    #[must_use]
    pub fn per_s(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }
}

/// Hashes `bytes` bytes over and over on one core.
#[must_use]
pub fn hash_sha256(bytes: usize, duration: Duration) -> Rate {
    let data = vec![0x5a; bytes];
    count_for(duration, |_| {
        std::hint::black_box(digest::digest(&digest::SHA256, std::hint::black_box(&data)));
    })
}

/// Runs `step` with its number until `duration` has passed.
fn count_for(duration: Duration, mut step: impl FnMut(u64)) -> Rate {
    const STEPS_PER_LOOK: u64 = 64;
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < duration {
        for _ in 0..STEPS_PER_LOOK {
            step(count);
            count += 1;
        }
    }
    Rate { count, elapsed: start.elapsed() }
}
