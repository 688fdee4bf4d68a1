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

#[cfg(test)]
mod tests {
    use super::*;

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
