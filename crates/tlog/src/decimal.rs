//! Unsigned ASCII decimals with exactly one spelling each.
//!
//! Invariants: no sign, no leading zero except `0` itself, no overflow.

/// Why a decimal was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecimalFault {
    NotDecimal,
    LeadingZero,
    Overflow,
}

/// Parses a decimal that fits 64 bits.
pub(crate) fn parse(text: &str) -> Result<u64, DecimalFault> {
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
        return Err(DecimalFault::NotDecimal);
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(DecimalFault::LeadingZero);
    }
    text.bytes()
        .try_fold(0u64, |n, c| n.checked_mul(10)?.checked_add(u64::from(c.wrapping_sub(b'0'))))
        .ok_or(DecimalFault::Overflow)
}

/// Digits of the largest number.
pub(crate) const MAX_DIGITS: usize = 20;

/// 10^19 down to 1.
const POWERS: [u64; MAX_DIGITS] = [
    10_000_000_000_000_000_000,
    1_000_000_000_000_000_000,
    100_000_000_000_000_000,
    10_000_000_000_000_000,
    1_000_000_000_000_000,
    100_000_000_000_000,
    10_000_000_000_000,
    1_000_000_000_000,
    100_000_000_000,
    10_000_000_000,
    1_000_000_000,
    100_000_000,
    10_000_000,
    1_000_000,
    100_000,
    10_000,
    1_000,
    100,
    10,
    1,
];

/// Writes a number into the front of `out` and returns it. By subtraction: 64 bits are divided in
/// software on a small processor.
pub(crate) fn write(mut number: u64, out: &mut [u8; MAX_DIGITS]) -> &[u8] {
    let mut used = 0_usize;
    for power in POWERS {
        let mut digit = b'0';
        while let Some(rest) = number.checked_sub(power) {
            (number, digit) = (rest, digit.saturating_add(1));
        }
        let leads = used == 0 && digit == b'0' && power > 1;
        if let Some(place) = out.get_mut(used).filter(|_| !leads) {
            *place = digit;
            used = used.saturating_add(1);
        }
    }
    out.get(..used).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_the_one_spelling() {
        let around = POWERS.iter().flat_map(|power| [power - 1, *power, power.wrapping_mul(9)]);
        for number in around.chain([u64::MAX, 1_679_315_147]) {
            let mut out = [0; MAX_DIGITS];
            let text = core::str::from_utf8(write(number, &mut out)).unwrap();
            assert_eq!(parse(text), Ok(number));
        }
    }

    #[test]
    fn one_spelling_each() {
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(parse("18446744073709551616"), Err(DecimalFault::Overflow));
        assert_eq!(parse("00"), Err(DecimalFault::LeadingZero));
        assert_eq!(parse("07"), Err(DecimalFault::LeadingZero));
        for bad in ["", "+1", "-1", " 1", "1 ", "1\n", "0x1", "१"] {
            assert_eq!(parse(bad), Err(DecimalFault::NotDecimal), "{bad:?}");
        }
    }
}
