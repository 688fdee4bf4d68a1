//! What evidence is worth: the rungs in words, the verdict, disclosures, and logs that take any
//! bytes.

use firmlog_statement::disclosure::{Commitment, Commitments, Disclosure, FieldId};
use firmlog_statement::{
    Digest, Field as _, Meaning, Parsed, Registration, Statement, TrustAction, entry_hash,
    leaf_hash,
};
use firmlog_tlog::merkle::{Hash, LeafIndex};
use firmlog_tlog::note::Algorithm;
use firmlog_verify::bundle::{Bundle, Certificate, Object};
use firmlog_verify::finding::Evidence;
use firmlog_verify::report::{
    EntryState, Extent, NotChecked, Report, RungState, verify_bundle, verify_gathered,
};
use firmlog_verify::{Question, RustCrypto, Verdict};

use crate::common::log::{Named, TestLog};
use crate::common::{Key, ORIGIN, World, person, release, sign};
use crate::story;

fn ask(bundle: &Bundle, log: &TestLog, quorum: &str, question: Question) -> Report {
    verify_bundle(bundle, &log.root(quorum), &RustCrypto, &question)
}

fn whole(bundle: &Bundle, log: &TestLog) -> Report {
    ask(bundle, log, "both", Question::Whole)
}

/// The same log under a key that nobody pinned.
fn stranger(log: &TestLog) -> TestLog {
    let key = Named::new(77, ORIGIN, Algorithm::Ed25519);
    TestLog { log: key, ..TestLog::new(log.entries.clone()) }
}

/// STA-062: each rung says how far it is reached, and by whom; what is missing is never failed.
#[test]
fn sta_062_the_rungs_say_how_far_and_by_whom() {
    use RungState::{Failed, Missing, Reached};
    let log = story().log;
    let all = "10 of 10 statements";
    let in_log = "log.example/pumps, 10 entries";
    type Row<'a> = (&'a str, &'a dyn Fn(&mut Bundle), [(RungState, &'a str); 3]);
    let rows: [Row<'_>; 8] = [
        ("both", &|_| {}, [(Reached, all), (Reached, in_log), (Reached, "a, b (quorum reached)")]),
        (
            "both",
            &|it| it.checkpoints[1] = log.checkpoint(10, 1),
            [(Reached, all), (Reached, in_log), (Missing, "a (quorum not reached)")],
        ),
        (
            "both",
            &|it| it.checkpoints[1] = log.checkpoint(10, 0),
            [(Reached, all), (Reached, in_log), (Missing, "nobody (quorum not reached)")],
        ),
        (
            "none",
            &|_| {},
            [(Reached, all), (Reached, in_log), (Missing, "a, b; the trust root asks for none")],
        ),
        (
            "both",
            &|it| it.entries[9].bytes = log.entries[8].clone(),
            [(Missing, "9 of 10 statements"), (Failed, in_log), (Reached, "a, b (quorum reached)")],
        ),
        (
            "both",
            &|it| it.checkpoints[1] = stranger(&log).checkpoint(10, 2),
            [
                (Missing, "0 of 10 statements"),
                (Missing, "no checkpoint is believed"),
                (Missing, "no checkpoint"),
            ],
        ),
        (
            "both",
            &|it| it.checkpoints[1] = it.checkpoints[1].replacen("\n10\n", "\n11\n", 1),
            [
                (Missing, "0 of 10 statements"),
                (Failed, "no checkpoint is believed"),
                (Missing, "no checkpoint"),
            ],
        ),
        (
            "both",
            &|it| it.entries.clear(),
            [(Missing, "0 of 0 statements"), (Reached, in_log), (Reached, "a, b (quorum reached)")],
        ),
    ];
    for (n, (quorum, edit, expected)) in rows.into_iter().enumerate() {
        let mut bundle = log.whole();
        edit(&mut bundle);
        let report = ask(&bundle, &log, quorum, Question::Whole);
        let [signed, in_log, witnessed, stamped, _] = &report.rungs;
        let told = [signed, in_log, witnessed].map(|it| (it.state, &*it.detail));
        assert_eq!(told, expected, "row {n}");
        assert_eq!((stamped.state, &*stamped.detail), (Missing, "no time-stamp in the bundle"));
        let unwitnessed = report.not_checked.last() == Some(&NotChecked::SplitView);
        assert_eq!(unwitnessed, quorum == "none", "row {n}");
    }
    let alone = TestLog::new(vec![log.entries[0].clone()]);
    let bundle = Bundle { checkpoints: vec![alone.checkpoint(1, 2)], ..alone.bundle(&[0]) };
    let bundle = Bundle { consistency: vec![], ..bundle };
    assert_eq!(whole(&bundle, &alone).rungs[1].detail, "log.example/pumps, 1 entry");
    // What the log must not hold fails the first rung.
    let mut entries = log.entries.clone();
    entries.push(release(&story().world.approvers[0], &person(0), 4));
    let lax = TestLog::new(entries);
    assert_eq!(whole(&lax.whole(), &lax).rungs[0].state, Failed);
}

