//! Bundles with an anchor, and the trust root that each is checked against.

use std::fmt::Write as _;
use std::path::PathBuf;

use firmlog_verify::bundle::{Anchor, Bundle};
use firmlog_verify::evm::{self, EvmEvidence, EvmPins};
use firmlog_verify::{Question, Report, RustCrypto, TrustRoot, verify_file};

use super::{story, vector};

/// A bundle and who believes what of it.
pub(crate) struct Made {
    pub(crate) name: &'static str,
    root: TrustRoot,
    bundle: Bundle,
}

/// A bundle whose block is pinned, the same with nothing pinned, and one that names the wrong
/// checkpoint.
pub(crate) fn all(evidence: &EvmEvidence) -> Vec<Made> {
    let log = story::log();
    let made = |name, checkpoint, pins: EvmPins| {
        let mut bundle = log.whole();
        let anchor = Anchor { kind: evm::KIND, checkpoint, evidence: evidence.encode() };
        bundle.anchors.push(anchor);
        Made { name, root: log.root("both").with_evm(pins), bundle }
    };
    let pins = vector::pins(evidence);
    let contract = EvmPins { blocks: vec![], ..pins.clone() };
    vec![
        made("anchored", 1, pins.clone()),
        made("anchored_block_not_pinned", 1, contract),
        made("bad_anchor_of_another_checkpoint", 0, pins),
    ]
}

impl Made {
    fn report(&self) -> Report {
        verify_file(&self.bundle.encode(), &self.root, &RustCrypto, &Question::Whole)
    }

    pub(crate) fn text(&self) -> String {
        let report = self.report();
        let mut out = format!("expect: {}\n", report.verdict);
        writeln!(out, "anchored: {}", report.rungs[4].detail).unwrap();
        for mismatch in &report.mismatches {
            writeln!(out, "object: {}", mismatch.object).unwrap();
        }
        for line in self.root.encode().lines() {
            writeln!(out, "trust: {line}").unwrap();
        }
        out.push_str("bundle:\n");
        for line in self.bundle.encode().chunks(48) {
            writeln!(out, "{}", super::hex(line)).unwrap();
        }
        out
    }
}

pub(crate) fn folder() -> PathBuf {
    super::workspace().join("vectors/bundle")
}
