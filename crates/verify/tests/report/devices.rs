//! What a report says of devices: the order of their steps, what they lost, and where they stand.

use firmlog_statement::event::EventType::{self, *};

use firmlog_statement::{
    Digest, Event, Parsed, Severity, Statement, Unit, Update, entry_hash, leaf_hash,
};
use firmlog_tlog::merkle::{Hash, LeafIndex};
use firmlog_verify::finding::Evidence;
use firmlog_verify::report::{
    DeviceStanding, Extent, Outcome, Report, standing_of, verify_gathered,
};
use firmlog_verify::{Question, RustCrypto, Verdict};

use crate::common::log::TestLog;
use crate::common::{DEVICES, World, sign};

/// What a device says, changed and signed again.
fn edited(world: &World, entry: &[u8], edit: impl FnOnce(&mut Update)) -> Vec<u8> {
    let Ok(Statement::Update(mut it)) = Parsed::parse(entry).unwrap().decode() else {
        panic!("no update")
    };
    edit(&mut it);
    sign(it, DEVICES, "ip-200/app", &world.devices[0].key)
}

/// The world's keys, and one statement of device 0 for each of these edits.
fn chain<E: Fn(&mut Update)>(edits: impl IntoIterator<Item = E>) -> TestLog {
    let world = World::new();
    let (mut entries, mut prev) = (world.entries.clone(), world.devices[0].seed);
    for (seq, edit) in (0..).zip(edits) {
        let said = edited(&world, &world.update(0, seq, prev), edit);
        prev = entry_hash(&said);
        entries.push(said);
    }
    TestLog::new(entries)
}

/// Asked by somebody who read every entry, of which these are left out.
fn ask(log: &TestLog, device: usize, left_out: &[usize]) -> Report {
    let indices: Vec<_> = (0..log.entries.len()).filter(|it| !left_out.contains(it)).collect();
    let question = Question::Device(World::new().devices[device].id());
    let (root, every) = (log.root("both"), Extent::EveryEntry);
    verify_gathered(&log.bundle(&indices), &root, &RustCrypto, &question, every)
}

