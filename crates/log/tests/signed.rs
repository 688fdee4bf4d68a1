//! A log of signed statements: chains, duplicates, forks, refusals, and the audit of them.

mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use firmlog_log::disk::Disk as _;
use firmlog_log::fault::FaultDisk;
use firmlog_log::{
    Batch, Config, Log, LogError, Outcome, Refusal, Registration, backup_on, restore_on,
};
use firmlog_tlog::merkle::{LeafIndex, leaf_hash, verify_inclusion};
use firmlog_verify::registry::Refusal as Rule;
use world::people::Device;
use world::{Seen, append, check_log, fresh, fsck, open, small};

fn signed() -> Config {
    let mut config = small(Path::new("/log"));
    config.registration = Registration::Signed;
    config.segment_bytes = 32 * 1024;
    config.snapshot_entries = 100;
    config
}

fn appended(index: u64) -> Outcome {
    Outcome::Appended { index: LeafIndex(index) }
}

fn duplicate(index: u64) -> Outcome {
    Outcome::Duplicate { index: LeafIndex(index) }
}

#[test]
fn a_device_is_answered_by_its_chain() {
    let config = signed();
    let disk = fresh(&config);
    let (log, _) = open(&disk, &config).unwrap();
    let seen = Seen::default();
    let mut device = Device::new(1);
    let refused = |entry: &[u8]| log.checker().push(&mut Batch::default(), entry);
    assert_eq!(refused(b"no statement").map_err(|e| matches!(e, Refusal::Malformed(_))), Err(true));
    let early = Device::new(1).next();
    assert_eq!(refused(&early), Err(Refusal::Rule(Rule::KeyUnknown)));
    let enrolment = device.enrolment();
    assert_eq!(append(&log, &seen, std::slice::from_ref(&enrolment)), Ok(vec![appended(1)]));
    assert_eq!(append(&log, &seen, &[enrolment]), Ok(vec![duplicate(1)]));
    let (first, second, third) = (device.next(), device.next(), device.next());
    let mut spoiled = first.clone();
    *spoiled.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&spoiled), Err(Refusal::Rule(Rule::SignatureWrong)));
    assert_eq!(
        append(&log, &seen, &[first.clone(), first.clone()]),
        Ok(vec![appended(2), duplicate(2)])
    );
    let mut batch = Batch::default();
    log.checker().push(&mut batch, &third).unwrap();
    let gap = log.appender().append(batch).unwrap().outcomes;
    let have_hash = firmlog_statement::entry_hash(&first);
    assert_eq!(gap, [Outcome::Gap { have_seq: Some(0), have_hash }]);
    assert_eq!(append(&log, &seen, &[second, third]), Ok(vec![appended(3), appended(4)]));
    assert_eq!(append(&log, &seen, &[first]), Ok(vec![duplicate(2)]));
    // A clone speaks: its statement is evidence, and is kept.
    let clone = device.statement(1, have_hash, 99);
    let forked = Outcome::Forked { index: LeafIndex(5) };
    assert_eq!(append(&log, &seen, std::slice::from_ref(&clone)), Ok(vec![forked]));
    assert_eq!(append(&log, &seen, &[clone]), Ok(vec![duplicate(5)]));
    let last = device.next();
    assert_eq!(append(&log, &seen, &[device.revocation()]), Ok(vec![appended(6)]));
    assert_eq!(refused(&last), Err(Refusal::Rule(Rule::KeyRevoked)));
    check_log(&log.reader(), &seen);
    log.close().unwrap();
    let report = fsck(&disk, &config);
    assert_eq!((report.damages, report.entries, report.signatures), (vec![], 7, 7));
}

/// Forty devices, some hundred statements.
fn fleet(log: &Log, seen: &Seen) -> Vec<Device> {
    let mut devices: Vec<Device> = (0..40).map(Device::new).collect();
    let enrolments: Vec<Vec<u8>> = devices.iter().map(Device::enrolment).collect();
    append(log, seen, &enrolments).unwrap();
    for _ in 0..9 {
        let round: Vec<Vec<u8>> = devices.iter_mut().map(Device::next).collect();
        append(log, seen, &round).unwrap();
    }
    devices
}

#[test]
fn the_registry_comes_back_after_a_power_cut() {
    let config = signed();
    for seed in 0..6 {
        let disk = fresh(&config);
        let (log, _) = open(&disk, &config).unwrap();
        let seen = Seen::default();
        let mut devices = fleet(&log, &seen);
        std::thread::sleep(std::time::Duration::from_millis(30));
        let after = disk.power_cut(seed);
        drop(log);
        let (log, report) = open(&after, &config).unwrap();
        assert_eq!(report.size, 401);
        check_log(&log.reader(), &seen);
        let round: Vec<Vec<u8>> = devices.iter_mut().map(Device::next).collect();
        let outcomes = append(&log, &seen, &round).unwrap();
        assert_eq!(outcomes[0], appended(401));
        assert_eq!(append(&log, &seen, &round).unwrap()[39], duplicate(440));
        log.close().unwrap();
        let (log, report) = open(&after, &config).unwrap();
        assert_eq!(report.registry_replayed, 0);
        check_log(&log.reader(), &seen);
        drop(log);
        assert_eq!(fsck(&after, &config).damages, vec![]);
    }
}

