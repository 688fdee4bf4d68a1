//! The JSON projection: lossless from bytes, and one spelling from text.

#![no_main]

use firmlog_statement::Parsed;
use firmlog_statement::json::{from_json, from_text, to_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(parsed) = Parsed::parse(bytes)
        && let Ok(json) = to_json(&parsed)
    {
        assert_eq!(from_json(&json).as_deref(), Ok(bytes));
    }
    if let Some(entry) = std::str::from_utf8(bytes).ok().and_then(|text| from_text(text).ok()) {
        let parsed = Parsed::parse(&entry).expect("what was made is well-formed");
        let json = to_json(&parsed).expect("it came from JSON");
        assert_eq!(from_json(&json).as_ref(), Ok(&entry));
    }
});
