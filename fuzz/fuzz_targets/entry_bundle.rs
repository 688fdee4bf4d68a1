//! Entry bundles: width in the first byte, the bundle after it.

#![no_main]

use firmlog_tlog::tile::{Bundle, encode_entry};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((width, bytes)) = bytes.split_first() else { return };
    let width = u16::from(*width) + 1;
    if let Ok(bundle) = Bundle::parse(bytes, width) {
        let mut again = Vec::new();
        bundle.entries().for_each(|entry| encode_entry(&mut again, entry).expect("it was read"));
        assert_eq!(again, bytes);
        assert_eq!(bundle.entries().count(), usize::from(width));
    }
    if let Ok(start) = Bundle::prefix(bytes, width) {
        let mut again = Vec::new();
        start.entries().for_each(|entry| encode_entry(&mut again, entry).expect("it was read"));
        assert!(bytes.starts_with(&again));
        assert_eq!(start.entries().count(), usize::from(width));
    }
});
