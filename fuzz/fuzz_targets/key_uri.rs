//! Names of keys and counters, and curves and points as tokens tell them.

#![no_main]

use firmlog_keys::Algorithm;
use firmlog_keys::uri::{KeyUri, Tcti, TpmUri};
use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the session's part is not fuzzed")]
#[path = "../../crates/keys/src/pkcs11/attributes.rs"]
mod attributes;

fuzz_target!(|data: &[u8]| {
    let (curve, point) = data.split_at(data.len().min(10));
    let known = attributes::public_key(curve, point).is_some();
    assert!(!known || attributes::algorithm(curve).is_some());
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(uri) = text.parse::<KeyUri>() {
        let written = uri.to_string();
        assert_eq!(written.parse::<KeyUri>().as_ref(), Ok(&uri), "{written}");
    }
    if let Ok(counter) = text.parse::<TpmUri>() {
        assert_eq!(counter.to_string().parse(), Ok(counter));
    }
    if let Ok(tcti) = text.parse::<Tcti>() {
        assert_eq!(tcti.to_string().parse(), Ok(tcti));
    }
});
