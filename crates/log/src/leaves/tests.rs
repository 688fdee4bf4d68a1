//! Runs on a disk that breaks, against the leaf hashes themselves.

use std::path::Path;
use std::time::Instant;

use firmlog_tlog::merkle::{CompactRange, leaf_hash};
use firmlog_tlog::tile::{TilePath, WIDTH};

use super::run::{Key, Writer, buckets};
use super::*;
use crate::disk::Disk as _;
use crate::fault::FaultDisk;
use crate::tail::Tail;

/// A tree of `size` entries, in tiles.
fn store(size: u64) -> (FaultDisk, Store) {
    let disk = FaultDisk::new();
    let store = open(&disk, size);
    for (id, page) in store.tail().full_tiles(&[], size) {
        let path = Path::new("/log").join(TilePath::Hashes(id).to_string());
        disk.write(&path, &page.tile(WIDTH)).unwrap();
    }
    store.tail_mut().release(size / 256 * 256);
    (disk, store)
}

/// The same tree as a restart finds it, with the newest part in memory.
fn open(disk: &FaultDisk, size: u64) -> Store {
    let (mut tail, mut range) = (Tail::new(0), CompactRange::new());
    for index in 0..size {
        range.push(leaf(index), |level, at, hash| tail.put(level, at, hash));
    }
    let store = Store::new(Arc::new(disk.clone()), "/log".into(), tail, 0);
    store.leaves.grown(size / 256 * 256);
    store
}

fn leaf(index: u64) -> Hash {
    leaf_hash(&index.to_be_bytes())
}

/// Makes what can be made now.
fn make_all(store: &Store, base: u8) {
    loop {
        let Some(job) = store.leaves.state().job(base, &[]) else { return };
        if let Some(run) = keeper::make(store, job).unwrap() {
            for old in store.leaves.install(run) {
                run::remove(store, old.bits(), old.number());
            }
        }
    }
}

fn files(disk: &FaultDisk) -> Vec<String> {
    disk.list(Path::new("/log/state/leaves")).unwrap()
}

#[test]
fn every_leaf_is_found_and_no_other() {
    let (disk, store) = store(5000);
    make_all(&store, 8);
    // 4096, then three blocks of 256, then what no full tile holds.
    assert_eq!(files(&disk), ["08-00000016", "08-00000017", "08-00000018", "12-00000000"]);
    for index in 0..4864 {
        assert_eq!(store.leaves.find(&store, &leaf(index)), Place::At(index));
    }
    for index in 4864..6000 {
        assert_eq!(store.leaves.find(&store, &leaf(index)), Place::NotBefore(4864));
    }
}

#[test]
fn a_record_has_forty_bits_whatever_the_size() {
    for bits in [8u8, 12, 16, 20, 24] {
        for (prefix, place) in [(0, 0), (u32::MAX, (1 << bits) - 1), (0x1234_5678, 200)] {
            let key = Key { prefix, place };
            let bucket = ((u64::from(prefix) << (bits - 8)) >> 32) as usize;
            assert!(bucket < buckets(bits));
            assert!(Key::decode(&key.encode(bits), bucket, bits) == key);
        }
    }
}

#[test]
fn runs_are_taken_up_again_and_others_are_removed() {
    let (disk, store) = store(5000);
    make_all(&store, 8);
    let reloaded = |size| {
        let again = open(&disk, 5000);
        again.leaves.load(&again, size).unwrap();
        again.leaves.find(&again, &leaf(9999))
    };
    assert_eq!(reloaded(5000), Place::NotBefore(4864));
    // A run of entries that this tree does not have.
    assert_eq!(reloaded(4800), Place::NotBefore(4608));
    assert_eq!(files(&disk).len(), 3);
    // A run of another tree: its node is not ours.
    assert!(disk.flip_bit(Path::new("/log/state/leaves/12-00000000"), 30, 0));
    assert_eq!(reloaded(5000), Place::NotBefore(0));
    assert_eq!(files(&disk), ["08-00000016", "08-00000017"]);
}

