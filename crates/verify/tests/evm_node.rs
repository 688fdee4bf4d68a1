//! Evidence of a real node with the real contract on it: what it says now is what the vectors say.

mod chain;
mod common;

use chain::{bundles, story, vector};
use firmlog_verify::evm::{EvmEvidence, verify_evm};

#[test]
fn a_node_gives_the_evidence_of_the_vectors() {
    let Some(made) = story::evidence() else { return };
    for (name, evidence) in made {
        let pins = vector::pins(&evidence);
        assert!(verify_evm(&evidence, &pins).expect("sound").is_anchored(), "{name}");
        let kept = vector::read(name);
        assert!(evidence.encode() == kept.bytes, "{name}: run cargo xtask vectors");
        assert_eq!(pins, kept.pins, "{name}");
    }
}

/// The bundles of the vectors, made again from their evidence: no node is asked.
#[test]
fn the_bundles_of_the_vectors_are_fresh() {
    let evidence = EvmEvidence::parse(&vector::read("second").bytes).expect("sound");
    for made in bundles::all(&evidence) {
        let kept = std::fs::read_to_string(bundles::folder().join(made.name)).expect("there");
        assert!(made.text() == kept, "{}: run cargo xtask vectors", made.name);
    }
}
