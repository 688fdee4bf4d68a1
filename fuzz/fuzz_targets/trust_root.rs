//! Trust root files: people write them, so the second writing is the canonical one.

#![no_main]

use firmlog_verify::TrustRoot;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(root) = TrustRoot::parse(bytes) {
        let text = root.encode();
        let again = TrustRoot::parse(text.as_bytes()).expect("what we write we read");
        assert_eq!(again, root);
        assert_eq!(again.encode(), text);
    }
});
