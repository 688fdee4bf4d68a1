//! tlog-policy files: the one format people write, so the second writing is the canonical one.

#![no_main]

use firmlog_tlog::policy::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(policy) = Policy::parse(bytes) {
        let text = policy.encode();
        let again = Policy::parse(text.as_bytes()).expect("what we write we read");
        assert_eq!(again, policy);
        assert_eq!(again.encode(), text);
        // Everyone's cosignature satisfies every quorum that anyone's can.
        assert!(policy.satisfied(&|_| true) || !policy.satisfied(&|_| false));
    }
});
