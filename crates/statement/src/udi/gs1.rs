//! GS1 General Specifications: application identifiers, GTIN check digit.
//!
//! ```text
//! (01)51022222233336(17)150707(10)A213B1
//! ]d2015102222223333617150707 10A213B1<GS>211234
//! ```

use super::{Agency, Date, Udi, UdiError as E, digits, once};

/// Elements in parentheses, as printed.
pub(super) fn hrf(text: &str) -> Result<Udi<'_>, E> {
    let mut udi = Udi::bare(text, Agency::Gs1);
    let mut rest = text;
    while let Some(open) = rest.strip_prefix('(') {
        let (ai, after) = open.split_once(')').ok_or(E::UnknownElement)?;
        let end = next_element(after);
        let (value, next) = after.split_at_checked(end).ok_or(E::ElementLength)?;
        element(&mut udi, ai, value)?;
        rest = next;
    }
    if rest.is_empty() { finish(udi) } else { Err(E::UnknownElement) }
}

/// A value may hold parentheses itself: an element begins only at `(known AI)`.
fn next_element(after: &str) -> usize {
    let begins = |i: &usize| {
        let inner = after.get(i.saturating_add(1)..).and_then(|s| s.split_once(')'));
        inner.is_some_and(|(ai, _)| rule(ai).is_some())
    };
    after.match_indices('(').map(|(i, _)| i).find(begins).unwrap_or(after.len())
}

/// Elements as scanned: fixed ones run on, variable ones end at GS.
pub(super) fn raw<'a>(original: &'a str, text: &'a str) -> Result<Udi<'a>, E> {
    let mut udi = Udi::bare(original, Agency::Gs1);
    let mut rest = text.trim_start_matches('\u{1d}');
    while !rest.is_empty() {
        let found = [2, 3, 4].into_iter().find_map(|n| {
            let (ai, after) = rest.split_at_checked(n)?;
            Some((ai, after, rule(ai)?))
        });
        let (ai, after, (_, max, fixed)) = found.ok_or(E::UnknownElement)?;
        let end = if fixed { max } else { after.find('\u{1d}').unwrap_or(after.len()) };
        let (value, next) = after.split_at_checked(end).ok_or(E::ElementLength)?;
        element(&mut udi, ai, value)?;
        rest = next.strip_prefix('\u{1d}').unwrap_or(next);
    }
    finish(udi)
}

/// Whether an element with an identifier of ours stands first, as scanners without a
/// symbology prefix send it; the order of elements is free.
pub(super) fn begins(text: &str) -> bool {
    [2, 3, 4].into_iter().any(|n| text.get(..n).is_some_and(|ai| rule(ai).is_some()))
}

/// Least and greatest length, and whether the element needs no GS.
fn rule(ai: &str) -> Option<(usize, usize, bool)> {
    match ai {
        "01" => Some((14, 14, true)),
        "11" | "17" => Some((6, 6, true)),
        "10" | "21" | "8012" => Some((1, 20, false)),
        "240" => Some((1, 30, false)),
        _ => None,
    }
}

fn element<'a>(udi: &mut Udi<'a>, ai: &str, value: &'a str) -> Result<(), E> {
    let (least, most, _) = rule(ai).ok_or(E::UnknownElement)?;
    if !(least..=most).contains(&value.len()) {
        return Err(E::ElementLength);
    }
    if !value.bytes().all(in_set_82) {
        return Err(E::CharacterSet);
    }
    match ai {
        "01" if !udi.di.is_empty() => Err(E::ElementTwice),
        "01" => {
            check_digit(value)?;
            udi.di = value;
            Ok(())
        }
        "11" => once(&mut udi.manufactured, date(value)?),
        "17" => once(&mut udi.expires, date(value)?),
        "10" => once(&mut udi.lot, value),
        "21" => once(&mut udi.serial, value),
        "8012" => once(&mut udi.software, value),
        "240" => once(&mut udi.additional, value),
        _ => Err(E::UnknownElement),
    }
}

fn finish(udi: Udi<'_>) -> Result<Udi<'_>, E> {
    if udi.di.is_empty() { Err(E::IdentifierMissing) } else { Ok(udi) }
}

/// GS1 AI encodable character set 82.
fn in_set_82(b: u8) -> bool {
    b.is_ascii_alphanumeric() || br#"!"%&'()*+,-./:;<=>?_"#.contains(&b)
}

/// Mod 10 with weights 3 and 1 from the right.
fn check_digit(gtin: &str) -> Result<(), E> {
    digits(gtin)?;
    let weights = [1u32, 3].into_iter().cycle();
    let terms = gtin.bytes().rev().zip(weights);
    let sum: u32 = terms.map(|(b, w)| u32::from(b.wrapping_sub(b'0')).wrapping_mul(w)).sum();
    if sum.is_multiple_of(10) { Ok(()) } else { Err(E::CheckDigit) }
}

/// YYMMDD of this century (the century rule only matters from 2051 on).
fn date(text: &str) -> Result<Date, E> {
    let all = digits(text)?;
    let part = |n: u64| u8::try_from(n % 100).map_err(|_| E::BadDate);
    let year = u16::from(part(all / 10_000)?).saturating_add(2000);
    Date::new(year, part(all / 100)?, part(all)?)
}
