//! Disclosure sets.

#![no_main]

use firmlog_statement::disclosure::DisclosureSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(set) = DisclosureSet::parse(bytes) {
        assert_eq!(set.encode().as_deref(), Ok(bytes));
        for disclosure in set.as_slice() {
            disclosure.commitment();
        }
    }
});
