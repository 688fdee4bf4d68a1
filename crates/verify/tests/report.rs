//! Verdicts over bundles, sound and spoiled, and what a device makes of them.

#[path = "report/anchors.rs"]
mod anchors;
mod chain;
mod common;
#[path = "report/devices.rs"]
mod devices;
#[path = "report/evidence.rs"]
mod evidence;
#[path = "report/times.rs"]
mod times;

use common::log::TestLog;
use common::*;
use firmlog_statement::event::EventType;
use firmlog_statement::{Meaning, Role, TrustAction, entry_hash, leaf_hash};
use firmlog_tlog::merkle::{Hash, LeafIndex};
use firmlog_verify::bundle::{Bundle, Object};
use firmlog_verify::finding::Evidence;
use firmlog_verify::report::{
    DeviceStanding, EntryState, Extent, Level, NotChecked, Outcome, Report, RungState, standing_of,
    verify_gathered,
};
use firmlog_verify::standing::Standing;
use firmlog_verify::{Question, RustCrypto, Verdict, verify_bundle, verify_file};

/// A world with a release, two approvals, and three statements of device 0.
struct Story {
    world: World,
    log: TestLog,
    release: [u8; 32],
}

fn story() -> Story {
    let world = World::new();
    let mut entries = world.entries.clone();
    let release = world.release_as("acme.example", 3);
    let leaf = leaf_hash(&release);
    entries.push(release);
    entries.push(world.approval(0, leaf));
    entries.push(world.approval(1, leaf));
    let mut prev = world.devices[0].seed;
    for seq in 0..3 {
        let update = world.update_with(0, seq, prev, 3);
        prev = entry_hash(&update);
        entries.push(update);
    }
    Story { world, log: TestLog::new(entries), release: leaf }
}

fn ask(bundle: &Bundle, log: &TestLog, question: Question) -> Report {
    verify_bundle(bundle, &log.root("both"), &RustCrypto, &question)
}

/// `BND-016`
#[test]
fn a_whole_and_witnessed_bundle_is_verified_so_far() {
    let story = story();
    let report = ask(&story.log.whole(), &story.log, Question::Whole);
    assert_eq!(report.verdict, Verdict::VerifiedSoFar, "{:?}", report.mismatches);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.entries.iter().all(|entry| entry.state == EntryState::Good));
    let states: Vec<_> = report.rungs.iter().map(|rung| rung.state).collect();
    let (reached, missing) = (RungState::Reached, RungState::Missing);
    assert_eq!(states, [reached, reached, reached, missing, missing]);
    assert_eq!(report.not_checked[0], NotChecked::LeftOut);
    assert_eq!(report.rungs[2].detail, "a, b (quorum reached)");
    assert_eq!(report.rungs.map(|rung| rung.level), Level::ALL);
}

/// `BND-012`
#[test]
fn questions_are_answered_from_what_is_there() {
    let story = story();
    let bundle = story.log.whole();
    let device = Question::Device(story.world.devices[0].id());
    let report = ask(&bundle, &story.log, device);
    assert_eq!(report.verdict, Verdict::VerifiedSoFar);
    assert_eq!(report.entries.iter().filter(|entry| entry.asked).count(), 3);
    let release = Question::Release(Hash(story.release));
    assert_eq!(ask(&bundle, &story.log, release).verdict, Verdict::VerifiedSoFar);
    // The log says the same of its own entries, whatever algorithm they are signed with.
    let own: Vec<_> = (0..).map(LeafIndex).zip(story.log.entries.iter().cloned()).collect();
    assert_eq!(standing_of(&own, &release), ask(&bundle, &story.log, release).releases);
    // Only who read every entry can say more.
    let root = story.log.root("both");
    for question in [device, release, Question::Image([3; 32])] {
        let every = Extent::EveryEntry;
        let report = verify_gathered(&bundle, &root, &RustCrypto, &question, every);
        assert_eq!(report.verdict, Verdict::Verified, "{question:?}: {:?}", report.findings);
        assert_eq!(report.outcome(), Outcome::Proven);
    }
    for nobody in [
        Question::Device(story.world.devices[1].id()),
        Question::Release(Hash([9; 32])),
        Question::Image([9; 32]),
    ] {
        assert_eq!(ask(&bundle, &story.log, nobody).verdict, Verdict::NotFound);
    }
}

