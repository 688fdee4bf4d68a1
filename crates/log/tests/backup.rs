//! Backup, restore and pruning.

mod world;

use std::path::Path;
use std::sync::Arc;

use firmlog_log::fault::FaultDisk;
use firmlog_log::{Config, Log, LogError, adopt_record_on, backup_on, fsck_on, restore_on};
use firmlog_tlog::merkle::{LeafIndex, TreeSize, leaf_hash, verify_consistency, verify_inclusion};
use firmlog_tlog::note::NoteSigner as _;
use firmlog_verify::crypto::{Crypto, RustCrypto};
use world::{Seen, append, check_log, entry, fresh, key, open, size, small};

fn fill(log: &Log, seen: &Seen, range: std::ops::Range<u64>) {
    for n in range.step_by(50) {
        append(log, seen, &(n..n + 50).map(entry).collect::<Vec<_>>()).unwrap();
    }
}

fn damages(disk: &FaultDisk, config: &Config) -> Vec<firmlog_log::Damage> {
    let crypto: Arc<dyn Crypto> = Arc::new(RustCrypto);
    let disk = Arc::new(disk.clone());
    fsck_on(disk, config, key().verifier_key(), &crypto, &mut |_| {}).unwrap().damages
}

#[test]
fn a_restored_older_backup_refuses_to_sign() {
    let config = small(Path::new("/log"));
    let disk = fresh(&config);
    let (log, _) = open(&disk, &config).unwrap();
    let (seen, old) = (Seen::default(), Path::new("/old"));
    fill(&log, &seen, 0..1000);
    let head = backup_on(&log.reader(), Arc::new(disk.clone()), old).unwrap();
    let at_backup = seen.acknowledged.lock().unwrap().clone();
    assert_eq!(head, log.reader().published().head);
    fill(&log, &seen, 1000..1500);
    log.close().unwrap();
    // The data is lost, the record is not.
    let mut lost = config.clone();
    lost.dir = "/log2".into();
    let again: Arc<FaultDisk> = Arc::new(disk.killed());
    assert_eq!(restore_on(again.clone(), old, again.clone(), &lost).unwrap(), head);
    let refused = open(&again, &lost).map(drop).unwrap_err();
    assert!(matches!(refused, LogError::WouldFork { .. }), "{refused}");
    // On purpose, and with a record of its own.
    lost.record_path = "/record2".into();
    assert!(matches!(open(&again, &lost).map(drop), Err(LogError::RecordMissing(_))));
    adopt_record_on(again.as_ref(), &lost, key().verifier_key(), &RustCrypto).unwrap();
    let (log, _) = open(&again, &lost).unwrap();
    assert_eq!(log.reader().published().head, head);
    let seen = Seen { acknowledged: Arc::new(at_backup.into()), ..Seen::default() };
    check_log(&log.reader(), &seen);
    fill(&log, &seen, 9000..9300);
    check_log(&log.reader(), &seen);
    log.close().unwrap();
    assert_eq!(damages(&again, &lost), vec![]);
}

#[test]
fn a_newest_backup_goes_on() {
    let config = small(Path::new("/log"));
    let disk = fresh(&config);
    let (log, _) = open(&disk, &config).unwrap();
    let seen = Seen::default();
    fill(&log, &seen, 0..500);
    let head = backup_on(&log.reader(), Arc::new(disk.clone()), Path::new("/new")).unwrap();
    let times = received(&log, 500);
    log.close().unwrap();
    let mut moved = config.clone();
    moved.dir = "/log2".into();
    let disk = Arc::new(disk.killed());
    restore_on(disk.clone(), Path::new("/new"), disk.clone(), &moved).unwrap();
    let (log, _) = open(&disk, &moved).unwrap();
    assert_eq!(log.reader().published().head, head);
    assert_eq!(received(&log, 500), times);
    fill(&log, &seen, 500..900);
    check_log(&log.reader(), &seen);
}