/// STA-060: the best word is for who read every entry of a tree that the quorum witnessed.
#[test]
fn sta_060_the_best_word_needs_every_entry_and_the_quorum() {
    let (story, part) = (story(), Extent::Part);
    let log = &story.log;
    let device = Question::Device(story.world.devices[0].id());
    let every = Extent::EveryEntry;
    use Verdict::{Verified, VerifiedSoFar};
    for (n, (quorum, witnesses, extent, question, verdict)) in (0..).zip([
        ("both", 2, every, device, Verified),
        ("both", 1, every, device, VerifiedSoFar),
        ("none", 2, every, device, VerifiedSoFar),
        ("both", 2, part, device, VerifiedSoFar),
        ("both", 2, every, Question::Whole, VerifiedSoFar),
    ]) {
        let mut bundle = log.whole();
        bundle.checkpoints[1] = log.checkpoint(10, witnesses);
        let root = log.root(quorum);
        let report = verify_gathered(&bundle, &root, &RustCrypto, &question, extent);
        assert_eq!(report.verdict, verdict, "row {n}: {:?}", report.findings);
    }
}

/// STA-063: what a check leaves out, whole: nothing that is not there is counted.
#[test]
fn sta_063_what_was_left_out_is_told_whole() {
    use NotChecked as N;
    let log = story().log;
    let told = |bundle: &Bundle, extent| {
        let question = Question::Image([3; 32]);
        verify_gathered(bundle, &log.root("both"), &RustCrypto, &question, extent).not_checked
    };
    let always = [N::TruthOfStatements, N::DeviceClocks, N::Image];
    let part = [&[N::LeftOut][..], &always].concat();
    assert_eq!(told(&log.whole(), Extent::Part), part);
    let every = [&[N::OtherEntries, N::RulesElsewhere][..], &always].concat();
    assert_eq!(told(&log.whole(), Extent::EveryEntry), every);
    let certificates = vec![Certificate { kind: 1, bytes: vec![1] }; 2];
    let certified = Bundle { certificates, ..log.whole() };
    assert_eq!(told(&certified, Extent::Part), [&part[..], &[N::Certificates(2)]].concat());
}