/// `BND-013`
#[test]
fn an_unwitnessed_checkpoint_is_verified_so_far() {
    let story = story();
    let mut bundle = story.log.whole();
    bundle.checkpoints[1] = story.log.checkpoint(story.log.entries.len(), 1);
    let report = ask(&bundle, &story.log, Question::Whole);
    assert_eq!(report.verdict, Verdict::VerifiedSoFar);
    assert_eq!(report.rungs[2].state, RungState::Missing);
    let none = verify_bundle(&bundle, &story.log.root("none"), &RustCrypto, &Question::Whole);
    assert_eq!(none.verdict, Verdict::VerifiedSoFar);
}

/// `BND-005`, `BND-011`
#[test]
fn another_log_or_missing_keys_cannot_be_checked() {
    let story = story();
    let mut other = TestLog::new(story.log.entries.clone());
    other.log = log::Named::new(77, ORIGIN, firmlog_tlog::note::Algorithm::Ed25519);
    let report = ask(&story.log.whole(), &other, Question::Whole);
    assert_eq!(report.verdict, Verdict::CannotCheck);
    // Altogether another one: its genesis is no altered form of the pinned one.
    let mut stranger = World::new();
    stranger.admin = Key::p256(99);
    let mut foreign = TestLog::new(vec![stranger.genesis_signed_by(&stranger.admin)]);
    foreign.log = log::Named::new(77, ORIGIN, firmlog_tlog::note::Algorithm::Ed25519);
    let report = ask(&foreign.whole(), &story.log, Question::Whole);
    assert_eq!(report.verdict, Verdict::CannotCheck, "{:?}", report.mismatches);
    // Without entry 1 nobody knows device 0.
    let without_enrolment = story.log.bundle(&[0, 2, 3, 4, 5, 6, 7]);
    let report = ask(&without_enrolment, &story.log, Question::Whole);
    assert_eq!(report.verdict, Verdict::CannotCheck);
    assert_eq!(report.mismatches[0].object, Object::Entry(7));
    let without_genesis = story.log.bundle(&[1, 7]);
    let report = ask(&without_genesis, &story.log, Question::Whole);
    assert_eq!(report.verdict, Verdict::CannotCheck);
    assert_eq!(report.mismatches[0].object, Object::Entry(0));
}

/// `BND-013`
#[test]
fn one_person_with_two_keys_is_one_approver() {
    let world = World::new();
    let release = world.release_as("acme.example", 3);
    let leaf = leaf_hash(&release);
    let newer = Key::p256(33);
    let rotated = world.rotate(&world.approvers[0], &newer);
    let again = world.opinion_by(&newer, 0, leaf, Meaning::Approval);
    let said = [release, world.approval(0, leaf), rotated, again];
    let log = TestLog::new(world.entries.iter().cloned().chain(said).collect());
    let report = ask(&log.whole(), &log, Question::Release(Hash(leaf)));
    assert_eq!(report.verdict, Verdict::VerifiedSoFar);
    let missing = Evidence::ApprovalsMissing { release: Hash(leaf), expected: 2, got: 1 };
    assert!(report.findings.iter().any(|finding| finding.evidence == missing));
}

/// `BND-013`
#[test]
fn a_rejected_release_is_never_verified() {
    let story = story();
    let mut entries = story.log.entries.clone();
    entries.push(story.world.opinion(1, story.release, Meaning::Rejection));
    let log = TestLog::new(entries);
    let report = ask(&log.whole(), &log, Question::Release(Hash(story.release)));
    assert_eq!(report.verdict, Verdict::VerifiedSoFar);
    let rejected = Evidence::Rejected { release: Hash(story.release) };
    assert!(report.findings.iter().any(|finding| finding.evidence == rejected));
}

