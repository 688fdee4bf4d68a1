//! UDI strings: GS1, HIBCC and ICCBBA, taken apart with their check characters verified.

use firmlog_statement::udi::{Date, Udi, UdiError};
use serde_json::json;

use super::Found;
use crate::answer::table;

/// Explains a UDI; `None` if the text begins like none.
pub(crate) fn explain(text: &str) -> Option<Found> {
    if text.len() > 300 || text.contains('\n') {
        return None;
    }
    let udi = match Udi::parse(text) {
        Ok(udi) => udi,
        Err(UdiError::UnknownForm) => return None,
        // A bare digit string may be anything; only a marked one is a broken UDI.
        Err(_) if text.starts_with('0') => return None,
        Err(e) => return Some(Found::new("UDI", "a unique device identifier").broken(e)),
    };
    let agency = format!("{:?}", udi.agency).to_uppercase();
    let parts = [
        ("UDI-DI (the model)", Some(udi.di.to_owned())),
        ("lot", udi.lot.map(str::to_owned)),
        ("serial", udi.serial.map(str::to_owned)),
        ("manufactured", udi.manufactured.map(date)),
        ("expires", udi.expires.map(date)),
        ("software", udi.software.map(str::to_owned)),
        ("donation", udi.donation.map(str::to_owned)),
    ];
    let rows = parts.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let json = json!({"agency": agency, "di": udi.di, "lot": udi.lot, "serial": udi.serial,
        "manufactured": udi.manufactured.map(date), "expires": udi.expires.map(date),
        "software": udi.software, "donation": udi.donation});
    let text =
        table(rows) + "A serial names one unit: a log holds it as a salted commitment only.\n";
    Some(Found::new("UDI", format!("{agency}, check characters right")).text(text).json(json))
}

/// Day 0 is the agency's "no day".
pub(crate) fn date(date: Date) -> String {
    match date.day {
        0 => format!("{:04}-{:02}", date.year, date.month),
        day => format!("{:04}-{:02}-{day:02}", date.year, date.month),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gs1_string_is_taken_apart() {
        let text = "(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234";
        let found = explain(text).expect("is a UDI");
        assert_eq!(found.json["serial"], "1234");
        assert_eq!(found.json["expires"], "2015-07-07");
    }

    #[test]
    fn a_wrong_check_digit_is_named() {
        let found = explain("(01)51022222233337(21)1234").expect("is a UDI");
        assert!(found.broken.is_some());
    }
}
