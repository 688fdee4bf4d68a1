//! UDI strings as people and scanners write them.

#![no_main]

use firmlog_statement::udi::Udi;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(udi) = Udi::parse(text) {
        assert_eq!(udi.original, text);
        assert!(!udi.di.is_empty());
        let parts = [udi.lot, udi.serial, udi.software, udi.donation];
        parts.into_iter().flatten().for_each(|part| assert!(text.contains(part)));
    }
});