/// `BND-013`
#[test]
fn a_missing_statement_is_a_gap_and_only_verified_so_far() {
    let story = story();
    let bundle = story.log.bundle(&[0, 1, 7, 9]);
    let device = story.world.devices[0].id();
    let report = ask(&bundle, &story.log, Question::Device(device));
    assert_eq!(report.verdict, Verdict::VerifiedSoFar);
    assert_eq!(report.findings[0].evidence, Evidence::ChainGap { device, from: 1, to: 2 });
}

/// A reader takes a chain up again after a gap: what follows is no gap again.
#[test]
fn after_a_gap_the_chain_goes_on_from_what_is_there() {
    let Story { world, mut log, .. } = story();
    let device = world.devices[0].id();
    for seq in 3..7 {
        let prev = entry_hash(log.entries.last().unwrap());
        log.entries.push(world.update_with(0, seq, prev, 3));
    }
    // Entry 7 is seq 0.
    let report = ask(&log.bundle(&[0, 1, 7, 9, 10, 12, 13]), &log, Question::Device(device));
    let found: Vec<_> = report.findings.iter().map(|it| (it.evidence, it.entries[0].0)).collect();
    let gap = |from, to| Evidence::ChainGap { device, from, to };
    assert_eq!(found, [(gap(1, 2), 9), (gap(4, 5), 12)]);
}

/// J11: a stolen device key is told of a whole bundle and of one statement as of the device.
#[test]
fn j11_a_stolen_device_key_is_told_whatever_is_asked() {
    let Story { world, log, .. } = story();
    let (mut entries, device) = (log.entries, &world.devices[0]);
    let said = Hash(leaf_hash(entries.last().unwrap()));
    let release = entries.iter().position(|it| leaf_hash(it) == story().release).unwrap();
    let questions = [Question::Whole, Question::Device(device.id()), Question::Statement(said)];
    let ask_all = |entries: &[Vec<u8>]| {
        let log = TestLog::new(entries.to_vec());
        questions.map(|question| {
            let report = ask(&log.whole(), &log, question);
            (report.outcome(), report.headline().starts_with("DO NOT TRUST THE DEVICE"))
        })
    };
    assert_eq!(ask_all(&entries), [(Outcome::Incomplete, false); 3]);
    entries.push(world.revoke(&device.key));
    assert_eq!(ask_all(&entries), [(Outcome::Against, true); 3]);
    // Nor does it speak against what others said.
    let log = TestLog::new(entries.clone());
    let other = Question::Statement(Hash(leaf_hash(&entries[release])));
    assert_eq!(ask(&log.whole(), &log, other).outcome(), Outcome::Incomplete);
}

/// STA-041
#[test]
fn sta_041_a_device_that_is_out_of_use_stays_so() {
    let Story { world, log, .. } = story();
    let (mut entries, device) = (log.entries, &world.devices[0]);
    let standing = |entries: &[Vec<u8>]| {
        let log = TestLog::new(entries.to_vec());
        ask(&log.whole(), &log, Question::Device(device.id())).device
    };
    assert_eq!(standing(&entries), Some(DeviceStanding::InService));
    let mut after = entry_hash(entries.last().unwrap());
    let rows = [
        (EventType::Decommissioned, DeviceStanding::Decommissioned),
        (EventType::Check, DeviceStanding::Decommissioned),
        (EventType::BootOk, DeviceStanding::Decommissioned),
    ];
    for (seq, (event, expected)) in (3..).zip(rows) {
        let said = world.step(&device.key, (0, seq, after), event, 3);
        after = entry_hash(&said);
        entries.push(said);
        assert_eq!(standing(&entries), Some(expected), "after {event}");
    }
}

