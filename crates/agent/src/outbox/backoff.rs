//! How long to wait after a failure: longer each time, never the same for a whole fleet.
//!
//! ```text
//! failures   1      2      3      …   12 and more
//! most, s    1      2      4      …   1800            drawn from the upper half of it
//! ```
//!
//! Devices that lost the log in the same second must not come back in the same second.

/// Numbers for jitter; they need not be secret.
pub trait Random {
    /// Any number.
    fn number(&mut self) -> u32;
}

impl<R: Random + ?Sized> Random for &mut R {
    fn number(&mut self) -> u32 {
        (**self).number()
    }
}

/// The longest wait that a log may ask for.
pub const RETRY_AFTER_MAX_S: u32 = 86_400;

/// A wait under way, and the failures that led to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u8,
    /// Since when and how long.
    wait: Option<(u64, u64)>,
}

impl Backoff {
    /// The next failure: waits from `now_ms` on, at least as long as the log asked for.
    pub fn fail(
        &mut self,
        now_ms: u64,
        (first_ms, most_ms): (u32, u32),
        asked_s: Option<u32>,
        random: &mut impl Random,
    ) {
        let doubled = u64::from(first_ms.max(1)).saturating_mul(1 << self.failures.min(31));
        let most = doubled.min(u64::from(most_ms.max(1)));
        let half = most >> 1;
        let drawn = u64::from(random.number()).saturating_mul(half.saturating_add(1)) >> 32;
        let asked = u64::from(asked_s.unwrap_or(0).min(RETRY_AFTER_MAX_S)).saturating_mul(1000);
        // Those whom the log sent away together do not come back together either.
        let jittered = asked.saturating_add(drawn.min(asked >> 1));
        self.wait = Some((now_ms, most.saturating_sub(drawn).max(jittered).max(1)));
        self.failures = self.failures.saturating_add(1);
    }

    /// Fails as if for the last of many times.
    pub(super) fn fail_long(
        &mut self,
        now_ms: u64,
        range: (u32, u32),
        asked_s: Option<u32>,
        random: &mut impl Random,
    ) {
        self.failures = 31;
        self.fail(now_ms, range, asked_s, random);
    }

    /// Something went forward.
    pub const fn succeed(&mut self) {
        *self = Self { failures: 0, wait: None };
    }

    pub(super) const fn failures(&self) -> u8 {
        self.failures
    }

    /// What is left to wait. A clock that went back waits the whole time once more, no longer.
    pub fn left_ms(&mut self, now_ms: u64) -> Option<u64> {
        let (since, long) = self.wait?;
        let since = since.min(now_ms);
        let left = since.saturating_add(long).saturating_sub(now_ms);
        self.wait = (left > 0).then_some((since, long));
        self.wait.map(|_| left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u32);
    impl Random for Fixed {
        fn number(&mut self) -> u32 {
            self.0
        }
    }

    #[test]
    fn out_010_waits_double_up_to_the_most_and_are_drawn_from_the_upper_half() {
        for (number, waits) in
            [(0, [1000, 2000, 4000, 8000, 10_000]), (u32::MAX, [500, 1000, 2000, 4000, 5000])]
        {
            let (mut backoff, mut random) = (Backoff::default(), Fixed(number));
            for wait in waits {
                backoff.fail(7, (1000, 10_000), None, &mut random);
                assert_eq!(backoff.left_ms(7), Some(wait));
                assert_eq!(backoff.left_ms(7 + wait), None);
            }
        }
    }

    #[test]
    fn out_011_the_log_may_ask_for_more_but_not_for_ever() {
        let (mut backoff, mut random) = (Backoff::default(), Fixed(0));
        backoff.fail(0, (1000, 10_000), Some(120), &mut random);
        assert_eq!(backoff.left_ms(0), Some(120_000));
        backoff.fail(0, (1000, 10_000), Some(u32::MAX), &mut random);
        assert_eq!(backoff.left_ms(0), Some(86_400_000));
    }

    #[test]
    fn a_clock_that_goes_back_does_not_wait_for_ever() {
        let (mut backoff, mut random) = (Backoff::default(), Fixed(0));
        backoff.fail(1_000_000_000, (1000, 10_000), None, &mut random);
        assert_eq!(backoff.left_ms(5), Some(1000));
        assert_eq!(backoff.left_ms(1005), None);
    }
}
