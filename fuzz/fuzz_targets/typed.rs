//! What people type into the search box and into times, digests and indices of requests: each is
//! recognised as one thing, and its canonical spelling as the same thing.

#![no_main]
#![expect(dead_code, reason = "the server's module is borrowed whole")]

#[path = "../../crates/server/src/show.rs"]
mod show;

use firmlog_index::{Query, detect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(ms) = show::parse_utc(text) {
        assert_eq!(show::parse_utc(&show::utc(ms)), Some(ms));
        assert!(text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'-' | b':' | b'.' | b'T' | b'Z')));
    }
    if let Some(digest) = show::hex32(text) {
        assert_eq!(show::hex(&digest), text.to_ascii_lowercase());
    }
    if let Some(salt) = show::hex16(text) {
        assert_eq!(show::hex(&salt), text.to_ascii_lowercase());
    }
    assert!(show::short(text).chars().count() <= text.chars().count().max(13));
    let query = detect(text);
    let spelt = match &query {
        Query::Digest(digest) => show::hex(digest),
        Query::Index(index) => index.to_string(),
        Query::Text(text) => text.clone(),
    };
    assert_eq!(detect(&spelt), query);
});
