//! COSE keys.

#![no_main]

use firmlog_statement::PublicKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = PublicKey::from_cose_key(bytes) {
        assert_eq!(key.to_cose_key(), bytes);
    }
});
