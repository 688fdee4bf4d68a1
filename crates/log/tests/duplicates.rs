//! What a signed log has it refuses to take in again: every kind of statement, however the log's
//! knowledge was lost meanwhile. Equal bytes are never a fork.

mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use firmlog_log::disk::Disk as _;
use firmlog_log::fault::{Fault, FaultDisk, FaultKind, Op};
use firmlog_log::{Batch, Config, Log, Outcome, Registration, backup_on, restore_on};
use firmlog_tlog::merkle::LeafIndex;
use world::kinds::every_kind;
use world::people::{Device, genesis};
use world::{Seen, append, check_log, fresh, fsck, open, size, small};

/// Runs of 256 entries, and 1,024 to 2,048 recent leaves in memory.
fn signed() -> Config {
    let mut config = small(Path::new("/log"));
    config.registration = Registration::Signed;
    config.segment_bytes = 64 * 1024;
    config.snapshot_entries = 500;
    config.dedup_window = 1;
    config
}

/// A log in which what matters is older than what memory has of it.
struct Old {
    disk: FaultDisk,
    /// What it is, its place, its bytes.
    entries: Vec<(&'static str, u64, Vec<u8>)>,
    /// What a copied key might have said at the same time.
    clone: Vec<u8>,
    devices: Vec<Device>,
}

/// Twenty devices, one of every kind, and 2,600 statements of devices after them.
fn old() -> Old {
    let config = signed();
    let disk = fresh(&config);
    let (log, _) = open(&disk, &config).unwrap();
    let seen = Seen::default();
    let mut entries = vec![("genesis", 0, genesis(Registration::Signed))];
    let mut devices: Vec<Device> = (0..20).map(Device::new).collect();
    for (kind, entry) in every_kind() {
        let outcome = append(&log, &seen, std::slice::from_ref(&entry)).unwrap()[0];
        assert_eq!(outcome, Outcome::Appended { index: LeafIndex(entries.len() as u64) }, "{kind}");
        entries.push((kind, entries.len() as u64, entry));
    }
    let enrolments: Vec<Vec<u8>> = devices.iter().map(Device::enrolment).collect();
    append(&log, &seen, &enrolments).unwrap();
    let clone = devices[0].statement(0, devices[0].prev, 99);
    for round in 0..130 {
        let statements: Vec<Vec<u8>> = devices.iter_mut().map(Device::next).collect();
        let outcomes = append(&log, &seen, &statements).unwrap();
        if round < 2 {
            let place = outcomes[0].index().unwrap().0;
            entries.push(("a device's", place, statements[0].clone()));
        }
    }
    assert_eq!(size(&log.reader()).0, 1 + 14 + 20 + 2600);
    log.close().unwrap();
    Old { disk, entries, clone, devices }
}

fn one(log: &Log, entry: &[u8]) -> Outcome {
    let mut batch = Batch::default();
    log.checker().push(&mut batch, entry).unwrap();
    log.appender().append(batch).unwrap().outcomes[0]
}

/// The answer once there is one.
fn settled(log: &Log, entry: &[u8]) -> Outcome {
    let start = Instant::now();
    loop {
        match one(log, entry) {
            Outcome::Undecided if start.elapsed().as_secs() < 20 => {
                std::thread::sleep(Duration::from_millis(2));
            }
            outcome => return outcome,
        }
    }
}

/// Everything old is answered with its place, and nothing is added.
fn check_all_known(log: &Log, old: &Old, when: &str) {
    let before = size(&log.reader());
    for (kind, index, entry) in &old.entries {
        let expected = Outcome::Duplicate { index: LeafIndex(*index) };
        assert_eq!(settled(log, entry), expected, "{kind} {when}");
    }
    assert_eq!(size(&log.reader()), before, "{when}");
}

fn leaves(disk: &FaultDisk, dir: &str) -> Vec<std::path::PathBuf> {
    let dir = Path::new(dir).join("state/leaves");
    disk.list(&dir).unwrap().iter().map(|name| dir.join(name)).collect()
}

fn forget(disk: &FaultDisk) {
    leaves(disk, "/log").iter().for_each(|path| disk.remove(path).unwrap());
}

#[test]
fn no_kind_of_statement_is_taken_in_twice() {
    let (old, config) = (old(), signed());
    let disk = old.disk.killed();
    let (log, report) = open(&disk, &config).unwrap();
    check_all_known(&log, &old, "after a restart");
    log.close().unwrap();
    assert!(!leaves(&disk, "/log").is_empty());
    forget(&disk);
    let (log, _) = open(&disk, &config).unwrap();
    check_all_known(&log, &old, "after the runs were lost");
    let after = disk.power_cut(3);
    drop(log);
    let (log, _) = open(&after, &config).unwrap();
    check_all_known(&log, &old, "after a loss of power");
    // Hash tiles stay: what was pruned is still known.
    let min = log.prune(LeafIndex(2000)).unwrap();
    assert_eq!(min.0, 2000);
    check_all_known(&log, &old, "after pruning");
    log.close().unwrap();
    forget(&after);
    let (log, _) = open(&after, &config).unwrap();
    check_all_known(&log, &old, "after pruning, and after the runs were lost");
    let disk = Arc::new(after.clone());
    backup_on(&log.reader(), disk.clone(), Path::new("/copy")).unwrap();
    log.close().unwrap();
    let mut moved = config.clone();
    moved.dir = "/log2".into();
    restore_on(disk.clone(), Path::new("/copy"), disk.clone(), &moved).unwrap();
    let (log, _) = open(&disk, &moved).unwrap();
    check_all_known(&log, &old, "in a restored backup of a pruned log");
    assert_eq!(size(&log.reader()).0, report.size);
    log.close().unwrap();
    assert_eq!(fsck(&disk, &moved).damages, vec![]);
}

/// Pruning some ten thousand entries takes tiles whose roots are in full tiles above: but not the
/// leaf hashes of a signed log.
#[test]
fn pruned_leaf_hashes_are_still_known() {
    let (mut old, mut config) = (old(), signed());
    config.batch_bytes_max = 512 * 1024;
    config.segment_bytes = 1 << 20;
    let disk = old.disk.killed();
    let (log, _) = open(&disk, &config).unwrap();
    for _ in 0..330 {
        let ten = old
            .devices
            .iter_mut()
            .flat_map(|device| std::array::from_fn::<_, 10, _>(|_| device.next()));
        append(&log, &Seen::default(), &ten.collect::<Vec<_>>()).unwrap();
    }
    log.close().unwrap();
    let (log, _) = open(&disk, &config).unwrap();
    assert!(log.prune(LeafIndex(68_000)).unwrap().0 > 65_536);
    log.close().unwrap();
    forget(&disk);
    let (log, _) = open(&disk, &config).unwrap();
    check_all_known(&log, &old, "after pruning");
    log.close().unwrap();
    assert_eq!(fsck(&disk, &config).damages, vec![]);
}

/// What a copied key says is still appended, however old its number is.
#[test]
fn other_bytes_are_still_a_fork() {
    let (mut old, config) = (old(), signed());
    let disk = old.disk.killed();
    let (log, _) = open(&disk, &config).unwrap();
    let at = LeafIndex(size(&log.reader()).0);
    assert_eq!(settled(&log, &old.clone), Outcome::Forked { index: at });
    assert_eq!(one(&log, &old.clone), Outcome::Duplicate { index: at });
    let next = old.devices[0].next();
    assert_eq!(one(&log, &next), Outcome::Appended { index: LeafIndex(at.0 + 1) });
    check_all_known(&log, &old, "of a device that forked");
}

/// CHN-007: nothing is made a fork because the log does not know better yet.
#[test]
fn while_it_cannot_tell_it_puts_off() {
    let (mut old, config) = (old(), signed());
    let disk = old.disk.killed();
    forget(&disk);
    let fault = |path: &str| Fault {
        op: Op::Write,
        path: path.into(),
        nth: 0,
        times: u64::MAX,
        kind: FaultKind::NoSpace,
    };
    disk.inject(fault("leaves"));
    let (log, _) = open(&disk, &config).unwrap();
    let before = size(&log.reader());
    for (kind, index, entry) in &old.entries {
        let known = Outcome::Duplicate { index: LeafIndex(*index) };
        let expected = if *kind == "a device's" { Outcome::Undecided } else { known };
        assert_eq!(one(&log, entry), expected, "{kind}");
    }
    assert_eq!(one(&log, &old.clone), Outcome::Undecided);
    assert_eq!(size(&log.reader()), before);
    // Devices that go on are not held up.
    let next = old.devices[1].next();
    assert_eq!(one(&log, &next), Outcome::Appended { index: LeafIndex(before.0) });
    assert_eq!(one(&log, &next), Outcome::Duplicate { index: LeafIndex(before.0) });
    let healthy = disk.killed();
    drop(log);
    let (log, _) = open(&healthy, &config).unwrap();
    check_all_known(&log, &old, "once it can tell");
    assert!(matches!(settled(&log, &old.clone), Outcome::Forked { .. }));
}

/// Wherever the making of runs breaks off, what is left is made again or right.
#[test]
fn no_broken_run_makes_a_fork() {
    let (old, config) = (old(), signed());
    let kinds = [
        FaultKind::Failed,
        FaultKind::FailedPersisted,
        FaultKind::Torn,
        FaultKind::NoSpace,
        FaultKind::PowerCut,
    ];
    let mut seed = 0;
    for kind in kinds {
        for nth in [0, 1, 2, 3, 5, 9, 14, 22, 30, 39] {
            let disk = old.disk.killed();
            forget(&disk);
            let (op, path) = (Op::Write, "leaves".to_owned());
            disk.inject(Fault { op, path, nth, times: 1, kind });
            let what = format!("{kind:?} at {nth}");
            let (log, _) = open(&disk, &config).unwrap();
            seed += 1;
            std::thread::sleep(Duration::from_millis(seed % 7));
            let dead = |disk: &FaultDisk| match seed % 3 {
                0 => disk.killed(),
                _ => disk.power_cut(seed),
            };
            let after = dead(&disk);
            drop(log);
            // Half of the files may be torn now; some are found so only when they are asked.
            let (log, _) = open(&after, &config).unwrap();
            let before = size(&log.reader());
            for (kind, index, entry) in &old.entries {
                let known = Outcome::Duplicate { index: LeafIndex(*index) };
                let outcome = one(&log, entry);
                assert!([known, Outcome::Undecided].contains(&outcome), "{kind}: {what}");
            }
            check_all_known(&log, &old, &what);
            assert_eq!(size(&log.reader()), before, "{what}");
        }
    }
}

/// Bits of all runs change while the log runs.
#[test]
fn damage_is_noticed_before_it_is_believed() {
    let (old, config) = (old(), signed());
    let disk = old.disk.killed();
    let (log, _) = open(&disk, &config).unwrap();
    check_all_known(&log, &old, "before the damage");
    for path in leaves(&disk, "/log") {
        let bytes = disk.read(&path).unwrap().len();
        (64..bytes).step_by(97).for_each(|at| assert!(disk.flip_bit(&path, at, 3)));
    }
    check_all_known(&log, &old, "after all runs were damaged");
}

/// An operator that signs what it likes appends old bytes again: each is named, whatever its kind.
#[test]
fn fsck_names_what_stands_twice() {
    let (old, config) = (old(), signed());
    let disk = old.disk.killed();
    assert_eq!(fsck(&disk, &config).damages, vec![]);
    // As a log of any bytes it asks nobody.
    let mut lax = config.clone();
    (lax.registration, lax.dedup_window) = (Registration::Any, 1);
    let (log, _) = open(&disk, &lax).unwrap();
    for (_, _, entry) in &old.entries {
        append(&log, &Seen::default(), std::slice::from_ref(entry)).unwrap();
    }
    check_log(&log.reader(), &Seen::default());
    let expect = |names: &dyn Fn(u64) -> String, disk: &FaultDisk| {
        let damages = fsck(disk, &config).damages;
        let told: Vec<_> = damages.iter().map(|d| (d.object.clone(), d.got.clone())).collect();
        let expected: Vec<_> = (2635..)
            .zip(&old.entries)
            .map(|(again, (_, first, _))| {
                (names(again), format!("entry {first} once more at {again}"))
            })
            .collect();
        assert_eq!(told, expected);
    };
    // While the write-ahead log alone has them, and once they are in tiles.
    log.close().unwrap();
    let name = |index: u64| format!("tile/entries/010.p/92 entry {index}");
    expect(&name, &disk);
    disk.remove(Path::new("/log/checkpoint")).unwrap();
    let in_wal = disk.killed();
    assert!(fsck(&in_wal, &config).damages.iter().any(|d| d.got.contains("once more at")));
}

/// Entries that an operator appended again as they were are found in a pruned log too.
#[test]
fn fsck_names_what_stands_twice_in_a_pruned_log() {
    let (old, config) = (old(), signed());
    let disk = old.disk.killed();
    let (log, _) = open(&disk, &config).unwrap();
    assert_eq!(log.prune(LeafIndex(2000)).unwrap().0, 2000);
    log.close().unwrap();
    let mut lax = config.clone();
    (lax.registration, lax.dedup_window) = (Registration::Any, 1);
    let (log, _) = open(&disk, &lax).unwrap();
    let (_, first, entry) = old.entries.last().unwrap();
    append(&log, &Seen::default(), std::slice::from_ref(entry)).unwrap();
    log.close().unwrap();
    let damages = fsck(&disk, &config).damages;
    let told: Vec<&str> = damages.iter().map(|d| d.got.as_str()).collect();
    assert_eq!(told, [format!("entry {first} once more at 2635")]);
}
