//! How values look: hex, UTC times, short digests.

use std::fmt::Write;

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// 32 bytes from hex, either case.
pub(crate) fn hex32(text: &str) -> Option<[u8; 32]> {
    parse_hex(text)
}

/// 16 bytes from hex, either case.
pub(crate) fn hex16(text: &str) -> Option<[u8; 16]> {
    parse_hex(text)
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (nibble(pair[0])? << 4) | nibble(pair[1])?;
    }
    Some(out)
}

/// Standard Base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64ct::{Base64, Encoding};
    Base64::encode_string(bytes)
}

/// The first eight and last four digits, for people.
pub(crate) fn short(hex: &str) -> String {
    match (hex.get(..8), hex.get(hex.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if hex.len() > 16 => format!("{head}…{tail}"),
        _ => hex.to_owned(),
    }
}

/// RFC 3339 in UTC, whole milliseconds.
pub(crate) fn utc(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// An age in words.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Unix milliseconds from an RFC 3339 date or UTC time (`2026-11-22`, `2026-11-22T21:54:00Z`).
pub(crate) fn parse_utc(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let number = |part: &str, digits: usize| -> Option<u64> {
        (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse().ok())?
    };
    let mut parts = date.split('-');
    let (year, month, day) =
        (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut clock = clock.split(':');
    let (hour, minute, second) =
        (number(clock.next()?, 2)?, number(clock.next()?, 2)?, number(clock.next()?, 2)?);
    let digits = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    // What is finer than a millisecond is dropped.
    let ms = format!("{fraction:0<3}").get(..3).filter(|_| digits)?.parse::<u64>().ok()?;
    let in_range = parts.next().is_none()
        && clock.next().is_none()
        && year >= 1970
        && (1..=12).contains(&month)
        && hour < 24
        && minute < 60
        && second <= 60;
    let days = in_range.then(|| days_since_epoch(year, month, day))??;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms)
}

fn nibble(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

/// Year, month and day of a count of days since 1970-01-01 (proleptic Gregorian).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    let year_shifted = year - u64::from(month <= 2);
    let (era, year_of_era) = (year_shifted / 400, year_shifted % 400);
    let month_shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * month_shifted + 2) / 5 + day.checked_sub(1)?;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = (era * 146_097 + of_era).checked_sub(719_468)?;
    (civil(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_there_and_back() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_384_440_123, "2026-11-22T21:54:00.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(utc(ms), text);
            assert_eq!(parse_utc(text), Some(ms));
        }
        assert_eq!(parse_utc("2026-11-22"), Some(1_795_305_600_000));
        for wrong in [
            "2026-02-30",
            "2026-13-01",
            "2026-1-1",
            "1969-12-31",
            "2026-11-22T25:00:00Z",
            "x",
            "2026-11-22T21:54:00.Z",
            "2026-11-22T21:54:00.+1Z",
            "2026-11-22T21:54:00.123xZ",
        ] {
            assert_eq!(parse_utc(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hex_there_and_back() {
        let digest = [0xa7; 32];
        assert_eq!(hex32(&hex(&digest)), Some(digest));
        assert_eq!(hex32("zz"), None);
        assert_eq!(short(&hex(&digest)), "a7a7a7a7…a7a7");
    }
}