fn received(log: &Log, size: u64) -> Vec<u64> {
    let reader = log.reader();
    (0..size).map(|i| reader.received_ms(LeafIndex(i)).unwrap().unwrap()).collect()
}

#[test]
fn a_backup_has_the_times_that_no_tile_has_yet() {
    let mut config = small(Path::new("/log"));
    config.flush_interval = std::time::Duration::from_hours(1);
    let disk = fresh(&config);
    let (log, _) = open(&disk, &config).unwrap();
    let seen = Seen::default();
    for n in 0..20 {
        fill(&log, &seen, n * 50..(n + 1) * 50);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    backup_on(&log.reader(), Arc::new(disk.clone()), Path::new("/new")).unwrap();
    let times = received(&log, 1000);
    assert!(times.first() < times.last(), "{times:?}");
    log.close().unwrap();
    let mut moved = config.clone();
    moved.dir = "/log2".into();
    let disk = Arc::new(disk.killed());
    restore_on(disk.clone(), Path::new("/new"), disk.clone(), &moved).unwrap();
    let (log, _) = open(&disk, &moved).unwrap();
    assert_eq!(received(&log, 1000), times);
}

#[test]
fn pruned_entries_go_and_proofs_stay() {
    let config = small(Path::new("/log"));
    let disk = fresh(&config);
    let (log, _) = open(&disk, &config).unwrap();
    let seen = Seen::default();
    fill(&log, &seen, 0..70_000);
    while log.reader().status().tiles_size < 69_000 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let before = disk.files().len();
    let min = log.prune(LeafIndex(66_000)).unwrap().0;
    assert!((60_000..=66_000).contains(&min), "{min}");
    assert!(disk.files().len() < before - 200);
    let check = |log: &Log| {
        let reader = log.reader();
        let head = reader.published().head;
        assert!(matches!(reader.entry(LeafIndex(min - 1)), Err(LogError::Pruned { .. })));
        for index in (min..head.size.0).step_by(331) {
            let proof = reader.inclusion(LeafIndex(index), head.size).unwrap();
            let bytes = reader.entry(LeafIndex(index)).unwrap();
            verify_inclusion(LeafIndex(index), &leaf_hash(&bytes), &head, &proof).unwrap();
        }
        for old in (min..head.size.0).step_by(173) {
            let old = TreeSize(old);
            let proof = reader.consistency(old, head.size).unwrap();
            let old = firmlog_tlog::merkle::TreeHead { size: old, root: reader.root(old).unwrap() };
            verify_consistency(&old, &head, &proof).unwrap();
        }
    };
    check(&log);
    log.close().unwrap();
    assert_eq!(damages(&disk, &config), vec![]);
    let (log, _) = open(&disk.power_cut(3), &config).unwrap();
    check(&log);
    let grown = size(&log.reader()).0;
    fill(&log, &Seen::default(), 80_000..80_500);
    assert_eq!(size(&log.reader()).0, grown + 500);
    check(&log);
}

#[test]
fn times_of_old_spans_outlive_restarts() {
    let config = small(Path::new("/log"));
    let mut disk = fresh(&config);
    let seen = Seen::default();
    let mut times = Vec::new();
    for (round, n) in [0u64, 140_000, 140_050].into_iter().enumerate() {
        let (log, _) = open(&disk, &config).unwrap();
        assert_eq!(received(&log, times.len() as u64), times, "round {round}");
        let end = [140_000, 140_050, 140_100][round];
        for n in (n..end).step_by(5000) {
            fill(&log, &seen, n..end.min(n + 5000));
        }
        times = received(&log, end);
        if round == 0 {
            log.close().unwrap();
            disk = disk.killed();
        } else {
            disk = disk.power_cut(round as u64);
        }
    }
    let (log, _) = open(&disk, &config).unwrap();
    assert_eq!(received(&log, times.len() as u64), times);
}
