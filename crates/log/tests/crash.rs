//! Every storage step, broken in every way, and what is left of the log after it.

mod world;

use std::path::Path;

use firmlog_log::disk::Disk as _;
use firmlog_log::fault::{Fault, FaultDisk, FaultKind, Op};
use firmlog_log::{AppendError, Config, LogError};
use world::{Seen, append, check_log, entry, fresh, fsck, open, size, small};

/// Appends batches of changing size until `total` entries were offered or the log refuses.
fn offer(log: &firmlog_log::Log, seen: &Seen, from: u64, total: u64) -> (u64, Option<AppendError>) {
    let mut next = from;
    while next < from + total {
        let count = 1 + next * 7 % 45;
        let entries: Vec<Vec<u8>> = (next..next + count).map(entry).collect();
        match append(log, seen, &entries) {
            Ok(_) => next += count,
            Err(error) => return (next, Some(error)),
        }
    }
    (next, None)
}

/// One life: open, append into the fault, die, restart, check, resubmit, check.
fn live_through(config: &Config, fault: Fault, cut: Option<u64>) {
    let what = format!("{fault:?} then {cut:?}");
    let disk = fresh(config);
    let seen = Seen::default();
    let offered = match open(&disk, config) {
        Ok((log, _)) => {
            seen.watch(&log.reader());
            disk.inject(fault.clone());
            let (next, error) = offer(&log, &seen, 0, 700);
            check_log(&log.reader(), &seen);
            if let Some(AppendError::FailedStorage(_)) = error {
                let again = append(&log, &seen, &[entry(9999)]);
                assert!(matches!(again, Err(AppendError::FailedStorage(_))), "{what}");
            }
            let after = restart(&disk, cut);
            drop(log);
            (next, after)
        }
        Err(error) => panic!("{what}: {error}"),
    };
    let (next, disk) = offered;
    let (log, report) = open(&disk, config).unwrap_or_else(|e| panic!("{what}: {e}"));
    let published = seen.published.lock().unwrap().last().map_or(0, |p| p.0.size.0);
    assert!(report.size >= published, "{what}");
    check_log(&log.reader(), &seen);
    seen.watch(&log.reader());
    // Those that were never answered are submitted again: each is in the log once.
    let before = next.saturating_sub(60);
    let again: Vec<Vec<u8>> = (before..next + 50).map(entry).collect();
    let first = append(&log, &seen, &again).unwrap();
    let second = append(&log, &seen, &again).unwrap();
    assert!(first.iter().map(|o| o.index()).eq(second.iter().map(|o| o.index())), "{what}");
    offer(&log, &seen, 5_000, 300);
    check_log(&log.reader(), &seen);
    log.close().unwrap();
    let (log, _) = open(&disk, config).unwrap();
    check_log(&log.reader(), &seen);
}

fn restart(disk: &FaultDisk, cut: Option<u64>) -> FaultDisk {
    cut.map_or_else(|| disk.killed(), |seed| disk.power_cut(seed))
}

#[test]
fn every_step_fails_in_every_way() {
    let config = small(Path::new("/log"));
    let kinds = [
        FaultKind::Failed,
        FaultKind::FailedPersisted,
        FaultKind::Torn,
        FaultKind::NoSpace,
        FaultKind::PowerCut,
    ];
    let steps = [
        (Op::Write, "wal/", [0u64, 1, 5]),
        (Op::Sync, "wal/", [0, 1, 7]),
        (Op::Sync, "/log/wal", [1, 8, 20]),
        (Op::Write, "record", [0, 1, 6]),
        (Op::Sync, "record", [0, 1, 9]),
        (Op::Preallocate, "", [0, 1, 2]),
        (Op::Name, "wal/", [0, 1, 2]),
        (Op::Write, "tile/entries", [0, 2, 9]),
        (Op::Write, "tile/0", [0, 2, 9]),
        (Op::Sync, "syncfs", [0, 1, 4]),
        (Op::Write, "checkpoint", [0, 1, 3]),
        (Op::Name, "checkpoint", [0, 1, 3]),
        (Op::Write, "received", [0, 1, 3]),
    ];
    for (op, path, nths) in steps {
        for kind in kinds {
            for nth in nths {
                let path = path.to_owned();
                let fault = Fault { op, path, nth, times: 1, kind };
                live_through(&config, fault.clone(), None);
                live_through(&config, fault, Some(nth * 31 + 7));
            }
        }
    }
}

#[test]
fn the_power_goes_at_any_moment() {
    let config = small(Path::new("/log"));
    for seed in 0..150 {
        let nth = 1 + seed * 13 % 290;
        let fault =
            Fault { op: Op::Any, path: String::new(), nth, times: 1, kind: FaultKind::PowerCut };
        live_through(&config, fault, Some(seed));
    }
}