/// `BND-011`: what is altered is said even where it could not be checked either, and a forged
/// genesis gives nobody a key.
#[test]
fn bnd_011_another_genesis_is_named() {
    let log = story().log;
    let mut bundle = log.whole();
    bundle.origin = "log.example/other".into();
    assert_eq!(whole(&bundle, &log).verdict, Verdict::CannotCheck);
    bundle.entries[0].bytes[60] ^= 1;
    assert_eq!(whole(&bundle, &log).verdict, Verdict::Altered);
    (bundle.origin, bundle.checkpoints) = (ORIGIN.into(), vec![]);
    assert_eq!(whole(&bundle, &log).verdict, Verdict::Altered, "without a checkpoint too");
    // Sound in itself, and in a tree that the log signed.
    let mut world = World::new();
    world.admin = Key::p256(99);
    let mut entries = log.entries.clone();
    entries[0] = world.genesis_signed_by(&world.admin);
    let forged = TestLog::new(entries).whole();
    let report = whole(&forged, &log);
    assert_eq!(report.verdict, Verdict::Altered);
    let states = report.entries.iter().map(|it| it.state);
    let good = states.clone().filter(|it| *it == EntryState::Good).count();
    assert_eq!((states.clone().next(), good), (Some(EntryState::SignatureWrong), 0));
    // One tree twice shows no growth.
    let mut still = log.whole();
    still.checkpoints[0] = log.checkpoint(10, 2);
    still.consistency[0].clear();
    let report = whole(&still, &log);
    let [mismatch] = &report.mismatches[..] else { panic!("{:?}", report.mismatches) };
    assert_eq!(mismatch.object, Object::Checkpoint(1));
    assert_eq!((&*mismatch.expected, &*mismatch.got), ("a size above 10", "size 10"));
    assert!(!report.proves_misbehaviour());
}

/// A log that takes any bytes, with what a stranger says of a device, bytes that are no statement,
/// and a statement that stands twice.
fn open() -> (World, TestLog, [usize; 3]) {
    let world = World::new();
    let mut entries = world.entries.clone();
    let Ok(Statement::Trust(mut it)) = Parsed::parse(&entries[0]).unwrap().decode() else {
        panic!("no genesis")
    };
    let TrustAction::Genesis(genesis) = &mut it.action else { panic!("no genesis") };
    genesis.registration = Registration::Any;
    entries[0] = sign(it, "acme.example/admin", "log", &world.admin);
    let said = world.update(0, 0, world.devices[0].seed);
    entries.extend([said.clone(), world.update_by(&Key::p256(99), 0, 1, entry_hash(&said))]);
    entries.extend([b"no statement".to_vec(), said]);
    (world, TestLog::new(entries), [5, 6, 7])
}

/// Where anybody may append, what strangers say spoils no answer that others give.
#[test]
fn strangers_spoil_only_the_questions_that_they_answer() {
    let (world, log, [strange, foreign, twice]) = open();
    let leaf = |index: usize| Hash(leaf_hash(&log.entries[index]));
    let bundle = log.whole();
    let device = Question::Device(world.devices[0].id());
    let rows = [
        (device, Verdict::VerifiedSoFar),
        (Question::Statement(leaf(4)), Verdict::VerifiedSoFar),
        (Question::Statement(leaf(strange)), Verdict::CannotCheck),
        (Question::Whole, Verdict::CannotCheck),
        (Question::Device(world.devices[1].id()), Verdict::CannotCheck),
    ];
    for (question, verdict) in rows {
        let report = ask(&bundle, &log, "both", question);
        let objects: Vec<_> = report.mismatches.iter().map(|it| it.object).collect();
        let named = [Object::Entry(strange as u64)];
        let expected = if verdict == Verdict::CannotCheck { &named[..] } else { &[] };
        assert_eq!((report.verdict, &*objects), (verdict, expected), "{question:?}");
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let states = [strange, foreign, twice].map(|at| report.entries[at].state);
        let first = LeafIndex(4);
        let (unknown, other) = (EntryState::KeyUnknown, EntryState::NotAStatement);
        assert_eq!(states, [unknown, other, EntryState::Repeated(first)]);
        assert!(report.not_checked.contains(&NotChecked::ForeignEntries(1)));
        assert_eq!(report.rungs[0].detail, "5 of 7 statements");
    }
    // Without the stranger nothing speaks against any of it, and who is not there is not found.
    let others: Vec<usize> = (0..log.entries.len()).filter(|it| *it != strange).collect();
    let others = log.bundle(&others);
    assert_eq!(whole(&others, &log).verdict, Verdict::VerifiedSoFar);
    let nobody = Question::Device(world.devices[1].id());
    assert_eq!(ask(&others, &log, "both", nobody).verdict, Verdict::NotFound);
    let every = Extent::EveryEntry;
    let report = verify_gathered(&bundle, &log.root("both"), &RustCrypto, &device, every);
    assert_eq!(report.verdict, Verdict::Verified, "{:?}", report.findings);
}