/// No bit of a run can be changed so that it hides an entry.
#[test]
fn a_changed_bit_is_no_answer_and_is_mended() {
    let (disk, store) = store(256);
    make_all(&store, 8);
    let path = Path::new("/log/state/leaves/08-00000000");
    let bytes = disk.read(path).unwrap();
    assert_eq!(bytes.len(), 64 + 256 * 5 + 8);
    for byte in 0..bytes.len() {
        assert!(disk.flip_bit(path, byte, (byte % 8) as u8));
        let again = open(&disk, 256);
        again.leaves.load(&again, 256).unwrap();
        for index in [0, 17, 255] {
            let found = again.leaves.find(&again, &leaf(index));
            assert!([Place::At(index), Place::NotBefore(0)].contains(&found), "{byte}: {found:?}");
        }
        assert_eq!(again.leaves.find(&again, &leaf(256)), Place::NotBefore(0), "{byte}");
        make_all(&again, 8);
        assert_eq!(disk.read(path).unwrap(), bytes, "byte {byte}");
        assert_eq!(again.leaves.find(&again, &leaf(256)), Place::NotBefore(256));
    }
}

#[test]
fn a_damaged_tile_is_never_taken_for_another_leaf() {
    let (disk, store) = store(512);
    make_all(&store, 8);
    let tile = Path::new("/log/tile/0/001");
    assert!(disk.flip_bit(tile, 32 * 10 + 20, 3));
    assert_eq!(store.leaves.find(&store, &leaf(266)), Place::NotBefore(0));
    assert_eq!(store.leaves.find(&store, &leaf(267)), Place::At(267));
    // Nor is a run made of it.
    let damaged = keeper::make(&store, Job::Build { bits: 8, number: 1 });
    assert!(matches!(damaged, Err(LogError::Damaged { .. })));
}

/// Thirty-two bits are shared by few, and by whoever tries: the whole hash decides.
#[test]
fn equal_prefixes_are_told_apart() {
    let (_, store) = store(256);
    let root = store.node(8, 0).unwrap();
    let mut keys: Vec<Key> = (0..256).map(|at| Key { prefix: 7, place: at }).collect();
    keys.sort_unstable();
    let mut writer = Writer::create(&store, 8, 0).unwrap();
    writer.buckets(1, &keys).unwrap();
    store.leaves.install(writer.finish(&root).unwrap());
    let mut asked = leaf(77);
    asked.0[..4].copy_from_slice(&7u32.to_be_bytes());
    assert_eq!(store.leaves.find(&store, &asked), Place::NotBefore(256));
}

/// `cargo test --release -p firmlog-log --lib leaves -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, not a check"]
fn bytes_and_time_of_ten_million() {
    for size in [10_000_000u64, (1 << 24) - (1 << 16)] {
        let dir = tempfile::tempdir().unwrap();
        let store = on_disk(dir.path(), size);
        let start = Instant::now();
        make_all(&store, 16);
        let made = start.elapsed();
        let runs = store.leaves.state().runs.len();
        let bytes: u64 = std::fs::read_dir(dir.path().join("state/leaves"))
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum();
        let covered = size >> 16 << 16;
        eprintln!(
            "{size} entries: {runs} runs, {:.3} bytes an entry, {:.0} ns an entry to make, {}",
            bytes as f64 / covered as f64,
            made.as_nanos() as f64 / covered as f64,
            peak()
        );
        for (name, known) in [("known", true), ("unknown", false)] {
            let asked = (0..20_000u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % covered);
            let start = Instant::now();
            for index in asked {
                let found = store.leaves.find(&store, &leaf(index + if known { 0 } else { size }));
                assert_eq!(matches!(found, Place::At(at) if at == index), known, "{found:?}");
            }
            eprintln!("  {name}: {} ns a question", start.elapsed().as_nanos() / 20_000);
        }
    }
}

fn on_disk(dir: &Path, size: u64) -> Store {
    let disk = crate::disk::StdDisk::new(dir).unwrap();
    let store = Store::new(Arc::new(disk), dir.into(), Tail::new(0), 0);
    let mut range = CompactRange::new();
    for index in 0..size {
        range.push(leaf(index), |level, at, hash| store.tail_mut().put(level, at, hash));
        if (index + 1) % (1 << 16) == 0 || index + 1 == size {
            let full = (index + 1) / 256 * 256;
            let tiles = store.tail().full_tiles(&[], full);
            for (id, page) in tiles {
                store.disk.write(&store.path(TilePath::Hashes(id)), &page.tile(WIDTH)).unwrap();
            }
            store.tail_mut().release(full);
        }
    }
    store.leaves.grown(size / 256 * 256);
    store
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned()
}