#[test]
fn many_submitters_and_a_power_cut() {
    let config = small(Path::new("/log"));
    for seed in 0..25 {
        let disk = fresh(&config);
        let seen = Seen::default();
        let (log, _) = open(&disk, &config).unwrap();
        seen.watch(&log.reader());
        let nth = 20 + seed * 41 % 700;
        disk.inject(Fault {
            op: Op::Any,
            path: String::new(),
            nth,
            times: 1,
            kind: FaultKind::PowerCut,
        });
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let (log, seen) = (&log, &seen);
                scope.spawn(move || {
                    for n in 0..300 {
                        // Every fifth entry is one that another thread submits as well.
                        let id = if n % 5 == 0 { n } else { 10_000 * (thread + 1) + n };
                        if append(log, seen, &[entry(id)]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let after = disk.power_cut(seed);
        drop(log);
        let (log, _) = open(&after, &config).unwrap();
        check_log(&log.reader(), &seen);
        offer(&log, &seen, 50_000, 400);
        check_log(&log.reader(), &seen);
    }
}

#[test]
fn a_full_disk_passes() {
    let config = small(Path::new("/log"));
    let disk = fresh(&config);
    let seen = Seen::default();
    let (log, _) = open(&disk, &config).unwrap();
    seen.watch(&log.reader());
    offer(&log, &seen, 0, 100);
    let full = |times| Fault {
        op: Op::Preallocate,
        path: String::new(),
        nth: 0,
        times,
        kind: FaultKind::NoSpace,
    };
    disk.inject(full(u64::MAX));
    let (next, error) = offer(&log, &seen, 100, 5_000);
    // The flusher recycles segments, so a full disk may not even be noticed.
    assert!(matches!(error, None | Some(AppendError::DiskFull)), "{error:?}");
    check_log(&log.reader(), &seen);
    let healthy = restart(&disk, None);
    drop(log);
    let (log, report) = open(&healthy, &config).unwrap();
    assert_eq!(report.size, size(&log.reader()).0);
    offer(&log, &seen, next, 200);
    check_log(&log.reader(), &seen);
}

#[test]
fn on_a_nearly_full_disk_what_fits_becomes_durable() {
    let mut config = small(Path::new("/log"));
    config.backlog_bytes_max = 1 << 20;
    let no_space = |path: &str| Fault {
        op: Op::Write,
        path: path.into(),
        nth: 0,
        times: u64::MAX,
        kind: FaultKind::NoSpace,
    };
    let disk = fresh(&config);
    let seen = Seen::default();
    let (log, _) = open(&disk, &config).unwrap();
    seen.watch(&log.reader());
    offer(&log, &seen, 0, 300);
    wait(&log, |log| log.reader().status().tiles_size == 256);
    disk.inject(no_space("tile/entries"));
    offer(&log, &seen, 300, 2_000);
    let disk = restart(&disk, None);
    drop(log);
    // Six bundles fit, the seventh does not.
    disk.inject(no_space("tile/entries/006"));
    let segments = |disk: &FaultDisk| disk.list(Path::new("/log/wal")).unwrap().len();
    let before = segments(&disk);
    let (log, _) = open(&disk, &config).unwrap();
    wait(&log, |log| log.reader().status().tiles_size == 6 * 256);
    assert!(log.reader().status().stalled.is_some());
    assert!(segments(&disk) < before, "the write-ahead log gave back no room");
    check_log(&log.reader(), &seen);
    let left = restart(&disk, None);
    drop(log);
    let report = fsck(&left, &config);
    assert!(report.damages.is_empty() && report.size > 2_000, "{:?}", report.damages);
    // Behind the checkpoint file, and before what the write-ahead log still has.
    for part in ["tile/entries/003", "tile/0/003"] {
        assert!(left.flip_bit(&Path::new("/log").join(part), 500, 1));
        let report = fsck(&left, &config);
        assert!(report.damages.iter().any(|d| d.object.contains(part)), "{:?}", report.damages);
        assert!(left.flip_bit(&Path::new("/log").join(part), 500, 1));
    }
    let (log, _) = open(&left.killed(), &config).unwrap();
    check_log(&log.reader(), &seen);
    log.close().unwrap();
}

fn wait(log: &firmlog_log::Log, until: impl Fn(&firmlog_log::Log) -> bool) {
    let start = std::time::Instant::now();
    while !until(log) {
        assert!(start.elapsed().as_secs() < 10, "{:?}", log.reader().status());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn refuses_what_is_not_its_own_or_not_the_newest() {
    let config = small(Path::new("/log"));
    let disk = fresh(&config);
    assert!(matches!(
        firmlog_log::Log::create_on(
            std::sync::Arc::new(disk.clone()),
            &config,
            &world::people::genesis(config.registration),
            &firmlog_verify::crypto::RustCrypto,
        ),
        Err(LogError::Exists(_))
    ));
    let (log, _) = open(&disk, &config).unwrap();
    assert!(matches!(open(&disk, &config).map(drop), Err(LogError::Locked(_))));
    let seen = Seen::default();
    offer(&log, &seen, 0, 600);
    log.close().unwrap();
    let mut other = config.clone();
    other.origin = "log.example/other".into();
    assert!(matches!(open(&disk.killed(), &other).map(drop), Err(LogError::OtherOrigin { .. })));
    other = config.clone();
    other.record_path = "/elsewhere".into();
    assert!(matches!(open(&disk.killed(), &other).map(drop), Err(LogError::RecordMissing(_))));
}
