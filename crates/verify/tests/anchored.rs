//! The rung `anchored`: bundles with evidence of a real node, pinned and not, sound and spoiled.

mod chain;
mod common;

use chain::{story, vector};
use common::log::TestLog;
use firmlog_statement::DeviceId;
use firmlog_tlog::merkle::TreeHead;
use firmlog_verify::bundle::{Anchor, Bundle, Object};
use firmlog_verify::evm::{self, EvmEvidence, EvmPins, NoteCheck};
use firmlog_verify::finding::Evidence;
use firmlog_verify::report::{
    AnchorState, Extent, NotChecked, Report, Rung, RungState, verify_gathered,
};
use firmlog_verify::{Question, RustCrypto, Verdict, verify_bundle, verify_file};

/// The log's bundle with an anchor of its second checkpoint, and what pins it.
fn scene() -> (TestLog, Bundle, EvmPins) {
    let (log, vector) = (story::log(), vector::read("second"));
    let mut bundle = log.whole();
    bundle.anchors = vec![Anchor { kind: evm::KIND, checkpoint: 1, evidence: vector.bytes }];
    (log, bundle, vector.pins)
}

fn ask(log: &TestLog, bundle: &Bundle, pins: &EvmPins, question: &Question) -> Report {
    let root = log.root("both").with_evm(pins.clone());
    verify_bundle(bundle, &root, &RustCrypto, question)
}

fn whole(log: &TestLog, bundle: &Bundle, pins: &EvmPins) -> Report {
    ask(log, bundle, pins, &Question::Whole)
}

/// The verdict of somebody who read every entry: what an anchor that is asked for can keep back.
fn best(log: &TestLog, bundle: &Bundle, pins: &EvmPins) -> Verdict {
    let root = log.root("both").with_evm(pins.clone());
    let question = Question::Device(common::World::new().devices[0].id());
    verify_gathered(bundle, &root, &RustCrypto, &question, Extent::EveryEntry).verdict
}

fn rung(report: &Report) -> &Rung {
    &report.rungs[4]
}

/// `BND-018`
#[test]
fn a_pinned_anchor_reaches_the_rung() {
    let (log, bundle, pins) = scene();
    let report = whole(&log, &bundle, &pins);
    assert_eq!(report.verdict, Verdict::VerifiedSoFar, "{:?}", report.mismatches);
    assert_eq!(best(&log, &bundle, &pins), Verdict::Verified);
    assert_eq!(rung(&report).state, RungState::Reached);
    assert_eq!(
        rung(&report).detail,
        "size 10 by 2027-01-15T08:01:00Z, block 5 of chain 31337: event proven, storage proven, \
         block pinned, code matched"
    );
    assert!(matches!(report.anchors[0].state, AnchorState::Evm(_, NoteCheck::Same)));
    let left_out =
        |report: &Report| report.not_checked.iter().any(|n| n.to_string().contains("anchor"));
    assert!(!left_out(&report), "{:?}", report.not_checked);
    // The file as a whole, through its one encoding.
    let root = log.root("both").with_evm(pins);
    let file = verify_file(&bundle.encode(), &root, &RustCrypto, &Question::Whole);
    assert_eq!(file, report);
}

/// `BND-018`, `EVM-008`: evidence that nobody vouched for is told as that.
#[test]
fn an_unpinned_anchor_is_self_consistent_and_no_more() {
    let (log, bundle, pins) = scene();
    let report = whole(&log, &bundle, &EvmPins::default());
    let best_word = best(&log, &bundle, &EvmPins::default());
    assert_eq!(best_word, Verdict::Verified, "no anchor was asked for");
    assert_eq!(rung(&report).state, RungState::Missing);
    let AnchorState::Evm(anchor, _) = &report.anchors[0].state else { panic!() };
    let block: String = anchor.block.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        rung(&report).detail,
        format!(
            "size 10 by 2027-01-15T08:01:00Z, block 5 of chain 31337: event proven, storage proven; \
             the evidence is self-consistent, nobody vouched for block 0x{block}, the trust root \
             does not name contract 0xe7f1725e7734ce288f8367e1bb143e90bb3f0512"
        )
    );
    for left_out in [NotChecked::AnchorBlocks(1), NotChecked::AnchorContracts(1)] {
        assert!(report.not_checked.contains(&left_out), "{:?}", report.not_checked);
    }
    // Only the block is missing: the rung is asked for, and not there yet.
    let contract = EvmPins { blocks: vec![], ..pins };
    let report = whole(&log, &bundle, &contract);
    assert_eq!(best(&log, &bundle, &contract), Verdict::VerifiedSoFar);
    assert_eq!((report.verdict, rung(&report).state), (Verdict::VerifiedSoFar, RungState::Missing));
    assert!(rung(&report).detail.contains("self-consistent, nobody vouched for block 0x"));
}

/// `BND-019`
#[test]
fn bnd_019_a_trust_root_that_names_a_contract_asks_for_an_anchor() {
    let (log, mut bundle, pins) = scene();
    bundle.anchors.clear();
    assert_eq!(best(&log, &bundle, &pins), Verdict::VerifiedSoFar);
    let report = whole(&log, &bundle, &pins);
    assert_eq!((report.verdict, rung(&report).state), (Verdict::VerifiedSoFar, RungState::Missing));
    assert!(report.mismatches.is_empty());
    // The first anchor covers the first five entries and no update.
    let vector = vector::read("first");
    bundle.anchors = vec![Anchor { kind: evm::KIND, checkpoint: 0, evidence: vector.bytes }];
    let report = whole(&log, &bundle, &vector.pins);
    assert_eq!((report.verdict, rung(&report).state), (Verdict::VerifiedSoFar, RungState::Missing));
    assert!(rung(&report).detail.starts_with("5 of 10 entries asked for; size 5 by "));
    let device = DeviceId(common::World::new().devices[0].id().0);
    let report = ask(&log, &bundle, &vector.pins, &Question::Device(device));
    assert!(rung(&report).detail.starts_with("0 of 3 entries asked for; "));
}

