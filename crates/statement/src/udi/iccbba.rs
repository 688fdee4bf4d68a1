//! ICCBBA: ISBT 128 data structures.
//!
//! ```text
//! =/A9999XYZ100T0944=,000025=A99971312345600=>014032=}013032&,1000000000000XYZ123
//! ```
//!
//! `=/` identifier (16), `=,` serial (6), `=` donation (15), `=>` expiry, `=}`
//! manufacture (both YYYJJJ), `&,1` lot (18). Only the donation number can carry a
//! check: two flags of 60 to 96 are its ISO 7064 mod 37-2 value plus 60; other flags
//! say something else, and the check is then only on paper.

use super::{Agency, Date, Udi, UdiError as E, digits, once};

pub(super) fn parse(text: &str) -> Result<Udi<'_>, E> {
    let mut udi = Udi::bare(text, Agency::Iccbba);
    let mut rest = text;
    while !rest.is_empty() {
        let (skip, len) = shape(rest)?;
        let (structure, next) = rest.split_at_checked(len).ok_or(E::ElementLength)?;
        let (mark, value) = structure.split_at_checked(skip).ok_or(E::ElementLength)?;
        if !value.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(E::CharacterSet);
        }
        take(&mut udi, mark, value)?;
        rest = next;
    }
    if udi.di.is_empty() { Err(E::IdentifierMissing) } else { Ok(udi) }
}

/// Lengths of mark and of the whole structure.
fn shape(rest: &str) -> Result<(usize, usize), E> {
    let marks = [("=/", 18), ("=,", 8), ("=>", 8), ("=}", 8), ("&,1", 21)];
    let known = marks.iter().find(|(mark, _)| rest.starts_with(mark));
    match (known, rest.as_bytes()) {
        (Some((mark, len)), _) => Ok((mark.len(), *len)),
        (None, [b'=', b, ..]) if b.is_ascii_alphanumeric() => Ok((1, 16)),
        _ => Err(E::UnknownElement),
    }
}

fn take<'a>(udi: &mut Udi<'a>, mark: &str, value: &'a str) -> Result<(), E> {
    match mark {
        "=/" if !udi.di.is_empty() => Err(E::ElementTwice),
        "=/" => {
            udi.di = value;
            Ok(())
        }
        "=," => once(&mut udi.serial, value),
        "=>" => once(&mut udi.expires, date(value)?),
        "=}" => once(&mut udi.manufactured, date(value)?),
        "&,1" => once(&mut udi.lot, value),
        _ => {
            check_flags(value)?;
            once(&mut udi.donation, value)
        }
    }
}

/// Flags of 60 and above repeat the check value of the 13 characters before them.
fn check_flags(donation: &str) -> Result<(), E> {
    let (number, flags) = donation.split_at_checked(13).ok_or(E::ElementLength)?;
    match flags.parse::<u32>() {
        Ok(told) if (60..97).contains(&told) && told != mod_37_2(number)?.saturating_add(60) => {
            Err(E::CheckCharacter)
        }
        _ => Ok(()),
    }
}

/// ISO 7064 mod 37-2: digits count 0 to 9, letters 10 to 35; each place doubles.
fn mod_37_2(number: &str) -> Result<u32, E> {
    let mut sum = 0u32;
    for character in number.chars() {
        let value = character.to_digit(36).filter(|_| !character.is_ascii_lowercase());
        sum = sum.saturating_add(value.ok_or(E::CharacterSet)?).saturating_mul(2) % 37;
    }
    Ok(38u32.saturating_sub(sum) % 37)
}

/// YYYJJJ: the last three digits of the year, the day of the year.
fn date(text: &str) -> Result<Date, E> {
    let all = u32::try_from(digits(text)?).map_err(|_| E::BadDate)?;
    let year = u16::try_from(all / 1000).map_err(|_| E::BadDate)?.saturating_add(2000);
    Date::from_ordinal(year, u16::try_from(all % 1000).map_err(|_| E::BadDate)?)
}
