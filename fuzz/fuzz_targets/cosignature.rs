//! The 72 bytes of a cosignature/v1 line, and the message it signs.

#![no_main]

use firmlog_tlog::cosignature::{Cosignature, message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: ([u8; 72], &str)| {
    let (bytes, body) = input;
    if let Ok(cosignature) = Cosignature::parse(&bytes) {
        assert_eq!(cosignature.encode(), bytes);
        let mut buffer = vec![0; body.len() + 64];
        let signed = message(cosignature.time_s, body, &mut buffer).expect("there is room");
        assert!(signed.ends_with(body.as_bytes()));
    }
});
