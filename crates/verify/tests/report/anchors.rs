//! What a report says of its anchors: the rung, in words, and what was not looked at.

use firmlog_verify::bundle::{Anchor, Bundle};
use firmlog_verify::evm::{self, EvmPins};
use firmlog_verify::finding::Evidence;
use firmlog_verify::report::{
    AnchorState, Extent, NotChecked, Report, RungState, verify_bundle, verify_gathered,
};
use firmlog_verify::{Question, RustCrypto, Verdict};

use crate::chain::{story, vector};
use crate::common::log::{Named, TestLog};
use crate::common::{ORIGIN, World};

/// Which evidence, and of which of the bundle's two checkpoints.
type Held = (&'static str, u64);

const FIRST: Held = ("first", 0);
const SECOND: Held = ("second", 1);
/// The anchor of the second checkpoint, by a node that proved no state.
const BARE: Held = ("without_state", 1);

const CONTRACT: &str = "evm-contract 31337 0xe7f1725e7734ce288f8367e1bb143e90bb3f0512";

const OF_FIRST: &str = "size 5 by 2027-01-15T08:00:48Z, block 4 of chain 31337: event proven";
const OF_SECOND: &str = "size 10 by 2027-01-15T08:01:00Z, block 5 of chain 31337: event proven";
const ALL: &str = ", storage proven, block pinned, code matched";

fn bundle(log: &TestLog, held: &[Held]) -> Bundle {
    let anchor = |(name, checkpoint): &Held| Anchor {
        kind: evm::KIND,
        checkpoint: *checkpoint,
        evidence: vector::read(name).bytes,
    };
    Bundle { anchors: held.iter().map(anchor).collect(), ..log.whole() }
}

/// What the vectors of these names pin.
fn pins(names: &[&str]) -> EvmPins {
    let mut all = EvmPins::default();
    for pins in names.iter().map(|name| vector::read(name).pins) {
        all.blocks.extend(pins.blocks);
        all.contracts = pins.contracts;
    }
    all
}

/// The blocks alone, or the contract without its code beside them.
fn blocks(names: &[&str], contract: &str) -> EvmPins {
    let contracts = EvmPins::parse(contract).unwrap().contracts;
    EvmPins { contracts, ..pins(names) }
}

fn ask(log: &TestLog, bundle: &Bundle, pins: &EvmPins) -> Report {
    let root = log.root("both").with_evm(pins.clone());
    let report = verify_bundle(bundle, &root, &RustCrypto, &Question::Whole);
    assert_eq!(report.anchors.len(), bundle.anchors.len());
    report
}

/// What of the anchors was not looked at.
fn left_out(report: &Report) -> Vec<NotChecked> {
    let all = report.not_checked.iter().copied();
    all.filter(|it| it.to_string().contains("anchor")).collect()
}

/// `BND-018`: each step towards an anchor is told, and each that is missing; the best anchor is one
/// that is vouched for, then one of the largest tree, then one with what the contract stores.
#[test]
fn bnd_018_the_best_anchor_gives_the_rung_and_says_what_is_missing() {
    use NotChecked::{AnchorBlocks, AnchorCode, AnchorContracts, AnchorStorage};
    use RungState::{Missing, Reached};
    let both = ["first", "second"];
    let block = "0x1137b4d978c984e98084df4a46514d2d2349d517480bb05704a1495ca1585413";
    let contract = &CONTRACT["evm-contract 31337 ".len()..];
    let (by_itself, nobody) = ("; the evidence is self-consistent", ", nobody vouched for block ");
    let unnamed = format!(", the trust root does not name contract {contract}");
    let five_of_ten = format!("5 of 10 entries asked for; {OF_FIRST}");
    type Row<'a> = (&'a [Held], EvmPins, RungState, String, &'a [NotChecked]);
    let rows: &[Row<'_>] = &[
        (&[], pins(&["second"]), Missing, "0 anchors in the bundle".into(), &[]),
        (&[SECOND], pins(&["second"]), Reached, format!("{OF_SECOND}{ALL}"), &[]),
        (&[FIRST], pins(&["first"]), Missing, format!("{five_of_ten}{ALL}"), &[]),
        (&[FIRST, SECOND], pins(&both), Reached, format!("{OF_SECOND}{ALL}"), &[]),
        (&[SECOND, FIRST], pins(&both), Reached, format!("{OF_SECOND}{ALL}"), &[]),
        (
            &[SECOND, FIRST],
            pins(&["first"]),
            Missing,
            format!("{five_of_ten}{ALL}"),
            &[AnchorBlocks(1)],
        ),
        (
            &[SECOND, BARE, FIRST],
            blocks(&["second", "without_state"], CONTRACT),
            Reached,
            format!("{OF_SECOND}, storage proven, block pinned"),
            &[AnchorBlocks(1), AnchorCode(3), AnchorStorage(1)],
        ),
        (
            &[BARE],
            pins(&["without_state"]),
            Reached,
            format!("{OF_SECOND}, block pinned"),
            &[AnchorCode(1), AnchorStorage(1)],
        ),
        (
            &[BARE],
            pins(&["without_state", "second"]),
            Missing,
            format!(
                "{OF_SECOND}, block pinned{by_itself}, the contract's code is pinned and not shown"
            ),
            &[AnchorCode(1), AnchorStorage(1)],
        ),
        (
            &[SECOND],
            blocks(&["second"], ""),
            Missing,
            format!("{OF_SECOND}, storage proven, block pinned{by_itself}{unnamed}"),
            &[AnchorContracts(1), AnchorCode(1)],
        ),
        (
            &[BARE, SECOND, BARE],
            EvmPins::default(),
            Missing,
            format!("{OF_SECOND}, storage proven{by_itself}{nobody}{block}{unnamed}"),
            &[AnchorBlocks(3), AnchorContracts(3), AnchorCode(3), AnchorStorage(2)],
        ),
    ];
    let log = story::log();
    for (n, (held, pins, state, detail, not_checked)) in rows.iter().enumerate() {
        let report = ask(&log, &bundle(&log, held), pins);
        assert_eq!(report.verdict, Verdict::VerifiedSoFar, "row {n}: {:?}", report.mismatches);
        let rung = &report.rungs[4];
        assert_eq!((rung.state, &rung.detail), (*state, detail), "row {n}");
        assert_eq!(left_out(&report), *not_checked, "row {n}");
        // Who read every entry says the best word only with the anchor, where one is asked for.
        let (question, every) = (Question::Image([3; 32]), Extent::EveryEntry);
        let root = log.root("both").with_evm(pins.clone());
        let best = verify_gathered(&bundle(&log, held), &root, &RustCrypto, &question, every);
        let anchored = *state == Reached || pins.contracts.is_empty();
        assert_eq!(best.verdict == Verdict::Verified, anchored, "row {n}");
    }
}

/// `BND-018`: of the entries, those that were asked for must be in the anchored tree.
#[test]
fn bnd_018_what_was_asked_for_is_what_must_be_anchored() {
    let log = story::log();
    let bundle = bundle(&log, &[FIRST]);
    let root = log.root("both").with_evm(pins(&["first"]));
    let whole = ask(&log, &bundle, &pins(&["first"]));
    assert_eq!(whole.entries.len(), 10);
    for entry in &whole.entries {
        let question = Question::Statement(entry.leaf);
        let report = verify_bundle(&bundle, &root, &RustCrypto, &question);
        let (state, text) = match entry.index.0 {
            0..5 => (RungState::Reached, format!("{OF_FIRST}{ALL}")),
            _ => (RungState::Missing, format!("0 of 1 entries asked for; {OF_FIRST}{ALL}")),
        };
        assert_eq!((report.rungs[4].state, &report.rungs[4].detail), (state, &text), "{entry:?}");
    }
}

/// `BND-018`: a kind from later is not looked at; with other signatures a note is still anchored.
#[test]
fn bnd_018_what_is_not_known_is_not_checked() {
    let log = story::log();
    let mut later = bundle(&log, &[SECOND, SECOND, SECOND]);
    later.anchors[0].kind = 77;
    let report = ask(&log, &later, &pins(&["second"]));
    let told = (report.rungs[4].state, left_out(&report));
    assert_eq!(told, (RungState::Reached, vec![NotChecked::Anchors(1)]));
    later.anchors.truncate(1);
    let report = ask(&log, &later, &EvmPins::default());
    assert_eq!(report.anchors[0].state, AnchorState::KindUnknown(77));
    let rung = (report.rungs[4].state, &*report.rungs[4].detail);
    assert_eq!(rung, (RungState::NotChecked, "1 anchors in the bundle"));
    assert_eq!(left_out(&report), [NotChecked::Anchors(1)]);
    let mut cosigned = bundle(&log, &[SECOND]);
    cosigned.checkpoints[1] = log.checkpoint(10, 1);
    let detail = &ask(&log, &cosigned, &pins(&["second"])).rungs[4].detail;
    assert_eq!(*detail, format!("{OF_SECOND}{ALL}, note anchored with other signatures"));
}

/// `BND-018`: an anchor counts for the tree that the last checkpoint extends, and for no other.
#[test]
fn bnd_018_an_anchor_is_of_a_checkpoint_that_is_believed() {
    let log = story::log();
    let states = |bundle: &Bundle| {
        let report = ask(&log, bundle, &pins(&["first", "second"]));
        let believed = report.anchors.iter().map(|it| match it.state {
            AnchorState::Evm(..) => true,
            AnchorState::CheckpointNotBelieved => false,
            ref other => panic!("{other:?}"),
        });
        let believed: Vec<bool> = believed.collect();
        let not = believed.iter().filter(|it| !**it).count() as u64;
        let counted = if not == 0 { vec![] } else { vec![NotChecked::Anchors(not)] };
        assert_eq!(left_out(&report), counted);
        (believed, report.verdict)
    };
    let sound = bundle(&log, &[FIRST, SECOND]);
    assert_eq!(states(&sound), (vec![true, true], Verdict::VerifiedSoFar));
    // The first is not extended; the last needs nobody to extend it.
    let mut apart = sound.clone();
    apart.consistency[0][0].0[0] ^= 1;
    assert_eq!(states(&apart), (vec![false, true], Verdict::Altered));
    // The last is another log's.
    let mut foreign = sound.clone();
    let stranger = TestLog {
        log: Named::new(77, ORIGIN, firmlog_tlog::note::Algorithm::Ed25519),
        ..TestLog::new(log.entries.clone())
    };
    foreign.checkpoints[1] = stranger.checkpoint(10, 2);
    assert_eq!(states(&foreign), (vec![false, false], Verdict::CannotCheck));
    // Of a checkpoint that is not there.
    let mut beyond = sound;
    beyond.anchors[1].checkpoint = 2;
    assert_eq!(states(&beyond).0, [true, false]);
}

/// `BND-017`: what is refused is counted, and two trees of one size convict the log if the chain
/// vouches for one of them.
#[test]
fn bnd_017_a_refused_anchor_fails_the_rung() {
    let log = story::log();
    let pinned = pins(&["first", "second"]);
    let told = |log: &TestLog, bundle: &Bundle, pins: &EvmPins| {
        let report = ask(log, bundle, pins);
        let convicts = |it: &Evidence| matches!(it, Evidence::AnchoredOther { .. });
        let convicted = report.findings.iter().any(|it| convicts(&it.evidence));
        let rung = &report.rungs[4];
        assert_eq!((report.verdict, rung.state), (Verdict::Altered, RungState::Failed));
        (rung.detail.clone(), convicted)
    };
    // Of the other checkpoint: the sizes differ, so nobody lied.
    let swapped = bundle(&log, &[FIRST, ("second", 0)]);
    assert_eq!(told(&log, &swapped, &pinned), ("1 of 2 anchors refused".into(), false));
    let mut spoiled = bundle(&log, &[SECOND, SECOND, FIRST]);
    spoiled.anchors[0].evidence.push(0);
    *spoiled.anchors[1].evidence.last_mut().unwrap() ^= 1;
    assert_eq!(told(&log, &spoiled, &pinned), ("2 of 3 anchors refused".into(), false));
    // A log that wrote its last entry anew.
    let mut entries = log.entries.clone();
    *entries.last_mut().unwrap() = World::new().update(1, 0, World::new().devices[1].seed);
    let rewritten = TestLog::new(entries);
    let other = bundle(&rewritten, &[SECOND]);
    assert_eq!(told(&rewritten, &other, &pinned), ("1 of 1 anchors refused".into(), true));
    let by_nobody = told(&rewritten, &other, &EvmPins::default());
    assert_eq!(by_nobody, ("1 of 1 anchors refused".into(), false));
}
