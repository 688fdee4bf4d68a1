//! Unique device identifiers as people and scanners write them.
//!
//! ```text
//! (01)51022222233336(11)141231(17)150707(10)A213B1(21)1234    GS1
//! +A123BJC5D6E71/$$52001510X3                                  HIBCC
//! =/A9999XYZ100T0944=,000025=>014032                           ICCBBA
//! ```
//!
//! In scope: reading the three agencies' forms, human-readable and raw from a scanner
//! (GS 0x1D, prefixes `]d2`, `]C1`), and their check digits and characters. Out of
//! scope: what the identifiers mean (GUDID, EUDAMED).
//!
//! Invariants:
//! - The string as it came is kept; a wrong check is refused by name.
//! - No allocation; every part borrows from the string.

mod gs1;
mod hibcc;
mod iccbba;

crate::error::errors! {
    /// Why a string is not a UDI.
    pub enum UdiError {
        1 UnknownForm "string begins like none of GS1, HIBCC, ICCBBA",
        2 CheckDigit "GS1 check digit does not fit",
        3 CheckCharacter "check character does not fit (HIBCC mod 43, ISBT 128 mod 37-2)",
        5 IdentifierMissing "device identifier is absent",
        6 IdentifierLength "device identifier has a length its agency does not allow",
        7 CharacterSet "character is outside the agency's set",
        8 UnknownElement "element has an identifier this reader does not know",
        9 ElementLength "element has a length its rule does not allow",
        10 ElementTwice "element stands twice",
        11 BadDate "date does not exist",
        12 TooLong "string is longer than the agency allows",
    }
}

/// Who issued the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agency {
    /// GS1: GTIN and application identifiers.
    Gs1,
    /// HIBCC: HIBC supplier labelling.
    Hibcc,
    /// ICCBBA: ISBT 128.
    Iccbba,
}

/// A date on a label; day 0 means the agency's "end of month" or "no day".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Full year.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 0 to 31.
    pub day: u8,
}

impl Date {
    /// Refuses days that do not exist; day 0 is allowed.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, UdiError> {
        let ok = (1..=12).contains(&month) && day <= days_in(year, month);
        if ok { Ok(Self { year, month, day }) } else { Err(UdiError::BadDate) }
    }

    /// The day of a Julian date (1 to 366).
    pub fn from_ordinal(year: u16, ordinal: u16) -> Result<Self, UdiError> {
        let mut left = ordinal;
        for month in 1..=12 {
            let days = u16::from(days_in(year, month));
            if (1..=days).contains(&left) {
                return Self::new(year, month, left.try_into().map_err(|_| UdiError::BadDate)?);
            }
            left = left.saturating_sub(days);
        }
        Err(UdiError::BadDate)
    }
}

fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// A UDI taken apart, in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udi<'a> {
    /// The string as it came.
    pub original: &'a str,
    /// Who issued the numbers.
    pub agency: Agency,
    /// UDI-DI: the model, in the agency's form (GTIN-14; LIC+PCN+U/M; facility+product).
    pub di: &'a str,
    /// Lot or batch.
    pub lot: Option<&'a str>,
    /// Serial number.
    pub serial: Option<&'a str>,
    /// Date of manufacture.
    pub manufactured: Option<Date>,
    /// Date of expiry.
    pub expires: Option<Date>,
    /// Software version (GS1 8012).
    pub software: Option<&'a str>,
    /// Additional product identification (GS1 240): the maker's own number, as it came.
    pub additional: Option<&'a str>,
    /// Donation identification number (ICCBBA), 13 characters and its two flags.
    pub donation: Option<&'a str>,
}

impl<'a> Udi<'a> {
    /// Reads any of the three forms.
    pub fn parse(text: &'a str) -> Result<Self, UdiError> {
        let scanned = text.strip_prefix("]d2").or_else(|| text.strip_prefix("]C1"));
        let bytes = text.as_bytes();
        match (scanned, bytes.first()) {
            (Some(rest), _) => gs1::raw(text, rest),
            (None, Some(b'(')) => gs1::hrf(text),
            (None, Some(b'+')) => hibcc::parse(text),
            (None, Some(b'=' | b'&')) => iccbba::parse(text),
            (None, Some(0x1d)) => gs1::raw(text, text),
            (None, Some(b'0'..=b'9')) if gs1::begins(text) => gs1::raw(text, text),
            _ => Err(UdiError::UnknownForm),
        }
    }

    fn bare(original: &'a str, agency: Agency) -> Self {
        Self {
            original,
            agency,
            di: "",
            lot: None,
            serial: None,
            manufactured: None,
            expires: None,
            software: None,
            additional: None,
            donation: None,
        }
    }
}

/// Fills a place once.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), UdiError> {
    if place.replace(value).is_some() { Err(UdiError::ElementTwice) } else { Ok(()) }
}

fn digits(text: &str) -> Result<u64, UdiError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UdiError::CharacterSet);
    }
    text.parse().map_err(|_| UdiError::ElementLength)
}
