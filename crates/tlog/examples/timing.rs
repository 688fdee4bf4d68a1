//! How long the hot calls take here: `cargo run --release -p firmlog-tlog --example timing`.
//!
//! ```text
//! node_hash                 92 ns
//! verify_inclusion in 2^20  1930 ns
//! ```
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use firmlog_tlog::merkle::{
    CompactRange, Hash, LeafIndex, TreeHead, TreeSize, leaf_hash, node_hash, root_from_inclusion,
    verify_inclusion,
};

fn main() {
    for len in [32, 55, 64, 256, 400] {
        let entry = vec![7u8; len];
        time(&format!("leaf_hash of {len} bytes"), || leaf_hash(black_box(&entry)));
    }
    let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
    time("node_hash", || node_hash(black_box(&left), black_box(&right)));
    let mut range = CompactRange::new();
    time("CompactRange::push", || {
        range.push(left, |_, _, hash| {
            black_box(hash);
        })
    });
    time("CompactRange::root", || black_box(&range).root());
    let proof: Vec<Hash> = (0..20u32).map(|i| leaf_hash(&i.to_be_bytes())).collect();
    let (index, size) = (LeafIndex(0x5_5555), TreeSize(1 << 20));
    let root = root_from_inclusion(index, size, &left, &proof).expect("twenty hashes for 2^20");
    let head = TreeHead { size, root };
    time("verify_inclusion in 2^20", || {
        verify_inclusion(index, black_box(&left), &head, black_box(&proof))
    });
}

/// The best of twenty rounds: other programs only ever make it slower.
fn time<T>(what: &str, mut call: impl FnMut() -> T) {
    const CALLS: u32 = 20_000;
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..CALLS {
            black_box(call());
        }
        best = best.min(start.elapsed());
    }
    println!("{what:28} {:6} ns", best.as_nanos() / u128::from(CALLS));
}
