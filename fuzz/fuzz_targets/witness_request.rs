//! What a witness reads from strangers, and what it answers on conflict.

#![no_main]

use firmlog_tlog::witness::{AddCheckpoint, encode_size, parse_size};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.encode().as_bytes(), bytes);
    }
    if let Ok(size) = parse_size(bytes) {
        assert_eq!(encode_size(size).as_bytes(), bytes);
    }
});