/// `BND-014`
#[test]
fn a_fork_is_found_and_both_sides_are_kept() {
    let story = story();
    let mut entries = story.log.entries.clone();
    let seed = story.world.devices[0].seed;
    let clone = story.world.update_with(0, 0, seed, 9);
    entries.push(clone.clone());
    entries.push(story.world.update_with(0, 1, entry_hash(&clone), 9));
    let log = TestLog::new(entries);
    let report = ask(&log.whole(), &log, Question::Whole);
    assert_eq!((report.verdict, report.outcome()), (Verdict::VerifiedSoFar, Outcome::Against));
    let device = story.world.devices[0].id();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].evidence, Evidence::ChainFork { device, seq: 0 });
    let indices: Vec<_> = report.findings[0].entries.iter().map(|index| index.0).collect();
    assert_eq!(indices, [7, 10]);
    let headline =
        format!("DO NOT TRUST THE DEVICE: device {device} signed two statements with seq 0");
    assert_eq!(report.headline(), headline);
}

/// `BND-015`
#[test]
fn what_the_log_should_not_have_taken_is_named() {
    let story = story();
    let mut entries = story.log.entries.clone();
    entries.push(release(&story.world.approvers[0], &person(0), 4));
    let log = TestLog::new(entries);
    let report = ask(&log.whole(), &log, Question::Whole);
    assert_eq!(report.verdict, Verdict::Altered);
    assert_eq!(report.mismatches[0].object, Object::Entry(10));
    assert!(report.mismatches[0].got.contains("role"));
}

#[test]
fn two_signed_trees_of_one_size_convict_the_log() {
    let story = story();
    let mut bundle = story.log.whole();
    let mut other = story.log.head(story.log.entries.len());
    other.root.0[0] ^= 1;
    bundle.checkpoints[0] = story.log.sign(other, 0);
    let report = ask(&bundle, &story.log, Question::Whole);
    assert_eq!(report.verdict, Verdict::Altered);
    assert!(matches!(report.findings[0].evidence, Evidence::SplitView { .. }));
}

/// `BND-010`: any altered byte of the file is found.
#[test]
fn bnd_010_every_flipped_bit_of_a_bundle_is_altered() {
    let story = story();
    let log = &story.log;
    let mut bundle = log.bundle(&[0, 4, 7]);
    bundle.anchors.push(firmlog_verify::bundle::Anchor {
        kind: 77,
        checkpoint: 1,
        evidence: vec![1, 2, 3],
    });
    let bytes = bundle.encode();
    assert_eq!(Bundle::parse(&bytes).as_ref(), Ok(&bundle));
    let root = log.root("both");
    for at in 0..bytes.len() {
        let mut spoiled = bytes.clone();
        spoiled[at] ^= 1 << (at % 8);
        assert!(Bundle::parse(&spoiled).is_err());
        let report = verify_file(&spoiled, &root, &RustCrypto, &Question::Whole);
        assert_eq!(report.verdict, Verdict::Altered, "byte {at}");
        assert!(!report.mismatches.is_empty(), "byte {at}");
    }
}

type Spoil = fn(&mut Bundle);

#[test]
fn spoiled_objects_are_named() {
    let story = story();
    let spoil: [(Spoil, Object); 4] = [
        (|b| b.entries[4].bytes[200] ^= 1, Object::Entry(4)),
        (|b| b.entries[5].path[0].0[0] ^= 1, Object::Entry(5)),
        (|b| b.consistency[0][0].0[0] ^= 1, Object::Consistency(0)),
        (|b| b.entries[0].bytes[60] ^= 1, Object::Entry(0)),
    ];
    for (spoil, object) in spoil {
        let mut bundle = story.log.whole();
        spoil(&mut bundle);
        let report = ask(&bundle, &story.log, Question::Whole);
        assert_eq!(report.verdict, Verdict::Altered);
        assert_eq!(report.mismatches[0].object, object);
    }
    let mut bundle = story.log.whole();
    bundle.checkpoints[1] = bundle.checkpoints[1].replacen("\n10\n", "\n11\n", 1);
    let report = ask(&bundle, &story.log, Question::Whole);
    assert_eq!(report.mismatches[0].object, Object::Checkpoint(1));
}