/// `BND-017`: what contradicts is refused, with both sides.
#[test]
fn bnd_017_an_anchor_of_another_tree_names_both() {
    let (log, mut bundle, pins) = scene();
    bundle.anchors[0].checkpoint = 0;
    let report = whole(&log, &bundle, &pins);
    assert_eq!((report.verdict, rung(&report).state), (Verdict::Altered, RungState::Failed));
    let [mismatch] = &report.mismatches[..] else { panic!("{:?}", report.mismatches) };
    assert_eq!(mismatch.object, Object::Anchor(0));
    let (five, ten) = (log.head(5), log.head(10));
    assert_eq!(mismatch.expected, format!("event: size 5 root {}", five.root));
    let got = format!("size 10 root {}: the anchored tree head is not the checkpoint's", ten.root);
    assert_eq!(mismatch.got, got);
    assert!(report.findings.is_empty());
}

/// `BND-017`: a log that signs another tree than the anchored one is convicted by the chain.
#[test]
fn bnd_017_a_rewritten_log_contradicts_its_anchor() {
    let (log, bundle, pins) = scene();
    let mut entries = log.entries.clone();
    let last = entries.len() - 1;
    entries[last] = entries[last - 1].clone();
    let rewritten = TestLog::new(entries);
    let mut other = rewritten.whole();
    other.anchors = bundle.anchors;
    let report = whole(&rewritten, &other, &pins);
    assert_eq!(report.verdict, Verdict::Altered);
    let (signed, anchored) = (rewritten.head(10), log.head(10));
    let convicts = Evidence::AnchoredOther { signed, anchored };
    assert!(report.findings.iter().any(|finding| finding.evidence == convicts));
    let text = convicts.to_string();
    let TreeHead { root, .. } = anchored;
    assert!(text.contains(&signed.root.to_string()) && text.contains(&root.to_string()), "{text}");
    // An anchor that nobody vouched for convicts nobody; it is refused all the same.
    let report = whole(&rewritten, &other, &EvmPins::default());
    assert_eq!(report.verdict, Verdict::Altered);
    assert!(!report.findings.iter().any(|finding| finding.evidence == convicts));
}

/// `BND-018`: an anchored tree that the last checkpoint does not extend says nothing of entries.
#[test]
fn an_anchor_counts_only_if_its_tree_is_extended() {
    let (log, mut bundle, _) = scene();
    let vector = vector::read("first");
    bundle.anchors = vec![Anchor { kind: evm::KIND, checkpoint: 0, evidence: vector.bytes }];
    bundle.consistency[0][0].0[0] ^= 1;
    let report = whole(&log, &bundle, &vector.pins);
    assert_eq!((report.verdict, rung(&report).state), (Verdict::Altered, RungState::NotChecked));
    assert_eq!(report.anchors[0].state, AnchorState::CheckpointNotBelieved);
}

#[test]
fn later_cosignatures_do_not_spoil_an_anchor() {
    let (log, mut bundle, pins) = scene();
    bundle.checkpoints[1] = log.checkpoint(10, 1);
    let report = whole(&log, &bundle, &pins);
    assert_eq!(rung(&report).state, RungState::Reached);
    assert!(rung(&report).detail.ends_with(", note anchored with other signatures"));
}

/// `BND-017`, `BND-010`: spoiled evidence in a sound bundle is altered and names the anchor.
#[test]
fn spoiled_evidence_is_altered() {
    let (log, bundle, _) = scene();
    for (name, vector) in vector::all() {
        let refused = vector.expect != "ok";
        let mut bundle = bundle.clone();
        let evidence = EvmEvidence::parse(&vector.bytes).expect("well-formed");
        let checkpoint = u64::from(evidence.index != 0);
        bundle.anchors = vec![Anchor { kind: evm::KIND, checkpoint, evidence: vector.bytes }];
        let report = whole(&log, &bundle, &vector.pins);
        if refused {
            assert_eq!(report.verdict, Verdict::Altered, "{name}");
            assert_eq!(report.mismatches[0].object, Object::Anchor(0), "{name}");
        }
    }
    let mut bundle = bundle;
    bundle.anchors[0].evidence.push(0);
    let report = whole(&log, &bundle, &EvmPins::default());
    assert_eq!(report.mismatches[0].expected, "anchor evidence in its one encoding");
}

/// `BND-018`: an anchor of a kind from later is kept, and told as not checked.
#[test]
fn an_unknown_kind_is_not_checked() {
    let (log, mut bundle, _) = scene();
    bundle.anchors[0].kind = 77;
    let report = whole(&log, &bundle, &EvmPins::default());
    assert_eq!(best(&log, &bundle, &EvmPins::default()), Verdict::Verified);
    assert_eq!(rung(&report).state, RungState::NotChecked);
    assert!(report.not_checked.contains(&NotChecked::Anchors(1)));
    assert_eq!(report.anchors[0].state, AnchorState::KindUnknown(77));
}
