//! Signed notes: one spelling, and a private key's text form too.

#![no_main]

use firmlog_tlog::note::{Note, PrivateKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        assert!(note.signatures().count() > 0);
    }
    if let Some(key) = std::str::from_utf8(bytes).ok().and_then(|t| PrivateKey::parse(t).ok()) {
        assert_eq!(key.expose().to_string().as_bytes(), bytes);
    }
});
