//! Writes `vectors/anchor_evidence/`: evidence of a real node with the real contract, sound, and
//! spoiled in one part each.
//!
//! ```text
//! expect: SlotNotInStorage
//! part: root slot
//! made by: cargo xtask vectors, from an anvil node
//! chain: 31337
//! contract: 0xe7f1…
//! pin: evm-contract 31337 0xe7f1… 0x5b2c…
//! evidence:
//! a801197a69…
//! ```
//!
//! Beside them `vectors/bundle/`: whole bundles with that evidence, and the trust root to check
//! them against.
//!
//! `cargo run -p firmlog-verify --example evm_vectors`; anvil comes from `FIRMLOG_ANVIL`, else from
//! what `cargo xtask setup contracts` installed. Without one nothing is written.

#[path = "../tests/chain/mod.rs"]
mod chain;
#[path = "../tests/common/mod.rs"]
mod common;

use chain::{bundles, spoiled, story, vector, vectors};

fn main() -> std::io::Result<()> {
    let Some(good) = story::evidence() else { return Ok(()) };
    let (dir, bundles) = (vectors(), bundles::folder());
    for dir in [&dir, &bundles] {
        if dir.exists() {
            std::fs::remove_dir_all(dir)?;
        }
        std::fs::create_dir_all(dir)?;
    }
    for (name, evidence) in &good {
        let pins = vector::pins(evidence);
        std::fs::write(dir.join(name), vector::text("ok", None, evidence, &pins))?;
    }
    for bad in spoiled::all(&good[0].1, &good[1].1) {
        let expect = format!("{:?}", bad.error);
        let text = vector::text(&expect, Some(bad.part), &bad.evidence, &bad.pins);
        std::fs::write(dir.join(bad.name), text)?;
    }
    for made in bundles::all(&good[1].1) {
        std::fs::write(bundles.join(made.name), made.text())?;
    }
    Ok(())
}
