//! Verifier keys.

#![no_main]

use firmlog_tlog::note::VerifierKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    // A wrong id hides most of the parser: name any 32 bytes properly, too.
    let mut public_key = [0; 32];
    text.bytes().zip(&mut public_key).for_each(|(byte, slot)| *slot = byte);
    if let Ok(key) = VerifierKey::new(text, firmlog_tlog::note::Algorithm::Ed25519, public_key) {
        assert_eq!(VerifierKey::parse(&key.to_string()), Ok(key));
    }
});
