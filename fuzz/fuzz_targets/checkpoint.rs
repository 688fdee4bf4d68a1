//! Checkpoints, bare and signed.

#![no_main]

use firmlog_tlog::checkpoint::{Checkpoint, Unverified};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(body) = std::str::from_utf8(bytes).ok().and_then(|t| Checkpoint::parse(t).ok()) {
        assert_eq!(body.encode().as_bytes(), bytes);
    }
    if let Ok(signed) = Unverified::parse(bytes) {
        assert_eq!(signed.note().to_string().as_bytes(), bytes);
        assert_eq!(signed.claimed().encode(), signed.note().text());
    }
});
