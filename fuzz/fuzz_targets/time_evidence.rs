//! Evidence of a time: one spelling, and no panic whatever the servers signed.

#![no_main]

use firmlog_clock::Server;
use firmlog_clock::agree::judge;
use firmlog_clock::evidence::{Evidence, Exchange};
use firmlog_clock::report::report;
use firmlog_clock::roughtime::Signed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(evidence) = Evidence::parse(bytes) else { return };
    assert_eq!(evidence.encode(), bytes);
    let server = |it: &Exchange| Server { name: it.name.clone(), address: "".into(), key: it.key };
    let servers: Vec<Server> = evidence.exchanges.iter().map(server).collect();
    drop(evidence.check(&servers));
    // As if the random numbers were the times that were signed.
    let signed = |it: &Exchange| {
        let (midpoint, radius) = it.random.split_at(8);
        let midpoint_s = midpoint.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        Signed { midpoint_s, radius_s: u32::from(radius[0]) }
    };
    let all: Vec<_> = evidence.exchanges.iter().map(|it| (it.clone(), signed(it))).collect();
    if let firmlog_clock::agree::Outcome::Agreed { region, servers, liars } = judge(&all, 3) {
        assert!(region.from_ms <= region.to_ms && servers.len() > liars.len());
        for liar in &liars {
            if let Some((early, late)) = liar.proof {
                assert!(all[early].1.earliest_s() > all[late].1.latest_s());
                assert!(report(&evidence, liar).is_some());
            }
        }
    }
});
