//! What chronyc prints, to three questions, each answer ended by a zero byte.

#![no_main]

use firmlog_clock::chrony::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut answers = text.splitn(3, '\0');
    let mut next = || answers.next().unwrap_or_default();
    let (tracking, sources, authentication) = (next(), next(), next());
    if let Some(read) = parse(tracking, sources, authentication) {
        // Nothing is followed that was not listed, and nothing is NTS by itself.
        assert!(read.followed.len() <= sources.lines().count());
        let nts =
            |it: &firmlog_clock::chrony::Followed| it.kind == firmlog_clock::chrony::Kind::Nts;
        assert!(!read.followed.iter().any(nts) || authentication.contains(",NTS"));
    }
});
