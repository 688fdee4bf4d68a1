//! Registry snapshots, with the checksum they should have.

#![no_main]

use firmlog_verify::registry::Registry;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

fuzz_target!(|bytes: &[u8]| {
    let mut sealed = b"firmlog registry\n\x01".to_vec();
    sealed.extend_from_slice(bytes);
    let sum = Sha256::digest(&sealed);
    sealed.extend_from_slice(&sum);
    if let Some(registry) = restore(&sealed) {
        let again = snapshot(&registry);
        let twice = restore(&again).expect("what we write we read");
        assert_eq!(snapshot(&twice), again);
    }
});

fn snapshot(registry: &Registry) -> Vec<u8> {
    let mut out = Vec::new();
    let write = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok::<(), ()>(())
    };
    registry.encode_snapshot(write).expect("a vector takes everything");
    out
}

fn restore(mut bytes: &[u8]) -> Option<Registry> {
    let read = |out: &mut [u8]| {
        let Some((front, back)) = bytes.split_at_checked(out.len()) else { return false };
        out.copy_from_slice(front);
        bytes = back;
        true
    };
    Registry::decode_snapshot(read).ok()
}
