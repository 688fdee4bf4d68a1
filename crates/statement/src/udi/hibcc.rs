//! HIBC supplier labelling standard: `+` LIC PCN U/M, secondary data after `/`, mod 43.
//!
//! ```text
//! +A123BJC5D6E71/$$52001510X3
//!  ----            labeller A123
//!      -------     product  BJC5D6E
//!             -    unit of measure 7 … last character: check over the whole string
//! ```

use super::{Agency, Date, Udi, UdiError as E, digits, once};

const SET: &[u8; 43] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%";

pub(super) fn parse(text: &str) -> Result<Udi<'_>, E> {
    let mut udi = Udi::bare(text, Agency::Hibcc);
    let (body, check) =
        text.split_at_checked(text.len().saturating_sub(1)).ok_or(E::CharacterSet)?;
    check_character(body, check)?;
    let inner = body.strip_prefix('+').ok_or(E::UnknownForm)?;
    let (primary, secondary) = match inner.split_once('/') {
        Some((primary, rest)) => (primary, Some(rest)),
        None => (inner, None),
    };
    udi.di = identifier(primary)?;
    for part in secondary.into_iter().flat_map(|s| s.split('/')) {
        element(&mut udi, part)?;
    }
    Ok(udi)
}

/// Sum of the characters' places in the set, modulo 43.
fn check_character(body: &str, check: &str) -> Result<(), E> {
    let mut sum = 0usize;
    for b in body.bytes() {
        let place = SET.iter().position(|c| *c == b).ok_or(E::CharacterSet)?;
        sum = sum.saturating_add(place);
    }
    let expected = SET.get(sum % 43).ok_or(E::CharacterSet)?;
    if check.as_bytes() == [*expected] { Ok(()) } else { Err(E::CheckCharacter) }
}

/// LIC (4, first a letter), PCN (1 to 18), U/M (a digit).
fn identifier(primary: &str) -> Result<&str, E> {
    let bytes = primary.as_bytes();
    if !(6..=23).contains(&bytes.len()) {
        return Err(E::IdentifierLength);
    }
    let letter = bytes.first().is_some_and(u8::is_ascii_uppercase);
    let unit = bytes.last().is_some_and(u8::is_ascii_digit);
    let plain = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    if letter && unit && bytes.iter().all(plain) { Ok(primary) } else { Err(E::CharacterSet) }
}

fn element<'a>(udi: &mut Udi<'a>, part: &'a str) -> Result<(), E> {
    if let Some(rest) = part.strip_prefix("$$+") {
        let (date, serial) = dated(rest)?;
        set_expiry(udi, date)?;
        return identifier_of(&mut udi.serial, serial);
    }
    if let Some(rest) = part.strip_prefix("$$") {
        let (date, lot) = dated(rest)?;
        set_expiry(udi, date)?;
        return identifier_of(&mut udi.lot, lot);
    }
    if let Some(serial) = part.strip_prefix("$+") {
        return identifier_of(&mut udi.serial, serial);
    }
    if let Some(lot) = part.strip_prefix('$') {
        return identifier_of(&mut udi.lot, lot);
    }
    if let Some(date) = part.strip_prefix("16D") {
        return once(&mut udi.manufactured, full_date(date)?);
    }
    if let Some(date) = part.strip_prefix("14D") {
        return once(&mut udi.expires, full_date(date)?);
    }
    if let Some(serial) = part.strip_prefix('S') {
        return identifier_of(&mut udi.serial, serial);
    }
    // Five digits: a Julian expiry YYJJJ, then the lot.
    let (date, lot) = part.split_at_checked(5).ok_or(E::UnknownElement)?;
    if date.bytes().all(|b| b.is_ascii_digit()) {
        set_expiry(udi, Some(julian(date)?))?;
        return identifier_of(&mut udi.lot, lot);
    }
    Err(E::UnknownElement)
}

fn set_expiry(udi: &mut Udi<'_>, date: Option<Date>) -> Result<(), E> {
    date.map_or(Ok(()), |date| once(&mut udi.expires, date))
}

/// Lot or serial of 1 to 18 characters; none at all is allowed after a date.
fn identifier_of<'a>(place: &mut Option<&'a str>, value: &'a str) -> Result<(), E> {
    match value.len() {
        0 => Ok(()),
        1..=18 => once(place, value),
        _ => Err(E::ElementLength),
    }
}

/// The date formats after `$$`, told by the first digit; quantity fields (8, 9) first.
fn dated(text: &str) -> Result<(Option<Date>, &str), E> {
    let text = match text.as_bytes().first() {
        Some(b'8') => text.get(3..).ok_or(E::ElementLength)?,
        Some(b'9') => text.get(6..).ok_or(E::ElementLength)?,
        _ => text,
    };
    let cut = |from: usize, len: usize| {
        let rest = text.get(from..).ok_or(E::ElementLength)?;
        rest.split_at_checked(len).ok_or(E::ElementLength)
    };
    match text.as_bytes().first() {
        Some(b'0' | b'1') => cut(0, 4).and_then(|(d, r)| Ok((Some(short(d, [2, 0, 9])?), r))),
        Some(b'2') => cut(1, 6).and_then(|(d, r)| Ok((Some(short(d, [4, 0, 2])?), r))),
        Some(b'3') => cut(1, 6).and_then(|(d, r)| Ok((Some(short(d, [0, 2, 4])?), r))),
        Some(b'4') => cut(1, 8).and_then(|(d, r)| Ok((Some(short(d, [0, 2, 4])?), r))),
        Some(b'5') => cut(1, 5).and_then(|(d, r)| Ok((Some(julian(d)?), r))),
        Some(b'6') => cut(1, 7).and_then(|(d, r)| {
            let day = d.get(..5).ok_or(E::BadDate)?;
            Ok((Some(julian(day)?), r))
        }),
        Some(b'7') => cut(1, 0).map(|(_, r)| (None, r)),
        _ => Err(E::BadDate),
    }
}

/// Two-digit year, month and day at these offsets; no day if the last is beyond the text.
fn short(text: &str, [year, month, day]: [usize; 3]) -> Result<Date, E> {
    let at = |i: usize| text.get(i..i.saturating_add(2)).map_or(Ok(0), digits);
    let byte = |i: usize| at(i).and_then(|n| u8::try_from(n).map_err(|_| E::BadDate));
    Date::new(u16::from(byte(year)?).saturating_add(2000), byte(month)?, byte(day)?)
}

/// YYJJJ.
fn julian(text: &str) -> Result<Date, E> {
    let all = u16::try_from(digits(text)?).map_err(|_| E::BadDate)?;
    Date::from_ordinal((all / 1000).saturating_add(2000), all % 1000)
}

/// YYYYMMDD.
fn full_date(text: &str) -> Result<Date, E> {
    if text.len() != 8 {
        return Err(E::ElementLength);
    }
    let all = digits(text)?;
    let part = |n: u64| u8::try_from(n % 100).map_err(|_| E::BadDate);
    Date::new(u16::try_from(all / 10_000).map_err(|_| E::BadDate)?, part(all / 100)?, part(all)?)
}
