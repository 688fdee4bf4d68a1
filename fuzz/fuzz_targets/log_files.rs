//! The files of a log and of a backup, changed at will: opening, auditing and restoring end, and a
//! log that the audit finds nothing wrong with has no other entry in any place.

#![no_main]

#[path = "../../crates/log/tests/world/mod.rs"]
mod world;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use firmlog_log::disk::Disk as _;
use firmlog_log::fault::FaultDisk;
use firmlog_log::{backup_on, fsck_on, restore_on};
use firmlog_tlog::merkle::LeafIndex;
use firmlog_tlog::note::NoteSigner as _;
use firmlog_verify::crypto::{Crypto, RustCrypto};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use world::{Seen, append, entry, fresh, key, open, small};

const SLOT: usize = 4096;

#[derive(Arbitrary, Debug)]
struct Change<'a> {
    /// Which file.
    file: u8,
    how: How<'a>,
    /// Put the right checksum back where the format has one at a known place.
    seal: bool,
}

#[derive(Arbitrary, Debug)]
enum How<'a> {
    Whole(&'a [u8]),
    Part { at: u16, bytes: &'a [u8] },
    Cut(u16),
    Number { at: u8, value: u64 },
}

struct Base {
    disk: FaultDisk,
    files: Vec<PathBuf>,
    entries: Vec<Vec<u8>>,
}

static BASE: LazyLock<Base> = LazyLock::new(|| {
    let config = small(Path::new("/log"));
    let disk = fresh(&config);
    let (log, _) = open(&disk, &config).expect("a fresh log starts");
    for n in (0..600).step_by(50) {
        let entries: Vec<_> = (n..n + 50).map(entry).collect();
        append(&log, &Seen::default(), &entries).expect("nothing is broken yet");
    }
    backup_on(&log.reader(), Arc::new(disk.clone()), Path::new("/old")).expect("it is copied");
    log.prune(LeafIndex(256)).expect("it is pruned");
    let entries = log.reader().entries(256, 1000).expect("they are there");
    let entries = entries.into_iter().map(|entry| entry.bytes).collect();
    log.close().expect("it closes");
    let mut files = disk.files();
    files.retain(|path| !path.ends_with("lock"));
    files.sort();
    Base { disk, files, entries }
});

fuzz_target!(|changes: Vec<Change>| {
    let (disk, config) = (BASE.disk.killed(), small(Path::new("/log")));
    let mut restored = small(Path::new("/new"));
    restored.record_path = "/new-record".into();
    changes.iter().take(4).for_each(|change| change.make(&disk));
    let clean = fsck_is_clean(&disk);
    if let Ok((log, _)) = open(&disk, &config) {
        let reader = log.reader();
        for (index, entry) in (256..).zip(&BASE.entries) {
            let _ = reader.received_ms(LeafIndex(index));
            let got = reader.entry(LeafIndex(index));
            assert!(!clean || got.is_err() || got.is_ok_and(|got| got == *entry), "entry {index}");
        }
        drop(log);
    }
    let disk = Arc::new(disk.killed());
    let _ = restore_on(disk.clone(), Path::new("/old"), disk, &restored);
});

fn fsck_is_clean(disk: &FaultDisk) -> bool {
    let (config, crypto): (_, Arc<dyn Crypto>) = (small(Path::new("/log")), Arc::new(RustCrypto));
    let disk = Arc::new(disk.clone());
    let report = fsck_on(disk, &config, key().verifier_key(), &crypto, &mut |_| {});
    report.is_ok_and(|report| report.damages.is_empty())
}

impl Change<'_> {
    fn make(&self, disk: &FaultDisk) {
        let path = &BASE.files[usize::from(self.file) % BASE.files.len()];
        let mut bytes = disk.read(path).expect("it is there");
        match self.how {
            How::Whole(new) => bytes = new.to_vec(),
            How::Part { at, bytes: new } => {
                let at = usize::from(at) % bytes.len().max(1);
                let end = (at + new.len()).min(bytes.len());
                bytes[at..end].copy_from_slice(&new[..end - at]);
            }
            How::Cut(len) => bytes.truncate(usize::from(len)),
            How::Number { at, value } => match path.ends_with("min-index") {
                true => bytes = format!("{value}\n").into_bytes(),
                false => {
                    if let Some(room) =
                        bytes.get_mut(usize::from(at)..).and_then(|b| b.get_mut(..8))
                    {
                        room.copy_from_slice(&value.to_le_bytes());
                    }
                }
            },
        }
        if self.seal {
            seal(path, &mut bytes);
        }
        disk.write(path, &bytes).expect("nothing is broken");
    }
}

fn seal(path: &Path, bytes: &mut [u8]) {
    if path.to_string_lossy().contains("state/re") && bytes.len() >= 4 {
        let crc = crc32c::crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
    }
    if path.ends_with("record") {
        for slot in bytes.chunks_exact_mut(SLOT) {
            let crc = crc32c::crc32c(&slot[8..]);
            slot[4..8].copy_from_slice(&crc.to_le_bytes());
        }
    }
}
