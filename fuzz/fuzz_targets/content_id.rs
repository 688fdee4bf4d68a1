//! Content ids of direct mode.

#![no_main]

use firmlog_anchor::direct::cid;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(bytes) = cid::parse(text) {
        assert_eq!(bytes.len(), 36);
        assert_eq!(cid::encode(&bytes), text);
    }
});
