//! Model: a log on a disk that breaks as it likes, beside all that was ever acknowledged or shown.
//!
//! However appends, faults, kills, power cuts and flipped bits follow each other: either the log
//! does not start, or all that was acknowledged is there and every checkpoint shown extends to the
//! newest.

#![no_main]

#[path = "../../crates/log/tests/world/mod.rs"]
mod world;

use std::path::Path;

use firmlog_log::Log;
use firmlog_log::fault::{Fault, FaultDisk, FaultKind, Op};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use world::{Seen, append, check_log, entry, fresh, open, small};

#[derive(Arbitrary, Debug)]
enum Step {
    Append(u8),
    Break {
        op: u8,
        kind: u8,
        nth: u8,
    },
    Kill,
    PowerCut(u16),
    /// In the write-ahead log or the never-fork record: tiles are `fsck`'s to check.
    FlipBit {
        file: u8,
        byte: u16,
        bit: u8,
    },
}

fuzz_target!(|steps: Vec<Step>| {
    let config = small(Path::new("/log"));
    let seen = Seen::default();
    let mut disk = fresh(&config);
    let mut log = Some(start(&disk, &seen).expect("a fresh log starts"));
    let mut flipped = false;
    for (n, step) in steps.into_iter().take(16).enumerate() {
        match step {
            Step::Append(count) => {
                let first = n as u64 * 1000;
                let entries: Vec<_> = (first..=first + u64::from(count % 64)).map(entry).collect();
                // A refusal is fine: `seen` only learns of what was acknowledged.
                drop(log.as_ref().map(|log| append(log, &seen, &entries)));
                continue;
            }
            Step::Break { op, kind, nth } => {
                disk.inject(fault(op, kind, nth));
                continue;
            }
            Step::Kill => disk = disk.killed(),
            Step::PowerCut(seed) => disk = disk.power_cut(u64::from(seed)),
            Step::FlipBit { file, byte, bit } => {
                disk = disk.killed();
                flipped |= flip(&disk, file, byte, bit);
            }
        }
        drop(log.take());
        log = start(&disk, &seen);
        if log.is_none() {
            assert!(flipped, "nothing was altered, and yet the log does not start");
            return;
        }
    }
});

fn start(disk: &FaultDisk, seen: &Seen) -> Option<Log> {
    let (log, _) = open(disk, &small(Path::new("/log"))).ok()?;
    check_log(&log.reader(), seen);
    seen.watch(&log.reader());
    Some(log)
}

fn fault(op: u8, kind: u8, nth: u8) -> Fault {
    let ops = [Op::Any, Op::Write, Op::Sync, Op::Name, Op::Preallocate];
    let kinds = [
        FaultKind::Failed,
        FaultKind::FailedPersisted,
        FaultKind::Torn,
        FaultKind::NoSpace,
        FaultKind::PowerCut,
    ];
    let op = ops[usize::from(op) % ops.len()];
    let kind = kinds[usize::from(kind) % kinds.len()];
    Fault { op, path: String::new(), nth: u64::from(nth), times: 1, kind }
}

fn flip(disk: &FaultDisk, file: u8, byte: u16, bit: u8) -> bool {
    let mut files = disk.files();
    files.retain(|path| path.starts_with("/log/wal") || path.ends_with("record"));
    files.sort();
    let Some(path) = files.get(usize::from(file) % files.len().max(1)) else { return false };
    disk.flip_bit(path, usize::from(byte), bit % 8)
}