/// A private value opens the commitment that it was made for, and no other; what stays closed is
/// told.
#[test]
fn a_disclosure_opens_its_own_commitment() {
    let world = World::new();
    let begins = world.release_as("acme.example", 3);
    let (name, why) = (FieldId::PrintedName, FieldId::ReasonText);
    let salt = |n| [n; 16];
    let commitments = [(name, "R. Okafor", 1), (why, "a fix", 2)];
    let committed = commitments.map(|(field, value, n)| Commitment::new(field, &salt(n), value));
    let approval = world.opinion(0, leaf_hash(&begins), Meaning::Approval);
    let Ok(Statement::Approval(mut it)) = Parsed::parse(&approval).unwrap().decode() else {
        panic!("no approval")
    };
    it.commitments = Commitments::new(&committed).unwrap();
    let approval = sign(Statement::Approval(it), &person(0), "ip-200/app", &world.approvers[0]);
    let leaf = leaf_hash(&approval);
    let entries = world.entries.iter().cloned().chain([begins, approval]);
    let log = TestLog::new(entries.collect());
    let disclosed = |entry, field, n, value: &str| {
        let it = Disclosure { entry: Digest(entry), field, salt: salt(n), value: value.into() };
        let mut out = Vec::new();
        it.encode(&mut out).unwrap();
        out
    };
    let [opens_name, opens_why] =
        commitments.map(|(field, value, n)| disclosed(leaf, field, n, value));
    let told = |disclosures: &[&Vec<u8>]| {
        let disclosures = disclosures.iter().map(|it| (*it).clone()).collect();
        let report = whole(&Bundle { disclosures, ..log.whole() }, &log);
        let closed = report.findings.iter().filter_map(|it| match it.evidence {
            Evidence::NotDisclosed { field } => Some((field, it.entries[0].0)),
            _ => None,
        });
        let closed: Vec<_> = closed.collect();
        let counted = report.not_checked.iter().find_map(|it| match it {
            NotChecked::Undisclosed(n) => Some(*n),
            _ => None,
        });
        assert_eq!(counted.unwrap_or(0), closed.len() as u64);
        assert_eq!(report.verdict == Verdict::Altered, !report.mismatches.is_empty());
        (closed, report.mismatches)
    };
    assert_eq!(told(&[]), (vec![(name, 5), (why, 5)], vec![]));
    assert_eq!(told(&[&opens_why]), (vec![(name, 5)], vec![]));
    assert_eq!(told(&[&opens_name, &opens_why]), (vec![], vec![]));
    let other = Commitment::new(why, &salt(2), "a new feature").digest;
    let expected = "a disclosure that opens a commitment of an entry".to_owned();
    let mut long = opens_why.clone();
    long.push(0);
    let rows = [
        (
            disclosed(leaf, why, 2, "a new feature"),
            format!("commitment {}", committed[1].digest),
            format!("commitment {other}"),
        ),
        (
            disclosed(leaf, FieldId::Site, 2, "a fix"),
            expected.clone(),
            "an entry without it".into(),
        ),
        (
            disclosed([9; 32], why, 2, "a fix"),
            expected.clone(),
            "an entry that is not there".into(),
        ),
        (long, expected, "malformed bytes".into()),
    ];
    for (bytes, expected, got) in rows {
        let (closed, mismatches) = told(&[&opens_name, &bytes]);
        assert_eq!(closed, [(why, 5)], "{got}");
        let [mismatch] = &mismatches[..] else { panic!("{mismatches:?}") };
        assert_eq!(mismatch.object, Object::Disclosure(1));
        assert_eq!((&mismatch.expected, &mismatch.got), (&expected, &got));
    }
}
