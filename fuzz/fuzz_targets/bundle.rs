//! Evidence bundles; a second try ends in the right checksum, which hides the rest of the parser.

#![no_main]

use firmlog_verify::bundle::Bundle;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Drop whatever stands where the checksum should be, and put the right one there.
    let front = bytes.len().saturating_sub(32);
    let mut sealed = bytes[..front].to_vec();
    let sum = Sha256::digest(&sealed);
    sealed.extend_from_slice(&sum);
    check(&sealed);
});

fn check(bytes: &[u8]) {
    if let Ok(bundle) = Bundle::parse(bytes) {
        assert_eq!(bundle.encode(), bytes);
    }
}