/// The order of steps: from the first statement on, or from where a reader comes in, which is
/// believed; after a gap too.
#[test]
fn steps_out_of_order_are_told_from_where_the_order_is_known() {
    type Row<'a> = (&'a [&'a [EventType]], &'a [usize], &'a [(Option<EventType>, EventType)]);
    let rows: &[Row<'_>] = &[
        (&[&[Check, DownloadStarted, Downloaded], &[SignatureVerified]], &[], &[]),
        (&[&[Installed]], &[], &[(None, Installed)]),
        (&[&[LoggerStarted, InstalledState, Committed]], &[], &[(None, Committed)]),
        (&[&[Check], &[InstallStarted]], &[], &[(Some(Check), InstallStarted)]),
        (&[&[Check, Installed, Check]], &[], &[(Some(Check), Installed), (Some(Installed), Check)]),
        // The first statement is left out: entry 4.
        (&[&[Check], &[Installed], &[Reboot]], &[4], &[]),
        (&[&[Check], &[Installed], &[Reboot], &[Check]], &[4], &[(Some(Reboot), Check)]),
        (&[&[Check], &[Installed, Check]], &[4], &[(Some(Installed), Check)]),
        (&[&[Check], &[LoggerStarted, Installed, Reboot]], &[4], &[]),
        (&[&[Check], &[ClockStep], &[Installed], &[Check]], &[4], &[(Some(Installed), Check)]),
        // One in between.
        (&[&[Check], &[DownloadStarted], &[Installed], &[Reboot]], &[5], &[]),
        (&[&[Check], &[Check], &[Installed], &[Check]], &[5], &[(Some(Installed), Check)]),
    ];
    for (n, (statements, left_out, expected)) in rows.iter().enumerate() {
        let log = chain(statements.iter().map(|events| {
            |it: &mut Update| {
                let events: Vec<_> = events.iter().map(|kind| Event::new(*kind, 0)).collect();
                it.events = events.as_slice().try_into().unwrap();
            }
        }));
        let report = ask(&log, 0, left_out);
        let found = report.findings.iter().filter_map(|it| match it.evidence {
            Evidence::SequenceViolation { after, found, .. } => Some((after, found)),
            _ => None,
        });
        assert_eq!(found.collect::<Vec<_>>(), *expected, "row {n}");
        let verdict = if left_out.is_empty() { Verdict::Verified } else { Verdict::VerifiedSoFar };
        assert_eq!(report.verdict, verdict, "row {n}");
    }
}

/// How much of a journal is lost, by the counter of the statement before: nothing, so much, or
/// nobody knows; only nothing lost leaves the answer whole.
#[test]
fn a_lost_journal_is_counted_where_the_device_counts() {
    let rows: &[(&[Option<u64>], Option<u64>)] = &[
        (&[Some(10), Some(11)], Some(0)),
        (&[Some(10), Some(12)], Some(1)),
        (&[Some(10), Some(14)], Some(3)),
        (&[Some(10), Some(10)], None),
        (&[Some(10), Some(9)], None),
        (&[Some(10), None], None),
        (&[None, Some(14)], None),
        (&[Some(10), None, Some(14)], None),
        (&[Some(10), Some(13), Some(14)], Some(0)),
    ];
    for (counters, gone) in rows {
        let last = counters.len() - 1;
        let log = chain((0..=last).map(|n| {
            move |it: &mut Update| {
                it.time.counter = counters[n];
                it.unit = (n == last).then_some(Unit { lost_from: Some(1), ..UNIT });
                // It does not know its last step either: this one is believed.
                let event = Event::new(if n == last { Reboot } else { Check }, 0);
                it.events = [event].as_slice().try_into().unwrap();
            }
        }));
        let report = ask(&log, 0, &[]);
        let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
        let (device, to) = (World::new().devices[0].id(), last as u64);
        let lost = Evidence::JournalLost { device, from: 1, to, gone: *gone };
        assert_eq!(finding.evidence, lost, "{counters:?}");
        let (severity, verdict) = match gone {
            Some(0) => (Severity::Info, Verdict::Verified),
            _ => (Severity::P2, Verdict::VerifiedSoFar),
        };
        assert_eq!((finding.severity, report.verdict), (severity, verdict), "{counters:?}");
    }
}

const UNIT: Unit = Unit {
    manufacturer: None,
    model: None,
    hw_rev: None,
    udi_di: None,
    journal: None,
    dropped: None,
    dropped_root: None,
    lost_from: None,
};

/// The word for a device is the gravest that holds, and nothing of another device's makes it so.
#[test]
fn a_device_stands_by_its_own_statements() {
    let world = World::new();
    let device = &world.devices[0];
    let out = world.step(&device.key, (0, 0, device.seed), Decommissioned, 1);
    let fork = world.update_with(0, 0, device.seed, 7);
    let said = |entries: &[&Vec<u8>]| {
        let other = world.update_by(&world.devices[1].key, 1, 0, world.devices[1].seed);
        let entries = world.entries.iter().chain(entries.iter().copied()).cloned().chain([other]);
        let log = TestLog::new(entries.collect());
        let report = ask(&log, 0, &[]);
        let other = ask(&log, 1, &[]);
        assert_eq!((other.device, other.standing()), (Some(DeviceStanding::InService), IN_SERVICE));
        assert_eq!(report.standing(), report.device.map(DeviceStanding::word));
        (report.device.unwrap(), report.outcome())
    };
    let stolen = world.revoke(&device.key);
    let first = world.update(0, 0, device.seed);
    use DeviceStanding as S;
    assert_eq!(said(&[&first]), (S::InService, Outcome::Proven));
    assert_eq!(said(&[&out]), (S::Decommissioned, Outcome::Proven));
    assert_eq!(said(&[&out, &stolen]), (S::Compromised, Outcome::Against));
    assert_eq!(said(&[&out, &fork, &stolen]), (S::Forked, Outcome::Against));
    assert_eq!(ask(&TestLog::new(world.entries.clone()), 0, &[]).device, None, "it said nothing");
}

const IN_SERVICE: Option<&str> = Some("in service");

/// `BND-012`: the releases that a device names, and those of the bytes it says it runs.
#[test]
fn bnd_012_a_device_is_answered_with_the_releases_that_it_speaks_of() {
    let releases: Vec<Vec<u8>> = [3, 4, 5].map(of_image).into();
    let leaves: Vec<Hash> = releases.iter().map(|it| Hash(leaf_hash(it))).collect();
    let named = leaves[1];
    let log = chain([&(|_: &mut Update| {}) as &dyn Fn(&mut Update), &move |it: &mut Update| {
        it.release = Some(Digest(named.0));
        it.image = Digest([9; 32]);
    }]);
    let (world, mut entries) = (World::new(), log.entries);
    entries.extend(releases);
    // Another device runs the third.
    let other = world.update_by(&world.devices[2].key, 2, 0, world.devices[2].seed);
    let Ok(Statement::Update(mut it)) = Parsed::parse(&other).unwrap().decode() else { panic!() };
    it.image = Digest([5; 32]);
    entries.push(sign(it, DEVICES, "ip-200/app", &world.devices[2].key));
    let log = TestLog::new(entries);
    let of = |device| {
        let report = ask(&log, device, &[]);
        // The log itself says the same of its own entries.
        let own: Vec<_> = (0..).map(LeafIndex).zip(log.entries.iter().cloned()).collect();
        assert_eq!(standing_of(&own, &report.question), report.releases);
        let asked = report.entries.iter().filter(|it| it.asked).map(|it| it.index.0);
        (report.releases.iter().map(|it| it.leaf).collect::<Vec<_>>(), asked.collect::<Vec<_>>())
    };
    assert_eq!(of(0), (vec![leaves[0], leaves[1]], vec![4, 5]));
    assert_eq!(of(2), (vec![leaves[2]], vec![9]));
}

fn of_image(image: u8) -> Vec<u8> {
    let mut it = crate::common::release_body(u64::from(image));
    it.image = Digest([image; 32]);
    sign(Statement::Release(it), "acme.example", "ip-200/app", &World::new().release)
}
