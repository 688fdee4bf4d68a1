//! What a transaction offers for its gas (EIP-1559), in wei per gas, and when it may not.
//!
//! ```text
//! first         max fee = 2 × base + tip, cut at the limit
//! replacement   both at least 12.5 % higher, or nodes refuse it
//! ```
//!
//! Invariant: an offer is never above the limit.

use serde::{Deserialize, Serialize};

/// One offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The most that is paid for each gas, base fee and tip together; wei.
    pub max_fee_wei: u64,
    /// What of it goes to who makes the block; wei.
    pub tip_wei: u64,
}

/// What the operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Never offered more than this; wei.
    pub max_fee_wei: u64,
    /// The usual tip; wei.
    pub tip_wei: u64,
}

/// What would have to be offered, where that is above the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AboveLimit {
    /// The least that would do; wei.
    pub needed_wei: u64,
}

/// An offer at this base fee; higher than `before` if that is to be replaced.
///
/// # Errors
/// [`AboveLimit`].
pub fn offer(base_wei: u64, before: Option<&Offer>, limits: &Limits) -> Result<Offer, AboveLimit> {
    let tip = before.map_or(0, |offer| bumped(offer.tip_wei)).max(limits.tip_wei);
    let usual = base_wei.saturating_mul(2).saturating_add(tip).min(limits.max_fee_wei);
    // Below this it would not be taken into the next block, or not in place of the other.
    let least =
        before.map_or(0, |offer| bumped(offer.max_fee_wei)).max(base_wei.saturating_add(tip));
    if least > limits.max_fee_wei {
        return Err(AboveLimit { needed_wei: least });
    }
    Ok(Offer { max_fee_wei: usual.max(least), tip_wei: tip })
}

/// An eighth more, rounded up, and never the same.
fn bumped(wei: u64) -> u64 {
    wei.saturating_add(wei.div_ceil(8).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_fee_wei: 1_000, tip_wei: 10 };

    #[test]
    fn anc_5_an_offer_leaves_room_and_stays_within_the_limit() {
        let first = offer(100, None, &LIMITS).expect("within");
        assert_eq!(first, Offer { max_fee_wei: 210, tip_wei: 10 });
        assert_eq!(offer(600, None, &LIMITS).expect("cut").max_fee_wei, 1_000);
        assert_eq!(offer(991, None, &LIMITS), Err(AboveLimit { needed_wei: 1_001 }));
    }

    #[test]
    fn anc_5_a_replacement_raises_both_by_an_eighth() {
        let mut before = offer(100, None, &LIMITS).expect("within");
        while let Ok(next) = offer(100, Some(&before), &LIMITS) {
            let eighth = |a: u64, b: u64| u128::from(b) * 8 >= u128::from(a) * 9;
            assert!(eighth(before.max_fee_wei, next.max_fee_wei), "{before:?} {next:?}");
            assert!(eighth(before.tip_wei, next.tip_wei), "{before:?} {next:?}");
            assert!(next.max_fee_wei <= 1_000 && next.tip_wei <= next.max_fee_wei);
            before = next;
        }
        assert!(before.max_fee_wei > 800);
        // Offers of nothing rise too.
        assert!(offer(0, Some(&Offer { max_fee_wei: 0, tip_wei: 0 }), &LIMITS).is_ok());
        assert!(offer(u64::MAX, None, &LIMITS).is_err());
    }
}