/// Who may speak stays readable and provable, or nothing that is left could be checked.
#[test]
fn pruning_keeps_what_evidence_rests_on() {
    let config = signed();
    let disk = fresh(&config);
    let (log, _) = open(&disk, &config).unwrap();
    let seen = Seen::default();
    let mut devices = fleet(&log, &seen);
    for _ in 0..3 {
        let round: Vec<Vec<u8>> = devices.iter_mut().map(Device::next).collect();
        append(&log, &seen, &round).unwrap();
    }
    log.close().unwrap();
    let (log, _) = open(&disk, &config).unwrap();
    assert_eq!(log.prune(LeafIndex(256)).unwrap().0, 256);
    let check = |log: &Log| {
        let reader = log.reader();
        let head = reader.published().head;
        for index in (0..=40).map(LeafIndex) {
            let bytes = reader.entry(index).unwrap();
            let path = reader.inclusion(index, head.size).unwrap();
            verify_inclusion(index, &leaf_hash(&bytes), &head, &path).unwrap();
        }
        let said = reader.entry(LeafIndex(41));
        assert!(matches!(said, Err(LogError::Pruned { min: 256 })));
        let kept = reader.kept(3, 1000).unwrap();
        assert_eq!((kept.len(), kept[0].index.0, kept[37].index.0), (38, 3, 40));
        assert!(kept[0].received_ms.is_some());
        assert_eq!(reader.kept(0, 2).unwrap().len(), 2);
    };
    check(&log);
    log.close().unwrap();
    assert_eq!(fsck(&disk, &config).damages, vec![]);
    let path = Path::new("/log/kept/00000000000000000000");
    assert!(disk.flip_bit(path, 100, 1));
    let report = fsck(&disk, &config);
    assert_eq!(report.damages.len(), 1, "{report:?}");
    assert_eq!(report.damages[0].object, "kept/00000000000000000000");
    assert!(disk.flip_bit(path, 100, 1));
    let disk = Arc::new(disk.power_cut(1));
    let (log, _) = open(&disk, &config).unwrap();
    check(&log);
    backup_on(&log.reader(), disk.clone(), Path::new("/copy")).unwrap();
    log.close().unwrap();
    let mut moved = config.clone();
    moved.dir = "/log2".into();
    restore_on(disk.clone(), Path::new("/copy"), disk.clone(), &moved).unwrap();
    let (log, _) = open(&disk, &moved).unwrap();
    check(&log);
}

/// Of the files whose path below the log starts so, the one with the highest number at some bytes.
fn newest(disk: &FaultDisk, prefix: &str, at: std::ops::Range<usize>) -> String {
    let number = |path: &str| {
        let bytes = disk.read(&Path::new("/log").join(path)).unwrap();
        bytes[at.clone()].iter().rev().copied().collect::<Vec<u8>>()
    };
    let files = disk.files();
    let below = files.iter().filter_map(|path| path.strip_prefix("/log").ok()?.to_str());
    below.filter(|path| path.starts_with(prefix)).max_by_key(|path| number(path)).unwrap().into()
}

#[test]
fn every_flipped_bit_is_named() {
    let config = signed();
    let disk = fresh(&config);
    let (log, _) = open(&disk, &config).unwrap();
    fleet(&log, &Seen::default());
    log.close().unwrap();
    let sound = fsck(&disk, &config);
    assert_eq!((sound.damages, sound.size, sound.tiles_size), (vec![], 401, 401));
    // The last record of the write-ahead log ends with its last byte that is not zero.
    let snapshot = newest(&disk, "state/registry-", 0..0);
    let segment = newest(&disk, "wal/0", 16..24);
    let wal = disk.read(&Path::new("/log").join(&segment)).unwrap();
    let last_record = wal.iter().rposition(|byte| *byte != 0).unwrap();
    for (path, byte, named) in [
        ("tile/entries/000", 5000, "tile/entries/000 entry"),
        ("tile/entries/001.p/145", 3000, "tile/entries/001.p/145 entry"),
        ("tile/0/000", 77, "tile/0/000 hash 2"),
        ("tile/0/001.p/145", 77, "tile/0/001.p/145 hash 2"),
        ("tile/1/000.p/1", 5, "tile/1/000.p/1 hash 0"),
        ("checkpoint", 30, "checkpoint"),
        (snapshot.as_str(), 900, snapshot.as_str()),
        (segment.as_str(), last_record, "wal"),
        (segment.as_str(), 4200, "wal"),
    ] {
        let path = Path::new("/log").join(path);
        assert!(disk.flip_bit(&path, byte, 1), "{}", path.display());
        let report = fsck(&disk, &config);
        let names: Vec<_> = report.damages.iter().map(|d| d.object.clone()).collect();
        assert!(names.iter().any(|n| n.starts_with(named)), "{}: {names:?}", path.display());
        assert!(disk.flip_bit(&path, byte, 1));
    }
    // Either of the two files of times may be the one that counts, or both.
    let files = disk.files();
    let is_times = |path: &&PathBuf| path.starts_with("/log/state/received");
    let flip = || files.iter().filter(is_times).all(|path| disk.flip_bit(path, 14, 1));
    assert!(flip());
    let report = fsck(&disk, &config);
    assert_eq!(report.damages.len(), 1, "{report:?}");
    assert_eq!(report.damages[0].object, "state/received/00000000");
    assert!(flip());
    assert_eq!(fsck(&disk, &config).damages, vec![]);
}