/// STA-002: however many statements about keys a log has, a key that one of them brought in is good
/// as long as that one is, whatever became of others.
#[test]
fn sta_002_a_key_is_good_however_many_came_before_it() {
    for place in [4, 62, 63, 64, 65, 127, 128] {
        let (world, key) = (World::new(), Key::p256(250));
        let mut entries = world.entries.clone();
        for n in entries.len()..place {
            let (key, seed) = (Key::p256(100 + u8::try_from(n).unwrap()), Some([9; 32]));
            let enrol = enrol(&key, DEVICES, Role::Device, seed);
            entries.push(world.trust(TrustAction::Enrol(enrol)));
        }
        entries.push(world.rotate(&world.release, &key));
        entries.push(world.revoke(&world.devices[0].key));
        let release = release(&key, "acme.example", 3);
        let leaf = leaf_hash(&release);
        entries.extend([release, world.approval(0, leaf), world.approval(1, leaf)]);
        let log = TestLog::new(entries);
        let report = ask(&log.whole(), &log, Question::Release(Hash(leaf)));
        let [found] = &report.releases[..] else { panic!("{:?}", report.releases) };
        assert!(found.standing.is_usable(), "place {place}: {found:?}");
    }
}

/// STA-012: an approver whose enrolment names no issuer permits what the first manufacturer makes,
/// and forbids what any makes.
#[test]
fn sta_012_an_unscoped_approver_permits_for_the_first_and_forbids_for_all() {
    let (world, other) = (World::new(), Key::p256(60));
    let enrol = enrol(&other, "other.example", Role::Manufacturer, None);
    let mut entries = world.entries.clone();
    entries.push(world.trust(TrustAction::Enrol(enrol)));
    for (release, author) in [
        (world.release_as("acme.example", 3), "acme.example"),
        (release(&other, "other.example", 3), "other.example"),
    ] {
        let leaf = leaf_hash(&release);
        let ask = |words: &[Vec<u8>]| {
            let log = TestLog::new([&entries[..], std::slice::from_ref(&release), words].concat());
            let report = ask(&log.whole(), &log, Question::Release(Hash(leaf)));
            let [found] = &report.releases[..] else { panic!("{:?}", report.releases) };
            (found.standing.is_usable(), found.standing.standing)
        };
        let approvals = [world.approval(0, leaf), world.approval(1, leaf)];
        let is_first = author == "acme.example";
        assert_eq!(ask(&approvals), (is_first, Standing::Published), "{author}");
        let rejection = world.opinion(0, leaf, Meaning::Rejection);
        let words = [&approvals[..], &[rejection]].concat();
        assert_eq!(ask(&words), (false, Standing::Rejected), "{author}");
    }
}

/// STA-006 and the table of `docs/spec/standing.md`: the words that everybody shows.
#[test]
fn sta_006_every_word_is_that_of_the_specification() {
    let verdicts = [
        (Verdict::Verified, "verified"),
        (Verdict::VerifiedSoFar, "verified so far"),
        (Verdict::NotFound, "not found"),
        (Verdict::CannotCheck, "cannot check"),
        (Verdict::Altered, "altered"),
    ];
    for (verdict, word) in verdicts {
        assert_eq!((verdict.word(), &*verdict.to_string()), (word, word));
    }
    let releases = [
        (Standing::Proposed, "proposed"),
        (Standing::Approved, "approved"),
        (Standing::Published, "published"),
        (Standing::Rejected, "rejected"),
        (Standing::Suspended, "suspended"),
        (Standing::Recalled, "recalled"),
        (Standing::Ended, "ended"),
    ];
    for (standing, word) in releases {
        assert_eq!((standing.word(), &*standing.to_string()), (word, word));
    }
    let devices = [
        (DeviceStanding::InService, "in service"),
        (DeviceStanding::Forked, "forked"),
        (DeviceStanding::Compromised, "compromised"),
        (DeviceStanding::Decommissioned, "decommissioned"),
    ];
    for (standing, word) in devices {
        assert_eq!(standing.word(), word);
    }
    let rungs = ["signed", "in log", "witnessed", "time-stamped", "anchored"];
    assert_eq!(Level::ALL.map(Level::name), rungs);
}
